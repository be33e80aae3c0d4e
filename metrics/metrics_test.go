package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

func TestNewRefusesWhatCannotBeShown(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*Options)
		problem string
	}{
		{"no store", func(o *Options) { o.Store = nil }, "no Store"},
		{"a negative time-out", func(o *Options) { o.Timeout = -1 }, "negative"},
		{"a destination without a name", func(o *Options) { o.Destinations = []string{""} }, "one destination has no name"},
		{"a destination twice", func(o *Options) { o.Destinations = []string{"a", "b", "a"} }, `the destination "a" is named twice`},
		{"an account twice", func(o *Options) { o.Accounts = []string{"a", "a"} }, `the account "a" is named twice`},
		{"a source without a name", func(o *Options) { o.Sources = []string{""} }, "one event source has no name"},
		{"a target twice", func(o *Options) { o.Targets = []string{"a", "a"} }, `the announcement target "a" is named twice`},
		{"a secret without a name", func(o *Options) { o.Secrets = []credential.Secret{""} }, "the secret"},
		{"a secret that is not UTF-8", func(o *Options) { o.Secrets = []credential.Secret{"\xff"} }, "the secret"},
		{"a step that is not UTF-8", func(o *Options) { o.Steps = []string{"\xff"} }, "not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options(&fakeStore{})
			c.change(&o)
			if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("New: %v, want an error with %q", err, c.problem)
			}
		})
	}
}

func TestEventsAreCountedBySourceAndResult(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	m.Event("file", EventMatched)
	m.Event("file", EventMatched)
	m.Event("schedule", EventFailed)
	m.Event("nobody-told-me", EventUnmatched)
	want := map[string]float64{}
	for _, source := range []string{"file", "schedule", "queue", "other"} {
		for _, result := range eventResults() {
			want["result="+string(result)+",source="+source] = 0
		}
	}
	want["result=matched,source=file"] = 2
	want["result=failed,source=schedule"] = 1
	want["result=unmatched,source=other"] = 1
	if diff := cmp.Diff(want, series(t, m, "rotatord_events_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// These stand for rotation.Step and rotation.Observer.
type (
	engineStep     string
	engineObserver func(destination string, step engineStep, took time.Duration)
)

func TestStepsAreTimed(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	var observe engineObserver = StepObserver[engineStep](m)
	observe("prod", "patch", 2*time.Second)
	observe("prod", "patch", 40*time.Second)
	observe("prod", "dance", time.Second)
	got := map[string][2]float64{}
	for _, s := range gather(t, m)["rotatord_step_duration_seconds"].GetMetric() {
		got[s.GetLabel()[0].GetValue()] = [2]float64{float64(s.GetHistogram().GetSampleCount()), s.GetHistogram().GetSampleSum()}
	}
	want := map[string][2]float64{"list": {0, 0}, "patch": {2, 42}, "other": {1, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("count and sum by step (-want +got):\n%s", diff)
	}
}

func TestPlanetRequestsAreCountedByAnswer(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	o := m.PlanetObserver("planet")
	const one = "/destinations/v1/{id}"
	o(planet.Observation{Method: "PATCH", Route: one, Status: 200, Duration: time.Second})
	o(planet.Observation{Method: "PATCH", Route: one, Status: 422, Duration: time.Second, Kind: planet.KindUnprocessable})
	o(planet.Observation{Method: "PATCH", Route: one, Status: 599, Duration: time.Second, Kind: planet.KindServerError})
	o(planet.Observation{Method: "PATCH", Route: one, Status: 777, Duration: time.Second, Kind: "of tomorrow"})
	o(planet.Observation{Method: "PATCH", Route: one, Duration: 150 * time.Second, Kind: planet.KindTimeout})
	o(planet.Observation{Method: "PATCH", Route: one, Kind: planet.KindAuth}) // never sent
	m.PlanetObserver("who")(planet.Observation{Method: "BREW", Route: "/pot/7", Status: 200, Duration: time.Second})
	const patch = ",method=PATCH,route=" + one
	want := map[string]float64{
		"account=planet,code=200,kind=none" + patch:                 1,
		"account=planet,code=422,kind=unprocessable" + patch:        1,
		"account=planet,code=5xx,kind=server_error" + patch:         1,
		"account=planet,code=other,kind=other" + patch:              1,
		"account=planet,code=none,kind=timeout" + patch:             1,
		"account=planet,code=none,kind=auth" + patch:                1,
		"account=other,code=200,kind=none,method=other,route=other": 1,
	}
	if diff := cmp.Diff(want, series(t, m, "rotatord_planet_requests_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range gather(t, m)["rotatord_planet_request_duration_seconds"].GetMetric() {
		if s.GetLabel()[0].GetValue() == "planet" && (s.GetHistogram().GetSampleCount() != 5 || s.GetHistogram().GetSampleSum() != 154) {
			t.Errorf("durations: %v, want 5 that add up to 154", s.GetHistogram())
		}
	}
}

func TestAStatusIsShownAsItIsOrByItsClass(t *testing.T) {
	codes := map[string]bool{}
	for status := -1; status < 2000; status++ {
		codes[planetCode(status)] = true
	}
	if len(codes) > 30 {
		t.Errorf("%d different codes, want a bounded set: %v", len(codes), codes)
	}
	for status, want := range map[int]string{0: "none", 200: "200", 429: "429", 418: "4xx", 206: "2xx", 101: "1xx", 99: "other", 600: "other", -1: "other"} {
		if got := planetCode(status); got != want {
			t.Errorf("status %d is shown as %q, want %q", status, got, want)
		}
	}
}

func TestTurnsAreTimedAndCounted(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	waited := m.TurnObserver("planet")
	waited(2*time.Second, true, true)
	waited(3*time.Second, false, true)
	waited(9*time.Second, false, false)
	got := map[string]float64{}
	for _, s := range gather(t, m)["rotatord_planet_turn_wait_seconds"].GetMetric() {
		got[s.GetLabel()[1].GetValue()] = s.GetHistogram().GetSampleSum()
	}
	if diff := cmp.Diff(map[string]float64{"interactive": 2, "background": 3}, got); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	want := map[string]float64{"account=planet,priority=interactive": 0, "account=planet,priority=background": 1}
	if diff := cmp.Diff(want, series(t, m, "rotatord_planet_turns_abandoned_total")); diff != "" {
		t.Errorf("abandoned (-want +got):\n%s", diff)
	}
}

func TestTheLimiterIsAskedAtEachScrape(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	if got := series(t, m, "rotatord_planet_turns_waiting"); len(got) != 0 {
		t.Errorf("before there is a limiter: %v", got)
	}
	for _, l := range []fakeLimiter{{people: 1, work: 2}, {people: 3, work: 4, paused: at(9)}} {
		if err := m.WatchLimiter("planet", l); err != nil {
			t.Fatal(err)
		}
		want := map[string]float64{
			"account=planet,priority=interactive": float64(l.people),
			"account=planet,priority=background":  float64(l.work),
		}
		if diff := cmp.Diff(want, series(t, m, "rotatord_planet_turns_waiting")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := series(t, m, "rotatord_planet_paused_until_timestamp_seconds"); got["account=planet"] != 9.5 {
		t.Errorf("the pause is %v, want 9.5", got)
	}
	if m.WatchLimiter("who", fakeLimiter{}) == nil || m.WatchLimiter("planet", nil) == nil {
		t.Error("a limiter of nobody, or none at all, is taken")
	}
	var _ Limiter = (*planet.Limiter)(nil)
}

func TestMomentsAreExactToTheMillisecond(t *testing.T) {
	moment := time.Date(2026, 11, 22, 1, 2, 3, 456_000_000, time.FixedZone("away", 3600))
	if got := seconds(moment); math.Abs(got-1795305723.456) > 1e-6 {
		t.Errorf("seconds = %.6f", got)
	}
	if got := seconds(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)); got != 253370764800 {
		t.Errorf("the year 9999 is %.0f", got)
	}
}

func TestNamesFollowTheRulesOfPrometheus(t *testing.T) {
	m := everything(t)
	scrape(t, m, "")
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTheExpositionParses(t *testing.T) {
	m := everything(t)
	body, contentType := scrape(t, m, "")
	if !strings.HasPrefix(contentType, "text/plain; version=0.0.4") {
		t.Errorf("content type %q", contentType)
	}
	families := parse(t, body)
	for name := range gather(t, m) {
		if families[name] == nil {
			t.Errorf("%s is gathered and not shown", name)
		}
	}
	body, contentType = scrape(t, m, "application/openmetrics-text;version=1.0.0")
	if !strings.HasPrefix(contentType, "application/openmetrics-text; version=1.0.0") {
		t.Errorf("content type %q", contentType)
	}
	if !strings.HasSuffix(body, "\n# EOF\n") {
		t.Error("the OpenMetrics text has no end")
	}
}

// What a label can be is bounded by the configuration. So is the number of
// series; somebody who pays for each of them can plan.
func TestTheNumberOfSeriesIsBoundedByTheConfiguration(t *testing.T) {
	const destinations, attemptsEach = 50, 10
	// A destination has a secret of its own here, and no attempts; what is fixed
	// is for one account, go and process included.
	const perDestination, perTarget, fixed = 85, 70, 310
	count := func(destinations int) int {
		f := &fakeStore{}
		o := options(f)
		o.Destinations, o.Secrets = nil, nil
		o.TargetStates = func() []TargetState { return []TargetState{{Target: "pager"}, {Target: "chat"}} }
		o.Steps = []string{"list", "current", "read", "preflight", "turn", "patch", "probe", "check"}
		for i := range destinations {
			name := fmt.Sprintf("destination-%d", i)
			o.Destinations = append(o.Destinations, name)
			f.records = append(f.records, fullRecord(name))
			receipt := fullReceipt()
			receipt.Secret = credential.Secret("file:///run/secrets/" + name)
			o.Secrets = append(o.Secrets, receipt.Secret)
			f.receipts = append(f.receipts, receipt)
			for j := range attemptsEach {
				f.attempts = append(f.attempts, store.AttemptCount{Destination: name, Outcome: outcomes()[j], Reason: store.Reasons()[j], Count: 1})
			}
		}
		m := newMetrics(t, o)
		watch := m.PlanetObserver("planet")
		for _, target := range []string{"pager", "chat", "pager"} {
			m.Announcement(target, "held", "failed", "timeout")
		}
		for range 3 { // more of the same makes no more series
			for _, k := range []planet.Observation{{Method: "GET", Route: "/destinations/v1", Status: 200, Duration: 1}, {Method: "PATCH", Route: "/destinations/v1/{id}", Status: 200, Duration: 1}} {
				watch(k)
			}
			for i := range destinations {
				for _, step := range o.Steps {
					m.Step(o.Destinations[i], step, time.Second)
				}
			}
		}
		body, _ := scrape(t, m, "")
		n := 0
		for line := range strings.Lines(body) {
			if !strings.HasPrefix(line, "#") {
				n++
			}
		}
		return n
	}
	none, one, all := count(0), count(1), count(destinations)
	t.Logf("%d series without a destination, %d with one, %d with %d", none, one, all, destinations)
	if most := fixed + 2*perTarget; none > most {
		t.Errorf("%d series without any destination, want at most %d", none, most)
	}
	if each := one - none - attemptsEach; each > perDestination {
		t.Errorf("a destination has %d series besides its attempts, want at most %d", each, perDestination)
	}
	if all-none != destinations*(one-none) {
		t.Errorf("%d destinations add %d series and one adds %d: something multiplies", destinations, all-none, one-none)
	}
}

func TestScrapesAndCountersMayRunTogether(t *testing.T) {
	m := everything(t)
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for range 20 {
				m.Event("file", EventMatched)
				m.Step("prod", "list", time.Millisecond)
				m.PlanetObserver("planet")(planet.Observation{Method: "GET", Route: "/destinations/v1", Status: 200, Duration: 1})
				m.TurnObserver("planet")(1, false, i%2 == 0)
				_ = m.WatchLimiter("planet", fakeLimiter{})
			}
		})
		group.Go(func() {
			for range 5 {
				if _, err := m.registry.Gather(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if got := series(t, m, "rotatord_events_total")["result=matched,source=file"]; got != 81 {
		t.Errorf("%v events counted, want 81", got)
	}
}

func TestAClientThatHangsUpIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		o := options(&fakeStore{})
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		m, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		h := m.Handler()
		for range 3 {
			h.ServeHTTP(gone{httptest.NewRecorder()}, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("logged %d lines:\n%s", n, log.String())
		}
	})
}

// gone is a client that has hung up.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
