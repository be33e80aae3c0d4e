package patcher_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
)

const (
	amazon = "amazon_s3"
	google = "google_cloud_storage"
	azure  = "azure_blob_storage"
	oracle = "oracle_cloud_storage"
	s3     = "s3_compatible"
)

// now is the time at which all secrets of the tests are looked at.
var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

const (
	keyID     = "AKIAQ2W3E4R5T6Y7U8I9"
	keySecret = "s3cr3tGf/9xPq+ZkLmN0vBcXzAsDfGhJkLqWeRtY"
	oracleID  = "0123456789abcdef0123456789abcdef01234567"
	oracleKey = "b3JhY2xlLXNlY3JldC1rZXktZm9yLXRlc3RzLTEyMzQ="
	goodSig   = "sig=aB3%2FxYz0123456789AbCdEfGhIjKlMnOpQrStUv%2Bw8%3D"
	goodSAS   = "sv=2024-11-04&sr=c&sp=rwdl&st=2026-06-01T00:00:00Z&se=2026-07-01T00%3A00%3A00Z&spr=https&" + goodSig
)

// rsaKey is made once: a small key is as good here and much quicker.
var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(typ string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
}

func pkcs8(key any) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pemOf("PRIVATE KEY", der)
}

func ecKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// account gives a service account file, changed by the pairs of name and value
// that follow; a nil value removes the name.
func account(pairs ...any) string {
	file := map[string]any{
		"type":           "service_account",
		"project_id":     "project",
		"private_key_id": "8f3a1c77d2e94b06a5b1",
		"private_key":    pkcs8(rsaKey()),
		"client_email":   "writer@project.iam.gserviceaccount.com",
		"token_uri":      "https://oauth2.googleapis.com/token",
	}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == nil {
			delete(file, pairs[i].(string))
			continue
		}
		file[pairs[i].(string)] = pairs[i+1]
	}
	text, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(text)
}

func object(pairs ...any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		value, err := json.Marshal(pairs[i+1])
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "%s%q: %s", []string{"{", ", "}[min(i, 1)], pairs[i], value)
	}
	return b.String() + "}"
}

// makeIt calls Make and gives the parameters as plain strings. It sees to it
// that the value was left alone.
func makeIt(t testing.TB, typ, secret string, m patcher.Mapping) (map[string]string, error) {
	t.Helper()
	value := credential.NewValue([]byte(secret))
	p, err := patcher.Make(typ, value, m, now)
	if string(value.Bytes()) != secret {
		t.Errorf("Make changed the value it was given")
	}
	if err != nil {
		if len(p.Names()) > 0 {
			t.Errorf("Make gave parameters beside an error")
		}
		return nil, err
	}
	value.Clear() // what was made must not share its memory
	got := make(map[string]string)
	for _, name := range p.Names() {
		got[name] = string(p.Get(name).Bytes())
	}
	return got, nil
}

// valuesOf gives every string below a JSON secret, or the secret itself when
// it is a bare token. What a file says of its type and of Google's address is
// no secret, and the words of our own messages.
func valuesOf(secret string) []string {
	var root any
	if json.Unmarshal([]byte(secret), &root) != nil {
		if strings.HasPrefix(strings.TrimSpace(secret), "{") {
			return nil // broken JSON: its keys and values can't be told apart
		}
		return []string{secret}
	}
	var all []string
	var walk func(key string, v any)
	walk = func(key string, v any) {
		switch v := v.(type) {
		case string:
			if key != "type" && key != "token_uri" {
				all = append(all, v)
			}
		case float64:
			all = append(all, fmt.Sprint(int64(v)))
		case []any:
			for _, e := range v {
				walk("", e)
			}
		case map[string]any:
			for k, e := range v {
				walk(k, e)
			}
		}
	}
	walk("", root)
	return all
}

// publicWords are ours, and happen to be in some of the test values too.
var publicWords = strings.NewReplacer("secret", "·", "restype", "·", "SharedAccessSignature", "·", "account", "·", "service", "·",
	"google", "·", "credentials", "·")

// sharedWith finds six bytes of a value in an error.
func sharedWith(err error, value string) string {
	text := publicWords.Replace(fmt.Sprintf("%v %+v %#v", err, err, err))
	for i := 0; i+6 <= len(value); i++ {
		if strings.Contains(text, value[i:i+6]) {
			return value[i : i+6]
		}
	}
	return ""
}
