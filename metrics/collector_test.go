package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

// isOfTheStore tells whether a family, or a line of an exposition, is read from
// the store.
func isOfTheStore(name string) bool {
	return slices.ContainsFunc([]string{
		"rotatord_destination_", "rotatord_leftover", "rotatord_note", "rotatord_standing", "rotatord_drift", "rotatord_dependents",
		"rotatord_attempts", "rotatord_account", "rotatord_receipt", "rotatord_store_up",
	}, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// storeFamilies are the names of all that is read from the store for full.prom.
func storeFamilies(t *testing.T, m *Metrics) []string {
	t.Helper()
	var names []string
	for name := range gather(t, m) {
		if isOfTheStore(name) || name == "rotatord_store_size_bytes" {
			names = append(names, name)
		}
	}
	return names
}

func TestARecordIsShownInFull(t *testing.T) {
	m := everything(t)
	want, err := os.Open("testdata/full.prom")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = want.Close() }()
	if err := testutil.GatherAndCompare(m.registry, want, storeFamilies(t, m)...); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNotKnownHasNoTime(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{records: []store.Record{{Destination: "dev"}}}))
	for name := range gather(t, m) {
		if strings.HasPrefix(name, "rotatord_") && !strings.HasPrefix(name, "rotatord_config_") && strings.HasSuffix(name, "_timestamp_seconds") {
			t.Errorf("%s is shown for a destination of which nothing is known", name)
		}
	}
	if got := series(t, m, "rotatord_destination_version_info"); len(got) != 0 {
		t.Errorf("versions of a destination without any: %v", got)
	}
}

func TestEachStateReasonAndLeftoverIsOneSeriesOfItsOwn(t *testing.T) {
	one := func(state store.State, reason store.Reason, left, why string) *Metrics {
		r := store.Record{Destination: "prod"}
		r.Status.State, r.Status.Reason = state, reason
		r.Leftover.State, r.Leftover.Reason = left, why
		return newMetrics(t, options(&fakeStore{records: []store.Record{r}}))
	}
	ones := func(m *Metrics, family string) (words []string) {
		for labels, v := range series(t, m, family) {
			if v == 1 {
				words = append(words, labels[strings.LastIndexByte(labels, '=')+1:])
			}
		}
		return words
	}
	check := func(m *Metrics, family string, all int, want string) {
		t.Helper()
		if diff := cmp.Diff([]string{want}, ones(m, family)); diff != "" {
			t.Errorf("%s: series at 1 (-want +got):\n%s", family, diff)
		}
		if n := len(series(t, m, family)); n != all {
			t.Errorf("%s has %d series, want %d", family, n, all)
		}
	}
	for _, s := range store.States() {
		check(one(s, "", "", ""), "rotatord_destination_state", len(store.States()), string(s))
	}
	check(one("", "", "", ""), "rotatord_destination_state", len(store.States()), "new")
	check(one("of tomorrow", "", "", ""), "rotatord_destination_state", len(store.States()), "failing")
	for _, r := range store.Reasons() {
		check(one(store.StateHeld, r, "", ""), "rotatord_destination_state_reason", 1, string(r))
	}
	check(one(store.StateInSync, "", "", ""), "rotatord_destination_state_reason", 1, none)
	check(one(store.StateInSync, "of tomorrow", "", ""), "rotatord_destination_state_reason", 1, other)
	for _, s := range leftoverStates()[:5] {
		check(one("", "", s, ""), "rotatord_leftover", 6, s)
	}
	check(one("", "", "", ""), "rotatord_leftover", 6, none)
	check(one("", "", "of tomorrow", ""), "rotatord_leftover", 6, string(probe.CannotTell))
	check(one("", "", none, ""), "rotatord_leftover", 6, string(probe.CannotTell))
	for _, r := range leftoverReasons() {
		check(one("", "", "cannot_tell", string(r)), "rotatord_leftover_reason", 1, string(r))
	}
	check(one("", "", "", ""), "rotatord_leftover_reason", 1, none)
}

func TestOnlyConfiguredDestinationsHaveSeries(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{
		records:  []store.Record{fullRecord("prod"), fullRecord("of-last-year")},
		attempts: []store.AttemptCount{{Destination: "of-last-year", Outcome: "accepted", Count: 9}, {Destination: "prod", Outcome: "accepted", Count: 1}},
	}))
	body, _ := scrape(t, m, "")
	if strings.Contains(body, "of-last-year") {
		t.Error("a destination that is not configured is shown")
	}
	want := map[string]float64{"destination=prod": 1, "destination=dev": 0}
	if diff := cmp.Diff(want, series(t, m, "rotatord_destination_recorded")); diff != "" {
		t.Errorf("rotatord_destination_recorded (-want +got):\n%s", diff)
	}
	if n := strings.Count(body, `destination="dev"`); n != 1 {
		t.Errorf("the destination without a record has %d series, want only the one that says so", n)
	}
}

func TestAttemptsOfUnknownWordsAreAddedUp(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{attempts: []store.AttemptCount{
		{Destination: "prod", Outcome: "accepted", Count: 7},
		{Destination: "prod", Outcome: "refused", Reason: store.ReasonPlanetRefused, Count: 2},
		{Destination: "prod", Outcome: "of tomorrow", Reason: "why a", Count: 3},
		{Destination: "prod", Outcome: "of next week", Reason: "why b", Count: 4},
	}}))
	want := map[string]float64{
		"destination=prod,outcome=accepted,reason=none":          7,
		"destination=prod,outcome=refused,reason=planet_refused": 2,
		"destination=prod,outcome=other,reason=other":            7,
	}
	if diff := cmp.Diff(want, series(t, m, "rotatord_attempts_total")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNotReadIsNotShown(t *testing.T) {
	full := func() *fakeStore {
		return &fakeStore{
			records:  []store.Record{fullRecord("prod")},
			attempts: []store.AttemptCount{{Destination: "prod", Outcome: "accepted", Count: 1}},
			accounts: map[string]store.Account{"planet": {BlockedSince: at(1)}},
			receipts: []store.Receipt{fullReceipt()},
		}
	}
	const states, attempts, accounts, receipts, size = "rotatord_destination_state", "rotatord_attempts_total", "rotatord_account_blocked",
		"rotatord_receipt_info", "rotatord_store_size_bytes"
	for _, c := range []struct {
		name    string
		break_  func(*fakeStore, *Options)
		kind    string
		missing []string
	}{
		{"nothing is wrong", func(*fakeStore, *Options) {}, "", nil},
		{"the list fails", func(f *fakeStore, _ *Options) { f.listErr = errDisk }, "other", []string{states}},
		{"the store is closed", func(f *fakeStore, _ *Options) { f.listErr = fmt.Errorf("list: %w", store.ErrClosed) }, "closed", []string{states}},
		{"one record is damaged", func(f *fakeStore, _ *Options) {
			f.listErr = errors.Join(&store.FactsError{Destination: "dev", Detail: "it ends early"})
		}, "damaged", nil},
		{"the attempts fail", func(f *fakeStore, _ *Options) { f.attemptsErr = store.ErrUnwritable }, "unwritable", []string{attempts}},
		{"the account fails", func(f *fakeStore, _ *Options) { f.accountErr = errDisk }, "other", []string{accounts}},
		{"the receipts fail", func(f *fakeStore, _ *Options) { f.receipts, f.receiptsErr = nil, errDisk }, "other", []string{receipts}},
		{"one receipt is damaged", func(f *fakeStore, _ *Options) { f.receiptsErr = errors.Join(errDisk) }, "other", nil},
		{"the size is unknown", func(_ *fakeStore, o *Options) {
			o.StoreSize = func() (int64, error) { return 0, errDisk }
		}, "other", []string{size}},
		{"the store panics", func(f *fakeStore, _ *Options) { f.before = func(context.Context) { panic(mustNotShow) } }, "other", []string{states, attempts, accounts, receipts, size}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := full()
			o := options(f)
			o.StoreSize = func() (int64, error) { return 1, nil }
			c.break_(f, &o)
			m := newMetrics(t, o)
			families := parse(t, first(scrape(t, m, "")))
			up := families["rotatord_store_up"].GetMetric()[0].GetGauge().GetValue()
			if want := yes(c.kind == ""); up != want {
				t.Errorf("rotatord_store_up is %v, want %v", up, want)
			}
			for _, name := range []string{states, attempts, accounts, receipts, size} {
				want := true
				for _, gone := range c.missing {
					want = want && gone != name
				}
				if families[name] != nil != want {
					t.Errorf("%s is shown: %v, want %v", name, !want, want)
				}
			}
			if families["go_goroutines"] == nil || families["rotatord_events_total"] == nil {
				t.Error("what does not come from the store is missing too")
			}
			for _, s := range families["rotatord_store_read_errors_total"].GetMetric() {
				kind, n := s.GetLabel()[0].GetValue(), s.GetCounter().GetValue()
				if n != yes(kind == c.kind) {
					t.Errorf("%v errors of kind %s, want them of kind %q", n, kind, c.kind)
				}
			}
		})
	}
}

func first(a, _ string) string { return a }

func TestAStoreThatComesBackIsShownAnewAndLoggedTwice(t *testing.T) {
	var log bytes.Buffer
	f := &fakeStore{records: []store.Record{fullRecord("prod")}}
	o := options(f)
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	m := newMetrics(t, o)
	for i, err := range []error{nil, errDisk, errDisk, nil, nil} {
		f.listErr = err
		if got := series(t, m, "rotatord_store_up")[""]; got != yes(err == nil) {
			t.Errorf("scrape %d: rotatord_store_up is %v", i, got)
		}
		if got := len(series(t, m, "rotatord_destination_state")); (got > 0) != (err == nil) {
			t.Errorf("scrape %d: %d series of states", i, got)
		}
	}
	if n := strings.Count(log.String(), "can't read the store"); n != 1 {
		t.Errorf("the loss is logged %d times, want once:\n%s", n, log.String())
	}
	if n := strings.Count(log.String(), "can read the store again"); n != 1 {
		t.Errorf("the recovery is logged %d times, want once:\n%s", n, log.String())
	}
}

// A disk that hangs takes no notice of a context. Scrapes must still be
// answered, and must not pile up behind it.
func TestAStoreThatHangsDoesNotHangTheScrape(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int64
		f := &fakeStore{records: []store.Record{fullRecord("prod")}, before: func(context.Context) { calls.Add(1); <-release }}
		o := options(f)
		o.Timeout = 3 * time.Second
		m := newMetrics(t, o)
		for range 4 {
			begun := time.Now()
			if got := series(t, m, "rotatord_store_up")[""]; got != 0 {
				t.Errorf("rotatord_store_up is %v while the store hangs", got)
			}
			if took := time.Since(begun); took != 3*time.Second {
				t.Errorf("a scrape took %v, want 3s", took)
			}
		}
		if n := calls.Load(); n != 1 {
			t.Errorf("%d reads were begun behind the one that hangs", n-1)
		}
		if got := series(t, m, "rotatord_store_read_errors_total")["kind=canceled"]; got < 4 {
			t.Errorf("%v errors counted, want at least 4", got)
		}
		close(release)
		synctest.Wait()
		if got := series(t, m, "rotatord_store_up")[""]; got != 1 {
			t.Errorf("rotatord_store_up is %v after the store came back", got)
		}
	})
}

func TestAStoreIsToldWhenAScrapeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeStore{before: func(ctx context.Context) { <-ctx.Done() }}
		m := newMetrics(t, options(f))
		begun := time.Now()
		series(t, m, "rotatord_store_up")
		if took := time.Since(begun); took != defaultTimeout {
			t.Errorf("a scrape took %v, want %v", took, defaultTimeout)
		}
		synctest.Wait()
	})
}

func TestLabelsFromOutsideAreBoundedAndUTF8(t *testing.T) {
	r := fullRecord("prod")
	r.Source.Version = strings.Repeat("ä", 1000)
	r.Accepted.Version = "bad \xff byte"
	m := newMetrics(t, options(&fakeStore{records: []store.Record{r}}))
	versions := map[string]string{}
	for _, s := range gather(t, m)["rotatord_destination_version_info"].GetMetric() {
		versions[s.GetLabel()[1].GetValue()] = s.GetLabel()[2].GetValue()
	}
	if got := versions["current"]; len(got) > maxLabel || !strings.HasSuffix(got, "ä…") {
		t.Errorf("a long version is shown with %d bytes, %q", len(got), got)
	}
	if got := versions["accepted"]; got != "bad \uFFFD byte" {
		t.Errorf("a version that is not UTF-8 is shown as %q", got)
	}
}

func TestFreeTextIsNeverShown(t *testing.T) {
	for _, accept := range []string{"", "application/openmetrics-text"} {
		if body, _ := scrape(t, everything(t), accept); strings.Contains(body, mustNotShow) {
			t.Errorf("details or notes of a record are in the exposition")
		}
	}
}
