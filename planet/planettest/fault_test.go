package planettest_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestEveryFaultDoesWhatItSays(t *testing.T) {
	for name, c := range map[string]struct {
		fault  planettest.Fault
		status int   // what the client is told; 0 is err
		err    error // with status 0
		after  time.Duration
		effect time.Duration // when the PATCH took effect; negative is never
	}{
		"503 by itself":               {planettest.Fault{}, 503, nil, 0, -1},
		"a status":                    {planettest.Fault{Status: 502}, 502, nil, 0, -1},
		"a status after the effect":   {planettest.Fault{Status: 504, Effect: planettest.EffectNow}, 504, nil, 0, 0},
		"a status before the effect":  {planettest.Fault{Status: 504, Effect: planettest.EffectLate, Delay: time.Minute}, 504, nil, 0, time.Minute},
		"a cut before":                {planettest.Fault{Kind: planettest.Cut}, 0, io.ErrUnexpectedEOF, 0, -1},
		"a reset before":              {planettest.Fault{Kind: planettest.Cut, Reset: true}, 0, syscall.ECONNRESET, 0, -1},
		"a cut after":                 {planettest.Fault{Kind: planettest.Cut, Effect: planettest.EffectNow}, 0, io.ErrUnexpectedEOF, 0, 0},
		"a cut that comes late":       {planettest.Fault{Kind: planettest.Cut, Effect: planettest.EffectLate, Delay: 30 * time.Second}, 0, io.ErrUnexpectedEOF, 0, 30 * time.Second},
		"a truncated answer":          {planettest.Fault{Kind: planettest.Truncate, Effect: planettest.EffectNow}, 0, io.ErrUnexpectedEOF, 0, 0},
		"a truncated answer, reset":   {planettest.Fault{Kind: planettest.Truncate, Reset: true}, 0, syscall.ECONNRESET, 0, -1},
		"slow to begin":               {planettest.Fault{Kind: planettest.Slow, Delay: time.Minute}, 200, nil, time.Minute, time.Minute},
		"slow to answer":              {planettest.Fault{Kind: planettest.Slow, Delay: time.Minute, Effect: planettest.EffectNow}, 200, nil, time.Minute, 0},
		"junk":                        {planettest.Fault{Kind: planettest.Junk, Effect: planettest.EffectNow}, 200, nil, 0, 0},
		"junk with a status, no more": {planettest.Fault{Kind: planettest.Junk, Status: 502, Body: "<html>"}, 502, nil, 0, -1},
		"huge":                        {planettest.Fault{Kind: planettest.Huge, Effect: planettest.EffectNow, Size: 1 << 16}, 200, nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSim(t, planettest.Options{})
				id := sim.Seed("ada", s3("demo"))
				sim.Inject(c.fault)
				begin := time.Now()
				got, err := try(t.Context(), sim, "ada", "PATCH", "/"+id, newKeys("new"))
				if got.status != c.status || !errors.Is(err, c.err) || time.Since(begin) != c.after {
					t.Fatalf("answered %d, %v after %v", got.status, err, time.Since(begin))
				}
				if now := held(t, sim, id) == "new"; now != (c.effect == 0 || c.effect > 0 && c.effect == c.after) {
					t.Errorf("when answered it had taken effect: %t", now)
				}
				sim.Wait()
				record := last(sim)
				if took := held(t, sim, id) == "new"; took != (c.effect >= 0) || took == record.Effect.IsZero() || took != (record.Result == 200) {
					t.Errorf("in the end it had taken effect: %t; the record says %v, %d", took, record.Effect, record.Result)
				}
				if c.effect >= 0 && record.Effect.Sub(begin) != c.effect {
					t.Errorf("it took effect after %v", record.Effect.Sub(begin))
				}
				if record.Status != c.status || record.Fault == "" {
					t.Errorf("the record says status %d, fault %q", record.Status, record.Fault)
				}
				send(t, sim, "ada", "GET", "/"+id, "").want(t, 200)
			})
		})
	}
}

func TestFaultyBodies(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	sim.Inject(planettest.Fault{Status: 429, RetryAfter: "Fri, 31 Dec 1999 23:59:59 GMT"})
	if got := send(t, sim, "ada", "GET", "", "").want(t, 429); got.header.Get("Retry-After") != "Fri, 31 Dec 1999 23:59:59 GMT" {
		t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
	}
	sim.Inject(planettest.Fault{Kind: planettest.Junk})
	if got := send(t, sim, "ada", "GET", "", ""); json.Valid([]byte(got.raw)) {
		t.Errorf("the junk is JSON: %q", got.raw)
	}
	sim.Inject(planettest.Fault{Status: 502, Body: "<html>bad gateway</html>"})
	if got := send(t, sim, "ada", "GET", "", ""); got.raw != "<html>bad gateway</html>" {
		t.Errorf("the body is %q", got.raw)
	}
	sim.Inject(planettest.Fault{Kind: planettest.Huge, Size: 100_000})
	if got := send(t, sim, "ada", "GET", "", ""); len(got.raw) < 100_000 || !json.Valid([]byte(got.raw)) {
		t.Errorf("the huge body has %d bytes", len(got.raw))
	}
}

func TestFaultsHitTheRequestsTheyName(t *testing.T) {
	for name, c := range map[string]struct {
		fault planettest.Fault
		hit   string // of the nine requests below
	}{
		"the first of all":         {planettest.Fault{}, "X........"},
		"all":                      {planettest.Fault{Times: -1}, "XXXXXXXXX"},
		"by method":                {planettest.Fault{Method: "PATCH", Times: -1}, ".XX.XX..."},
		"the second of a method":   {planettest.Fault{Method: "PATCH", Nth: 2}, "..X......"},
		"two from the second":      {planettest.Fault{Method: "PATCH", Nth: 2, Times: 2}, "..X.X...."},
		"by path":                  {planettest.Fault{Path: "/one-*", Times: -1}, "XX.XX...."},
		"the list":                 {planettest.Fault{Path: "/", Times: -1}, "......XX."},
		"by user":                  {planettest.Fault{User: "root", Times: -1}, "...XXX..."},
		"by all of it":             {planettest.Fault{User: "root", Method: "PATCH", Path: "/one-*", Times: -1}, "....X...."},
		"the default":              {planettest.Fault{Path: "/default"}, "........X"},
		"a path that is not there": {planettest.Fault{Path: "/none", Times: -1}, "........."},
		"in a span of time":        {planettest.Fault{From: since(2), Until: since(5), Times: -1}, "..XXX...."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSim(t, planettest.Options{})
				one, two := sim.Seed("ada", s3("one")), sim.Seed("ada", s3("two"))
				sim.Inject(c.fault)
				hit := ""
				for _, r := range [][3]string{
					{"ada", "GET", "/" + one},
					{"ada", "PATCH", "/" + one},
					{"ada", "PATCH", "/" + two},
					{"root", "GET", "/" + one},
					{"root", "PATCH", "/" + one + "/"},
					{"root", "PATCH", "/" + two},
					{"ada", "GET", ""},
					{"ada", "GET", "/?archived=true"},
					{"ada", "GET", "/default"},
				} {
					if send(t, sim, r[0], r[1], r[2], "").status == 503 {
						hit += "X"
					} else {
						hit += "."
					}
					time.Sleep(time.Second)
				}
				if hit != c.hit {
					t.Errorf("it hit %s, want %s", hit, c.hit)
				}
			})
		})
	}
}

// since is a time of the bubble's clock, which begins with the year 2000.
func since(seconds int) time.Time {
	return time.Date(2000, 1, 1, 0, 0, seconds, 0, time.UTC)
}

func TestFaultsTakeTurnsAndEnd(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	sim.Inject(planettest.Fault{Status: 500})
	sim.Inject(planettest.Fault{Status: 502, Times: -1})
	var got []int
	for range 3 {
		got = append(got, send(t, sim, "ada", "GET", "", "").status)
	}
	sim.ClearFaults()
	got = append(got, send(t, sim, "ada", "GET", "", "").status)
	if diff := cmp.Diff([]int{500, 502, 502, 200}, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

var rates = planettest.FaultRates{
	TooMany: .1, ServerError: .2, CutBefore: .1, CutAfter: .1, CutLate: .1, Slow: .1, Junk: .1, MaxDelay: time.Minute,
}

// faultsOf runs requests for two destinations in an order of the caller's
// choice and tells what each destination met.
func faultsOf(t *testing.T, seed int64, turns string) map[string][]string {
	t.Helper()
	met := map[string][]string{}
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{Seed: seed, Faults: rates})
		ids := map[rune]string{'a': sim.Seed("ada", s3("one")), 'b': sim.Seed("ada", s3("two"))}
		for _, turn := range turns {
			_, _ = try(t.Context(), sim, "ada", "PATCH", "/"+ids[turn], newKeys("new")) // a fault is as good as an answer
		}
		sim.Wait()
		for _, r := range sim.Requests() {
			met[r.Path] = append(met[r.Path], r.Fault)
		}
	})
	return met
}

func TestChanceIsTheSeedsAndNotTheOrders(t *testing.T) {
	const n = 120
	inTurns := faultsOf(t, 1, strings.Repeat("ab", n))
	if diff := cmp.Diff(inTurns, faultsOf(t, 1, strings.Repeat("b", n)+strings.Repeat("a", n))); diff != "" {
		t.Errorf("another order met other faults (-turns +blocks):\n%s", diff)
	}
	if cmp.Equal(inTurns, faultsOf(t, 2, strings.Repeat("ab", n))) {
		t.Error("another seed met the same faults")
	}
	for _, kind := range []string{
		"status 429", "status 500", "status 502", "status 503", "status 504", "cut", "cut, after taking effect", "cut, takes effect ", "slow, ", "junk, after",
	} {
		if count(inTurns, func(f string) bool { return strings.HasPrefix(f, kind) }) == 0 {
			t.Errorf("in %d requests none met %q", 2*n, kind)
		}
	}
	if clean := count(inTurns, func(f string) bool { return f == "" }); clean < n/5 || clean > n {
		t.Errorf("%d of %d requests met no fault, want about a fifth", clean, 2*n)
	}
}

func count(met map[string][]string, is func(string) bool) int {
	n := 0
	for _, faults := range met {
		for _, f := range faults {
			if is(f) {
				n++
			}
		}
	}
	return n
}

func TestRatesCanBeSetAndEnded(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	sim.SetFaults(planettest.FaultRates{TooMany: 1})
	send(t, sim, "ada", "GET", "", "").want(t, 429)
	sim.ClearFaults()
	send(t, sim, "ada", "GET", "", "").want(t, 200)
	defer func() {
		if recover() == nil {
			t.Error("SetFaults took rates above one")
		}
	}()
	sim.SetFaults(planettest.FaultRates{Junk: 2})
}
