package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// askedFor is everything around askers: a simulated Planet over real HTTP, a
// store whose records know two of three destinations, an API key that is kept
// in a secret.
type askedFor struct {
	t      *testing.T
	sim    *planettest.Simulator
	cfg    *config.Config
	store  *store.Store
	ids    map[string]string // by the configured name
	client *planet.Client

	mu       sync.Mutex
	observed map[string]bool // routes
}

func newAskedFor(t *testing.T, account string) *askedFor {
	t.Helper()
	s := &askedFor{t: t, ids: map[string]string{}, observed: map[string]bool{}}
	var err error
	s.sim, err = planettest.New(planettest.Options{
		Users: []planettest.User{{Name: "ada", Key: "key-" + secretOfKeys}}, PerSecond: 1000,
		Deliveries: planettest.DeliveryOptions{PerSecond: 1000, Deliverer: planettest.DelivererFunc(func(context.Context, planettest.File) error {
			return &planettest.DeliveryError{Code: "AccessDenied"}
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := s.sim.Start()
	t.Cleanup(func() { server.Close(); s.sim.Close() })
	dir := t.TempDir()
	text := fmt.Sprintf("[store]\ndir = %q\n[[account]]\nname = \"acct\"\nbase_url = %q\napi_key_secret = \"file://%s/key\"\n%s\n", dir, server.BaseURL, dir, account)
	for i, name := range []string{"one", "two", "unseen"} {
		s.ids[name] = s.sim.Seed("ada", planettest.Destination{Name: name, Type: "amazon_s3", Default: i == 0, Parameters: map[string]any{
			"bucket": "b", "aws_region": "r", "aws_access_key_id": "k", "aws_secret_access_key": "s"}})
		text += fmt.Sprintf("[[destination]]\nname = %q\nsecret = \"file://%s/secret\"\n", s.ids[name], dir)
	}
	for name, content := range map[string]string{"key": "key-" + secretOfKeys + "\n", "rotatord.toml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if s.cfg, err = config.Load(filepath.Join(dir, "rotatord.toml"), func(string) string { return "" }, SecretShapes()...); err != nil {
		t.Fatal(err)
	}
	if s.store, err = store.Open(t.Context(), store.Options{Dir: dir, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	s.connect()
	return s
}

// connect makes the client of the account as newAccount does: the key comes
// from the secret manager.
func (s *askedFor) connect() {
	s.t.Helper()
	source, hangUp, err := newProviders(s.cfg, s.store, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(hangUp)
	ac := s.cfg.Accounts[0]
	s.client, err = planet.New(planet.Options{BaseURL: ac.BaseURL, Auth: authOf(ac, source), Transport: nil,
		Observer: func(o planet.Observation) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.observed[o.Route] = true
		}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(s.client.CloseIdleConnections)
}

// see pins a destination as the engine does, and says that a version of ours is
// in force since then, unless that is zero.
func (s *askedFor) see(name string, pinned, accepted time.Time) {
	s.t.Helper()
	id := s.ids[name]
	if err := s.store.Ensure(s.t.Context(), []store.Record{{Destination: id, Account: "acct", Secret: credential.Secret("file:///secret")}}); err != nil {
		s.t.Fatal(err)
	}
	r, err := s.store.Load(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	r.Pin = &store.Pin{ID: id, Ref: "pl:destinations/" + id, Name: name, Type: "amazon_s3", At: pinned}
	if !accepted.IsZero() {
		r.Accepted = &store.Accepted{Version: "v", At: accepted}
	}
	if err := s.store.Save(s.t.Context(), &r); err != nil {
		s.t.Fatal(err)
	}
}

func (s *askedFor) known(name string) *planet.Dependents {
	s.t.Helper()
	r, err := s.store.Load(s.t.Context(), s.ids[name])
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Dependents
}

// run lets the askers run until all of these are known.
func (s *askedFor) run(names ...string) {
	s.t.Helper()
	as, err := newDependents(s.cfg, map[string]*planet.Client{"acct": s.client}, s.store, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- as.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}()
	as.poke(s.ids["one"], "of another account")
	deadline := time.Now().Add(time.Minute)
	for slices.ContainsFunc(names, func(n string) bool { return s.known(n) == nil }) {
		if time.Now().After(deadline) {
			s.t.Fatal("it never became known")
		}
		select {
		case <-s.t.Context().Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func TestDependentsAreFoundForAllDestinationsThatPlanetHasShown(t *testing.T) {
	t.Parallel()
	s := newAskedFor(t, "")
	s.cfg.Accounts[0].DependentsInterval = config.Duration(10 * time.Millisecond) // less than one may configure
	accepted := time.Now().Add(-time.Minute).Truncate(time.Microsecond)
	pinned := accepted.Add(-time.Hour)
	s.see("one", pinned, accepted)
	s.see("two", pinned, time.Time{})
	for _, ref := range []string{"pl:destinations/" + s.ids["one"], "pl:destinations/default", "pl:destinations/" + s.ids["two"]} {
		s.sim.Order("ada", ref, planettest.Order{Queue: time.Hour})
		s.sim.Subscribe("ada", ref, planettest.Subscription{Interval: time.Hour})
	}
	s.run("one", "two")
	one, two := s.known("one"), s.known("two")
	if one.Running != 2 || one.Open != 2 || one.Incomplete || !one.Since.Equal(accepted) || one.AllUsers {
		t.Errorf("the default, whose version was accepted: %+v", one)
	}
	if two.Running != 1 || two.Open != 1 || two.Incomplete || !two.Since.Equal(pinned) {
		t.Errorf("the other, which has no version of ours: %+v", two)
	}
	paths := map[string]bool{}
	for _, r := range s.sim.Requests() {
		paths[strings.TrimSuffix(r.Path, "/")] = true
		if r.Method != http.MethodGet || r.Status != http.StatusOK || r.User != "ada" {
			t.Errorf("%s %s of %q: status %d", r.Method, r.Path, r.User, r.Status)
		}
	}
	for _, want := range []string{"/destinations/v1/default", "/compute/ops/orders/v2", "/subscriptions/v1"} {
		if !paths[want] {
			t.Errorf("%s was never asked for, only %v", want, paths)
		}
	}
	want := map[string]bool{"/destinations/v1/default": true, "/compute/ops/orders/v2": true, "/subscriptions/v1": true, "/subscriptions/v1/{id}/results": true}
	if diff := cmp.Diff(want, s.observed); diff != "" {
		t.Errorf("the observer of the account saw other routes:\n%s", diff)
	}
}

// Whether a default is set may be a secret to this key, or there is none.
func TestTheDefaultIsAskedForOnceInAWhile(t *testing.T) {
	forbidden := &planet.Error{Kind: planet.KindForbidden}
	missing := &planet.Error{Kind: planet.KindNotFound}
	var answer planet.Destination
	var refusal error
	asked := 0
	s := standard{every: time.Hour, ask: func(context.Context) (planet.Destination, error) { asked++; return answer, refusal }}
	check := func(what string, wantID string, wantKnown bool, wantAsked int) {
		t.Helper()
		at, known := s.find(t.Context())
		if at.id != wantID || known != wantKnown || asked != wantAsked {
			t.Errorf("%s: %q, known %t, asked %d times", what, at.id, known, asked)
		}
	}
	later := func(d planet.Destination, err error) { s.asked, answer, refusal = s.asked.Add(-2*time.Hour), d, err }
	refusal = forbidden
	check("refused from the begin on", "", false, 1)
	check("soon after that", "", false, 1)
	later(planet.Destination{ID: "demo-5aIp1K", Ref: "pl:destinations/demo-5aIp1K"}, nil)
	check("answered", "demo-5aIp1K", true, 2)
	later(planet.Destination{}, forbidden)
	check("refused again", "demo-5aIp1K", true, 3)
	later(planet.Destination{}, missing)
	check("unset", "", true, 4)
	for what, want := range map[string]bool{"demo-5aIp1K": true, "other-5aIp1L": false, "": false} {
		if got := (defaultRef{id: "demo-5aIp1K", ref: "pl:destinations/demo-5aIp1K"}).is(planet.Destination{ID: what}); got != want {
			t.Errorf("%q is the default: %t", what, got)
		}
	}
	if (defaultRef{}).is(planet.Destination{}) {
		t.Error("nothing is the default where there is none")
	}
}

func TestAskersAreMadeForThoseAccountsThatWantThem(t *testing.T) {
	t.Parallel()
	for account, want := range map[string]int{"": 1, `dependents_interval = "0s"`: 0} {
		s := newAskedFor(t, account)
		as, err := newDependents(s.cfg, map[string]*planet.Client{"acct": s.client}, s.store, slog.New(slog.DiscardHandler))
		if err != nil || len(as.all) != want || len(as.account) != 3*want {
			t.Errorf("with %q: %d askers for %d destinations, %v", account, len(as.all), len(as.account), err)
		}
		as.poke(s.ids["one"]) // whether or not anybody listens
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- as.run(ctx) }()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
