package google_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth"

	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/google"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

const account = "rotatord@my-project.iam.gserviceaccount.com"

func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// elsewhere gives a provider that asks some other server.
func elsewhere(t testing.TB, server *httptest.Server) *google.Provider {
	t.Helper()
	return mustNew(t, google.Options{
		Endpoint: server.Listener.Addr().String(), MaxBackoff: time.Millisecond,
		CAFile:      writeFile(t, "roots.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))),
		Credentials: auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: tokens(func() string { return "ya29.token" })}),
	})
}

// adc makes a provider use Application Default Credentials.
func adc(o *google.Options) { o.Credentials = nil }

func keyFile(t testing.TB, s *googletest.Server) string {
	t.Helper()
	b, err := s.KeyFile(account)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "key.json", string(b))
}

// TestAServiceAccountKey goes the whole way: a file that the environment names,
// a signed assertion, a token, TLS.
func TestAServiceAccountKey(t *testing.T) {
	s := start(t, googletest.Options{})
	id := s.Create(secretName, []byte("one"))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", keyFile(t, s))
	p := open(t, s, adc)
	before := s.Issued()
	for range 3 {
		if v := current(t, p, secretName); v.ID != id || read(t, p, secretName, id) != "one" {
			t.Error("the key does not read")
		}
	}
	if n := s.Issued() - before; n != 1 {
		t.Errorf("%d tokens for one key, want 1", n)
	}
	for _, r := range s.Requests() {
		if r.Quota != "" {
			t.Errorf("%s is to be counted for %s", r.Method, r.Quota)
		}
	}
}

func TestAQuotaProjectOfTheEnvironmentIsTaken(t *testing.T) {
	s := start(t, googletest.Options{})
	s.Create(secretName, []byte("one"))
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", keyFile(t, s))
	t.Setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "other-project")
	current(t, open(t, s, adc), secretName)
	if r := s.Requests()[0]; r.Quota != "other-project" {
		t.Errorf("%s is counted for %q", r.Method, r.Quota)
	}
}

// TestAKeyThatIsReplacedInItsFileIsNoticed, whether the token service refuses
// the old one or Secret Manager its token.
func TestAKeyThatIsReplacedInItsFileIsNoticed(t *testing.T) {
	for _, c := range []struct {
		name, words string
		hurt        func(s *googletest.Server)
	}{
		{"by the token service", "invalid_grant", func(*googletest.Server) {}},
		{"by Secret Manager", "Unauthenticated", func(s *googletest.Server) { s.RevokeTokens() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, googletest.Options{})
			id := s.Create(secretName, []byte("one"))
			path := keyFile(t, s)
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
			p := open(t, s, adc)
			if c.words == "Unauthenticated" {
				current(t, p, secretName)
			}
			s.RevokeKey(account)
			c.hurt(s)
			_, err := p.Current(t.Context(), secretName)
			if e := reason(t, err); e.Reason != providers.ReasonDenied || !strings.Contains(err.Error(), c.words) {
				t.Fatalf("the old key gives %v", err)
			}
			kept(t, err)
			again, err := os.ReadFile(keyFile(t, s))
			must(err)
			must(os.WriteFile(path, again, 0o600))
			if v := current(t, p, secretName); v.ID != id {
				t.Errorf("version %s", v.ID)
			}
		})
	}
}

func TestCredentialsThatCannotBeUsed(t *testing.T) {
	s := start(t, googletest.Options{})
	s.Create(secretName, []byte("one"))
	for _, c := range []struct{ name, file, want string }{
		{"a file that is not there", "/nowhere/key.json", "is not there"},
		{"rubbish", writeFile(t, "key.json", `{"type": "canary`), "holds no credentials"},
		{"an unknown type", writeFile(t, "key.json", `{"type": "canary"}`), "holds no credentials"},
		{"a key that is none", writeFile(t, "key.json", `{"type": "service_account", "client_email": "a@b", "private_key": "canary", "token_uri": "http://127.0.0.1:1/"}`), "no token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", c.file)
			_, err := open(t, s, adc).Current(t.Context(), secretName)
			if e := reason(t, err); e.Reason != providers.ReasonDenied || !strings.Contains(err.Error(), c.want) || !strings.Contains(e.Hint, "metadata server") {
				t.Error(err)
			}
			kept(t, err)
		})
	}
}

func TestATokenServiceInTrouble(t *testing.T) {
	s := start(t, googletest.Options{})
	s.Create(secretName, []byte("one"))
	for _, c := range []struct {
		name   string
		status int
		body   string
		reason providers.Reason
		words  string
	}{
		{"breaks down", 503, "canary", providers.ReasonUnavailable, "broken down"},
		{"throttles", 429, "canary", providers.ReasonThrottled, "no token"},
		{"refuses in its own words", 400, `{"error":"unauthorized_client","error_description":"canary"}`, providers.ReasonDenied, "unauthorized_client"},
		{"refuses in unknown words", 400, `{"error":"canary"}`, providers.ReasonDenied, "no token"},
		{"answers rubbish", 200, `canary`, providers.ReasonDenied, "no token"},
		{"cuts the connection", 0, "", providers.ReasonUnavailable, "can't be reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer service.Close()
			b, err := s.KeyFile(account)
			must(err)
			file := strings.Replace(string(b), `"token_uri":"`, `"token_uri":"`+service.URL+`/token","was":"`, 1)
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", writeFile(t, "key.json", file))
			_, err = open(t, s, adc).Current(t.Context(), secretName)
			if e := reason(t, err); e.Reason != c.reason || !strings.Contains(err.Error(), c.words) {
				t.Error(err)
			}
			kept(t, err)
		})
	}
}

// TestATokenServiceThatHangsHoldsNobodyLonger than their contexts say: those
// who wait for the one who asks neither.
func TestATokenServiceThatHangsHoldsNobodyLonger(t *testing.T) {
	s := start(t, googletest.Options{})
	s.Create(secretName, []byte("one"))
	asked, release := make(chan struct{}, 1), make(chan struct{})
	p := open(t, s, func(o *google.Options) {
		o.Credentials = auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: slow{asked, release, s.Token()}})
	})
	first := make(chan error, 1)
	go func() {
		_, err := p.Current(context.Background(), secretName)
		first <- err
	}()
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := p.Current(ctx, secretName); providers.ReasonOf(err) != providers.ReasonUnavailable || !strings.Contains(err.Error(), "deadline") {
		t.Error(err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

type slow struct {
	asked, release chan struct{}
	token          string
}

func (s slow) Token(ctx context.Context) (*auth.Token, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	<-s.release
	return tokens(func() string { return s.token }).Token(ctx)
}

func TestNewAsksNobodyAndReadsNothing(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
	mustNew(t, google.Options{CAFile: "/nowhere/roots.pem", Logger: slog.New(slog.DiscardHandler)}).Close()
}

// TestAMetadataServer is a process of its own, since Google's package decides
// once whether there is such a server.
func TestAMetadataServer(t *testing.T) {
	s := start(t, googletest.Options{})
	id := s.Create(secretName, []byte("one"))
	token := s.Token()
	local := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		switch {
		case r.Header.Get("Metadata-Flavor") != "Google":
			w.WriteHeader(http.StatusForbidden)
		case strings.HasSuffix(r.URL.Path, "/service-accounts/default/token"):
			_, _ = io.WriteString(w, `{"access_token":"`+token+`","expires_in":3600,"token_type":"Bearer"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer local.Close()
	said, err := run(t, s, id, "GCE_METADATA_HOST="+local.Listener.Addr().String())
	if err != nil || !strings.Contains(said, "read 3 bytes") {
		t.Errorf("%v\n%s", err, said)
	}
}

// run runs a process that reads the secret, and gives what it writes.
func run(t *testing.T, s *googletest.Server, id string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{s.Address(), rootsFile(t, s), id}, " "))
	cmd.Env = append(cmd.Env, env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
