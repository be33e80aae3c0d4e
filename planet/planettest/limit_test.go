package planettest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestThreeRequestsASecond(t *testing.T) {
	type step struct {
		at     time.Duration // since the beginning, which is a full second of the clock
		user   string
		status int
		after  string // Retry-After
	}
	ms := time.Millisecond
	for name, c := range map[string]struct {
		options planettest.Options
		steps   []step
	}{
		"a sliding second": {planettest.Options{}, []step{
			{700 * ms, "ada", 200, ""},
			{800 * ms, "ada", 200, ""},
			{900 * ms, "ada", 200, ""},
			{900 * ms, "ada", 429, "1"},
			{900 * ms, "bob", 200, ""},
			{1699 * ms, "ada", 429, "1"},
			{1700 * ms, "ada", 200, ""},
			{1700 * ms, "ada", 429, "1"},
			{1800 * ms, "ada", 200, ""},
		}},
		"a fixed second": {planettest.Options{Window: planettest.Fixed}, []step{
			{700 * ms, "ada", 200, ""},
			{800 * ms, "ada", 200, ""},
			{900 * ms, "ada", 200, ""},
			{999 * ms, "ada", 429, "1"},
			{1000 * ms, "ada", 200, ""},
			{1000 * ms, "ada", 200, ""},
			{1000 * ms, "ada", 200, ""},
			{1000 * ms, "ada", 429, "1"},
			{2000 * ms, "ada", 200, ""},
		}},
		"rejected requests count": {planettest.Options{Behaviour: planettest.Behaviour{CountRejected: true}}, []step{
			{0, "ada", 200, ""},
			{0, "ada", 200, ""},
			{0, "ada", 200, ""},
			{500 * ms, "ada", 429, "1"},
			{500 * ms, "ada", 429, "1"},
			{500 * ms, "ada", 429, "1"},
			{1000 * ms, "ada", 429, "1"},
			{1499 * ms, "ada", 429, "1"},
			{1500 * ms, "ada", 200, ""},
		}},
		"with a date": {planettest.Options{Behaviour: planettest.Behaviour{RetryAfter: planettest.RetryDate}}, []step{
			{500 * ms, "ada", 200, ""},
			{500 * ms, "ada", 200, ""},
			{500 * ms, "ada", 200, ""},
			{500 * ms, "ada", 429, "Sat, 01 Jan 2000 00:00:02 GMT"},
			{1500 * ms, "ada", 200, ""},
		}},
		"without the header": {planettest.Options{PerSecond: 1, Behaviour: planettest.Behaviour{RetryAfter: planettest.RetryAbsent}}, []step{
			{0, "ada", 200, ""},
			{999 * ms, "ada", 429, ""},
			{1000 * ms, "ada", 200, ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c.options.Users = users()
				sim, err := planettest.New(c.options)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				for i, s := range c.steps {
					time.Sleep(time.Until(begin.Add(s.at)))
					got := send(t, sim, s.user, "GET", "", "")
					if got.status != s.status || got.header.Get("Retry-After") != s.after {
						t.Errorf("step %d: %d with Retry-After %q, want %d with %q", i, got.status, got.header.Get("Retry-After"), s.status, s.after)
					}
				}
			})
		})
	}
}

func TestTheLimitIsOverAllEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{PerSecond: 3})
		id := sim.Seed("ada", s3("demo"))
		send(t, sim, "ada", "GET", "/"+id, "").want(t, 200)
		send(t, sim, "ada", "GET", "/nowhere", "").want(t, 404)
		send(t, sim, "ada", "GET", "/default", "").want(t, 404)
		send(t, sim, "ada", "PATCH", "/"+id, newKeys("new")).want(t, 429)
		for range 9 {
			send(t, sim, "", "GET", "/spec", "").want(t, 200)
		}
		if held(t, sim, id) != "old-id" || last(sim).User != "" {
			t.Error("a rejected update took effect")
		}
	})
}

func TestMaxInWindowCountsAUsersArrivals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{PerSecond: 2})
		begin := time.Now()
		for _, at := range []int{0, 400, 800, 999, 1000, 1400} {
			time.Sleep(time.Until(begin.Add(time.Duration(at) * time.Millisecond)))
			send(t, sim, "ada", "GET", "", "")
		}
		for range 7 {
			send(t, sim, "", "GET", "/spec", "")
		}
		send(t, sim, "bob", "GET", "", "")
		got := map[time.Duration]int{}
		for _, d := range []time.Duration{time.Nanosecond, 200 * time.Millisecond, time.Second, time.Second + 1, time.Hour} {
			got[d] = sim.MaxInWindow(d)
		}
		// 400, 800, 999 and 1000 lie within a second; 1400 is a second after 400.
		want := map[time.Duration]int{time.Nanosecond: 1, 200 * time.Millisecond: 2, time.Second: 4, time.Second + 1: 5, time.Hour: 6}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("MaxInWindow (-want +got):\n%s", diff)
		}
		rejected := 0
		for _, r := range sim.Requests() {
			if r.Status == http.StatusTooManyRequests {
				rejected++
			}
		}
		if rejected == 0 {
			t.Error("nothing was rejected, so the count proves nothing of 429s")
		}
	})
}
