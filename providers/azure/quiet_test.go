package azure_test

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
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

// none has no token to give, since nobody asks for one.
type none struct{}

func (none) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.New("none")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}
}

// kept holds that an error is made of our own words: nothing in it comes from
// the SDK, nor has a value in it in any form that fmt gives.
func kept(t *testing.T, err error) {
	t.Helper()
	bytesOf := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", []byte(canary)), "[]byte{"), "}")
	for e := err; e != nil; e = errors.Unwrap(e) {
		shown := fmt.Sprintf("%v\n%+v\n%#v\n%q\n%x", e, e, e, e, e)
		for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), bytesOf, "access-token-"} {
			if strings.Contains(shown, form) {
				t.Errorf("%T shows the value or a token", e)
			}
		}
		of := reflect.TypeOf(e)
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if strings.Contains(of.PkgPath(), "github.com/Azure") {
			t.Errorf("%T of the SDK's is passed on", e)
		}
	}
}

const childEnv = "ROTATORD_TEST_READS"

// child is the other half of TestNothingIsWrittenDown: a process that reads a
// secret with everything turned up, by the provider's own transports, and says
// that it has.
func child() bool {
	work := strings.Fields(os.Getenv(childEnv))
	if len(work) != 3 {
		return false
	}
	p, err := azure.New(azure.Options{Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.Level(-100)}))})
	must(err)
	ctx, s := context.Background(), credential.Secret(work[1])
	_, err = p.Current(ctx, s)
	fmt.Println("at first", err) // the answer with the token breaks off behind it
	for range 3 {
		_, err = p.Current(ctx, s)
		must(err)
		v, err := p.Read(ctx, s, work[2])
		must(err)
		fmt.Println("read", v.Len(), "bytes", v)
	}
	_, err = p.Read(ctx, s, strings.Repeat("0", 32))
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

// tunnels is a proxy that knows how to reach a server's names.
func tunnels(t *testing.T, s *azuretest.Server) string {
	t.Helper()
	var wg sync.WaitGroup
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, err := s.Dial(r.Context(), "tcp", r.Host)
		if r.Method != http.MethodConnect || err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusOK)
		from, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			_ = to.Close()
			return
		}
		for _, ends := range [][2]net.Conn{{from, to}, {to, from}} {
			wg.Add(1)
			go func() {
				defer wg.Done()
				_, _ = io.Copy(ends[0], ends[1])
				_ = from.Close()
				_ = to.Close()
			}()
		}
	}))
	t.Cleanup(func() { proxy.Close(); wg.Wait() })
	return proxy.URL
}

// TestNothingIsWrittenDown turns on whatever could make the SDK, or Go itself,
// write down an answer, in a process of its own, since both read the
// environment at their start.
func TestNothingIsWrittenDown(t *testing.T) {
	s := start(t, azuretest.Options{})
	s.Garble(azuretest.Tokens, 1)
	id := s.Set(vault, "planet", canary, azuretest.Attributes{})
	roots := writeFile(t, "roots.pem", string(s.Roots()))
	h2 := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	h2.EnableHTTP2 = true
	h2.StartTLS()
	defer h2.Close()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+h2.URL+" "+prefix+"planet "+id, "HTTPS_PROXY="+tunnels(t, s), "SSL_CERT_FILE="+bundle(t, roots, h2),
		"GODEBUG=http2debug=2", "AZURE_SDK_GO_LOGGING=all", "AZURE_TENANT_ID="+azuretest.DefaultTenant, "AZURE_CLIENT_ID="+own.ID, "AZURE_CLIENT_SECRET="+own.Secret)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	said := out.String()
	for what, text := range map[string]string{"the value": canary, "rotatord's own secret": own.Secret, "a token": "access-token-"} {
		quoted, _ := json.Marshal(text)
		for _, form := range []string{text, strings.Trim(fmt.Sprintf("%q", string(quoted)), `"`),
			base64.StdEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text))} {
			if strings.Contains(said, form) {
				t.Errorf("%s is written down", what)
			}
		}
	}
	if t.Failed() {
		return // nothing of it is shown here either
	}
	if err != nil || !strings.Contains(said, fmt.Sprintf("read %d bytes %s", len(canary), credential.Redacted)) || !strings.Contains(said, "and not read https:") || !strings.Contains(said, "at first read current version") {
		t.Fatalf("the process that reads: %v\n%s", err, said)
	}
	if !strings.Contains(said, "seen-by-godebug") || !strings.Contains(said, "OUTGOING REQUEST") {
		t.Error("nothing was dumped at all, so that the test shows nothing")
	}
	ofSecrets(t, s.Requests())
}

// ofSecrets holds that what carries secrets has a connection of its own each, and
// that lists share theirs.
func ofSecrets(t *testing.T, requests []azuretest.Request) {
	t.Helper()
	seen, lists := map[string]int{}, map[string]bool{}
	for _, r := range requests {
		if r.Proto != "HTTP/1.1" {
			t.Errorf("%s goes over %s", r.Action, r.Proto)
		}
		seen[r.Remote]++
		if r.Action == "list" && r.Host == vault {
			lists[r.Remote] = true
		}
	}
	for _, r := range requests {
		if (r.Action == "get" || r.Action == "token") && seen[r.Remote] != 1 {
			t.Errorf("a connection with a secret in it was used %d times", seen[r.Remote])
		}
	}
	if len(lists) != 2 { // one until the credentials were made anew, one since
		t.Errorf("lists took %d connections, want 2", len(lists))
	}
}

func writeFile(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// bundle is a file of the authorities of both servers.
func bundle(t *testing.T, roots string, other *httptest.Server) string {
	t.Helper()
	b, err := os.ReadFile(roots)
	if err != nil {
		t.Fatal(err)
	}
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: other.Certificate().Raw})...)
	return writeFile(t, "bundle.pem", string(b))
}
