package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

// Emit is the engine's watcher.Emit: it marks the destinations of an event as
// due, durably and together with what the event said, wakes the queue and
// returns. An event nobody is mapped to is done with.
func (e *Engine) Emit(ctx context.Context, ev credential.Event) error {
	names := e.meant(ev)
	if len(names) == 0 {
		e.log.DebugContext(ctx, "event matches no destination", "source", ev.Source, "secret", ev.Secret, "destination", ev.Destination)
		return nil
	}
	now := time.Now()
	var err error
	if ev.Secret == "" || ev.Test != "" {
		// A test message goes the way of all others and announces nothing.
		err = e.store.MarkDue(ctx, ev.Source, now, names...)
	} else {
		err = e.store.MarkHeard(ctx, store.Heard{Kind: ev.Kind, Version: ev.Version, Source: ev.Source, Time: ev.Time, At: now}, names...)
	}
	if err != nil {
		return fmt.Errorf("record event from %s: %w", ev.Source, err)
	}
	for _, a := range e.keyed {
		if ev.Secret != "" && e.same(a.KeySecret, ev.Secret) {
			a.hope()
		}
	}
	e.wake(names...)
	return nil
}

// Matches tells whether any destination is mapped to what an event names.
func (e *Engine) Matches(ev credential.Event) bool { return len(e.meant(ev)) > 0 }

// meant gives the destinations that an event concerns: those of its secret, and
// those of an account whose key is kept in it.
func (e *Engine) meant(ev credential.Event) []string {
	if ev.Destination != "" {
		if _, ok := e.destinations[ev.Destination]; ok {
			return []string{ev.Destination}
		}
		return nil
	}
	var names []string
	for _, secret := range e.secrets {
		if e.same(secret, ev.Secret) {
			names = append(names, e.bySecret[secret]...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// same tells whether an event about a secret concerns the configured one.
func (e *Engine) same(configured, named credential.Secret) bool {
	if configured == named {
		return true
	}
	n, ok := e.source.(providers.Namer)
	return ok && n.Same(configured, named)
}

// takeIn moves what events have said into the facts. It may be done twice with
// the same events: a look that ends early leaves them in the store.
func (w *look) takeIn(ctx context.Context) {
	for _, h := range w.rec.Heard {
		switch h.Kind {
		case credential.EventChanged:
			w.announce(h)
		case credential.EventRotationSucceeded:
			w.announce(h)
			w.endNotes(ctx, func(n store.Note) bool { return ofRotation(n) && !n.Time.After(momentOf(h)) })
		default:
			w.note(ctx, h)
		}
	}
}

// momentOf is when something happened, or else was heard of.
func momentOf(h store.Heard) time.Time {
	if h.Time.IsZero() {
		return h.At
	}
	return h.Time
}

// announce remembers the newest event that spoke of a change: of several the
// one that happened last, whatever their order of arrival.
func (w *look) announce(h store.Heard) {
	a := w.rec.Announced
	if a == nil {
		a = &store.Announced{}
	}
	next := *a
	if h.Version != "" && (next.Version == "" || !momentOf(h).Before(next.Time)) {
		next.Version, next.Time, next.Open = h.Version, momentOf(h), true
	}
	if h.At.After(next.At) {
		next.Source, next.At = h.Source, h.At
	}
	w.rec.Announced = &next
	if u := w.rec.Unannounced; u != nil && (h.Version == u.Version || h.At.After(u.Found)) {
		w.rec.Unannounced = nil
	}
}

// note remembers what an event told, one note a kind; the latest counts.
func (w *look) note(ctx context.Context, h store.Heard) {
	n := store.Note{Kind: h.Kind, Source: h.Source, Version: h.Version, Time: momentOf(h)}
	if n.Version == "" && w.rec.Source != nil {
		n.Version = w.rec.Source.Version
	}
	at := slices.IndexFunc(w.rec.Notes, func(old store.Note) bool { return old.Kind == n.Kind })
	switch {
	case at < 0:
		w.rec.Notes = append(w.rec.Notes, n)
	case !n.Time.After(w.rec.Notes[at].Time):
		return
	default:
		w.rec.Notes[at] = n
	}
	w.entry(store.Entry{Kind: store.EntryEvent, Version: n.Version, Outcome: string(n.Kind), Detail: "from " + n.Source})
	w.log.WarnContext(ctx, "secret manager reports", "kind", n.Kind, "version", n.Version, "time", n.Time, "source", n.Source)
}

func ofRotation(n store.Note) bool {
	return n.Kind == credential.EventRotationFailed || n.Kind == credential.EventRotationAbandoned
}

// endNotes drops notes that are not true any more.
func (w *look) endNotes(ctx context.Context, over func(store.Note) bool) {
	w.rec.Notes = slices.DeleteFunc(slices.Clone(w.rec.Notes), func(n store.Note) bool {
		if !over(n) {
			return false
		}
		w.entry(store.Entry{Kind: store.EntryEvent, Version: n.Version, Outcome: "cleared", Detail: string(n.Kind)})
		if !w.dry {
			w.log.InfoContext(ctx, "report of the secret manager is over", "kind", n.Kind, "version", n.Version)
		}
		return true
	})
	if len(w.rec.Notes) == 0 {
		w.rec.Notes = nil
	}
}

// askFor asks for the current version. After an event that spoke of one, a read
// that shows nothing new is not believed: it may lag behind the event. One that
// shows a change is acted upon at once, be it another than the event's, which
// may have been overtaken; the event's is asked for in the next look.
func (w *look) askFor(ctx context.Context) (credential.Version, error) {
	a := w.rec.Announced
	follower, follows := w.e.source.(providers.Follower)
	if w.e.quirks.IgnoreHint {
		w.rec.Announced, a = nil, nil
	}
	if a == nil || !a.Open || !follows {
		return w.e.source.Current(ctx, w.d.Secret)
	}
	hint := providers.Hint{Version: a.Version, Time: a.Time}
	if w.rec.Source != nil {
		hint.Known = w.rec.Source.Version
	}
	cur, err := follower.CurrentAfter(ctx, w.d.Secret, hint)
	if err == nil && (cur.ID == hint.Version || cur.ID == hint.Known) {
		settled := *a
		settled.Open = false
		w.rec.Announced = &settled
	}
	return cur, err
}

// hintDue is when the version that an event spoke of has to be asked for, after
// an answer that was news of another one; zero for never. Where the source has
// not answered since the event, the next look asks, whenever it comes.
func (w *look) hintDue() time.Time {
	a, s := w.rec.Announced, w.rec.Source
	if a == nil || !a.Open || s == nil || s.At.Before(a.At) {
		return time.Time{}
	}
	return s.At.Add(w.e.jitter(soon))
}

// notice compares what is current now with what was before: notes about
// another version are over, and a change that no event has spoken of is looked
// at again after the grace.
func (w *look) notice(ctx context.Context, before *store.Source) {
	cur := w.cur.ID
	for i, n := range w.rec.Notes {
		if n.Version == "" { // the source had never been asked by then
			w.rec.Notes = slices.Clone(w.rec.Notes)
			w.rec.Notes[i].Version = cur
		}
	}
	w.endNotes(ctx, func(n store.Note) bool { return n.Version != cur })
	if u := w.rec.Unannounced; u != nil && u.Version != cur {
		// Gone on before the grace was over. If this change comes unannounced too,
		// it is the one that is waited for.
		w.rec.Unannounced = nil
	}
	if before == nil || before.Version == cur || len(w.d.Announcers) == 0 || w.e.missedAfter <= 0 {
		return
	}
	if a := w.rec.Announced; a != nil && (a.Version == cur || a.At.After(before.At)) {
		return
	}
	w.rec.Unannounced = &store.Unannounced{Version: cur, Found: time.Now()}
}

// countMissed counts a change whose event has not come within the grace.
func (w *look) countMissed(ctx context.Context) {
	u := w.rec.Unannounced
	if u == nil || time.Since(u.Found) < w.e.missedAfter {
		return
	}
	w.rec.Unannounced = nil
	w.missed = true
	w.entry(store.Entry{Kind: store.EntryEvent, Version: u.Version, Outcome: "missed",
		Detail: fmt.Sprintf("found at %s, and no event had come %s later", u.Found.UTC().Format(time.RFC3339), w.e.missedAfter)})
	w.log.WarnContext(ctx, "change was found and no event has told of it", "version", u.Version, "found", u.Found, "sources", w.d.Announcers)
}

// missedDue is when countMissed has to be asked again; zero for never.
func (w *look) missedDue() time.Time {
	if w.rec.Unannounced == nil {
		return time.Time{}
	}
	return w.rec.Unannounced.Found.Add(w.e.missedAfter)
}
