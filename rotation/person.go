package rotation

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// Retry forgets what keeps a destination from being tried: a held version, a
// waiting time, a restore that was given up, a changed parameter or a drift that
// somebody has seen to, and the pin of what the name led to. It is a person's word
// that the cause is gone. A record that can't be read or is gone is made
// anew, which is a first sight.
func (e *Engine) Retry(ctx context.Context, name string) error {
	if err := e.renew(ctx, name); err != nil {
		return err
	}
	// Whoever mended something at Planet wants it seen now, not in a minute.
	e.accounts[e.destinations[name].Account].forget()
	return e.change(ctx, name, "retry asked for", func(r *store.Record) {
		if r.Trial != nil {
			resume := r.Trial.ResumeDelete
			*r.Trial = store.Trial{Version: r.Trial.Version, FirstSeen: time.Now(), ResumeDelete: resume}
		}
		r.Hold, r.Restore, r.Changed, r.Failures = nil, nil, nil, 0
		if r.Drift != nil {
			r.Drift, r.Seen, r.Touched = nil, nil, time.Now() // as it is now is as it should be
		}
		if r.Status.Reason == store.ReasonPinMismatch {
			// What was accepted was accepted by what the name led to before.
			r.Pin, r.Accepted, r.Uncertain, r.Leftover = nil, nil, false, store.Leftover{}
		}
	})
}

// renew replaces a record that can't be read, and makes one that is not there:
// somebody has taken it away since the start.
func (e *Engine) renew(ctx context.Context, name string) error {
	d, ok := e.destinations[name]
	if !ok {
		return fmt.Errorf("destination %q is not configured", name)
	}
	_, err := e.store.Load(ctx, name)
	var unreadable *store.FactsError
	switch {
	case errors.As(err, &unreadable):
		if err := e.store.Forget(ctx, name); err != nil {
			return fmt.Errorf("forget record of %q: %w", name, err)
		}
	case !errors.Is(err, store.ErrNotFound):
		return nil // what else is wrong, the caller finds out
	}
	e.log.WarnContext(ctx, "record that can't be read is made anew", "destination", name, "error", err)
	record := store.Record{Destination: name, Account: d.Account, Secret: d.Secret}
	if err := e.store.Ensure(ctx, []store.Record{record}); err != nil {
		return fmt.Errorf("make record of %q: %w", name, err)
	}
	return nil
}

// Pause stops the rotation of a destination until Resume. A PATCH under way is
// finished.
func (e *Engine) Pause(ctx context.Context, name, note string) error {
	what := "paused"
	if note != "" {
		what += ": " + note
	}
	return e.change(ctx, name, what, func(r *store.Record) {
		r.Paused = &store.Paused{Since: time.Now(), Note: note}
	})
}

// Resume ends a pause.
func (e *Engine) Resume(ctx context.Context, name string) error {
	return e.change(ctx, name, "resumed", func(r *store.Record) { r.Paused = nil })
}

// change applies a person's word to a record between two looks and has it
// looked at.
func (e *Engine) change(ctx context.Context, name, what string, apply func(*store.Record)) error {
	busy, ok := e.busy[name]
	if !ok {
		return fmt.Errorf("destination %q is not configured", name)
	}
	err := func() error {
		select {
		case busy <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("wait for the look at %q that is under way: %w", name, ctx.Err())
		}
		defer busy.Unlock()
		r, err := e.store.Load(ctx, name)
		if err != nil {
			return fmt.Errorf("load record of %q: %w", name, err)
		}
		apply(&r)
		if err := e.store.Save(ctx, &r, store.Entry{At: time.Now(), Destination: name, Kind: store.EntryPerson, Detail: by(ctx, what)}); err != nil {
			return fmt.Errorf("save record of %q: %w", name, err)
		}
		e.remind(r)
		return nil
	}()
	if err != nil {
		return err
	}
	e.accounts[e.destinations[name].Account].hope() // a person says the key may be good again
	return e.mark(ctx, name)
}

func (e *Engine) mark(ctx context.Context, names ...string) error {
	if err := e.store.MarkDue(ctx, SourcePerson, time.Now(), names...); err != nil {
		return fmt.Errorf("mark as due: %w", err)
	}
	e.wake(names...)
	return nil
}

// Sync has each destination looked at now and waits for it, giving the records
// as they are then. With wait above 0 it stays, that long at most, while a
// destination is expected to settle by itself: a key that takes a while to
// work, a fence, a throttled account. It works with the queue running or not.
func (e *Engine) Sync(ctx context.Context, wait time.Duration, names ...string) ([]store.Record, error) {
	if len(names) == 0 {
		names = e.names
	}
	if err := e.prepare(ctx, names); err != nil {
		return nil, err
	}
	ctx = planet.Interactive(ctx)
	deadline := time.Now().Add(wait)
	records := make([]store.Record, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	limit := make(chan struct{}, e.workers)
	for i, name := range names {
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			records[i], errs[i] = e.settle(ctx, name, deadline)
		})
	}
	all.Wait()
	for i, err := range errs {
		if err != nil {
			return records, fmt.Errorf("sync %q: %w", names[i], err)
		}
	}
	return records, nil
}

// prepare checks the names and, without a running queue, reads what Run would.
func (e *Engine) prepare(ctx context.Context, names []string) error {
	for _, n := range names {
		if _, ok := e.destinations[n]; !ok {
			return fmt.Errorf("destination %q is not configured", n)
		}
	}
	if !e.isRunning() {
		if err := e.remember(ctx); err != nil {
			return err
		}
	}
	// Nobody is woken: the caller looks itself, and twice would cost twice.
	if err := e.store.MarkDue(ctx, SourcePerson, time.Now(), names...); err != nil {
		return fmt.Errorf("mark as due: %w", err)
	}
	return nil
}

// settle looks until nothing is expected to happen by itself before the
// deadline. What is left to do after that, or after a caller who went away, is
// the running queue's.
func (e *Engine) settle(ctx context.Context, name string, deadline time.Time) (store.Record, error) {
	for {
		next, err := e.Look(ctx, name)
		if err != nil {
			e.wake(name)
			return store.Record{}, err
		}
		e.comeBack(name, next)
		r, err := e.store.Load(ctx, name)
		if err != nil || !passing(r.Status.State) || r.NextLook.IsZero() || r.NextLook.After(deadline) {
			return r, err
		}
		timer := time.NewTimer(time.Until(r.NextLook))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return r, ctx.Err()
		}
	}
}

// passing tells whether a state is one that time alone may end.
func passing(s store.State) bool {
	return s == store.StateWaiting || s == store.StateUnknown || s == store.StateFailing
}
