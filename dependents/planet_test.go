package dependents_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/dependents"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
)

// scene is a simulated Planet with fifteen destinations, whose every third is in
// use, and an Asker over the real client with Planet's real limits.
type scene struct {
	sim  *planettest.Simulator
	fake *fake // targets and what was saved
	ids  []string
}

const inUse = 3

func newScene(t *testing.T, o planettest.DeliveryOptions) *scene {
	t.Helper()
	o.Deliverer = planettest.DelivererFunc(func(context.Context, planettest.File) error {
		return &planettest.DeliveryError{Code: "InvalidAccessKeyId"}
	})
	sim, err := planettest.New(planettest.Options{Users: []planettest.User{{Name: "ada", Key: "ada-key"}}, Deliveries: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	s := &scene{sim: sim, fake: newFake()}
	yes, no := true, false
	for i := range 15 {
		d := planettest.Destination{Name: "demo-" + string(rune('a'+i)), Type: "amazon_s3", Default: i == 0, Parameters: map[string]any{
			"bucket": "b", "aws_region": "r", "aws_access_key_id": "k", "aws_secret_access_key": "s"}}
		id := sim.Seed("ada", d)
		s.ids = append(s.ids, id)
		target := dependents.Target{Name: "name of " + id}
		target.Since = time.Now()
		target.Destination = planet.Destination{ID: id, Ref: full(id), Default: &no}
		if i == 0 {
			target.Destination.Default = &yes
		}
		s.fake.targets = append(s.fake.targets, target)
		if i%inUse != 0 {
			continue
		}
		refs := []string{full(id), "pl:destinations/" + id[strings.LastIndexByte(id, '-')+1:]}
		if i == 0 {
			refs = append(refs, "pl:destinations/default")
		}
		for _, ref := range refs {
			sim.Order("ada", ref, planettest.Order{Queue: 1000 * time.Hour})
			sim.Subscribe("ada", ref, planettest.Subscription{Interval: time.Hour})
		}
	}
	return s
}

func full(id string) string { return "pl:destinations/" + id }

func (s *scene) run(t *testing.T) *dependents.Asker {
	t.Helper()
	c, err := planet.New(planet.Options{BaseURL: "http://planet.test/destinations/v1", Transport: s.sim.RoundTripper(),
		Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte("ada-key"))))})
	if err != nil {
		t.Fatal(err)
	}
	o := planet.GathererOptions{}
	if o.Orders, err = c.Orders(planet.SiblingOptions{}); err != nil {
		t.Fatal(err)
	}
	if o.Subscriptions, err = c.Subscriptions(planet.SiblingOptions{}); err != nil {
		t.Fatal(err)
	}
	g, err := planet.NewGatherer(o)
	if err != nil {
		t.Fatal(err)
	}
	options := s.fake.options(every)
	options.Gatherer = g
	return run(t, options)
}

// want is what is right for all, after each subscription has failed so often.
func (s *scene) want(failed int) map[string]string {
	out := map[string]string{}
	for i, id := range s.ids {
		n := 0
		switch {
		case i == 0:
			n = 3
		case i%inUse == 0:
			n = 2
		}
		out[id] = show(planet.Dependents{Running: n, Open: n, Failed: n * failed, FailedCredential: n * failed})
	}
	return out
}

// requests checks the rate of each API, and that no round sent more requests
// than most; a round is what comes after a pause of twenty seconds.
func (s *scene) requests(t *testing.T, most int) {
	t.Helper()
	var last time.Time
	if got := s.sim.MaxInWindow(time.Second); got > 3 {
		t.Errorf("%d requests to one API within a second", got)
	}
	to := map[string]int{}
	n := 0
	for _, r := range s.sim.Requests() {
		if r.At.Sub(last) > 20*time.Second {
			n = 0
		}
		n++
		last = r.At
		if n == most+1 {
			t.Errorf("a round has sent more than %d requests", most)
		}
		to[strings.SplitN(r.Path, "/", 3)[1]]++
		if r.Status == 429 && r.Fault == "" {
			t.Error("a request was throttled")
		}
	}
	if to["compute"] == 0 || to["subscriptions"] == 0 || to["destinations"] > 0 {
		t.Errorf("the requests to each API: %v", to)
	}
}

// perCall is the Gatherer's own bound.
const perCall = 16

func TestWithPlanetsListsOneRoundTellsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, planettest.DeliveryOptions{})
		s.run(t)
		time.Sleep(5 * time.Minute)
		if diff := cmp.Diff(s.want(0), s.fake.counts()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(150*time.Minute - time.Since(s.fake.began)) // two deliveries each have failed
		if diff := cmp.Diff(s.want(2), s.fake.counts()); diff != "" {
			t.Error(diff)
		}
		s.requests(t, perCall)
	})
}

// The same where lists do not show references: destinations are asked for one
// by one, six a round, under every reference.
func TestWithoutReferencesInListsAFewRoundsTellAll(t *testing.T) {
	for name, resolves := range map[string]bool{"the filter compares texts": false, "the filter resolves": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, planettest.DeliveryOptions{HideRefs: true, FilterResolves: resolves})
				a := s.run(t)
				time.Sleep(35 * time.Minute)
				if diff := cmp.Diff(s.want(0), s.fake.counts()); diff != "" {
					t.Error(diff)
				}
				time.Sleep(170*time.Minute - time.Since(s.fake.began))
				if diff := cmp.Diff(s.want(2), s.fake.counts()); diff != "" {
					t.Error(diff)
				}
				for range 600 {
					a.Poke("name of " + s.ids[0])
					time.Sleep(time.Second)
				}
				s.requests(t, 7*perCall)
			})
		})
	}
}

// While Planet has a bad hour, nobody looks unused.
func TestWhilePlanetFailsWhatIsKnownStays(t *testing.T) {
	for name, fault := range map[string]planettest.Fault{
		"orders answer 500":             {Path: "/compute/ops/orders/v2", Times: -1},
		"subscriptions are cut":         {Path: "/subscriptions/v1", Times: -1, Kind: planettest.Cut},
		"orders are cut short":          {Path: "/compute/ops/orders/v2", Times: -1, Kind: planettest.Truncate, Effect: planettest.EffectNow},
		"all is throttled":              {Times: -1, Status: 429},
		"the key is refused everywhere": {Times: -1, Status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, planettest.DeliveryOptions{})
				a := s.run(t)
				time.Sleep(time.Minute)
				s.sim.Inject(fault)
				for range 50 {
					a.Poke()
					time.Sleep(time.Minute)
				}
				if diff := cmp.Diff(s.want(0), s.fake.counts()); diff != "" {
					t.Error(diff)
				}
				if n := strings.Count(s.fake.log.String(), "level=WARN"); n != 1 {
					t.Errorf("%d warnings:\n%s", n, s.fake.log.String())
				}
				s.sim.ClearFaults()
				time.Sleep(170*time.Minute - time.Since(s.fake.began))
				if diff := cmp.Diff(s.want(2), s.fake.counts()); diff != "" {
					t.Error(diff)
				}
				s.requests(t, perCall)
			})
		})
	}
}

// A key that may not use one of the two APIs at all is no reason to keep quiet
// about the other.
func TestARefusedAPIDoesNotHideTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, planettest.DeliveryOptions{})
		s.sim.Inject(planettest.Fault{Path: "/subscriptions/v1", Times: -1, Status: 403})
		s.run(t)
		time.Sleep(55 * time.Minute)
		want := map[string]string{}
		for i, id := range s.ids {
			n := 0
			switch {
			case i == 0:
				n = 3
			case i%inUse == 0:
				n = 2
			}
			want[id] = show(planet.Dependents{Open: n, Incomplete: true})
		}
		if diff := cmp.Diff(want, s.fake.counts()); diff != "" {
			t.Error(diff)
		}
		if n := strings.Count(s.fake.log.String(), "level=WARN"); n != 1 {
			t.Errorf("%d warnings:\n%s", n, s.fake.log.String())
		}
		s.requests(t, 7*perCall)
	})
}
