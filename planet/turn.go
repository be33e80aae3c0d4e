package planet

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Turn is the right to make one request now, given by [Limiter.Acquire]. Its
// holder hands it to a client call through [WithTurn], or gives it back. A
// turn that is kept without either takes a request a second from the account.
type Turn struct {
	limiter *Limiter
	token   *token

	mu    sync.Mutex
	spent bool
}

// GiveBack returns an unused turn; the next in line has it at once. It does
// nothing once the turn was used or given back, so that it can be deferred.
func (t *Turn) GiveBack() {
	if t.spend() {
		t.limiter.settle(t, time.Time{})
	}
}

func (t *Turn) spend() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := !t.spent
	t.spent = true
	return first
}

type interactiveKey struct{}

// Interactive marks what is done on ctx as a person's request: it gets its
// turn before background work that has waited longer.
func Interactive(ctx context.Context) context.Context {
	return context.WithValue(ctx, interactiveKey{}, true)
}

func isInteractive(ctx context.Context) bool {
	is, _ := ctx.Value(interactiveKey{}).(bool)
	return is
}

type turnKey struct{}

// WithTurn makes the next request on ctx use this turn instead of waiting for
// one: the caller can look at the world a last time when it already knows that
// the request may go out. The turn is used once; whatever else is requested on
// ctx, a retry included, waits for a turn of its own. If the call fails before
// it comes to a request, the turn is not used: defer [Turn.GiveBack].
func WithTurn(ctx context.Context, t *Turn) context.Context {
	return context.WithValue(ctx, turnKey{}, t)
}

// take gives the turn for one request: the one that ctx carries if it is
// unused, else a new one. The turn counts as spent from then on.
func (l *Limiter) take(ctx context.Context) (*Turn, error) {
	if t, ok := ctx.Value(turnKey{}).(*Turn); ok && t != nil {
		if t.limiter != l {
			return nil, errForeignTurn
		}
		if t.spend() {
			return t, nil
		}
	}
	t, err := l.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	t.spend()
	return t, nil
}

// flight is one request on its way, as the limiter sees it. Its methods may be
// called in any order, from any goroutine, more than once.
type flight struct {
	limiter *Limiter
	turn    *Turn

	mu      sync.Mutex
	noted   time.Time // last note in the ledger
	written time.Time // zero: not seen
	started time.Time // zero: on a transport that reports
	over    bool
	traced  bool // the transport tells what it does: wait for its word
	assumed *time.Timer
}

// launch makes a spent turn ready to be written: it waits out a pause that
// began since the turn was given, and notes the send in the ledger. On an
// error nothing may be sent, and the turn is back.
func (l *Limiter) launch(ctx context.Context, t *Turn) (*flight, error) {
	f := &flight{limiter: l, turn: t}
	err := l.sitOut(ctx)
	if err == nil {
		err = f.note(ctx)
	}
	if err != nil {
		l.settle(t, time.Time{})
		return nil, err
	}
	return f, nil
}

func (l *Limiter) sitOut(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wait := time.Until(l.Paused())
		if wait <= 0 {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// note writes the send to the ledger unless that was done a moment ago.
func (f *flight) note(ctx context.Context) error {
	if f.limiter.ledger == nil {
		return nil
	}
	now := time.Now()
	f.mu.Lock()
	fresh := !f.noted.IsZero() && now.Sub(f.noted) < noteSlack
	if !fresh {
		f.noted = now
	}
	f.mu.Unlock()
	if fresh {
		return nil
	}
	if err := f.limiter.ledger.Sent(ctx, now); err != nil {
		return fmt.Errorf("note the request in the limiter's ledger: %w", err)
	}
	// A ledger that took its time must not make the note older than the write.
	return f.renote(ctx)
}

// renote notes the send again if the last note has become too old, once.
func (f *flight) renote(ctx context.Context) error {
	now := time.Now()
	f.mu.Lock()
	stale := now.Sub(f.noted) >= noteSlack
	if stale {
		f.noted = now
	}
	f.mu.Unlock()
	if !stale {
		return nil
	}
	if err := f.limiter.ledger.Sent(ctx, now); err != nil {
		return fmt.Errorf("note the request in the limiter's ledger: %w", err)
	}
	return nil
}

// start is called as RoundTrip begins. A transport that reports nothing, an
// in-memory one, is taken to have written at once; one that reports makes a
// connection first, which may take long, and its word is waited for.
func (f *flight) start() {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over || f.traced {
		return
	}
	f.started = now
	f.assumed = time.AfterFunc(f.limiter.hold(), func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.over && !f.traced {
			f.limiter.settle(f.turn, now.Add(f.limiter.hold()))
		}
	})
}

// trace is called when the transport shows that it reports what it does.
func (f *flight) trace() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.traced = true
}

// wrote is called when the request has been written in full.
func (f *flight) wrote() {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.traced = true
	if f.over || !f.written.IsZero() {
		return
	}
	f.written = now
	f.limiter.settle(f.turn, now.Add(f.limiter.hold()))
}

// end is called when the exchange is over, with what is known of it.
func (f *flight) end(how ending) {
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	f.over = true
	if f.assumed != nil {
		f.assumed.Stop()
	}
	if how == failed && f.limiter.quirks.trustFailures {
		how = answered
	}
	switch {
	case how == answered:
		ready := now.Add(window + guard)
		if assumed := f.started.Add(f.limiter.hold()); !f.traced && !f.started.IsZero() && assumed.Before(ready) {
			ready = assumed
		}
		f.limiter.settle(f.turn, ready)
	case how == notSent:
		f.limiter.settle(f.turn, time.Time{})
	case f.written.IsZero():
		f.limiter.settle(f.turn, now.Add(f.limiter.hold()))
	}
}

type ending int

const (
	answered ending = iota // headers came
	failed                 // an error: the request may have arrived or may arrive yet
	notSent                // surely no byte of the request left
)
