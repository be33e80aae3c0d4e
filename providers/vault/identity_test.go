package vault_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/providers/vault/vaulttest"
)

func TestATokenInAFileCountsAsSoonAsItIsThere(t *testing.T) {
	s := start(t)
	s.Put("secret", "planet/s3", `{"k":"1"}`)
	file := filepath.Join(t.TempDir(), "token")
	p := open(t, s, func(o *vault.Options) { o.Token, o.TokenFile = credential.Value{}, file })
	put := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDenied, "is not there", file)
	for content, words := range map[string]string{"": "is empty", " \n": "is empty", `{"token":"` + own + `"}`: "wrap_ttl", own + "\nand more": "more than a token", own + "é": "more than a token"} {
		put(content)
		fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDenied, words)
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests without a token", n)
	}
	put(own + "\n")
	if v := current(t, p, planet); v.ID != "1" {
		t.Errorf("current %+v", v)
	}
	s.Revoke(own)
	fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDenied, "invalid token")
	s.Token("hvs.next", 0, vaulttest.Read("secret", "*")...)
	put("hvs.next")
	_ = current(t, p, planet)
	must(os.Remove(file))
	must(os.Mkdir(file, 0o700))
	fails(t, second(p.Read(t.Context(), planet, "1")), providers.ReasonDenied, "can't be read")
}

func TestAGivenTokenIsSentAsItIsOrNotAtAll(t *testing.T) {
	s := start(t)
	s.Put("secret", "planet/s3", `{"k":"1"}`)
	_ = current(t, open(t, s, func(o *vault.Options) { o.Token = credential.NewValue([]byte(own + "\n")) }), planet)
	for _, token := range []string{" ", own + " x", "\x00"} {
		p := open(t, s, func(o *vault.Options) { o.Token = credential.NewValue([]byte(token)) })
		fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDenied)
	}
}

// cluster is a bubble with a server that knows the role, a provider that logs
// in, and the file with its service account's token.
func cluster(t *testing.T, lease time.Duration, f func(t *testing.T, s *vaulttest.Server, p *vault.Provider, jwt string)) {
	synctest.Test(t, func(t *testing.T) {
		s := vaulttest.New()
		s.Role("rotatord", "rotatord", "planet", lease, vaulttest.Read("secret", "*")...)
		s.Put("secret", "planet/s3", `{"k":"1"}`)
		jwt := writeFile(t, "jwt", s.JWT("rotatord", "planet", time.Now().Add(1000*time.Hour))+"\n")
		var log bytes.Buffer
		p := mustNew(t, vault.Options{Address: "https://vault.test", Kubernetes: &vault.Kubernetes{Role: "rotatord", JWTFile: jwt}, Transport: s.RoundTripper(),
			Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if s.Logins() != 0 {
			t.Error("New has logged in")
		}
		f(t, s, p, jwt)
		token, err := os.ReadFile(jwt) //nolint:gosec // of this test
		must(err)
		if strings.Contains(log.String(), "hvs.") || len(token) > 0 && strings.Contains(log.String(), strings.TrimSpace(string(token))) {
			t.Error("the log shows a token")
		}
	})
}

func TestALoginHappensWhenItIsNeeded(t *testing.T) {
	cluster(t, time.Hour, func(t *testing.T, s *vaulttest.Server, p *vault.Provider, _ string) {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _ = current(t, p, planet) })
		}
		wg.Wait()
		if s.Logins() != 1 {
			t.Errorf("%d logins for eight who ask at once", s.Logins())
		}
		time.Sleep(47 * time.Minute)
		_ = read(t, p, planet, "1")
		if s.Logins() != 1 {
			t.Errorf("%d logins while the token is good", s.Logins())
		}
		time.Sleep(2 * time.Minute) // a fifth of the lease is left
		_ = current(t, p, planet)
		if s.Logins() != 2 {
			t.Errorf("%d logins", s.Logins())
		}
		s.RevokeAll() // a server that was restored, say
		_ = current(t, p, planet)
		if s.Logins() != 3 {
			t.Errorf("%d logins after the token was revoked", s.Logins())
		}
	})
}

func TestATokenWithoutEndIsKept(t *testing.T) {
	cluster(t, 0, func(t *testing.T, s *vaulttest.Server, p *vault.Provider, _ string) {
		_ = current(t, p, planet)
		time.Sleep(1000 * time.Hour)
		_ = current(t, p, planet)
		if s.Logins() != 1 {
			t.Errorf("%d logins", s.Logins())
		}
	})
}

// A policy that denies is no reason to log in at each look.
func TestADenialIsNoReasonToLogInAgainAndAgain(t *testing.T) {
	cluster(t, time.Hour, func(t *testing.T, s *vaulttest.Server, p *vault.Provider, _ string) {
		_ = current(t, p, planet)
		s.SetRules(vaulttest.Read("secret", "other")...)
		s.Role("rotatord", "rotatord", "planet", time.Hour, vaulttest.Read("secret", "other")...)
		for range 5 {
			fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDenied, "capability")
		}
		if s.Logins() != 1 {
			t.Errorf("%d logins for five denials at once", s.Logins())
		}
		// Old servers don't say whether it was the token: after a while it may be.
		time.Sleep(2 * time.Minute)
		s.Role("rotatord", "rotatord", "planet", time.Hour, vaulttest.Read("secret", "*")...)
		_ = current(t, p, planet)
		if s.Logins() != 2 {
			t.Errorf("%d logins", s.Logins())
		}
	})
}

func TestATokenThatLivesIsUsedWhenALoginFails(t *testing.T) {
	cluster(t, time.Hour, func(t *testing.T, s *vaulttest.Server, p *vault.Provider, jwt string) {
		_ = current(t, p, planet)
		good, err := os.ReadFile(jwt) //nolint:gosec // of this test
		must(err)
		must(os.WriteFile(jwt, nil, 0o600))
		time.Sleep(50 * time.Minute)
		_ = current(t, p, planet)
		time.Sleep(11 * time.Minute) // its lease has ended
		fails(t, second(p.Current(t.Context(), planet)), providers.ReasonDenied, "service account's token", "is empty")
		must(os.WriteFile(jwt, good, 0o600)) // the kubelet writes it anew
		_ = current(t, p, planet)
		if s.Logins() != 2 {
			t.Errorf("%d logins", s.Logins())
		}
	})
}

func TestARefusedLoginSaysWhatToCheck(t *testing.T) {
	cluster(t, time.Hour, func(t *testing.T, s *vaulttest.Server, _ *vault.Provider, jwt string) {
		with := func(k vault.Kubernetes, token string) *vault.Provider {
			if k.JWTFile == "" {
				k.JWTFile = jwt
			}
			if token != "" {
				k.JWTFile = writeFile(t, "other", token)
			}
			return mustNew(t, vault.Options{Address: "https://vault.test", Kubernetes: &k, Transport: s.RoundTripper()})
		}
		soon := time.Now().Add(time.Hour)
		for name, c := range map[string]struct {
			p     *vault.Provider
			words []string
		}{
			"no such role":        {with(vault.Kubernetes{Role: "nobody"}, ""), []string{"invalid role name", "the role nobody"}},
			"no such method":      {with(vault.Kubernetes{Role: "rotatord", Mount: "k8s"}, ""), []string{"permission denied", "auth/k8s/"}},
			"another account":     {with(vault.Kubernetes{Role: "rotatord"}, s.JWT("default", "planet", soon)), []string{"not authorized", "service account"}},
			"another namespace":   {with(vault.Kubernetes{Role: "rotatord"}, s.JWT("rotatord", "default", soon)), []string{"not authorized"}},
			"an old token":        {with(vault.Kubernetes{Role: "rotatord"}, s.JWT("rotatord", "planet", time.Now())), []string{"has expired"}},
			"another cluster":     {with(vault.Kubernetes{Role: "rotatord"}, vaulttest.New().JWT("rotatord", "planet", soon)), []string{"invalid bearer token"}},
			"no token":            {with(vault.Kubernetes{Role: "rotatord", JWTFile: "/nowhere/token"}, ""), []string{"/nowhere/token is not there"}},
			"no token where it's": {with(vault.Kubernetes{Role: "rotatord"}, "not.a.jwt"), []string{"the login is refused"}},
		} {
			err := second(c.p.Current(t.Context(), planet))
			fails(t, err, providers.ReasonDenied, c.words...)
			if strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "not.a.jwt") {
				t.Errorf("%s: the error shows the service account's token", name)
			}
		}
		p := with(vault.Kubernetes{Role: "rotatord"}, "")
		s.Seal(true)
		fails(t, second(p.Current(t.Context(), planet)), providers.ReasonUnavailable, "sealed")
		s.Seal(false)
		s.Throttle(1)
		fails(t, second(p.Current(t.Context(), planet)), providers.ReasonThrottled)
		_ = current(t, p, planet)
	})
}

// carried does something before each request.
type carried struct {
	http.RoundTripper
	before func()
}

func (c carried) RoundTrip(r *http.Request) (*http.Response, error) {
	c.before()
	return c.RoundTripper.RoundTrip(r)
}

// An agent may replace the token between our reading it and the server's
// looking at it.
func TestATokenThatIsReplacedWhileItIsUsedCostsOneRequest(t *testing.T) {
	s := vaulttest.New()
	s.Token(own, 0, vaulttest.Read("secret", "*")...)
	s.Put("secret", "planet/s3", `{"k":"1"}`)
	for _, c := range []struct {
		name, next string
		requests   int
		denied     bool
	}{
		{"by a good one", own, 2, false},
		{"by another bad one", "hvs.bad", 2, true},
		{"by itself", "hvs.old", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := writeFile(t, "token", "hvs.old")
			before := len(s.Requests())
			p := mustNew(t, vault.Options{Address: "https://vault.test", TokenFile: file, Transport: carried{s.RoundTripper(), func() {
				must(os.WriteFile(file, []byte(c.next), 0o600))
			}}})
			_, err := p.Current(t.Context(), planet)
			if (err != nil) != c.denied {
				t.Errorf("%v", err)
			}
			if n := len(s.Requests()) - before; n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
		})
	}
}
