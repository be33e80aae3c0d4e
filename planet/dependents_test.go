package planet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
)

// bucket lets the keys write that it has, and no others.
type bucket struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (b *bucket) set(key string, works bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys == nil {
		b.keys = map[string]bool{}
	}
	b.keys[key] = works
}

func (b *bucket) Deliver(_ context.Context, f planettest.File) error {
	var p struct {
		Key string `json:"aws_access_key_id"`
	}
	if err := json.Unmarshal(f.Parameters, &p); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.keys[p.Key] {
		return &planettest.DeliveryError{Code: "InvalidAccessKeyId"}
	}
	return nil
}

func newSim(t *testing.T, o planettest.Options) *planettest.Simulator {
	t.Helper()
	o.Users = []planettest.User{{Name: "ada", Key: "ada-key"}, {Name: "root", Key: "root-key", Admin: true}}
	if o.PerSecond == 0 {
		o.PerSecond = 1000
	}
	sim, err := planettest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	return sim
}

func seed(sim *planettest.Simulator, name string, d planettest.Destination) string {
	d.Name, d.Type = name, "amazon_s3"
	d.Parameters = map[string]any{"bucket": "b", "aws_region": "r", "aws_access_key_id": "old", "aws_secret_access_key": "s"}
	return sim.Seed("ada", d)
}

func short(id string) string { return "pl:destinations/" + id[strings.LastIndexByte(id, '-')+1:] }
func full(id string) string  { return "pl:destinations/" + id }

// newGatherer makes all that a gatherer needs; over is nil for the simulator's
// own transport.
func newGatherer(t *testing.T, sim *planettest.Simulator, base, user string, perSecond int, o planet.GathererOptions) (*planet.Gatherer, *planet.Client) {
	t.Helper()
	po := planet.Options{BaseURL: base, Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte(user + "-key")))), Backoff: time.Millisecond}
	if base == "" {
		po.BaseURL, po.Transport = "http://planet.test/destinations/v1", sim.RoundTripper()
	}
	limiter := func() *planet.Limiter {
		l, err := planet.NewLimiter(planet.LimiterOptions{PerSecond: perSecond})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	po.Limiter = limiter()
	c, err := planet.New(po)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	if o.Orders, err = c.Orders(planet.SiblingOptions{Limiter: limiter(), Attempts: 2}); err != nil {
		t.Fatal(err)
	}
	if o.Subscriptions, err = c.Subscriptions(planet.SiblingOptions{Limiter: limiter(), Attempts: 2}); err != nil {
		t.Fatal(err)
	}
	g, err := planet.NewGatherer(o)
	if err != nil {
		t.Fatal(err)
	}
	return g, c
}

func list(t *testing.T, c *planet.Client, since time.Time) []planet.Target {
	t.Helper()
	ds, err := c.List(t.Context(), planet.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var targets []planet.Target
	for _, d := range ds {
		targets = append(targets, planet.Target{Destination: d, Since: since})
	}
	return targets
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatal("it never came to this: " + what)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(time.Millisecond):
		}
	}
}

// counts is a summary without times and texts.
type counts struct {
	Running, Open, Failed, Credential int
	Incomplete                        bool
}

func countsOf(d planet.Dependents) counts {
	return counts{d.Running, d.Open, d.Failed, d.FailedCredential, d.Incomplete}
}

// One destination is used under every form at once, a second one is not, over
// real HTTP and whatever Planet's filter makes of the forms.
func TestDependentsAreFoundInEveryFormOfAReference(t *testing.T) {
	for name, o := range map[string]planettest.DeliveryOptions{
		"the filter compares texts":    {PerSecond: 1000},
		"the filter resolves":          {PerSecond: 1000, FilterResolves: true},
		"small pages":                  {PerSecond: 1000, PageSize: 2},
		"what was said is not told":    {PerSecond: 1000, HideCause: true},
		"answers show no delivery":     {PerSecond: 1000, HideRefs: true},
		"none shown, but it resolves":  {PerSecond: 1000, HideRefs: true, FilterResolves: true},
		"a page is as large as a list": {PerSecond: 1000, PageSize: 3},
	} {
		t.Run(name, func(t *testing.T) {
			b := &bucket{}
			o.Deliverer = b
			sim := newSim(t, planettest.Options{Deliveries: o})
			server := sim.Start()
			defer server.Close()
			used, other := seed(sim, "used", planettest.Destination{Default: true}), seed(sim, "other", planettest.Destination{})
			begin := time.Now().Add(-time.Minute)
			for _, ref := range []string{full(used), short(used), "pl:destinations/default"} {
				sim.Order("ada", ref, planettest.Order{Queue: time.Hour})
				sim.Order("ada", ref, planettest.Order{})
				sim.Subscribe("ada", ref, planettest.Subscription{Interval: time.Hour})
			}
			sim.Order("ada", full(other), planettest.Order{Queue: time.Hour})
			eventually(t, "three orders have failed", func() bool { _, failed := sim.Delivered(); return failed == 3 })

			g, c := newGatherer(t, sim, server.BaseURL, "ada", 1000, planet.GathererOptions{Requests: 40, Pages: 10})
			targets := list(t, c, begin)
			want := counts{3, 3, 3, 3, false}
			if o.HideCause {
				want.Credential = 0
			}
			one, err := g.Gather(t.Context(), targets[0])
			if diff := cmp.Diff(want, countsOf(one)); diff != "" || err != nil {
				t.Errorf("one by one: %v\n%s", err, diff)
			}
			if len(one.Examples) != 3 || one.Examples[0].Message == "" || one.Examples[0].Kind != planet.FailedOrder {
				t.Errorf("the examples are %+v", one.Examples)
			}
			all, err := g.GatherAll(t.Context(), targets)
			if err != nil {
				t.Fatal(err)
			}
			wantAll := map[string]counts{used: want, other: {Open: 1}}
			if o.HideRefs {
				wantAll = map[string]counts{used: {Incomplete: true}, other: {Incomplete: true}}
			}
			got := map[string]counts{}
			for id, d := range all {
				got[id] = countsOf(d)
			}
			if diff := cmp.Diff(wantAll, got); diff != "" {
				t.Errorf("all at once:\n%s", diff)
			}
		})
	}
}

func TestOnlyAdminsSeeWhatOthersOrdered(t *testing.T) {
	sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{PerSecond: 1000}})
	id := seed(sim, "demo", planettest.Destination{})
	sim.Order("ada", full(id), planettest.Order{Queue: time.Hour})
	for _, tc := range []struct {
		user string
		all  bool
		want counts
		kind planet.Kind
	}{
		{"ada", false, counts{Open: 1}, ""},
		{"root", false, counts{}, ""},
		{"root", true, counts{Open: 1}, ""},
		{"ada", true, counts{Incomplete: true}, planet.KindForbidden},
	} {
		g, c := newGatherer(t, sim, "", tc.user, 1000, planet.GathererOptions{AllUsers: tc.all})
		got, err := g.Gather(t.Context(), list(t, c, time.Now())[0])
		if diff := cmp.Diff(tc.want, countsOf(got)); diff != "" || planet.KindOf(err) != tc.kind || got.AllUsers != tc.all {
			t.Errorf("%s, of all users %t: %v\n%s", tc.user, tc.all, err, diff)
		}
		if tc.kind != "" && !strings.Contains(err.Error(), "user_id is for the admins") {
			t.Errorf("the error says %v", err)
		}
	}
}

// An API that fails costs its own part of the summary and no more requests
// than allowed.
func TestAFailingAPIIsSaidToBeMissing(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault planettest.Fault
		want  counts
		kind  planet.Kind
	}{
		{"one server error is got over", planettest.Fault{Path: "/compute/ops/orders/v2"}, counts{1, 1, 0, 0, false}, ""},
		{"orders fail", planettest.Fault{Path: "/compute/ops/orders/v2", Times: -1}, counts{1, 0, 0, 0, true}, planet.KindServerError},
		{"orders are cut", planettest.Fault{Path: "/compute/ops/orders/v2", Times: -1, Kind: planettest.Cut}, counts{1, 0, 0, 0, true}, planet.KindCut},
		{"orders are junk", planettest.Fault{Path: "/compute/ops/orders/v2", Kind: planettest.Junk, Effect: planettest.EffectNow}, counts{1, 0, 0, 0, true}, planet.KindInvalidAnswer},
		{"orders are huge", planettest.Fault{Path: "/compute/ops/orders/v2", Kind: planettest.Huge}, counts{1, 0, 0, 0, true}, planet.KindInvalidAnswer},
		{"subscriptions fail", planettest.Fault{Path: "/subscriptions/v1", Times: -1}, counts{0, 1, 0, 0, true}, planet.KindServerError},
		{"results fail", planettest.Fault{Path: "/subscriptions/v1/*/results", Times: -1}, counts{1, 1, 0, 0, true}, planet.KindServerError},
		{"the subscription is gone meanwhile", planettest.Fault{Path: "/subscriptions/v1/*/results", Status: 404}, counts{1, 1, 0, 0, false}, ""},
		{"destinations fail, which is another matter", planettest.Fault{Path: "/x", Times: -1}, counts{1, 1, 0, 0, false}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{PerSecond: 1000}})
			id := seed(sim, "demo", planettest.Destination{})
			sim.Order("ada", full(id), planettest.Order{Queue: time.Hour})
			sim.Subscribe("ada", short(id), planettest.Subscription{})
			g, c := newGatherer(t, sim, "", "ada", 1000, planet.GathererOptions{})
			targets := list(t, c, time.Now())
			sim.Forget()
			sim.Inject(tc.fault)
			got, err := g.GatherAll(t.Context(), targets)
			if diff := cmp.Diff(tc.want, countsOf(got[id])); diff != "" || planet.KindOf(err) != tc.kind {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func TestABoundOnRequestsIsKept(t *testing.T) {
	for bound := 1; bound <= 12; bound++ {
		sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{PerSecond: 1000, PageSize: 1}})
		id := seed(sim, "demo", planettest.Destination{Default: true})
		for range 5 {
			sim.Order("ada", full(id), planettest.Order{Queue: time.Hour})
			sim.Subscribe("ada", full(id), planettest.Subscription{})
		}
		g, c := newGatherer(t, sim, "", "ada", 1000, planet.GathererOptions{Requests: bound})
		targets := list(t, c, time.Now())
		for name, gather := range map[string]func() (planet.Dependents, error){
			"one": func() (planet.Dependents, error) { return g.Gather(t.Context(), targets[0]) },
			"all": func() (planet.Dependents, error) {
				all, err := g.GatherAll(t.Context(), targets)
				return all[id], err
			},
		} {
			sim.ClearFaults()
			sim.SetFaults(planettest.FaultRates{ServerError: .3})
			sim.Forget()
			got, _ := gather()
			if n := len(sim.Requests()); n > bound || n == 0 || !got.Incomplete {
				t.Errorf("%s: %d requests of %d, incomplete %t", name, n, bound, got.Incomplete)
			}
		}
	}
}

func TestPagesThatAreNotReadAreSaidToBeMissing(t *testing.T) {
	sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{PerSecond: 1000, PageSize: 1}})
	id := seed(sim, "demo", planettest.Destination{})
	for range 3 {
		sim.Order("ada", full(id), planettest.Order{Queue: time.Hour})
	}
	for pages, want := range map[int]counts{2: {Open: 2, Incomplete: true}, 3: {Open: 3}} {
		g, c := newGatherer(t, sim, "", "ada", 1000, planet.GathererOptions{Pages: pages})
		got, err := g.Gather(t.Context(), list(t, c, time.Now())[0])
		if diff := cmp.Diff(want, countsOf(got)); diff != "" || err != nil {
			t.Errorf("%d pages: %v\n%s", pages, err, diff)
		}
	}
}

// Fifty destinations with three running subscriptions each: what one look
// costs, that a small bound reaches every subscription, and what Planet sees.
func TestFiftyDestinationsCostAHandfulOfRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{}
		sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{Deliverer: b, Interval: 50 * time.Second}})
		for i := range 50 {
			id := seed(sim, fmt.Sprintf("demo %d", i), planettest.Destination{})
			for range 3 {
				sim.Subscribe("ada", full(id), planettest.Subscription{})
			}
		}
		begin := time.Now()
		g, c := newGatherer(t, sim, "", "ada", planet.DefaultPerSecond, planet.GathererOptions{Requests: 16})
		targets := list(t, c, begin)
		var all map[string]planet.Dependents
		for look := 1; ; look++ {
			time.Sleep(time.Minute)
			sim.Forget()
			var err error
			if all, err = g.GatherAll(t.Context(), targets); err != nil {
				t.Fatal(err)
			}
			if n := len(sim.Requests()); n > 16 {
				t.Fatalf("look %d takes %d requests", look, n)
			}
			if most := sim.MaxInWindow(time.Second); most > 3 {
				t.Fatalf("%d requests arrive within a second", most)
			}
			missing := 0
			for _, d := range all {
				if d.Incomplete {
					missing++
				}
			}
			if missing == 0 {
				// 150 subscriptions, 16 requests a look less four lists.
				if want := 13; look != want {
					t.Errorf("all results were seen at look %d, want %d", look, want)
				}
				break
			}
			if look > 20 {
				t.Fatalf("%d destinations are never looked at", missing)
			}
		}
		for id, d := range all {
			if d.Running != 3 || d.Failed == 0 || d.Failed != d.FailedCredential || len(d.Examples) > 5 || d.ResultsAt.Before(begin) {
				t.Errorf("%s: %+v", id, countsOf(d))
			}
		}
	})
}

// What was seen before is not asked for again, and what is older than the
// last rotation does not count.
func TestResultsAreRememberedUntilTheNextRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{}
		sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{Deliverer: b, Interval: 10 * time.Minute}})
		id := seed(sim, "demo", planettest.Destination{})
		sim.Subscribe("ada", full(id), planettest.Subscription{})
		g, c := newGatherer(t, sim, "", "ada", 3, planet.GathererOptions{})
		begin := time.Now()
		target := list(t, c, begin)[0]
		gather := func() planet.Dependents {
			t.Helper()
			got, err := g.Gather(t.Context(), target)
			if err != nil || got.Incomplete {
				t.Fatal(err, got)
			}
			return got
		}
		asked := func() string {
			t.Helper()
			all := sim.Requests()
			last := all[len(all)-1]
			if !strings.HasSuffix(last.Path, "/results") {
				t.Fatalf("the last request was %s", last.Path)
			}
			_, from, _ := strings.Cut(last.Query, "updated=")
			return from
		}
		time.Sleep(25 * time.Minute)
		if got := gather(); got.Failed != 2 {
			t.Errorf("%d failed by minute 25, want 2", got.Failed)
		}
		first := asked()
		time.Sleep(10 * time.Minute)
		if got := gather(); got.Failed != 3 {
			t.Errorf("%d failed by minute 35, want 3", got.Failed)
		}
		if second := asked(); second <= first {
			t.Errorf("asked from %s and then from %s", first, second)
		}
		target.Since = begin.Add(15 * time.Minute)
		if got := gather(); got.Failed != 2 {
			t.Errorf("%d failed since minute 15, want 2", got.Failed)
		}
		target.Since = begin
		if got := gather(); got.Failed != 3 {
			t.Errorf("%d failed since the beginning again, want 3", got.Failed)
		}
		b.set("old", true)
		target.Since = time.Now()
		time.Sleep(10 * time.Minute)
		if got := gather(); got.Failed != 0 || len(got.Examples) != 0 {
			t.Errorf("%d failed since it works", got.Failed)
		}
	})
}

// What could not be read or kept is said, until a rotation makes it irrelevant.
func TestResultsThatAreLostAreSaidToBeMissing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		size   int // of a page; one is read
		runs   time.Duration
		failed int
	}{
		{"more pages than are read", 1, 3*time.Minute + 10*time.Second, 1},
		{"more than are kept", 5000, 1200*time.Minute + 10*time.Second, 1000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{Deliverer: &bucket{}, Interval: time.Minute, PageSize: tc.size}})
				id := seed(sim, "demo", planettest.Destination{})
				sim.Subscribe("ada", full(id), planettest.Subscription{})
				g, c := newGatherer(t, sim, "", "ada", 3, planet.GathererOptions{Pages: 1})
				target := list(t, c, time.Now())[0]
				time.Sleep(tc.runs)
				got, err := g.Gather(t.Context(), target)
				if err != nil || got.Failed != tc.failed || !got.Incomplete {
					t.Errorf("%d failed, incomplete %t, %v; want %d", got.Failed, got.Incomplete, err, tc.failed)
				}
				time.Sleep(10 * time.Second)
				target.Since = time.Now()
				time.Sleep(10 * time.Second)
				if got, err := g.Gather(t.Context(), target); err != nil || got.Failed != 0 || got.Incomplete {
					t.Errorf("since the rotation %d failed, incomplete %t, %v", got.Failed, got.Incomplete, err)
				}
			})
		})
	}
}

func TestASummaryTellsTheWorstFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &bucket{}
		sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{Deliverer: b}})
		id := seed(sim, "demo", planettest.Destination{})
		begin := time.Now()
		for i := range 7 {
			sim.Order("ada", full(id), planettest.Order{Name: fmt.Sprint("order ", i)})
			time.Sleep(time.Minute)
		}
		g, c := newGatherer(t, sim, "", "ada", 3, planet.GathererOptions{})
		got, err := g.Gather(t.Context(), list(t, c, begin.Add(time.Minute))[0])
		if err != nil {
			t.Fatal(err)
		}
		var want []planet.Failure
		for i := 6; i >= 2; i-- {
			want = append(want, planet.Failure{
				Kind: planet.FailedOrder, Name: fmt.Sprint("order ", i), At: begin.Add(time.Duration(i) * time.Minute),
				Cause: planet.CauseCredential, Message: "Delivery to the destination failed: InvalidAccessKeyId",
			})
		}
		if diff := cmp.Diff(want, got.Examples, cmpopts.IgnoreFields(planet.Failure{}, "ID")); diff != "" {
			t.Error(diff)
		}
		if got.Failed != 6 {
			t.Errorf("%d failed since the first minute, want 6", got.Failed)
		}
	})
}

// A 429 of one API stops nobody who asks another.
func TestEachAPIHasALimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{PerSecond: 3})
		seed(sim, "demo", planettest.Destination{})
		g, c := newGatherer(t, sim, "", "ada", 3, planet.GathererOptions{})
		targets := list(t, c, time.Now())
		sim.Inject(planettest.Fault{Path: "/compute/ops/orders/v2", Status: http.StatusTooManyRequests, RetryAfter: "60"})
		begin := time.Now()
		done := make(chan error, 1)
		go func() {
			_, err := g.GatherAll(t.Context(), targets)
			done <- err
		}()
		synctest.Wait()
		if _, err := c.List(t.Context(), planet.ListOptions{}); err != nil || time.Since(begin) > time.Second {
			t.Errorf("a list of destinations took %v: %v", time.Since(begin), err)
		}
		if err := <-done; err != nil || time.Since(begin) < time.Minute {
			t.Errorf("the orders came after %v: %v", time.Since(begin), err)
		}
	})
}

func TestGatheringManyAtOnceIsSafe(t *testing.T) {
	sim := newSim(t, planettest.Options{Deliveries: planettest.DeliveryOptions{PerSecond: 100_000, Deliverer: &bucket{}, Interval: time.Millisecond}})
	id := seed(sim, "demo", planettest.Destination{})
	for range 3 {
		sim.Subscribe("ada", full(id), planettest.Subscription{})
	}
	g, c := newGatherer(t, sim, "", "ada", 1000, planet.GathererOptions{})
	targets := list(t, c, time.Now().Add(-time.Minute))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = g.Gather(t.Context(), targets[0])
			} else {
				_, err = g.GatherAll(t.Context(), targets)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
