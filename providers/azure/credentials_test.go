package azure_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

// chained is open with DefaultAzureCredential.
func chained(t *testing.T, s *azuretest.Server) *azure.Provider {
	t.Helper()
	o := azure.Options{Transport: s.RoundTripper(), MaxBackoff: time.Millisecond}
	if network := s.Transport(); network != nil {
		o.Transport = network
	}
	return mustNew(t, o)
}

// environment is what an owner of a client secret sets.
func environment(t *testing.T, secret string) {
	t.Helper()
	t.Setenv("AZURE_TENANT_ID", azuretest.DefaultTenant)
	t.Setenv("AZURE_CLIENT_ID", own.ID)
	t.Setenv("AZURE_CLIENT_SECRET", secret)
}

// workload is what the webhook of workload identity sets.
func workload(t *testing.T, token string) (file string) {
	t.Helper()
	file = writeFile(t, "token", token)
	t.Setenv("AZURE_TENANT_ID", azuretest.DefaultTenant)
	t.Setenv("AZURE_CLIENT_ID", own.ID)
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", file)
	t.Setenv("AZURE_AUTHORITY_HOST", "https://"+azuretest.Entra+"/")
	return file
}

func TestWhereCredentialsComeFrom(t *testing.T) {
	for _, c := range []struct {
		name    string
		options azuretest.Options
		set     func(*testing.T)
		actions string
	}{
		{"a client secret in the environment", azuretest.Options{}, func(t *testing.T) { environment(t, own.Secret) }, "token"},
		{"workload identity", azuretest.Options{}, func(t *testing.T) { workload(t, own.Federated) }, "token"},
		// The SDK keeps a machine's tokens for the whole process, and with them for
		// the next run of this test, unless they are about to expire.
		{"the identity of the machine", azuretest.Options{Machine: own.ID, TokenLife: 4 * time.Minute}, func(*testing.T) {}, "machine"},
		{"an identity of the machine that is named", azuretest.Options{Machine: own.ID, TokenLife: 4 * time.Minute}, func(t *testing.T) { t.Setenv("AZURE_CLIENT_ID", own.ID) }, "machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.options)
			c.set(t)
			p := chained(t, s)
			id := s.Set(vault, "planet", "x", azuretest.Attributes{})
			for range 3 {
				if current(t, p, prefix+"planet").ID != id || read(t, p, prefix+"planet", id) != "x" {
					t.Fatal("that is another secret")
				}
			}
			for _, r := range s.Requests() {
				if (r.Action == "list" || r.Action == "get") && r.Status == http.StatusOK && r.App != own.ID {
					t.Errorf("%s as %q", r.Action, r.App)
				}
				if r.Action == "token" && r.Tenant != azuretest.DefaultTenant {
					t.Errorf("a token of tenant %q", r.Tenant)
				}
			}
			if s.Count(c.actions) == 0 || s.Count("token") > 1 {
				t.Errorf("%d requests for a token, %d for the machine's", s.Count("token"), s.Count("machine"))
			}
		})
	}
}

func TestCredentialsThatDoNotWork(t *testing.T) {
	for _, c := range []struct {
		name    string
		options azuretest.Options
		set     func(*testing.T)
		hurt    func(*azuretest.Server)
		reason  providers.Reason
		words   []string
	}{
		{"none at all", azuretest.Options{}, func(*testing.T) {}, nil, providers.ReasonDenied, []string{"no credentials were found", "workload identity, managed identity, Azure CLI"}},
		{"a wrong client secret", azuretest.Options{}, func(t *testing.T) { environment(t, "wrong-"+canary) }, nil, providers.ReasonDenied, []string{"AADSTS7000215", "AZURE_CLIENT_SECRET"}},
		{"an unknown tenant", azuretest.Options{}, func(t *testing.T) {
			environment(t, own.Secret)
			t.Setenv("AZURE_TENANT_ID", "00000000-0000-4000-8000-000000000001")
			t.Setenv("AZURE_ADDITIONALLY_ALLOWED_TENANTS", "00000000-0000-4000-8000-000000000002")
		}, nil, providers.ReasonDenied, []string{"tenant " + azuretest.DefaultTenant, "AZURE_ADDITIONALLY_ALLOWED_TENANTS"}},
		{"a vault of another tenant", azuretest.Options{Tenant: "00000000-0000-4000-8000-000000000003"}, func(t *testing.T) { environment(t, own.Secret) }, nil,
			providers.ReasonDenied, []string{"tenant 00000000-0000-4000-8000-000000000003", "another"}},
		{"an unknown application", azuretest.Options{}, func(t *testing.T) {
			environment(t, own.Secret)
			t.Setenv("AZURE_CLIENT_ID", "00000000-0000-4000-8000-000000000004")
		}, nil, providers.ReasonDenied, []string{"AADSTS700016", "AZURE_CLIENT_ID"}},
		{"a federated token that fits nothing", azuretest.Options{}, func(t *testing.T) { workload(t, canary) }, nil, providers.ReasonDenied, []string{"AADSTS700213", "system:serviceaccount"}},
		{"a federated token that is not there", azuretest.Options{}, func(t *testing.T) { must(os.Remove(workload(t, canary))) }, nil, providers.ReasonDenied, []string{"give no token", "files and variables"}},
		{"an authority that can't be", azuretest.Options{}, func(t *testing.T) {
			environment(t, own.Secret)
			t.Setenv("AZURE_AUTHORITY_HOST", "http://login.example.com")
		}, nil, providers.ReasonDenied, []string{"no credentials were found"}},
		{"a choice of credentials that can't be", azuretest.Options{}, func(t *testing.T) { t.Setenv("AZURE_TOKEN_CREDENTIALS", "nonsense") }, nil, providers.ReasonDenied, []string{"AZURE_TOKEN_CREDENTIALS"}},
		{"an Entra that throttles", azuretest.Options{}, func(t *testing.T) { environment(t, own.Secret) },
			func(s *azuretest.Server) { s.Throttle(azuretest.Tokens, azuretest.Forever, 0) }, providers.ReasonThrottled, []string{"429"}},
		{"an Entra that fails", azuretest.Options{}, func(t *testing.T) { environment(t, own.Secret) },
			func(s *azuretest.Server) { s.Fail(azuretest.Tokens, azuretest.Forever, 503) }, providers.ReasonUnavailable, []string{"503"}},
		{"an Entra that cuts", azuretest.Options{}, func(t *testing.T) { environment(t, own.Secret) },
			func(s *azuretest.Server) { s.Cut(azuretest.Tokens, azuretest.Forever) }, providers.ReasonUnavailable, []string{"cut", "can Entra be reached"}},
		{"an Entra whose answer breaks off behind the token", azuretest.Options{}, func(t *testing.T) { environment(t, own.Secret) },
			func(s *azuretest.Server) { s.Garble(azuretest.Tokens, azuretest.Forever) }, providers.ReasonDenied, []string{"give no token"}},
		{"another authority than one's own", azuretest.Options{}, func(t *testing.T) {
			environment(t, own.Secret)
			t.Setenv("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.us/")
		}, nil, providers.ReasonUnavailable, []string{"does not resolve", "AZURE_AUTHORITY_HOST"}},
		{"a metadata service that knows another identity", azuretest.Options{Machine: own.ID}, func(t *testing.T) { t.Setenv("AZURE_CLIENT_ID", "00000000-0000-4000-8000-000000000005") },
			nil, providers.ReasonDenied, []string{"no token", "400"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.options)
			c.set(t)
			p := chained(t, s)
			s.Set(vault, "planet", "x", azuretest.Attributes{})
			if c.hurt != nil {
				c.hurt(s)
			}
			_, err := p.Current(t.Context(), prefix+"planet")
			fails(t, err, c.reason, c.words...)
			kept(t, err)
			if n := len(err.Error()); n > 700 {
				t.Errorf("the error has %d characters", n)
			}
		})
	}
}

// TestCredentialsThatWereMendedAreNoticed by the same Provider.
func TestCredentialsThatWereMendedAreNoticed(t *testing.T) {
	s := start(t, azuretest.Options{})
	environment(t, "wrong")
	p := chained(t, s)
	id := s.Set(vault, "planet", "x", azuretest.Attributes{})
	_, err := p.Current(t.Context(), prefix+"planet")
	fails(t, err, providers.ReasonDenied)
	t.Setenv("AZURE_CLIENT_SECRET", own.Secret)
	if v := current(t, p, prefix+"planet"); v.ID != id {
		t.Errorf("version %s", v.ID)
	}
	s.RevokeTokens()
	_, err = p.Read(t.Context(), prefix+"planet", id)
	fails(t, err, providers.ReasonDenied, "does not accept rotatord's token")
	if read(t, p, prefix+"planet", id) != "x" {
		t.Error("a refused token is not replaced")
	}
}

// TestAFederatedTokenIsReadAgain: Kubernetes replaces it every hour.
func TestAFederatedTokenIsReadAgain(t *testing.T) {
	file := workload(t, own.Federated)
	synctest.Test(t, func(t *testing.T) {
		s := azuretest.New(azuretest.Options{Apps: []azuretest.App{own}, TokenLife: time.Hour})
		p := chained(t, s)
		id := s.Set(vault, "planet", "x", azuretest.Attributes{})
		for _, federated := range []string{own.Federated, "second", "third"} {
			must(os.WriteFile(filepath.Clean(file), []byte(federated), 0o600))
			app := own
			app.Federated = federated
			s.AddApp(app)
			for range 4 {
				if v := current(t, p, prefix+"planet"); v.ID != id {
					t.Fatalf("version %s", v.ID)
				}
				time.Sleep(20 * time.Minute)
			}
		}
		if n := s.Count("token"); n < 3 || n > 5 {
			t.Errorf("%d tokens in four hours", n)
		}
	})
}

// TestEachCloudHasItsEntra, unless the environment names one.
func TestEachCloudHasItsEntra(t *testing.T) {
	for domain, entra := range map[string]string{
		"vault.azure.net": "login.microsoftonline.com", "vault.azure.cn": "login.chinacloudapi.cn", "vault.usgovcloudapi.net": "login.microsoftonline.us",
	} {
		for _, named := range []string{"", "https://login.example.com/"} {
			environment(t, own.Secret)
			t.Setenv("AZURE_AUTHORITY_HOST", named)
			s := start(t, azuretest.Options{Vaults: []string{"my-vault." + domain}})
			asked := map[string]bool{}
			p := mustNew(t, azure.Options{MaxBackoff: time.Millisecond, DisableInstanceDiscovery: true, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked[r.URL.Host] = true
				return s.Transport().RoundTrip(r)
			})})
			s.Set("my-vault."+domain, "planet", "x", azuretest.Attributes{})
			_, _ = p.Current(t.Context(), credential.Secret("https://my-vault."+domain+"/secrets/planet"))
			want := entra
			if named != "" {
				want = "login.example.com"
			}
			for host := range asked {
				if strings.HasPrefix(host, "login.") && host != want {
					t.Errorf("for %s the token is asked of %s, want %s", domain, host, want)
				}
			}
			if !asked[want] {
				t.Errorf("for %s nobody asked %s", domain, want)
			}
		}
	}
}

// TestTheMachineIsGivenASecond: where there is no metadata service, its address
// leads nowhere and nobody refuses.
func TestTheMachineIsGivenASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := azuretest.New(azuretest.Options{})
		p := mustNew(t, azure.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "169.254.169.254" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return s.RoundTripper().RoundTrip(r)
		})})
		s.Set(vault, "planet", "x", azuretest.Attributes{})
		before := time.Now()
		_, err := p.Current(t.Context(), prefix+"planet")
		fails(t, err, providers.ReasonDenied, "no credentials were found")
		if took := time.Since(before); took > 2*time.Second {
			t.Errorf("nobody was found after %s", took)
		}
	})
}
