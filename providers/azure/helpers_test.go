package azure_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	// A developer's own Azure configuration is no part of these tests.
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		for _, of := range []string{"AZURE_", "IDENTITY_", "MSI_", "IMDS_"} {
			if strings.HasPrefix(name, of) {
				must(os.Unsetenv(name))
			}
		}
	}
	must(os.Setenv("PATH", "/nonexistent")) // nor are its command-line tools
	goleak.VerifyTestMain(m)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

const (
	vault  = azuretest.DefaultVault
	prefix = "https://" + vault + "/secrets/"
	canary = "canary-of-azure"
)

// own is rotatord's identity in these tests.
var own = azuretest.App{ID: "11111111-2222-4333-8444-555555555555", Secret: "own-client-secret", Federated: "own.federated.token"}

// start gives a server on loopback that knows own.
func start(t testing.TB, o azuretest.Options) *azuretest.Server {
	t.Helper()
	o.Apps = append(o.Apps, own)
	s := azuretest.New(o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// open gives a provider of that server's secrets, over real TLS and with tokens
// that its Entra gives for own's client secret.
func open(t testing.TB, s *azuretest.Server, with ...func(*azure.Options)) *azure.Provider {
	t.Helper()
	o := azure.Options{Transport: s.RoundTripper(), MaxBackoff: time.Millisecond}
	if network := s.Transport(); network != nil {
		o.Transport = network
	}
	o.Credential = byClientSecret(t, o)
	for _, f := range with {
		f(&o)
	}
	return mustNew(t, o)
}

func byClientSecret(t testing.TB, o azure.Options) azcore.TokenCredential {
	t.Helper()
	c, err := azidentity.NewClientSecretCredential(azuretest.DefaultTenant, own.ID, own.Secret,
		&azidentity.ClientSecretCredentialOptions{ClientOptions: policy.ClientOptions{Transport: through{o}, Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustNew(t testing.TB, o azure.Options) *azure.Provider {
	t.Helper()
	p, err := azure.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// both gives a server and a provider.
func both(t testing.TB) (*azuretest.Server, *azure.Provider) {
	t.Helper()
	s := start(t, azuretest.Options{})
	return s, open(t, s)
}

func current(t testing.TB, p *azure.Provider, s string) credential.Version {
	t.Helper()
	v, err := p.Current(t.Context(), credential.Secret(s))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t testing.TB, p *azure.Provider, s, version string) string {
	t.Helper()
	v, err := p.Read(t.Context(), credential.Secret(s), version)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Clear()
	return string(v.Bytes())
}

// fails holds that err has a reason, and words.
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
			t.Errorf("no %q in: %v", w, err)
		}
	}
	if strings.ContainsAny(err.Error(), "\r\n") {
		t.Errorf("the error has line breaks: %q", err)
	}
}

func contextFor(t testing.TB, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
