package google_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/google"
	"github.com/rotatord/rotatord/providers/google/googletest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	// A developer's own configuration is no part of these tests.
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		for _, of := range []string{"GOOGLE_", "GCE_", "CLOUDSDK_", "GRPC_"} {
			if strings.HasPrefix(name, of) {
				must(os.Unsetenv(name))
			}
		}
	}
	must(os.Setenv("CLOUDSDK_CONFIG", os.DevNull))
	goleak.VerifyTestMain(m)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

const (
	secretName = "projects/my-project/secrets/planet-gcs"
	byNumber   = "projects/123456789012/secrets/planet-gcs"
	regional   = "projects/my-project/locations/europe-west3/secrets/planet-gcs"

	list, get, access = "ListSecretVersions", "GetSecretVersion", "AccessSecretVersion"
)

// start gives a server on loopback.
func start(t testing.TB, o googletest.Options) *googletest.Server {
	t.Helper()
	s := googletest.New(o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// inMemory gives a server and a provider without a network, for bubbles. Both
// end with the function that is given back.
func inMemory(t testing.TB) (*googletest.Server, *google.Provider, func()) {
	t.Helper()
	s := googletest.New(googletest.Options{})
	if err := s.StartInMemory(); err != nil {
		t.Fatal(err)
	}
	p := open(t, s, func(o *google.Options) { o.Dial = s.Dial })
	return s, p, func() {
		p.Close()
		s.Close()
	}
}

type tokens func() string

func (f tokens) Token(context.Context) (*auth.Token, error) {
	return &auth.Token{Value: f(), Type: "Bearer", Expiry: time.Now().Add(time.Hour)}, nil
}

// static gives credentials with one token, which the server takes.
func static(s *googletest.Server) *auth.Credentials {
	token := s.Token()
	return auth.NewCredentials(&auth.CredentialsOptions{TokenProvider: tokens(func() string { return token })})
}

func rootsFile(t testing.TB, s *googletest.Server) string {
	t.Helper()
	return writeFile(t, "roots.pem", string(s.Roots()))
}

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// open gives a provider of that server's secrets, over real gRPC and TLS.
func open(t testing.TB, s *googletest.Server, with ...func(*google.Options)) *google.Provider {
	t.Helper()
	o := google.Options{Endpoint: s.Address(), CAFile: rootsFile(t, s), Credentials: static(s), MaxBackoff: time.Millisecond}
	for _, f := range with {
		f(&o)
	}
	return mustNew(t, o)
}

func mustNew(t testing.TB, o google.Options) *google.Provider {
	t.Helper()
	p, err := google.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// both gives a server and a provider.
func both(t testing.TB) (*googletest.Server, *google.Provider) {
	t.Helper()
	s := start(t, googletest.Options{})
	return s, open(t, s)
}

func current(t testing.TB, p *google.Provider, s credential.Secret) credential.Version {
	t.Helper()
	v, err := p.Current(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t testing.TB, p *google.Provider, s credential.Secret, version string) string {
	t.Helper()
	v, err := p.Read(t.Context(), s, version)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Clear()
	return string(v.Bytes())
}

// reason holds that err is one of the contract's and gives it.
func reason(t testing.TB, err error) *providers.Error {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *providers.Error: %v", err, err)
	}
	return e
}
