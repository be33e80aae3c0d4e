package vault_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

const childEnv = "ROTATORD_TEST_READS"

// child is the other half of TestNothingIsWrittenDown: a process that logs in
// and reads a secret with everything turned up, and says that it has.
func child() bool {
	work := strings.Fields(os.Getenv(childEnv))
	if len(work) != 2 {
		return false
	}
	p, err := vault.New(vault.Options{
		Address: work[0], Kubernetes: &vault.Kubernetes{Role: "rotatord", JWTFile: work[1]},
		Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(-100)})),
	})
	must(err)
	ctx := context.Background()
	now, err := p.Current(ctx, planet)
	must(err)
	v, err := p.Read(ctx, planet, now.ID)
	must(err)
	fmt.Println("read", v.Len(), "bytes", v)
	_, err = p.Read(ctx, planet, "99")
	fmt.Println("and not", err)
	p.Close()
	// This one GODEBUG dumps.
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, work[0], http.NoBody)
	must(err)
	r.Header.Set("X-Test", "seen-by-godebug")
	resp, err := http.DefaultClient.Do(r)
	must(err)
	must(resp.Body.Close())
	return true
}

// TestNothingIsWrittenDown turns on whatever could make the SDK, or Go itself,
// write down an answer, in a process of its own, since GODEBUG is read at its
// start. HTTP/2, whose frames GODEBUG dumps, is on offer.
func TestNothingIsWrittenDown(t *testing.T) {
	const canary = `canary-7Hq/+9=`
	s := start(t)
	s.Role("rotatord", "rotatord", "planet", time.Hour, vaulttest.Read("secret", "*")...)
	s.Put("secret", "planet/s3", `{"k":"`+canary+`"}`)
	jwt := s.JWT("rotatord", "planet", time.Now().Add(time.Hour))
	roots := writeFile(t, "roots.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$") //nolint:gosec // this very program
	cmd.Env = append(os.Environ(), childEnv+"="+s.URL()+" "+writeFile(t, "jwt", jwt), "GODEBUG=http2debug=2", "SSL_CERT_FILE="+roots)
	for _, name := range []string{"VAULT_LOG_LEVEL", "VAULT_DEBUG", "VAULT_LOG_FORMAT", "VAULT_OUTPUT_CURL_STRING", "LOG_LEVEL", "DEBUG"} {
		cmd.Env = append(cmd.Env, name+"=debug")
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	said := out.String()
	for what, text := range map[string]string{"the value": canary, "the service account's token": jwt, "the token of the login": "hvs.login-"} {
		quoted, _ := json.Marshal(text)
		for _, form := range []string{text, strings.Trim(string(quoted), `"`), base64.StdEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text))} {
			if strings.Contains(said, form) {
				t.Errorf("%s is written down", what)
			}
		}
	}
	if t.Failed() {
		return // nothing of it is shown here either
	}
	if err != nil || !strings.Contains(said, fmt.Sprintf("read %d bytes %s", len(canary)+len(`{"k":""}`), credential.Redacted)) ||
		!strings.Contains(said, "and not read vault://") || !strings.Contains(said, "logged in to vault") {
		t.Fatalf("the process that reads: %v\n%s", err, said)
	}
	for _, r := range s.Requests() {
		if r.Path != "/" && r.Proto != "HTTP/1.1" {
			t.Errorf("%s goes over %s", r.Path, r.Proto)
		}
	}
	if !strings.Contains(said, "seen-by-godebug") {
		t.Error("GODEBUG dumped nothing, so that the test shows nothing")
	}
}

// TestAnErrorKeepsNothingOfTheAnswer reads answers that break off behind the
// value, or quote what was sent: the SDK's own errors would hold that.
func TestAnErrorKeepsNothingOfTheAnswer(t *testing.T) {
	for _, status := range []int{200, 204, 307, 400, 403, 404, 405, 412, 429, 472, 500, 503} {
		for name, body := range map[string]string{
			"half an answer":         `{"data":{"data":{"k":"canary"},"metadata":{"version":`,
			"a page":                 "<h1>canary</h1>",
			"a token that is quoted": `{"errors":["the token ` + own + ` is canary no"]}`,
			"another version":        `{"data":{"data":{"k":"canary"},"metadata":{"version":7}}}`,
		} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(status)
				if status != http.StatusNoContent {
					_, _ = io.WriteString(w, body)
				}
			}))
			p := mustNew(t, vault.Options{Address: server.URL, Token: credential.NewValue([]byte(own))})
			_, err := p.Read(t.Context(), planet, "3")
			kept(t, name, err)
			_, err = p.Current(t.Context(), planet)
			kept(t, name, err)
			_, err = p.Missing(t.Context(), planet)
			kept(t, name, err)
			p.Close()
			server.Close()
		}
	}
}

// kept holds that an error is made of our own words: nothing in it comes from
// the SDK, nor has the value or the token in it.
func kept(t *testing.T, name string, err error) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		shown := strings.ReplaceAll(fmt.Sprintf("%v %+v %#v %q %x", e, e, e, e, e), hex.EncodeToString([]byte("canary")), "canary")
		shown = strings.ReplaceAll(shown, "0x63, 0x61, 0x6e, 0x61, 0x72, 0x79", "canary") // %#v of bytes
		if name != "a token that is quoted" && strings.Contains(shown, "canary") || strings.Contains(shown, own) {
			t.Errorf("%s: %T shows what it must not", name, e)
		}
		of := reflect.TypeOf(e)
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if strings.Contains(of.PkgPath(), "github.com/hashicorp/") {
			t.Errorf("%s: %T of the SDK's is passed on", name, e)
		}
	}
}
