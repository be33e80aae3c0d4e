package planet

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
)

func authorized(t *testing.T, a Auth) (string, error) {
	t.Helper()
	r := &http.Request{Header: http.Header{}}
	err := a.Authorize(t.Context(), r)
	noLeak(t, a, "")
	noLeak(t, err, "")
	return r.Header.Get("Authorization"), err
}

func TestAKeyIsUsedAsItIsNow(t *testing.T) {
	t.Setenv("PLANET_TEST_KEY", keyCanary+"\r\n")
	path := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := APIKey(KeyFromFile(path))
	for _, tc := range []struct {
		name string
		auth Auth
		do   func()
		want string
	}{
		{"from the environment, without its line end", APIKey(KeyFromEnv("PLANET_TEST_KEY")), nil, "api-key " + keyCanary},
		{"from a file", file, func() { write(keyCanary + "\n") }, "api-key " + keyCanary},
		{"from the file again", file, nil, "api-key " + keyCanary},
		{"from the file after it was replaced", file, func() { write("next-key") }, "api-key next-key"},
		{"as a bearer token", Bearer(fixedToken("t0ken")), nil, "Bearer t0ken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.do != nil {
				tc.do()
			}
			if got, err := authorized(t, tc.auth); err != nil || got != tc.want {
				t.Errorf("the header is not the one expected: %v", err)
			}
		})
	}
}

type fixedToken string

func (s fixedToken) Token(context.Context) (credential.Value, error) {
	return credential.NewValue([]byte(s)), nil
}

func TestWhatCannotBeAKeyIsRefusedByNameAndNotQuoted(t *testing.T) {
	dir := t.TempDir()
	for name, tc := range map[string]struct{ text, want string }{
		"empty": {"\n", "it is empty"}, "two lines": {keyCanary + "\n" + keyCanary, "second line"},
		"with its name": {"PL_API_KEY= " + keyCanary, "a space"}, "a control character": {keyCanary + "\x1b", "control character"},
		"not ASCII": {keyCanary + "é", "not ASCII"}, "a whole disk": {strings.Repeat("x", maxKeyFile+1), "no key"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := authorized(t, APIKey(KeyFromFile(path)))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if tc.want == "no key" {
			continue
		}
		t.Setenv("PLANET_TEST_KEY", tc.text)
		_, err = authorized(t, APIKey(KeyFromEnv("PLANET_TEST_KEY")))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "PLANET_TEST_KEY") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err = authorized(t, APIKey(KeyFromValue(credential.NewValue([]byte(tc.text))))); err == nil {
			t.Errorf("%s as a value was taken", name)
		}
	}
	if _, err := authorized(t, APIKey(KeyFromFile(filepath.Join(dir, "none")))); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if _, err := authorized(t, APIKey(KeyFromEnv("PLANET_TEST_NONE"))); err == nil || !strings.Contains(err.Error(), "PLANET_TEST_NONE is not set") {
		t.Error(err)
	}
}

// vault is a source that keeps an old key until it is told to refresh.
type vault struct {
	key       string
	refreshed int
}

func (v *vault) Key(context.Context) (credential.Value, error) {
	return credential.NewValue([]byte(v.key)), nil
}

func (v *vault) Refresh(context.Context) error {
	v.refreshed++
	v.key = "new-key"
	return nil
}

func TestAfter401AGetRefreshesTheKeyOnceAndAPatchLeavesItToItsCaller(t *testing.T) {
	var asked []string
	answer := 401
	transport := roundTrips(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.Method+" "+r.Header.Get("Authorization"))
		if strings.HasSuffix(asked[len(asked)-1], "new-key") && answer == 200 {
			return answering(200, oneDestination), nil
		}
		return answering(401, `{"code":401,"message":"no"}`), nil
	})
	source := &vault{key: "old-key"}
	b := newBench(t, "http://planet.test", func(o *Options) { o.Transport, o.Auth = transport, APIKey(source) })
	if _, err := b.client.Get(t.Context(), "demo-5aIp1K"); KindOf(err) != KindUnauthorized {
		t.Error(err)
	}
	if len(asked) != 2 || source.refreshed != 1 {
		t.Errorf("asked %q, refreshed %d times", asked, source.refreshed)
	}
	answer, source.key = 200, "old-key"
	if _, err := b.client.Get(t.Context(), "demo-5aIp1K"); err != nil {
		t.Error(err)
	}
	asked, source.key = nil, "old-key"
	if _, err := b.client.Modify(t.Context(), "demo-5aIp1K", canaryBody()); OutcomeOf(err) != OutcomeBlocked || len(asked) != 1 {
		t.Errorf("asked %q: %v", asked, err)
	}
}
