package vault_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

func TestWhatIsBehindA404IsSaid(t *testing.T) {
	s := start(t, append(vaulttest.Read("secret", "*"), vaulttest.Rule{Path: "*", Capabilities: []string{"read"}},
		vaulttest.Rule{Path: "old/*", Capabilities: []string{"read"}}, vaulttest.Rule{Path: "pki/*", Capabilities: []string{"read"}}, vaulttest.Rule{Path: "team/kv/*", Capabilities: []string{"read"}})...)
	s.Mount("", "old", 1)
	s.Mount("", "team/kv", 2)
	s.MountOther("pki", "pki")
	s.Put("team/kv", "planet/s3", `{"k":"of the team"}`)
	p := open(t, s)
	for _, c := range []struct {
		name   string
		secret credential.Secret
		reason providers.Reason
		words  []string
	}{
		{"no secret", planet, providers.ReasonNotFound, []string{"no such secret", "check mount"}},
		{"a path of the API", "vault://secret/data/planet/s3", providers.ReasonNotFound, []string{"leave data/ out"}},
		{"no mount", "vault://nowhere/x", providers.ReasonNotFound, []string{"no handler for route"}},
		{"KV version 1", "vault://old/x", providers.ReasonInvalid, []string{"version 1", "enable-versioning"}},
		{"another engine", "vault://pki/issue", providers.ReasonInvalid, []string{"not KV"}},
		{"a mount of two segments", "vault://team/kv/planet/s3", providers.ReasonInvalid, []string{"mounted at team/kv/", "vault://team%2Fkv/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fails(t, second(p.Current(t.Context(), c.secret)), c.reason, c.words...)
			fails(t, second(p.Read(t.Context(), c.secret, "1")), c.reason)
		})
	}
	if got := read(t, p, "vault://team%2Fkv/planet/s3", current(t, p, "vault://team%2Fkv/planet/s3").ID); got != `{"k":"of the team"}` {
		t.Errorf("reads as %s", got)
	}
	fails(t, second(p.Current(t.Context(), "vault://team%2Fkv%2Fplanet/s3")), providers.ReasonInvalid, "mounted at team/kv/", "vault://team%2Fkv/")
}

func TestEachTroubleHasItsReason(t *testing.T) {
	for _, c := range []struct {
		name   string
		hurt   func(*vaulttest.Server)
		reason providers.Reason
		words  []string
	}{
		{"a rate limit", func(s *vaulttest.Server) { s.Throttle(1) }, providers.ReasonThrottled, []string{"quota"}},
		{"a breakdown", func(s *vaulttest.Server) { s.Fail(1, 500) }, providers.ReasonUnavailable, []string{"internal error"}},
		{"a gateway", func(s *vaulttest.Server) { s.Fail(1, 502) }, providers.ReasonUnavailable, nil},
		{"a seal", func(s *vaulttest.Server) { s.Seal(true) }, providers.ReasonUnavailable, []string{"sealed", "unseal"}},
		{"a standby", func(s *vaulttest.Server) { s.Standby("https://vault.example.com:8200") }, providers.ReasonUnavailable, []string{"standby", "load balancer"}},
		{"a connection that is cut", func(s *vaulttest.Server) { s.Cut(1) }, providers.ReasonUnavailable, []string{"was cut"}},
		{"half an answer", func(s *vaulttest.Server) { s.Garble(1) }, providers.ReasonUnavailable, nil},
		{"a denial", func(s *vaulttest.Server) { s.SetRules(vaulttest.Read("secret", "other")...) }, providers.ReasonDenied, []string{`capability "read" on "secret/`, `/planet/s3"`}},
		{"a token that has ended", func(s *vaulttest.Server) { s.Revoke(own) }, providers.ReasonDenied, []string{"invalid token", "lease has ended"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, call := range []func(*vault.Provider) error{
				func(p *vault.Provider) error { return second(p.Current(t.Context(), planet)) },
				func(p *vault.Provider) error { return second(p.Read(t.Context(), planet, "1")) },
			} {
				s, p := both(t)
				s.Put("secret", "planet/s3", `{"k":"canary"}`)
				c.hurt(s)
				err := call(p)
				fails(t, err, c.reason, c.words...)
				if strings.Contains(err.Error(), "canary") {
					t.Error("the error shows the value")
				}
				if n := len(s.Requests()); n > 1 {
					t.Errorf("%d requests for one attempt", n)
				}
			}
		})
	}
}

// A redirect would carry the token to whoever the answer names.
func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the token goes elsewhere") }))
	defer elsewhere.Close()
	s, p := both(t)
	for _, to := range []string{elsewhere.URL, s.URL()} {
		s.Standby(to)
		fails(t, second(p.Current(t.Context(), planet)), providers.ReasonUnavailable, "points to another address")
	}
	if n := len(s.Requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestWhoCanNotBeReachedIsSaid(t *testing.T) {
	s := start(t)
	mine := func(o *vault.Options) { o.RootCAs = nil }
	fails(t, second(open(t, s, mine).Current(t.Context(), planet)), providers.ReasonUnavailable, "not trusted here", "ca_file")
	fails(t, second(open(t, s, mine, func(o *vault.Options) { o.Address = strings.Replace(s.URL(), "https", "http", 1) }).Current(t.Context(), planet)), providers.ReasonInvalid)
	closed := httptest.NewServer(nil)
	closed.Close()
	fails(t, second(open(t, s, mine, func(o *vault.Options) { o.Address = closed.URL }).Current(t.Context(), planet)), providers.ReasonUnavailable, "refused")
	t.Setenv("HTTP_PROXY", "http://user:canary@ no proxy")
	fails(t, second(open(t, s, mine, func(o *vault.Options) { o.Address = "http://vault.invalid" }).Current(t.Context(), planet)), providers.ReasonUnavailable)
}

func TestANamespaceIsSentAndNothingElseOfTheEnvironment(t *testing.T) {
	// The SDK refuses to send a token with such a character, whatever it is told.
	for name, value := range map[string]string{"VAULT_TOKEN": "root\x01", "VAULT_NAMESPACE": "elsewhere", "VAULT_HEADERS": `{"X-Environment":"yes"}`,
		"VAULT_ADDR": "https://vault.invalid", "VAULT_AGENT_ADDR": "https://agent.invalid", "VAULT_SKIP_VERIFY": "true", "VAULT_MAX_RETRIES": "9",
		"VAULT_RATE_LIMIT": "1:1", "VAULT_PROXY_ADDR": "http://proxy.invalid", "VAULT_CLIENT_TIMEOUT": "1", "VAULT_DISABLE_REDIRECTS": "false"} {
		t.Setenv(name, value)
	}
	s := start(t)
	s.Mount("team/a", "secret", 2)
	p := open(t, s)
	fails(t, second(p.Current(t.Context(), planet)), providers.ReasonNotFound)
	fails(t, second(open(t, s, func(o *vault.Options) { o.Token = credential.Value{} }).Current(t.Context(), planet)), providers.ReasonDenied, "no token")
	fails(t, second(open(t, s, func(o *vault.Options) { o.RootCAs = nil }).Current(t.Context(), planet)), providers.ReasonUnavailable, "not trusted")
	for _, r := range s.Requests() {
		if r.Namespace != "" {
			t.Errorf("asked in namespace %q", r.Namespace)
		}
	}
	before := len(s.Requests())
	_ = second(open(t, s, func(o *vault.Options) { o.Namespace = "/team/a/" }).Current(t.Context(), planet))
	for _, r := range s.Requests()[before:] {
		if r.Namespace != "team/a" {
			t.Errorf("asked in namespace %q", r.Namespace)
		}
	}
	t.Setenv("VAULT_MAX_RETRIES", "canary")
	if _, err := vault.New(vault.Options{Address: s.URL()}); err == nil || !strings.Contains(err.Error(), "VAULT_") || strings.Contains(err.Error(), "canary") {
		t.Errorf("an environment that the SDK can't parse: %v", err)
	}
}

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	_, err := vault.New(vault.Options{Address: "https://user:canary@vault", Namespace: "a b", Token: credential.NewValue([]byte("t")), Kubernetes: &vault.Kubernetes{Mount: "/k"},
		Transport: http.DefaultTransport, RootCAs: x509.NewCertPool()})
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Fatalf("%v", err)
	}
	for _, w := range []string{"Address", "Namespace", "more than one", "Role", "Mount", "RootCAs"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
	p := mustNew(t, vault.Options{})
	fails(t, second(p.Current(t.Context(), planet)), providers.ReasonUnavailable, "no address", "VAULT_ADDR")
	p.Close()
	var none *vault.Provider
	if k := none.Kind(); !k.Matches(planet) || k.Matches("file:///x") || k.Matches("vault://token@secret/x") || !k.Matches("vault://secret/me@home") || !k.Matches(credential.Secret(k.Example)) || k.Name != "vault" {
		t.Errorf("kind %+v", k.Name)
	}
}
