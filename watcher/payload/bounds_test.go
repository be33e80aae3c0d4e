package payload

import (
	"bytes"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// allocated is how many bytes Decode asks for, which is more than it holds.
func allocated(body []byte, attributes map[string]string) (Message, uint64) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m := Decode(body, attributes)
	runtime.ReadMemStats(&after)
	return m, after.TotalAlloc - before.TotalAlloc
}

// mostMemory holds for any message. Four wrappings cost two copies each at the
// most (base64 without its line breaks, then what it says), a thousand events
// some kilobytes each.
const mostMemory = 16 * MaxSize

// hostile are bodies of almost MaxSize, each meant to make a reader of JSON
// work or hold more than it should.
func hostile() map[string][]byte {
	repeat := func(s string) []byte { return bytes.Repeat([]byte(s), (MaxSize-300)/len(s)) }
	around := func(before, s, after string) []byte {
		return slices.Concat([]byte(before), repeat(s), []byte(after))
	}
	deep := func(open, core, end string, n int) []byte {
		return []byte(strings.Repeat(open, n) + core + strings.Repeat(end, n))
	}
	wrapAll := func(b []byte, names ...string) []byte {
		for _, n := range names {
			b = wrapN(1, b, n)
		}
		return b
	}
	escaped := append(append([]byte(`"`), bytes.Repeat([]byte(`\"`), MaxSize/2-10)...), '"')
	half := bytes.Repeat([]byte("x"), 300_000)
	return map[string][]byte{
		"arrays without end":           repeat("["),
		"objects without end":          repeat(`{"a":`),
		"arrays as deep as may be":     deep("[", "", "]", 9_999),
		"objects as deep as may be":    deep(`{"detail":`, "1", "}", 9_999),
		"messages as deep as may be":   deep(`{"message":`, "{}", "}", 9_999),
		"cloud events without end":     deep(`{"specversion":"1.0","type":"x","data":`, "{}", "}", 9_999),
		"cloud events in arrays":       deep(`[{"specversion":"1.0","type":"x","data":`, "{}", "}]", 4_999),
		"many deep things":             around("[0", ","+string(deep("[", "", "]", 5_000)), "]"),
		"empty objects":                around("[{}", ",{}", "]"),
		"numbers":                      around("[1", ",1", "]"),
		"a number":                     repeat("1"),
		"secrets":                      around(`[{"secret":"x"}`, `,{"secret":"x"}`, "]"),
		"long secrets":                 around(`[1`, `,{"secret":"`+strings.Repeat("s", 1000)+`"}`, "]"),
		"a secret without end":         around(`{"secret":"`, "s", `"}`),
		"keys":                         around(`{"a":1`, `,"a":1`, `}`),
		"keys in escapes":              around(`{"a":1`, `,"\n":1`, `}`),
		"keys that are almost known":   around(`{"a":1`, `,"secre\u0054s":1`, `}`),
		"one key again and again":      around(`{"secret":"x"`, `,"secret":"x"`, `}`),
		"escapes":                      escaped,
		"escapes in a notification":    slices.Concat([]byte(`{"Type":"Notification","Message":`), escaped[100:len(escaped)-1], []byte(`"}`)),
		"quotes in quotes":             wrapAll(half, "quotes", "quotes", "quotes"),
		"base64 in base64":             wrapAll(half, "base64", "base64", "base64", "base64"),
		"a long thing deep within":     wrapAll(around(`{"secret":"`, "s", `"}`)[:400_000], "a foreign CloudEvent", "SNS", "push"),
		"base64 of nothing":            repeat("AAAA"),
		"spaces":                       repeat(" \n"),
		"byte order marks":             repeat("\ufeff"),
		"notifications of arrays":      around(`[1`, `,{"Type":"Notification","Message":"[1,1,1]"}`, "]"),
		"notifications of long arrays": wrapN(4, around(`[1`, `,1`, `]`)[:400_000], "SNS"),
		"resources":                    around(`{"source":"aws.secretsmanager","detail-type":"Secret Label Updated","detail":{},"resources":["x"`, `,"x"`, "]}"),
		"labels":                       around(`{"source":"aws.secretsmanager","detail-type":"AWS API Call via CloudTrail","detail":{"eventName":"PutSecretValue","requestParameters":{"versionStages":["x"`, `,"x"`, `]}}}`),
		"attributes":                   around(`{"attributes":{"a":"b"`, `,"a":"b"`, `},"data":""}`),
		"zero bytes":                   make([]byte, MaxSize),
		"too much":                     make([]byte, 8*MaxSize),
	}
}

func TestNoMessageTakesMoreMemoryThanItMay(t *testing.T) {
	for name, body := range hostile() {
		m, n := allocated(body, nil)
		if (len(body) > MaxSize) != (name == "too much") {
			t.Errorf("%s tries nothing: it has %d bytes", name, len(body))
		}
		if n > mostMemory {
			t.Errorf("%s: %d bytes for a body of %d", name, n, len(body))
		}
		check(t, m)
	}
}

// check holds what is true of every Message.
func check(t *testing.T, m Message) {
	t.Helper()
	total := len(m.Events) + len(m.Ignored) + len(m.Unknown)
	if total == 0 || total > MaxEvents+1 {
		t.Fatalf("%d entries", total)
	}
	if m.Understood() != (len(m.Events)+len(m.Ignored) > 0) {
		t.Fatal("Understood is wrong")
	}
	for _, e := range m.Events {
		shown := []string{string(e.Secret), e.Version, e.Test, string(e.Kind)}
		for _, s := range shown {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsAny(s, "\u2028\u2029\u202e\u2066\ufffd") {
				t.Fatalf("%q is shown", s)
			}
		}
		if e.Secret == "" || len(e.Secret) > maxName || len(e.Version) > maxVersion || len(e.Test) > maxTest {
			t.Fatalf("lengths %d, %d, %d", len(e.Secret), len(e.Version), len(e.Test))
		}
		if e.Source != "" || e.Destination != "" || e.Test != "" && e.Shape != Plain {
			t.Fatalf("%+v holds what no message says", e)
		}
		if _, err := e.Time.MarshalJSON(); err != nil || e.Time.Location() != e.Time.UTC().Location() {
			t.Fatalf("time %v: %v", e.Time, err)
		}
		if !slices.Contains(Shapes(), e.Shape) {
			t.Fatalf("shape %q", e.Shape)
		}
	}
	for _, k := range m.Unknown {
		if !slices.Contains(unknownKinds, k) {
			t.Fatalf("unknown kind %q", k)
		}
	}
	for _, k := range m.Ignored {
		if !slices.Contains(ignoredKinds, k) {
			t.Fatalf("ignored kind %q", k)
		}
	}
}

// FuzzDecode holds that whatever comes, a Message has its form, costs bounded
// memory, and is the same when read again.
func FuzzDecode(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(body, "", "", "")
		f.Add(body, "ce-type", "Microsoft.KeyVault.SecretExpired", "")
	}
	for _, w := range wrappings() {
		f.Add(w.wrap([]byte(plainSample)), "", "", "")
		f.Add(w.wrap(sample(f, "aws_ct_put_secret_value")), "", "", "")
	}
	f.Add([]byte("{}"), "eventType", "SECRET_VERSION_ADD", googleName)
	f.Add([]byte("[[]]"), "a\\", "SECRET_UPDATE", "projects/x/secrets/\n")
	f.Fuzz(func(t *testing.T, body []byte, key, v, secretID string) {
		attributes := map[string]string{key: v, "secretId": secretID}
		m, n := allocated(body, attributes)
		if n > mostMemory {
			t.Fatalf("%d bytes for a body of %d", n, len(body))
		}
		check(t, m)
		again := Decode(body, attributes)
		if !slices.Equal(m.Events, again.Events) || !slices.Equal(m.Ignored, again.Ignored) || !slices.Equal(m.Unknown, again.Unknown) {
			t.Fatalf("%+v the first time, then %+v", m, again)
		}
	})
}

// FuzzWrappings holds that any object or array means in a wrapping what it means bare.
func FuzzWrappings(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(body, uint8(9), uint8(10))
	}
	f.Add([]byte(plainSample), uint8(0), uint8(1))
	all := wrappings()
	f.Fuzz(func(t *testing.T, body []byte, inner, outer uint8) {
		body = trim(body)
		if v := value(body); len(body) > MaxSize/8 || !utf8.Valid(body) || !json.Valid(body) || !v.isObject() && !v.isArray() {
			return // a number may be base64, and a string has its own wrappings
		}
		want := Decode(body, nil)
		if slices.Contains(want.Unknown, TooDeep) {
			return
		}
		in, out := all[int(inner)%len(all)], all[int(outer)%len(all)]
		got := Decode(out.wrap(in.wrap(body)), nil)
		if slices.Contains(got.Unknown, TooDeep) {
			return
		}
		if !slices.Equal(got.Events, want.Events) || !slices.Equal(got.Ignored, want.Ignored) || !slices.Equal(got.Unknown, want.Unknown) {
			t.Fatalf("%s in %s in %s is %+v, bare %+v", body, in.name, out.name, got, want)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"aws_native_secret_label_updated", "aws_sns_envelope", "aws_ct_put_secret_value", "gcp_push_envelope", "az_storage_queue_message_text"} {
		body := sample(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Decode(body, nil)
			}
		})
	}
}

// BenchmarkHostile shows what the worst messages cost in time.
func BenchmarkHostile(b *testing.B) {
	for name, body := range hostile() {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Decode(body, nil)
			}
		})
	}
}
