package rotation

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// Pushed is what came of a version that a person wanted at Planet.
type Pushed struct {
	// Record is how the destination stands afterwards.
	Record store.Record
	// Version is what was pushed, or would have been; empty if the source could
	// not be asked.
	Version string
	// Current tells whether the source calls that version its current one.
	Current bool
	// Accepted tells whether Planet holds it now.
	Accepted bool
	// Reason and Detail say why not.
	Reason store.Reason
	Detail string
	// Until is when trying again may help by itself; zero for not.
	Until time.Time
}

// byHand begins the note of a pause that PushVersion made.
const byHand = "pushed by hand: "

// PushVersion gives Planet a version of the destination's secret because a
// person says so: the current one for "", else exactly the one named, if the
// source still has it. It neither asks whether Planet holds that version
// already nor whether it is held or waits for its time; everything else is as
// in a look. The destination is the one first seen and may be written, the
// value fits, preflight passes, no PATCH of another version can still take
// effect, the account has a turn, and the intent is journalled.
//
// A look would put the source's current version back at once. So a push of
// another one also pauses the destination, in the same save as the intent:
// from then on no crash lets a look come in between. Resume ends that. If
// Planet does not take the version there is no pause, and the destination goes
// on from where it stood; what was held stays held.
//
// With wait above 0 it tries again, that long at most, while time may help: a
// fence, a key that takes a while to work, an answer that was lost. An error
// means that the record could not be read or written, or that ctx ended.
func (e *Engine) PushVersion(ctx context.Context, name, version string, wait time.Duration) (Pushed, error) {
	busy, ok := e.busy[name]
	if !ok {
		return Pushed{}, fmt.Errorf("destination %q is not configured", name)
	}
	if !e.isRunning() {
		if err := e.remember(ctx); err != nil {
			return Pushed{}, err
		}
	}
	ctx = planet.Interactive(ctx)
	deadline := time.Now().Add(wait)
	for {
		busy.Lock()
		p, err := e.pushOnce(ctx, name, version)
		busy.Unlock()
		if err != nil || p.Accepted || p.Until.IsZero() || p.Until.After(deadline) {
			return p, err
		}
		timer := time.NewTimer(time.Until(p.Until))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return p, ctx.Err()
		}
	}
}

func (e *Engine) isRunning() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.queue != nil
}

// pushOnce is one try, with the destination's lock held.
func (e *Engine) pushOnce(ctx context.Context, name, version string) (p Pushed, err error) {
	w, err := e.newLook(ctx, name)
	if err != nil {
		return Pushed{}, err
	}
	defer func() { w.traced(err) }()
	due := w.rec.Due
	w.settleOrphan()
	end := w.identify(ctx)
	if end == nil {
		end = w.askSource(ctx)
	}
	p = Pushed{Version: version}
	if end == nil {
		w.rec.Failures = 0
		if p, end, err = w.pushByHand(ctx, version); err != nil {
			return p, err
		}
	} else {
		p.Reason, p.Detail, p.Until = end.reason, end.detail, end.next
	}
	if end == nil {
		if end, err = w.afterHand(ctx); err != nil {
			return p, err
		}
	}
	if err := ctx.Err(); err != nil && !p.Accepted {
		return p, err // how the destination stands is found out anew
	}
	next, err := w.finish(ctx, *end, due)
	if err != nil {
		return p, err
	}
	p.Record = w.rec
	e.comeBack(name, next)
	return p, nil
}

// comeBack lets a running queue know when to look again: what it knew before
// was decided on another record.
func (e *Engine) comeBack(name string, next time.Time) {
	e.mu.Lock()
	q := e.queue
	e.mu.Unlock()
	if q != nil && !next.IsZero() {
		q.AddAfter(name, max(time.Until(next), time.Millisecond))
	}
}

// afterHand says how the destination stands after a push by hand, and does what
// follows: a version that Planet refused is followed by the one before.
func (w *look) afterHand(ctx context.Context) (*ending, error) {
	if w.rec.Paused != nil {
		return &ending{state: store.StatePaused, detail: w.rec.Paused.Note}, nil
	}
	end, err := w.converge(ctx)
	return &end, err
}

// pushByHand tries one version. It gives an ending when nothing more can be
// found out in this look.
func (w *look) pushByHand(ctx context.Context, version string) (Pushed, *ending, error) {
	w.entry(store.Entry{Kind: store.EntryPerson, Version: version, Detail: "push asked for"})
	var p Pushed
	for range maxMoves {
		p = Pushed{Version: version, Current: version == "" || version == w.cur.ID}
		if p.Current {
			p.Version = w.cur.ID
		}
		d := fenced(Snapshot{Now: time.Now(), Facts: w.rec.Facts}, Decision{Action: ActionPush, Version: p.Version})
		if d.Action == ActionWait {
			p.Reason, p.Detail, p.Until = d.Reason, d.Detail, d.Until
			return p, nil, nil
		}
		h := w.byHand(d, p.Current)
		end, err := h.try(ctx)
		if err != nil || h.moved {
			if err != nil {
				return p, nil, err
			}
			continue
		}
		p.Accepted = h.accepted()
		if !p.Accepted {
			p.Reason, p.Detail, p.Until = h.trial.Reason, h.trial.Detail, h.trial.NotBefore
			if p.Reason == store.ReasonVersionGone && !p.Current {
				p.Until = time.Time{} // what is gone does not come back
			}
		}
		if end != nil {
			p.Reason, p.Detail, p.Until = end.reason, end.detail, end.next
		}
		return p, end, nil
	}
	p.Reason, p.Detail, p.Until = store.ReasonPropagation, "the source keeps changing", time.Now().Add(w.e.jitter(soon))
	return p, nil, nil
}

// handAttempt is an attempt that a person wants.
type handAttempt struct {
	attempt
	current bool            // the version is the source's current one
	before  *store.Accepted // what was accepted so far
	// What the record holds about the current version, to be kept while another
	// one is tried; and the pause.
	hold   *store.Hold
	waits  *store.Trial
	paused *store.Paused
	moved  bool // the source's current version changed before anything was sent
}

func (w *look) byHand(d Decision, current bool) *handAttempt {
	h := &handAttempt{attempt: attempt{look: w, Decision: d, begun: time.Now()}, current: current, before: w.rec.Accepted,
		hold: w.rec.Hold, waits: w.rec.Trial, paused: w.rec.Paused}
	t := w.rec.Trial
	if t == nil || t.Version != d.Version {
		t = &store.Trial{Version: d.Version, FirstSeen: time.Now()}
		w.rec.Trial = t
	}
	t.Reason, t.Detail, t.NotBefore = "", "", time.Time{}
	h.trial = t
	return h
}

// try goes the way of a push, and sees to the pause and to what must not be
// forgotten.
func (h *handAttempt) try(ctx context.Context) (*ending, error) {
	h.trace.begin(h.Decision)
	defer h.trace.end()
	defer func() { h.params.Clear() }()
	if !h.make(ctx) || !h.preflight(ctx) {
		h.keep()
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	h.pause()
	end, err := h.send(ctx)
	if err != nil {
		return nil, err
	}
	h.moved = end == nil && !h.accepted() && h.trial.Reason == ""
	if !h.accepted() && h.trial.Reason != store.ReasonOutcomeUnknown {
		h.rec.Paused = h.paused
		if h.trial.Reason == store.ReasonPlanetRefused && h.ours() && (h.before == nil || h.before.Version != h.Version) {
			h.rec.Paused = nil // a try of it with a lost answer had paused; it is not wanted any more
		}
	}
	h.keep()
	return end, nil
}

// ours tells whether the pause is that of a push by hand.
func (h *handAttempt) ours() bool {
	return h.paused != nil && strings.HasPrefix(h.paused.Note, byHand)
}

func (h *handAttempt) accepted() bool { return h.rec.Accepted != h.before }

// pause keeps looks away from a version that is not the source's current one;
// it is saved with the intent. A pause of our own is told anew.
func (h *handAttempt) pause() {
	switch {
	case !h.current:
		note := byHand + "version " + h.Version + ", which is not the secret's current one; resume returns to that"
		since := time.Now()
		if h.paused != nil {
			since = h.paused.Since
			if !h.ours() && h.paused.Note != "" {
				note += ". Paused before: " + h.paused.Note
			}
		}
		h.rec.Paused = &store.Paused{Since: since, Note: note}
	case h.ours():
		h.rec.Paused = &store.Paused{Since: h.paused.Since, Note: byHand + "version " + h.Version + "; resume lets it follow the secret again"}
	}
}

// keep puts back what the record held about the current version.
func (h *handAttempt) keep() {
	if h.current {
		return
	}
	h.rec.Hold = h.hold
	if h.trial.Reason != store.ReasonOutcomeUnknown {
		h.rec.Trial = h.waits
	}
	if h.accepted() {
		h.rec.Accepted.Created = time.Time{} // the source says it of the current one
	}
}
