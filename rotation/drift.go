package rotation

import (
	"context"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// Drift is what happens to a destination at Planet without us. Planet tells of
// it by one time only, "updated", which moves with every change whoever makes
// it: a new credential, a rename, an archiving. So what a list showed after our
// own last request is remembered, and when a later list shows another time,
// somebody else was there. What they changed can't be seen, for credentials are
// redacted: the destination may hold a key that nobody here knows.
//
// Only a list that was asked for after our last answer counts, and none while a
// PATCH without an answer may still take effect. What others do in the seconds
// between our answer and the next list goes unseen; the standing check finds
// what matters of it.

// touch notes that the destination may have been changed by us.
func (w *look) touch(o planet.Outcome) {
	if o == planet.OutcomeThrottled || o == planet.OutcomeNotSent {
		return
	}
	w.rec.Seen, w.rec.Touched = nil, time.Now()
}

// compareSeen finds out from a list whether somebody else has changed the
// destination.
func (w *look) compareSeen(ctx context.Context, v *view, d planet.Destination) {
	r := &w.rec
	switch {
	case r.Accepted == nil, d.Updated.IsZero(), !w.tellsOfOthers(v):
	case r.Seen == nil:
		r.Seen = &store.Seen{Updated: d.Updated, Name: d.Name, At: v.asked}
	case !d.Updated.Equal(r.Seen.Updated):
		w.drifted(ctx, d)
		r.Seen = &store.Seen{Updated: d.Updated, Name: d.Name, At: v.asked}
	}
	// Now, or when the settings have changed since.
	if r.Drift != nil && !r.Drift.Pushing && w.d.OnDrift == DriftPush {
		r.Drift.Pushing, r.Uncertain = true, true
	}
}

// baselineWithin bounds how long it is tried to see the destination as it is
// after a request of ours.
const baselineWithin = 15 * time.Minute

// seenDue is when a list will have been asked for after all that we have sent;
// zero when there is nothing to find out by it.
func (w *look) seenDue() time.Time {
	r := w.rec
	if r.Accepted == nil || r.Seen != nil || w.a.ListEvery == 0 {
		return time.Time{}
	}
	from := r.Touched
	if r.Accepted.At.After(from) {
		from = r.Accepted.At
	}
	if r.Fence != nil && r.Fence.Until.After(from) {
		from = r.Fence.Until
	}
	if time.Since(from) > baselineWithin {
		return time.Time{} // a look that comes anyway will do
	}
	return from.Add(viewAge + time.Second)
}

// tellsOfOthers tells whether all that we have sent is in a list.
func (w *look) tellsOfOthers(v *view) bool {
	return v.asked.After(w.rec.Touched) && (w.rec.Fence == nil || v.asked.After(w.rec.Fence.Until))
}

func (w *look) drifted(ctx context.Context, d planet.Destination) {
	seen := w.rec.Seen
	drift := &store.Drift{Was: seen.Updated, Updated: d.Updated, Found: time.Now()}
	detail := "somebody else has changed the destination at " + d.Updated.UTC().Format(time.RFC3339)
	if d.Name != seen.Name {
		drift.Renamed = d.Name
		detail += fmt.Sprintf("; its name was %q and is %q, which may be all", seen.Name, d.Name)
	}
	w.rec.Drift = drift
	w.entry(store.Entry{Kind: store.EntryDrift, Version: w.rec.Accepted.Version, Outcome: "found", Detail: detail})
	w.log.WarnContext(ctx, "destination was changed by somebody else", "updated", d.Updated, "was", seen.Updated, "renamed", drift.Renamed != "")
}

// settleDrift ends a drift.
func (w *look) settleDrift(why string) {
	if w.rec.Drift == nil {
		return
	}
	w.rec.Drift = nil
	w.entry(store.Entry{Kind: store.EntryDrift, Outcome: "settled", Detail: why})
}

// Touched tells the engine that somebody has changed a destination through
// rotatord itself, so that it is not taken for drift. id is Planet's.
func (e *Engine) Touched(ctx context.Context, id string) error {
	if !e.isRunning() {
		if err := e.remember(ctx); err != nil {
			return err
		}
	}
	for name, pin := range e.knownPins() {
		busy, ok := e.busy[name]
		if !ok || pin.ID != id {
			continue
		}
		err := func() error {
			busy.Lock()
			defer busy.Unlock()
			r, err := e.store.Load(ctx, name)
			if err != nil {
				return fmt.Errorf("load record of %q: %w", name, err)
			}
			r.Seen, r.Touched = nil, time.Now()
			if err := e.store.Save(ctx, &r); err != nil {
				return fmt.Errorf("save record of %q: %w", name, err)
			}
			return nil
		}()
		e.accounts[e.destinations[name].Account].forget()
		if err != nil {
			return err
		}
	}
	return nil
}

// sweep asks for the list of an account at its interval, and has whatever it
// shows otherwise than the list before looked at. It shares the list with the
// looks: an account is never asked more often than its interval by both.
func (e *Engine) sweep(ctx context.Context, a *account) {
	var before map[string]string
	wait := e.jitter(a.ListEvery)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		wait = a.ListEvery
		if blocked, _ := a.isBlocked(time.Now()); blocked {
			continue // its destinations' looks try the key now and then
		}
		v, err := a.list(ctx, time.Now().Add(-a.ListEvery), e.knownPins)
		if err != nil {
			e.listFailed(ctx, a, err)
			continue
		}
		e.countDestinations(ctx, a, v)
		now := shown(v)
		if before != nil {
			e.wake(changed(before, now)...)
		}
		before = now
		// As old as the list is by now, or it would be asked for a little less
		// often than it should.
		wait = max(a.ListEvery-time.Since(v.asked), time.Second)
	}
}

// listFailed has a destination looked at when Planet refuses the key: its look
// knows what to do about that.
func (e *Engine) listFailed(ctx context.Context, a *account, err error) {
	if ctx.Err() != nil {
		return
	}
	e.log.DebugContext(ctx, "planet's list not read", "account", a.Name, "error", err)
	if planet.OutcomeOf(err) == planet.OutcomeBlocked && len(a.names) > 0 {
		e.wake(a.names[0])
	}
}

// countDestinations keeps how many destinations the organization has.
func (e *Engine) countDestinations(ctx context.Context, a *account, v *view) {
	a.mu.Lock()
	same := a.known.Active == v.active
	a.known.Name, a.known.Active = a.Name, v.active
	known := a.known
	a.mu.Unlock()
	if same {
		return
	}
	if err := e.store.SaveAccount(context.WithoutCancel(ctx), known); err != nil {
		e.log.ErrorContext(ctx, "account state not saved", "account", a.Name, "error", err)
	}
}

func countActive(ds []planet.Destination) int {
	n := 0
	for _, d := range ds {
		if d.Archived == nil {
			n++
		}
	}
	return n
}

// shown is all that a list says of the configured destinations, in a form that
// can be compared.
func shown(v *view) map[string]string {
	out := make(map[string]string, len(v.found))
	for name, f := range v.found {
		if f.err != nil {
			out[name] = "not found" // its text may list others
			continue
		}
		structural, err := f.StructuralJSON()
		out[name] = fmt.Sprint(f.ID, f.Ref, f.Name, f.Type, string(structural), err != nil, f.Archived, f.Permissions.CanWrite, f.Updated, f.twin)
	}
	return out
}

func changed(before, now map[string]string) []string {
	var names []string
	for name, text := range now {
		if before[name] != text {
			names = append(names, name)
		}
	}
	return names
}
