package planet

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// exhaust takes every token of a fresh limiter.
func exhaust(t *testing.T, l *Limiter) []*Turn {
	t.Helper()
	turns := make([]*Turn, DefaultPerSecond)
	for i := range turns {
		turn, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		turns[i] = turn
	}
	return turns
}

func TestPeopleComeBeforeBackgroundWorkAndEachInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, LimiterOptions{}, quirks{})
		held := exhaust(t, l)
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		for _, who := range []string{"job 1", "job 2", "person 1", "job 3", "person 2"} {
			all.Go(func() {
				ctx := t.Context()
				if strings.HasPrefix(who, "person") {
					ctx = Interactive(ctx)
				}
				turn, err := l.Acquire(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				order = append(order, who)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				turn.GiveBack()
			})
			synctest.Wait()
		}
		if people, jobs := l.Waiting(); people != 2 || jobs != 3 {
			t.Errorf("waiting: %d people, %d jobs; want 2 and 3", people, jobs)
		}
		held[0].GiveBack()
		all.Wait()
		want := []string{"person 1", "person 2", "job 1", "job 2", "job 3"}
		if diff := cmp.Diff(want, order); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnUnusedTurnIsAvailableAtOnceAndOnlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, LimiterOptions{}, quirks{})
		began := time.Now()
		held := exhaust(t, l)
		held[0].GiveBack()
		held[0].GiveBack()
		again, err := l.Acquire(t.Context())
		if err != nil || time.Since(began) != 0 {
			t.Fatalf("after %v: %v", time.Since(began), err)
		}
		held[0].GiveBack() // must not give back what somebody else holds now
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := l.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a fourth turn was given: %v", err)
		}
		again.GiveBack()
	})
}

func TestACanceledWaitLosesNoTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, LimiterOptions{}, quirks{})
		for range 200 {
			held := exhaust(t, l)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for range 5 {
				all.Go(func() {
					if turn, err := l.Acquire(ctx); err == nil {
						turn.GiveBack()
					}
				})
			}
			synctest.Wait()
			for _, turn := range held { // against the cancel, on purpose
				all.Go(turn.GiveBack)
			}
			cancel()
			all.Wait()
			if people, jobs := l.Waiting(); people+jobs != 0 {
				t.Fatalf("%d still wait", people+jobs)
			}
			for _, turn := range exhaust(t, l) { // hangs if a turn was lost
				turn.GiveBack()
			}
		}
	})
}

func TestWaitsAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type wait struct {
			D           time.Duration
			Interactive bool
			Granted     bool
		}
		var got []wait
		l := newLimiter(t, LimiterOptions{PerSecond: 1, OnWait: func(d time.Duration, i, g bool) { got = append(got, wait{d, i, g}) }}, quirks{})
		turn, err := l.Acquire(Interactive(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = l.Acquire(ctx)
		turn.GiveBack()
		want := []wait{{0, true, true}, {time.Second, false, false}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// roundTrips is a transport made of a function.
type roundTrips func(*http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answering(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func TestATurnOnTheContextIsUsedOnceAndARetryTakesItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, LimiterOptions{PerSecond: 1}, quirks{})
		var sent []time.Duration
		began := time.Now()
		c := simClient(t, roundTrips(func(*http.Request) (*http.Response, error) {
			sent = append(sent, time.Since(began))
			if len(sent) == 1 {
				return answering(500, ""), nil
			}
			return answering(200, `{"id":"a-12345","type":"amazon_s3"}`), nil
		}), l)
		turn, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer turn.GiveBack()
		if _, err := c.Get(WithTurn(t.Context(), turn), "a-12345"); err != nil {
			t.Fatal(err)
		}
		if want := []time.Duration{0, time.Second + guard}; !cmp.Equal(want, sent) {
			t.Error(cmp.Diff(want, sent))
		}
	})
}

func TestATurnOfAnotherAccountIsRefusedAndNotUsed(t *testing.T) {
	other := newLimiter(t, LimiterOptions{PerSecond: 1}, quirks{})
	turn, err := other.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := simClient(t, roundTrips(func(*http.Request) (*http.Response, error) {
		t.Error("a request was sent")
		return nil, io.EOF
	}), newLimiter(t, LimiterOptions{}, quirks{}))
	_, err = c.Modify(WithTurn(t.Context(), turn), "a-12345", patchBody)
	if OutcomeOf(err) != OutcomeNotSent || KindOf(err) != KindLimiter {
		t.Error(err)
	}
	turn.GiveBack()
	if again, err := other.Acquire(t.Context()); err != nil || again == nil {
		t.Error("the turn was used")
	}
}

func TestAPauseHoldsATurnThatWasGivenBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(t, LimiterOptions{}, quirks{})
		began := time.Now()
		var sent time.Duration
		c := simClient(t, roundTrips(func(*http.Request) (*http.Response, error) {
			sent = time.Since(began)
			return answering(200, ""), nil
		}), l)
		turn, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		l.Pause(9 * time.Second)
		l.Pause(time.Second) // never shortens
		if _, err := c.Modify(WithTurn(t.Context(), turn), "a-12345", patchBody); err != nil {
			t.Fatal(err)
		}
		if sent != 9*time.Second {
			t.Errorf("sent after %v, want 9s", sent)
		}
		l.Pause(time.Hour)
		if got := time.Until(l.Paused()); got != maxPause {
			t.Errorf("an absurd pause lasts %v, want %v", got, maxPause)
		}
	})
}

func TestWhatEndsBeforeTheRequestIsNotSentAndGivesTheTurnBack(t *testing.T) {
	never := roundTrips(func(*http.Request) (*http.Response, error) { panic("a request was sent") })
	for name, tc := range map[string]struct {
		ledger *memory
		auth   Auth
		before func(*Limiter, context.CancelFunc)
		kind   Kind
	}{
		"a ledger that cannot note the send": {ledger: &memory{}, before: nil, kind: KindLimiter},
		"a key that cannot be read":          {auth: APIKey(KeyFromEnv("PLANET_TEST_NOT_SET")), kind: KindAuth},
		"a caller that leaves during a pause": {
			before: func(l *Limiter, leave context.CancelFunc) {
				l.Pause(time.Minute)
				time.AfterFunc(time.Second, leave)
			}, kind: KindCanceled,
		},
		"a caller that has left already": {
			before: func(_ *Limiter, leave context.CancelFunc) { leave() }, kind: KindCanceled,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := LimiterOptions{PerSecond: 1}
				if tc.ledger != nil {
					o.Ledger = tc.ledger
				}
				l := newLimiter(t, o, quirks{})
				c := simClient(t, never, l)
				if tc.auth != nil {
					c.auth = tc.auth
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				turn, err := l.Acquire(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if tc.ledger != nil {
					tc.ledger.err = errors.New("disk full")
				}
				if tc.before != nil {
					tc.before(l, leave)
				}
				_, err = c.Modify(WithTurn(ctx, turn), "a-12345", patchBody)
				if OutcomeOf(err) != OutcomeNotSent || KindOf(err) != tc.kind {
					t.Errorf("%s, %s: %v", OutcomeOf(err), KindOf(err), err)
				}
				now := time.Now()
				turn.GiveBack()
				if again, err := l.Acquire(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
				} else {
					again.GiveBack()
				}
				if waited := time.Since(now); tc.kind != KindCanceled && waited != 0 {
					t.Errorf("the turn came back after %v", waited)
				}
			})
		})
	}
}

func TestALedgerThatCannotBeReadStopsRequestsUntilItCan(t *testing.T) {
	ledger := &memory{err: errors.New("disk trouble")}
	l := newLimiter(t, LimiterOptions{Ledger: ledger}, quirks{})
	if _, err := l.Acquire(t.Context()); err == nil || !strings.Contains(err.Error(), "ledger") {
		t.Errorf("err = %v, want one that names the ledger", err)
	}
	ledger.err = nil
	if _, err := l.Acquire(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLimiterOptionsOutOfRangeAreRefused(t *testing.T) {
	for _, o := range []LimiterOptions{{PerSecond: -1}, {PerSecond: 1001}, {Allowance: -1}, {Allowance: time.Hour}} {
		if _, err := NewLimiter(o); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}
