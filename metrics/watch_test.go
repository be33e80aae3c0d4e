package metrics

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

func ofRecord(t *testing.T, r store.Record) *Metrics {
	t.Helper()
	r.Destination = "prod"
	return newMetrics(t, options(&fakeStore{records: []store.Record{r}}))
}

// recordWith gives a record of which one condition is true and no other.
func recordWith(c store.Condition, now time.Time) (r store.Record) {
	r.Accepted = &store.Accepted{Version: "v1", At: now.Add(-time.Hour)}
	switch c {
	case store.ConditionRejected:
		r.Standing = store.Standing{State: string(probe.Rejected), Version: "v1"}
	case store.ConditionExpired:
		r.Accepted.Expires = now.Add(-time.Minute)
	case store.ConditionExpiresUnreplaced:
		r.Accepted.Expires = now.Add(time.Hour)
		r.Source = &store.Source{Version: "v1", NextRotation: now.Add(2 * time.Hour)}
	case store.ConditionLeftover:
		r.Leftover.State = string(probe.Present)
	case store.ConditionOldLeftover:
		r.Leftover.State, r.Leftover.OlderThanPush = string(probe.Present), true
	case store.ConditionDrift:
		r.Drift = &store.Drift{Found: now}
	case store.ConditionParametersChanged:
		r.Changed = []store.Change{{Parameter: "explicit_sse"}}
	case store.ConditionArchived:
		r.Archived = &now
	case store.ConditionUnproven:
		r.Accepted.Unproven = true
	case store.ConditionDeliveriesFailing:
		r.Dependents = &planet.Dependents{Since: now, Failed: 1, FailedCredential: 1}
	}
	return r
}

func TestEachConditionIsASeriesOfItsOwn(t *testing.T) {
	for _, holds := range append(store.Conditions(), "") {
		want := map[string]float64{}
		for _, c := range store.Conditions() {
			want[fmt.Sprintf("condition=%s,destination=prod", c)] = yes(c == holds)
		}
		wantSeries(t, ofRecord(t, recordWith(holds, time.Now())), "rotatord_destination_condition", want)
	}
}

// Some conditions begin by mere lapse of time, when nobody writes a record.
func TestAConditionIsWorkedOutAtTheScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r store.Record
		r.Accepted = &store.Accepted{Version: "v1", Expires: time.Now().Add(time.Hour)}
		m := ofRecord(t, r)
		for _, want := range []float64{0, 1} {
			if got := series(t, m, "rotatord_destination_condition")["condition=expired,destination=prod"]; got != want {
				t.Errorf("expired is %v, want %v", got, want)
			}
			time.Sleep(time.Hour)
		}
	})
}

func TestStandingIsOneStateAndOneReason(t *testing.T) {
	for _, c := range []struct{ name, state, reason, wantState, wantReason string }{
		{"never tried", "", "", "none", "none"},
		{"a state of tomorrow", "of tomorrow", "of tomorrow", "cannot_tell", "other"},
		{"a state that is called none", "none", "", "cannot_tell", "none"},
		{"works", "works", "", "works", "none"},
		{"doubtful", "doubtful", "credential", "doubtful", "credential"},
		{"rejected for a permission", "rejected", "permission", "rejected", "permission"},
		{"can't tell", "cannot_tell", "unreadable", "cannot_tell", "unreadable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := ofRecord(t, store.Record{Facts: store.Facts{Standing: store.Standing{State: c.state, Reason: c.reason}}})
			want := map[string]float64{}
			for _, s := range standingStates() {
				want["destination=prod,state="+s] = yes(s == c.wantState)
			}
			wantSeries(t, m, "rotatord_standing", want)
			wantSeries(t, m, "rotatord_standing_reason", map[string]float64{"destination=prod,reason=" + c.wantReason: 1})
		})
	}
	for _, r := range probe.StandingReasons() {
		m := ofRecord(t, store.Record{Facts: store.Facts{Standing: store.Standing{State: "rejected", Reason: string(r)}}})
		wantSeries(t, m, "rotatord_standing_reason", map[string]float64{"destination=prod,reason=" + string(r): 1})
	}
}

// An absent series says "not known", and 0 says "none": only the second lets
// somebody sleep.
func TestWhatWasNeverFoundOutHasNoSeries(t *testing.T) {
	families := []string{
		"rotatord_dependents_subscriptions", "rotatord_dependents_orders", "rotatord_dependents_failed",
		"rotatord_dependents_incomplete", "rotatord_leftover_versions", "rotatord_account_destinations",
	}
	m := ofRecord(t, store.Record{})
	for _, name := range families {
		wantSeries(t, m, name, map[string]float64{})
	}
	m = ofRecord(t, store.Record{Dependents: &planet.Dependents{At: at(1)}})
	wantSeries(t, m, "rotatord_dependents_subscriptions", map[string]float64{"destination=prod": 0})
	wantSeries(t, m, "rotatord_dependents_orders", map[string]float64{"destination=prod": 0})
	wantSeries(t, m, "rotatord_dependents_failed", map[string]float64{"cause=credential,destination=prod": 0, "cause=unknown,destination=prod": 0})
	wantSeries(t, m, "rotatord_dependents_incomplete", map[string]float64{"destination=prod": 0})
	wantSeries(t, m, "rotatord_dependents_since_timestamp_seconds", map[string]float64{})
}

func TestAnAccountShowsHowFullItsOrganizationIs(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{accounts: map[string]store.Account{"planet": {Active: 49}}}))
	wantSeries(t, m, "rotatord_account_destinations", map[string]float64{"account=planet": 49})
	wantSeries(t, m, "rotatord_account_destinations_quota", map[string]float64{"account=planet": 50})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// The clients of Planet's other APIs are made of an account's client, and
// report through it.
func TestRequestsToOrdersAndSubscriptionsAreCounted(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	client, err := planet.New(planet.Options{
		Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte("not-a-key")))), Observer: m.PlanetObserver("planet"),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			body := `{"orders":[],"subscriptions":[],"results":[],"_links":{}}`
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	orders, err := client.Orders(planet.SiblingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	subscriptions, err := client.Subscriptions(planet.SiblingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := orders.List(t.Context(), planet.OrdersQuery{}); err != nil {
		t.Error(err)
	}
	if _, err := subscriptions.List(t.Context(), planet.SubscriptionsQuery{}); err != nil {
		t.Error(err)
	}
	if _, err := subscriptions.Results(t.Context(), "abc", planet.ResultsQuery{}); err != nil {
		t.Error(err)
	}
	const get = "account=planet,code=200,kind=none,method=GET,route="
	wantSeries(t, m, "rotatord_planet_requests_total", map[string]float64{
		get + "/compute/ops/orders/v2": 1, get + "/subscriptions/v1": 1, get + "/subscriptions/v1/{id}/results": 1,
	})
}
