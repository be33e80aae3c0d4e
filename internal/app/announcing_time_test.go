package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/store"
)

// ether carries posts without a network, so that a bubble's time can move.
type ether struct {
	mu    sync.Mutex
	kinds []string
}

func (e *ether) RoundTrip(r *http.Request) (*http.Response, error) {
	var event struct {
		Data struct{ Kind, Version string }
	}
	if err := json.NewDecoder(r.Body).Decode(&event); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kinds = append(e.kinds, event.Data.Kind+" "+event.Data.Version)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
}

func (e *ether) heard(t *testing.T, want ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if diff := cmp.Diff(want, e.kinds); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	e.kinds = nil
}

// inBubble runs an announcing over records in a bubble of time.
func inBubble(t *testing.T, records func() []store.Record, tell func(a *announcing, e *ether)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		made, err := announce.New(announce.Options{Window: repeatAfter, Targets: []announce.Target{announce.Webhook{
			Name: "ops", URL: "https://alerts.test", Keys: keysOf("", "ANNOUNCE_TEST_KEY"), Transport: e}}})
		if err != nil {
			t.Fatal(err)
		}
		a := newAnnouncing(made, week, func(context.Context) ([]store.Record, error) { return records(), nil }, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.run(ctx) }()
		tell(a, e)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestATroubleIsToldOnceAndItsEndToo(t *testing.T) {
	t.Setenv("ANNOUNCE_TEST_KEY", signingKey("k"))
	now := func() []store.Record { return nil }
	inBubble(t, now, func(a *announcing, e *ether) {
		waiting := edited(current("9"), stands(store.StateWaiting, store.ReasonPropagation, 0))
		a.changed(settledRecord(), edited(held8(0)))
		for range 100 {
			a.changed(edited(held8(0)), edited(held8(0)))
			time.Sleep(15 * time.Minute)
		}
		a.changed(edited(held8(0)), waiting)
		a.changed(waiting, edited(current("9"), accepted("9")))
		a.changed(edited(current("9"), accepted("9")), edited(current("9"), accepted("9")))
		time.Sleep(time.Minute)
		e.heard(t, "held 8", "pushed 9", "recovered 9")
		waiting.LastSuccess = waiting.LastSuccess.Add(time.Minute)
		a.changed(waiting, settledRecord())
		time.Sleep(time.Minute)
		e.heard(t)
		for range 2 {
			a.received(store.Receipt{Secret: "mem://s", Version: "9", At: noon, Safe: noon})
		}
		time.Sleep(time.Minute)
		e.heard(t, "safe_to_revoke 9")
	})
}

func TestWhatBecomesTrueByTheTimeIsFoundBetweenLooks(t *testing.T) {
	t.Setenv("ANNOUNCE_TEST_KEY", signingKey("k"))
	var mu sync.Mutex
	var records []store.Record
	set := func(r store.Record) {
		mu.Lock()
		defer mu.Unlock()
		records = []store.Record{r}
	}
	now := func() []store.Record {
		mu.Lock()
		defer mu.Unlock()
		return records
	}
	inBubble(t, now, func(a *announcing, e *ether) {
		r := settledRecord()
		r.Accepted.Expires = time.Now().Add(2 * week)
		set(r)
		time.Sleep(week - time.Hour)
		e.heard(t)
		time.Sleep(2 * time.Hour)
		e.heard(t, "expiring 7")
		time.Sleep(week)
		e.heard(t, "expiring 7")

		failing := settledRecord()
		failing.Status = store.Status{State: store.StateFailing, Reason: store.ReasonSourceDenied, Since: time.Now()}
		set(failing)
		time.Sleep(failingFor - 2*reviewEvery)
		e.heard(t)
		time.Sleep(3 * reviewEvery)
		e.heard(t, "failing 7")

		// What was read before a look ended says nothing any more.
		later := settledRecord()
		later.Revision++
		a.changed(failing, later)
		stale := edited(held8(0))
		set(stale)
		time.Sleep(2 * reviewEvery)
		e.heard(t, "recovered 7")
	})
}
