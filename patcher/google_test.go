package patcher_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/patcher"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func wrapped(s string, width int, end string) string {
	var b strings.Builder
	for len(s) > width {
		b.WriteString(s[:width] + end)
		s = s[width:]
	}
	return b.String() + s + end
}

func compact(text string) string {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		panic(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

func TestAServiceAccountInAnyFormBecomesOneLineOfBase64(t *testing.T) {
	file := account()
	// "??>" in the file makes "/" and "+" likely in its base64.
	odd := account("project_id", "p??>>??~~ÿÿÿ>>>???")
	for _, c := range []struct {
		name, secret, want string
		m                  patcher.Mapping
	}{
		{"the file", file, file, nil},
		{"the file with a byte order mark and a line break", "\uFEFF" + file + "\r\n", file, nil},
		{"the file on one line", compact(file), compact(file), nil},
		{"base64", b64(file), file, nil},
		{"base64 and a line break", b64(file) + "\n", file, nil},
		{"base64 in lines of 76", wrapped(b64(file), 76, "\n"), file, nil},
		{"base64 in lines of 64 with CRLF", wrapped(b64(file), 64, "\r\n"), file, nil},
		{"base64 without padding", strings.TrimRight(b64(file+" "), "="), file, nil},
		{"base64 for URLs", base64.URLEncoding.EncodeToString([]byte(odd)), odd, nil},
		{"base64 for URLs without padding", base64.RawURLEncoding.EncodeToString([]byte(odd)), odd, nil},
		{"base64 of base64", b64(b64(file)), file, nil},
		{"base64 of wrapped base64", b64(wrapped(b64(file), 76, "\n")), file, nil},
		{"base64 of a file with a byte order mark", b64("\uFEFF" + file + "\n"), file, nil},
		{"one JSON string", `"` + b64(file) + `\n"`, file, nil},
		{"the file as the text of a key", object("key.json", file), file, nil},
		{"the file as an object in a key", `{"credentials":` + file + `}`, file, nil},
		{"the file as an object somewhere", `{"data":{"gcp":[` + file + `]}}`, file, patcher.Mapping{"credentials": "/data/gcp/0"}},
		{"base64 somewhere", object("data", map[string]string{"x": b64(file)}), file, patcher.Mapping{"credentials": "/data/x"}},
		{"the whole value by an empty pointer", file, file, patcher.Mapping{"credentials": ""}},
		{"without token_uri", account("token_uri", nil), account("token_uri", nil), nil},
		{"an RSA key in PKCS #1", account("private_key", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey()))),
			account("private_key", pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey()))), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := makeIt(t, google, c.secret, c.m)
			if err != nil {
				t.Fatal(err)
			}
			if want := b64(c.want); got["credentials"] != want || len(got) != 1 {
				t.Errorf("got fields %d, %d bytes; want %d bytes", len(got), len(got["credentials"]), len(want))
			}
			again, err := makeIt(t, google, got["credentials"], nil)
			if err != nil || again["credentials"] != got["credentials"] {
				t.Errorf("what was made is not taken for itself: %v", err)
			}
		})
	}
}

// paddedInside gives a file in base64 whose padding has moved to its middle.
func paddedInside() string {
	file := account()
	text := b64(file + strings.Repeat(" ", (4-len(file)%3)%3))
	return text[:100] + "==" + strings.TrimSuffix(text[100:], "==")
}

func brokenAccounts() []broken {
	bad := func(name, secret string, reason patcher.Reason, says string) broken {
		return broken{name: name, typ: google, secret: secret, field: "credentials", reason: reason, says: says}
	}
	key := pkcs8(rsaKey())
	return []broken{
		bad("a path", "/var/secrets/google/key.json", patcher.ReasonBadFormat, "path"),
		bad("a word", "opensesame!", patcher.ReasonBadFormat, "neither"),
		bad("a placeholder", "<REDACTED>", patcher.ReasonPlaceholder, ""),
		bad("an empty field", object("credentials", " \n"), patcher.ReasonEmpty, ""),
		bad("only the private key", object("private_key", key), patcher.ReasonBadFormat, "whole service account JSON"),
		bad("base64 three times", b64(b64(b64(account()))), patcher.ReasonBadFormat, "neither"),
		bad("base64 that was cut", b64(account())[:101], patcher.ReasonBadFormat, "neither"),
		bad("base64 of half a file", b64(account()[:300]), patcher.ReasonNotJSON, "of the service account JSON"),
		bad("two files in base64", b64(account())+"="+b64(account()), patcher.ReasonBadFormat, "neither"),
		bad("padding in the middle", paddedInside(), patcher.ReasonBadFormat, "neither"),
		bad("base64 of bytes", b64("{\xff}"), patcher.ReasonNotUTF8, "at byte 1"),
		bad("base64 of a file with a key twice", b64(`{"type":"service_account","type":"service_account"}`), patcher.ReasonAmbiguous, "twice"),
		{"half a file", google, account()[:300], nil, "", patcher.ReasonNotJSON, "at byte 300"},
		bad("a user's file", account("type", "authorized_user"), patcher.ReasonBadFormat, `"authorized_user", which holds no key`),
		bad("a federated file", object("type", "external_account", "audience", "//iam.googleapis.com/x"), patcher.ReasonBadFormat, `"external_account"`),
		bad("a type of nobody's", account("type", "my-secret-type"), patcher.ReasonBadFormat, `must be "service_account"`),
		bad("no type", account("type", nil), patcher.ReasonMissingField, `no "type"`),
		bad("no client_email", account("client_email", nil), patcher.ReasonMissingField, `no "client_email"`),
		bad("a client_email that is none", account("client_email", "writer-of-things"), patcher.ReasonBadFormat, "email address"),
		bad("no private_key_id", account("private_key_id", nil), patcher.ReasonMissingField, `no "private_key_id"`),
		bad("an empty private_key_id", account("private_key_id", ""), patcher.ReasonEmpty, "private_key_id"),
		bad("a number for a private_key_id", account("private_key_id", 12345678), patcher.ReasonWrongKind, "a number"),
		bad("a token_uri without https", account("token_uri", "http://oauth2.example"), patcher.ReasonBadFormat, "https://"),
		bad("no private_key", account("private_key", nil), patcher.ReasonMissingField, `no "private_key"`),
		bad("a private_key that a log has hidden", account("private_key", "<redacted>"), patcher.ReasonPlaceholder, "private_key"),
		bad("a private_key that is no PEM", account("private_key", "MIIEvQIBADANBgkqhkiG9w0BAQ"), patcher.ReasonBadFormat, "no PEM"),
		bad("a private_key escaped twice", account("private_key", strings.ReplaceAll(key, "\n", `\n`)), patcher.ReasonBadFormat, "escaped twice"),
		bad("a private_key that was cut", account("private_key", pemOf("PRIVATE KEY", []byte("not a key at all"))), patcher.ReasonBadFormat, `its "private_key" does not parse; was it cut?`),
		bad("a private_key on an elliptic curve", account("private_key", pkcs8(ecKey())), patcher.ReasonBadFormat, "not an RSA key"),
		bad("a certificate", account("private_key", strings.ReplaceAll(key, "PRIVATE KEY", "CERTIFICATE")), patcher.ReasonBadFormat, "no private key"),
		bad("a file and credentials beside it", account("credentials", b64(account())), patcher.ReasonAmbiguous, "also holds credentials"),
		{"JSON without a file", google, object("bucket", "b", "user", "u"), nil, "credentials", patcher.ReasonMissingField, "which holds bucket, user"},
	}
}

func TestAllProblemsOfAServiceAccountAreReportedTogether(t *testing.T) {
	_, err := makeIt(t, google, account("client_email", nil, "private_key_id", nil, "private_key", "x"), nil)
	if err == nil || !strings.Contains(err.Error(), "3 problems") {
		t.Errorf("got %v, want three problems", err)
	}
}
