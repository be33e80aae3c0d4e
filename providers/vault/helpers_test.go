package vault_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	// A developer's own Vault is no part of these tests.
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "VAULT_") {
			must(os.Unsetenv(name))
		}
	}
	goleak.VerifyTestMain(m)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

const own = "hvs.rotatord-own-token"

// start gives a server over TLS on loopback that knows own, with these rules.
func start(t testing.TB, rules ...vaulttest.Rule) *vaulttest.Server {
	t.Helper()
	s := vaulttest.New()
	s.StartTLS()
	t.Cleanup(s.Close)
	if rules == nil {
		rules = vaulttest.Read("secret", "*")
	}
	s.Token(own, 0, rules...)
	return s
}

// open gives a provider of that server's secrets.
func open(t testing.TB, s *vaulttest.Server, with ...func(*vault.Options)) *vault.Provider {
	t.Helper()
	o := vault.Options{Address: s.URL(), Token: credential.NewValue([]byte(own)), RootCAs: trusting(s)}
	for _, f := range with {
		f(&o)
	}
	p, err := vault.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func trusting(s *vaulttest.Server) *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return roots
}

// both gives a server and a provider.
func both(t testing.TB) (*vaulttest.Server, *vault.Provider) {
	t.Helper()
	s := start(t)
	return s, open(t, s)
}

const planet = credential.Secret("vault://secret/planet/s3")

func current(t testing.TB, p *vault.Provider, s credential.Secret) credential.Version {
	t.Helper()
	v, err := p.Current(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t testing.TB, p *vault.Provider, s credential.Secret, version string) string {
	t.Helper()
	v, err := p.Read(t.Context(), s, version)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Clear()
	return string(v.Bytes())
}

// fails holds that err is one of the contract's, with that reason, and that
// its text has the words.
func fails(t testing.TB, err error, reason providers.Reason, words ...string) {
	t.Helper()
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *providers.Error: %v", err, err)
	}
	if e.Reason != reason {
		t.Errorf("reason %q, want %q: %v", e.Reason, reason, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
	if strings.Contains(err.Error(), own) {
		t.Error("the error shows the token")
	}
}

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
