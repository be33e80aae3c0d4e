package metrics

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/watcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeStore is a Reader that says what it was told to.
type fakeStore struct {
	records  []store.Record
	attempts []store.AttemptCount
	accounts map[string]store.Account
	receipts []store.Receipt

	listErr, attemptsErr, accountErr, receiptsErr error
	// before, if set, is run by List.
	before func(context.Context)
}

func (f *fakeStore) List(ctx context.Context) ([]store.Record, error) {
	if f.before != nil {
		f.before(ctx)
	}
	return f.records, f.listErr
}

func (f *fakeStore) Attempts(context.Context) ([]store.AttemptCount, error) {
	return f.attempts, f.attemptsErr
}

func (f *fakeStore) LoadAccount(_ context.Context, name string) (store.Account, error) {
	if f.accountErr != nil {
		return store.Account{}, f.accountErr
	}
	return f.accounts[name], nil
}

func (f *fakeStore) Receipts(context.Context) ([]store.Receipt, error) {
	return f.receipts, f.receiptsErr
}

var errDisk = errors.New("the disk is gone")

// at is a moment that is easy to find again in an exposition.
func at(second int64) time.Time { return time.Unix(second, 500_000_000) }

// mustNotShow is put wherever a record holds free text.
const mustNotShow = "free-text-of-a-record"

// fullRecord has everything that a record can have.
func fullRecord(name string) store.Record {
	archived := at(7)
	return store.Record{
		Destination: name, Account: "planet", Secret: "file:///run/secrets/s3", Due: 3, Done: 2, DueSource: mustNotShow,
		Dependents: &planet.Dependents{At: at(450), Since: at(115), Running: 3, Open: 2, Failed: 5, FailedCredential: 4, Incomplete: true,
			Examples: []planet.Failure{{Kind: planet.FailedOrder, ID: mustNotShow, Name: mustNotShow, Cause: planet.CauseCredential, Message: mustNotShow}}},
		Facts: store.Facts{
			Pin:       &store.Pin{ID: "demo-5aIp1K", Ref: "pl:destinations/demo-5aIp1K", Name: mustNotShow, Type: "amazon_s3"},
			Accepted:  &store.Accepted{Version: "v1", Created: at(100), At: at(110), Expires: at(120), Unproven: true},
			Source:    &store.Source{Version: "v2", Created: at(200), Expires: at(210), NextRotation: at(220), At: at(230)},
			Trial:     &store.Trial{Version: "v2", FirstSeen: at(240), Detail: mustNotShow},
			Hold:      &store.Hold{Version: "v2", Reason: store.ReasonPlanetRefused, Detail: mustNotShow},
			Uncertain: true,
			Changed: []store.Change{
				{Parameter: "bucket", Structural: true, Before: []byte(`"` + mustNotShow + `"`)},
				{Parameter: "explicit_sse"}, {Parameter: "use_path_style"},
			},
			Archived: &archived,
			Leftover: store.Leftover{State: "present", Reason: "confirmed", Detail: mustNotShow, LastModified: at(300),
				FirstSeen: at(310), CheckedAt: at(320), OlderThanPush: true, Versions: 6},
			Seen:        &store.Seen{Updated: at(330), Name: mustNotShow, At: at(331)},
			Drift:       &store.Drift{Was: at(332), Updated: at(333), Found: at(340), Renamed: mustNotShow},
			Standing:    store.Standing{State: "rejected", Reason: "credential", Detail: mustNotShow, Version: "v1", Since: at(350), CheckedAt: at(360), Worked: at(345)},
			Status:      store.Status{State: store.StateHeld, Reason: store.ReasonPlanetRefused, Detail: mustNotShow, Since: at(400)},
			NextLook:    at(410),
			LastSuccess: at(420),
			Paused:      &store.Paused{Since: at(430), Note: mustNotShow},
			Notes:       []store.Note{{Kind: credential.EventRotationFailed, Source: mustNotShow, Version: mustNotShow, Time: at(440)}},
		},
	}
}

// fullReceipt has everything that a receipt can have. Nothing is withdrawn.
func fullReceipt() store.Receipt {
	return store.Receipt{Secret: "file:///run/secrets/s3", Version: "v1", At: at(800), Opens: at(810), Safe: at(820), Marked: at(830)}
}

func options(s Reader) Options {
	return Options{
		Store: s, Destinations: []string{"prod", "dev"}, Accounts: []string{"planet"},
		Reload: func() ReloadState {
			return ReloadState{OK: true, Loaded: time.Unix(1_700_000_000, 0), Succeeded: 2, Failed: 1}
		},
		Sources: []string{"file", "schedule", "queue"}, Transports: []string{"queue"}, Parts: []string{"plain", "not_json"},
		Refusals: []string{"bad_signature"}, Steps: []string{"list", "patch"}, Version: "1.2.3",
		// Two destinations share one.
		Secrets: []credential.Secret{"file:///run/secrets/s3", "file:///run/secrets/dev", "file:///run/secrets/s3"},
		Targets: []string{"pager", "chat"},
	}
}

func newMetrics(t *testing.T, o Options) *Metrics {
	t.Helper()
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type fakeLimiter struct {
	people, work int
	paused       time.Time
}

func (l fakeLimiter) Waiting() (interactive, background int) { return l.people, l.work }
func (l fakeLimiter) Paused() time.Time                      { return l.paused }

// everything gives Metrics in which each family has a series.
func everything(t *testing.T) *Metrics {
	t.Helper()
	f := &fakeStore{
		records:  []store.Record{fullRecord("prod"), {Destination: "dev", Account: "planet", Secret: "file:///run/secrets/dev"}},
		attempts: []store.AttemptCount{{Destination: "prod", Outcome: "accepted", Count: 4}},
		accounts: map[string]store.Account{"planet": {BlockedSince: at(500), Detail: mustNotShow, Active: 12}},
		receipts: []store.Receipt{fullReceipt(), {Secret: "file:///run/secrets/dev", Version: "d1", At: at(840), Safe: at(841), Withdrawn: at(850), Why: mustNotShow}},
	}
	o := options(f)
	o.StoreSize = func() (int64, error) { return 4096, nil }
	o.SourceStates = func() []SourceState {
		return []SourceState{{Source: "queue", Up: true, Since: at(700), LastMessage: at(710)}, {Source: mustNotShow}}
	}
	o.TargetStates = func() []TargetState {
		return []TargetState{{Target: "pager", Waiting: 7, Stopped: true}, {Target: mustNotShow}}
	}
	o.TraceLosses = []string{"queue_full"}
	m := newMetrics(t, o)
	m.SpansLost("queue_full", 9)
	m.SpansLost(mustNotShow, 1)
	m.Announcement("pager", "held", "retry", "timeout")
	m.Announcement(mustNotShow, mustNotShow, mustNotShow, mustNotShow)
	m.Mark(providers.ReasonDenied)
	m.Event("file", EventMatched)
	m.Message("queue", watcher.Done)
	m.Part("queue", "plain")
	m.Part("queue", mustNotShow)
	m.Trouble("queue", watcher.ReasonDenied)
	m.Refused("queue", "bad_signature")
	m.Missed([]string{"queue"})
	StepObserver[string](m)("prod", "patch", 2*time.Second)
	m.PlanetObserver("planet")(planet.Observation{Method: "PATCH", Route: "/destinations/v1/{id}", Status: 200, Duration: time.Second})
	m.TurnObserver("planet")(time.Second, true, true)
	if err := m.WatchLimiter("planet", fakeLimiter{people: 1, work: 2, paused: at(600)}); err != nil {
		t.Fatal(err)
	}
	return m
}

// scrape asks the handler as a scraper that accepts a media type.
func scrape(t *testing.T, m *Metrics, accept string) (body, contentType string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	res := w.Result()
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("scrape: status %d, error %v: %s", res.StatusCode, err, b)
	}
	return string(b), res.Header.Get("Content-Type")
}

func gather(t *testing.T, m *Metrics) map[string]*dto.MetricFamily {
	t.Helper()
	all, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := make(map[string]*dto.MetricFamily, len(all))
	for _, f := range all {
		families[f.GetName()] = f
	}
	return families
}

// series gives a family as "label=value,label=value" → value, without
// histograms.
func series(t *testing.T, m *Metrics, name string) map[string]float64 {
	t.Helper()
	found := map[string]float64{}
	for _, s := range gather(t, m)[name].GetMetric() {
		var labels []string
		for _, l := range s.GetLabel() {
			labels = append(labels, l.GetName()+"="+l.GetValue())
		}
		found[strings.Join(labels, ",")] = s.GetGauge().GetValue() + s.GetCounter().GetValue()
	}
	return found
}

func parse(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(bytes.NewReader([]byte(text)))
	if err != nil {
		t.Fatalf("the exposition does not parse: %v", err)
	}
	return families
}

var _ prometheus.Collector = (*collector)(nil)
