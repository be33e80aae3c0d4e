package payload

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
)

const (
	arn        = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/dest-a1b2c3"
	awsVersion = "a1b2c3d4-5678-90ab-cdef-EXAMPLE11111"
	googleName = "projects/123456789012/secrets/planet-dest"
	vaultName  = "https://sample-kv.vault.azure.net/secrets/newsecret"
	vaultID    = "ee059b2bb5bc48398a53b168c6cdcb10"
)

// The times of the samples.
var (
	awsTimeOf    = time.Date(2026, 2, 6, 16, 43, 48, 0, time.UTC)
	googleTimeOf = time.Date(2026, 10, 2, 13, 3, 43, 549786000, time.UTC)
	azureTimeOf  = time.Date(2026, 7, 25, 1, 8, 33, 103673600, time.UTC)
)

func one(s Shape, e credential.Event) Message { return Message{Events: []Event{{e, s}}} }
func ignored(k Kind) Message                  { return Message{Ignored: []Kind{k}} }
func unknown(k Kind) Message                  { return Message{Unknown: []Kind{k}} }

func sample(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// samples are all files of testdata by name.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	all := make(map[string][]byte)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		all[name] = sample(t, name)
	}
	return all
}

// edit is a document with a few words replaced; each must be there.
func edit(t testing.TB, doc []byte, pairs ...string) string {
	t.Helper()
	s := string(doc)
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			t.Fatalf("the sample has no %s", pairs[i])
		}
		s = strings.ReplaceAll(s, pairs[i], pairs[i+1])
	}
	return s
}

func quote(s []byte) []byte {
	b, err := json.Marshal(string(s))
	if err != nil {
		panic(err)
	}
	return b
}

func std(s []byte) string { return base64.StdEncoding.EncodeToString(s) }

// wrapping is one way to hide a body.
type wrapping struct {
	name   string
	levels int // wrappings that it is made of
	wrap   func([]byte) []byte
}

func format(before string, encode func([]byte) []byte, after string) func([]byte) []byte {
	return func(b []byte) []byte { return []byte(before + string(encode(b)) + after) }
}

func quote64(b []byte) []byte { return quote([]byte(std(b))) }

func wrappings() []wrapping {
	lines := func(b []byte) []byte {
		var out strings.Builder
		for i, c := range std(b) {
			if i > 0 && i%76 == 0 {
				out.WriteString("\r\n")
			}
			out.WriteRune(c)
		}
		return []byte(out.String() + "\n")
	}
	as := func(e *base64.Encoding) func([]byte) []byte {
		return func(b []byte) []byte { return []byte(e.EncodeToString(b)) }
	}
	same := func(b []byte) []byte { return b }
	return []wrapping{
		{"spaces", 0, format(" \r\n\t", same, "\n ")},
		{"a byte order mark", 0, format("\ufeff", same, "")},
		{"quotes", 1, quote},
		{"base64", 1, as(base64.StdEncoding)},
		{"base64 without padding", 1, as(base64.RawStdEncoding)},
		{"base64 for URLs", 1, as(base64.URLEncoding)},
		{"base64 for URLs without padding", 1, as(base64.RawURLEncoding)},
		{"base64 in lines", 1, lines},
		{"base64 in quotes", 2, quote64},
		{"SNS", 1, format(`{"Type":"Notification","MessageId":"m","TopicArn":"arn:aws:sns:us-west-2:123456789012:t","Message":`, quote, `,"Timestamp":"2026-02-06T16:43:49.000Z","SignatureVersion":"1"}`)},
		{"push", 1, format(`{"message":{"attributes":{"origin":"x","eventType":"mine"},"data":`, quote64, `,"messageId":"1"},"subscription":"projects/p/subscriptions/s"}`)},
		{"push without attributes", 1, format(`{"subscription":"projects/p/subscriptions/s","message":{"data":`, quote64, `,"messageId":"1"}}`)},
		{"a pulled message", 1, format(`{"attributes":{"origin":"x"},"data":`, quote64, `}`)},
		{"a pulled message whose data is clear", 1, format(`{"attributes":{},"data":`, quote, `}`)},
		{"a foreign CloudEvent", 1, format(`{"specversion":"1.0","id":"1","source":"/x","type":"org.example.wrapped","time":"2020-01-01T00:00:00Z","data":`, quote, `}`)},
		{"a foreign CloudEvent in base64", 1, format(`{"specversion":"1.0","id":"1","source":"/x","type":"org.example.wrapped","data_base64":`, quote64, `}`)},
		{"a foreign event of Event Grid", 1, format(`[{"id":"1","topic":"/x","subject":"","eventType":"Example.Wrapped","eventTime":"2020-01-01T00:00:00Z","dataVersion":"1","data":`, quote, `}]`)},
	}
}
