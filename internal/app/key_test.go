package app

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/providers"
)

// keyring is a secret manager with one secret.
type keyring struct {
	mu            sync.Mutex
	version, text string
	down          bool
	asked, read   int
}

func (k *keyring) set(version, text string, down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.version, k.text, k.down = version, text, down
}

func (k *keyring) Current(_ context.Context, s credential.Secret) (credential.Version, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	if k.down {
		return credential.Version{}, &providers.Error{Op: "read current version of", Secret: s, Reason: providers.ReasonUnavailable}
	}
	return credential.Version{ID: k.version}, nil
}

func (k *keyring) Read(_ context.Context, s credential.Secret, version string) (credential.Value, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.read++
	if k.down || version != k.version {
		return credential.Value{}, &providers.Error{Op: "read", Secret: s, Reason: providers.ReasonGone}
	}
	return credential.NewValue([]byte(k.text)), nil
}

func TestPlanetsKeyIsReadOnceAndAgainWhenPlanetRefusesIt(t *testing.T) {
	sim, err := planettest.New(planettest.Options{PerSecond: 1000, Users: []planettest.User{
		{Name: "old", Key: "old-key-CANARY", ID: 1, Organization: "o"}, {Name: "new", Key: "new-key-CANARY", ID: 2, Organization: "o"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	source := &keyring{version: "1", text: `{"api_key":"old-key-CANARY"}`}
	key := &secretKey{source: source, secret: "mem://planet"}
	limiter, err := planet.NewLimiter(planet.LimiterOptions{PerSecond: 1000})
	if err != nil {
		t.Fatal(err)
	}
	c, err := planet.New(planet.Options{BaseURL: "http://planet.test/destinations/v1", Auth: planet.APIKey(key), Limiter: limiter, Transport: sim.RoundTripper()})
	if err != nil {
		t.Fatal(err)
	}
	list := func() error { _, err := c.List(t.Context(), planet.ListOptions{}); return err }
	for range 3 {
		if err := list(); err != nil {
			t.Fatal(err)
		}
	}
	if source.read != 1 || source.asked != 1 {
		t.Errorf("three requests read the key %d times and asked %d times, want once", source.read, source.asked)
	}

	// The old key is revoked and the secret rotated.
	sim.Inject(planettest.Fault{User: "old", Kind: planettest.Status, Status: http.StatusUnauthorized, Times: -1})
	source.set("2", "new-key-CANARY\n", false)
	if err := list(); err != nil {
		t.Errorf("after the key was rotated: %v", err)
	}
	if all := sim.Requests(); all[len(all)-1].User != "new" {
		t.Errorf("the last request came from %q", all[len(all)-1].User)
	}

	// With the secret manager down the known key goes on being used.
	source.set("3", "", true)
	if err := list(); err != nil {
		t.Errorf("while the secret manager is down: %v", err)
	}
}

func TestAKeyThatCannotBeReadIsAClearError(t *testing.T) {
	for name, source := range map[string]*keyring{
		"the secret manager is down":  {down: true},
		"the value is no key":         {version: "1", text: "CANARY CANARY"},
		"the object holds no api_key": {version: "1", text: `{"other":"CANARY"}`},
	} {
		_, err := (&secretKey{source: source, secret: "mem://planet"}).Key(t.Context())
		if err == nil || !strings.Contains(err.Error(), "Planet's API key") || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", name, err)
		}
		var e *providers.Error
		if name == "the secret manager is down" && !errors.As(err, &e) {
			t.Errorf("%s: the cause is lost: %v", name, err)
		}
	}
}
