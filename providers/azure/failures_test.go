package azure_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

func TestFailuresOfAVault(t *testing.T) {
	for _, c := range []struct {
		name   string
		hurt   func(*azuretest.Server)
		reason providers.Reason
		words  []string
	}{
		{"too many requests", func(s *azuretest.Server) { s.Throttle(azuretest.Vaults, azuretest.Forever, 0) }, providers.ReasonThrottled, []string{"Throttled"}},
		{"an internal error", func(s *azuretest.Server) { s.Fail(azuretest.Vaults, azuretest.Forever, 503) }, providers.ReasonUnavailable, []string{"InternalError"}},
		{"cut connections", func(s *azuretest.Server) { s.Cut(azuretest.Vaults, azuretest.Forever) }, providers.ReasonUnavailable, []string{"cut"}},
		{"broken JSON", func(s *azuretest.Server) { s.Garble(azuretest.Vaults, azuretest.Forever) }, providers.ReasonUnavailable, []string{"can be read"}},
		{"nobody there", func(s *azuretest.Server) { s.Close() }, providers.ReasonUnavailable, []string{"refused"}},
		{"a firewall", func(s *azuretest.Server) { s.SetFirewall(azuretest.NotYou) }, providers.ReasonDenied, []string{"ForbiddenByFirewall", "203.0.113.7", "through the firewall of " + vault}},
		{"private endpoints only", func(s *azuretest.Server) { s.SetFirewall(azuretest.PrivateLinks) }, providers.ReasonDenied, []string{"ForbiddenByConnection", "private endpoints"}},
		{"no role", func(s *azuretest.Server) { s.Deny(vault, "planet", azuretest.ByRole, "get", "list") }, providers.ReasonDenied, []string{"ForbiddenByRbac", `role "Key Vault Secrets User"`}},
		{"no access policy", func(s *azuretest.Server) { s.Deny(vault, "planet", azuretest.ByPolicy, "get", "list") }, providers.ReasonDenied, []string{"ForbiddenByPolicy", "secret permissions Get and List"}},
		{"no access policy in older words", func(s *azuretest.Server) { s.Deny(vault, "planet", azuretest.ByAccessPolicy, "get", "list") }, providers.ReasonDenied, []string{"AccessDenied", "secret permissions Get and List"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			id := s.Set(vault, "planet", canary, azuretest.Attributes{})
			current(t, p, prefix+"planet") // so that there is a token
			c.hurt(s)
			_, err := p.Current(t.Context(), prefix+"planet")
			fails(t, err, c.reason, c.words...)
			kept(t, err)
			_, err = p.Read(t.Context(), prefix+"planet", id)
			fails(t, err, c.reason, c.words...)
			kept(t, err)
		})
	}
}

func TestAVaultThatIsNotThere(t *testing.T) {
	_, p := both(t)
	_, err := p.Current(t.Context(), "https://no-vault.vault.azure.net/secrets/planet")
	fails(t, err, providers.ReasonUnavailable, "does not resolve", "does the vault no-vault.vault.azure.net exist")
}

func TestACertificateOfSomebodyElse(t *testing.T) {
	s := start(t, azuretest.Options{})
	p := open(t, s, func(o *azure.Options) {
		stranger := s.Transport().Clone()
		stranger.TLSClientConfig.RootCAs = x509.NewCertPool()
		o.Transport = stranger
	})
	_, err := p.Current(t.Context(), prefix+"planet")
	fails(t, err, providers.ReasonUnavailable, "not trusted here")
}

// TestShortTroubleIsRiddenOut in virtual time, which also measures the waits.
func TestShortTroubleIsRiddenOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		hurt   func(*azuretest.Server)
		reason providers.Reason
		least  time.Duration
		most   time.Duration
	}{
		{"two failures", func(s *azuretest.Server) { s.Fail(azuretest.Vaults, 2, 500) }, "", 500 * time.Millisecond, 1500 * time.Millisecond},
		{"three failures", func(s *azuretest.Server) { s.Fail(azuretest.Vaults, 3, 500) }, providers.ReasonUnavailable, 500 * time.Millisecond, 1500 * time.Millisecond},
		{"a cut", func(s *azuretest.Server) { s.Cut(azuretest.Vaults, 1) }, "", 100 * time.Millisecond, time.Second},
		{"throttled for a second", func(s *azuretest.Server) { s.Throttle(azuretest.Vaults, 1, 1) }, "", time.Second, time.Second},
		{"throttled for longer", func(s *azuretest.Server) { s.Throttle(azuretest.Vaults, 1, 2) }, providers.ReasonThrottled, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := azuretest.New(azuretest.Options{Apps: []azuretest.App{own}})
				p := open(t, s, func(o *azure.Options) { o.MaxBackoff = 0 })
				s.Set(vault, "planet", "x", azuretest.Attributes{})
				current(t, p, prefix+"planet")
				c.hurt(s)
				before := time.Now()
				_, err := p.Current(t.Context(), prefix+"planet")
				if took := time.Since(before); providers.ReasonOf(err) != c.reason || took < c.least || took > c.most {
					t.Errorf("after %s: %v", took, err)
				}
			})
		})
	}
}

// TestNobodyWaitsLongerThanTheirContext: while one request waits for a token,
// the SDK lets the others wait for that one.
func TestNobodyWaitsLongerThanTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := azuretest.New(azuretest.Options{Apps: []azuretest.App{own}})
		p := open(t, s)
		s.Set(vault, "planet", "x", azuretest.Attributes{})
		s.Hang(azuretest.Tokens, true)
		patient, cancel := contextFor(t, time.Hour)
		defer cancel()
		go func() { _, _ = p.Current(patient, prefix+"planet") }()
		synctest.Wait()
		ctx, stop := contextFor(t, time.Second)
		defer stop()
		before := time.Now()
		_, err := p.Current(ctx, prefix+"planet")
		fails(t, err, providers.ReasonUnavailable, context.DeadlineExceeded.Error())
		if took := time.Since(before); took != time.Second {
			t.Errorf("waited %s for a context of a second", took)
		}
		cancel()
		s.Hang(azuretest.Tokens, false)
		synctest.Wait()
		current(t, p, prefix+"planet")
	})
}

// TestAProxyInBetweenIsNotTakenForAVault: its refusals say nothing of secrets.
func TestAProxyInBetweenIsNotTakenForAVault(t *testing.T) {
	for status, reason := range map[int]providers.Reason{
		403: providers.ReasonUnavailable, 404: providers.ReasonUnavailable, 302: providers.ReasonUnavailable, 407: providers.ReasonUnavailable,
		429: providers.ReasonThrottled, 502: providers.ReasonUnavailable, 400: providers.ReasonUnavailable,
	} {
		p := mustNew(t, azure.Options{MaxBackoff: time.Millisecond, Credential: none{}, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return answer(r, status, "<html>"+canary), nil
		})})
		_, err := p.Current(t.Context(), prefix+"planet")
		fails(t, err, reason)
		kept(t, err)
		_, err = p.Read(t.Context(), prefix+"planet", strings.Repeat("0", 32))
		fails(t, err, reason)
	}
}

// TestAnswersThatSayTooLittle are those that no vault gives.
func TestAnswersThatSayTooLittle(t *testing.T) {
	id := prefix + "planet/" + strings.Repeat("0", 32)
	for body, reason := range map[string]providers.Reason{
		`{"value":[]}`:                    providers.ReasonNotFound, // some lists of secrets that are not there
		`{}`:                              providers.ReasonUnavailable,
		`null`:                            providers.ReasonUnavailable,
		``:                                providers.ReasonUnavailable,
		`{"value":[null]}`:                providers.ReasonUnavailable,
		`{"value":[{"id":"` + id + `"}]}`: providers.ReasonUnavailable,
		`{"value":[{"id":"","attributes":{"created":1}}]}`:                          providers.ReasonUnavailable,
		`{"value":[{"id":"` + prefix + `planet","attributes":{"created":1}}]}`:      providers.ReasonUnavailable,
		`{"value":[{"id":"` + id + `","attributes":{"created":1}}]}`:                "",
		`{"value":[{"id":"` + id + `","attributes":{"enabled":true}}]}`:             providers.ReasonUnavailable,
		`{"value":[{"id":"` + id + `","attributes":{"created":"` + canary + `"}}]}`: providers.ReasonUnavailable,
	} {
		p := mustNew(t, azure.Options{MaxBackoff: time.Millisecond, Credential: none{}, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return answer(r, http.StatusOK, body), nil
		})})
		_, err := p.Current(t.Context(), prefix+"planet")
		if providers.ReasonOf(err) != reason {
			t.Errorf("%s: %v", body, err)
		}
		kept(t, err)
		for _, rest := range []string{`"id":"` + id + `"`, `"value":"` + canary + `"`, `"value":"` + canary + `","id":"` + id + `0"`, `"value":"` + canary + `","id":{`} {
			p := mustNew(t, azure.Options{MaxBackoff: time.Millisecond, Credential: none{}, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				return answer(r, http.StatusOK, "{"+rest+"}"), nil
			})})
			_, err := p.Read(t.Context(), prefix+"planet", strings.Repeat("0", 32))
			if err == nil {
				t.Errorf("a value is read from %s", rest)
			}
			kept(t, err)
		}
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, o := range []azure.Options{{MaxBackoff: -1}, {Transport: http.DefaultTransport, RootCAs: x509.NewCertPool()}} {
		if _, err := azure.New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestMissingNamesWhatIsMissing(t *testing.T) {
	const list, get = "Microsoft.KeyVault/vaults/secrets/readMetadata/action", "Microsoft.KeyVault/vaults/secrets/getSecret/action"
	const policyList, policyGet = "secret permission List in the access policy", "secret permission Get in the access policy"
	for _, c := range []struct {
		name string
		by   azuretest.Denial
		ops  []string
		want string
	}{
		{"nothing", azuretest.ByRole, nil, ""},
		{"a role that may only list", azuretest.ByRole, []string{"get"}, get},
		{"a role that may only get", azuretest.ByRole, []string{"list"}, list},
		{"no role", azuretest.ByRole, []string{"get", "list"}, get + "," + list},
		{"a policy that may only list", azuretest.ByPolicy, []string{"get"}, policyGet},
		{"a policy that may only get", azuretest.ByAccessPolicy, []string{"list"}, policyList},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			s.Set(vault, "planet", "x", azuretest.Attributes{})
			s.Deny(vault, "planet", c.by, c.ops...)
			missing, err := p.Missing(t.Context(), prefix+"planet")
			if err != nil || strings.Join(missing, ",") != c.want {
				t.Errorf("missing %q, want %q: %v", missing, c.want, err)
			}
		})
	}
	t.Run("a disabled or deleted secret lacks no permission", func(t *testing.T) {
		s, p := both(t)
		s.Set(vault, "planet", "x", azuretest.Attributes{Disabled: true})
		for _, n := range []credential.Secret{prefix + "planet", prefix + "none"} {
			if missing, err := p.Missing(t.Context(), n); err != nil || missing != nil {
				t.Errorf("%s: missing %q: %v", n, missing, err)
			}
		}
	})
	t.Run("what can't be found out is an error", func(t *testing.T) {
		for _, hurt := range []func(*azuretest.Server){
			func(s *azuretest.Server) { s.SetFirewall(azuretest.NotYou) },
			func(s *azuretest.Server) { s.Throttle(azuretest.Vaults, azuretest.Forever, 0) },
			func(s *azuretest.Server) { s.Fail(azuretest.Tokens, azuretest.Forever, 500) },
		} {
			s, p := both(t)
			s.Set(vault, "planet", "x", azuretest.Attributes{})
			hurt(s)
			if missing, err := p.Missing(t.Context(), prefix+"planet"); err == nil || missing != nil {
				t.Errorf("missing %q: %v", missing, err)
			}
		}
		_, p := both(t)
		_, err := p.Missing(t.Context(), prefix+"a_b")
		fails(t, err, providers.ReasonInvalid)
	})
}
