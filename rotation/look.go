package rotation

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

// maxMoves bounds how often one look decides anew: a source that moves faster
// than that gets another look.
const maxMoves = 8

// Times between tries. A failing source or API is asked again soon and then
// less often; what only a person can mend is looked at a few times an hour.
const (
	soon     = 5 * time.Second
	slow     = 5 * time.Minute
	byPerson = 15 * time.Minute
)

// SourcePerson is the mark of a look that somebody waits for: its requests go
// before background ones.
const SourcePerson = "person"

// look is one look at one destination.
type look struct {
	e    *Engine
	d    Destination
	a    *account
	rec  store.Record
	seen finding            // where the name leads, once identified
	cur  credential.Version // what the source calls current, once asked
	dry  bool               // nothing may be written anywhere
	log  *slog.Logger

	before  store.Record  // as it was loaded
	entries []store.Entry // history not saved yet
	missed  bool          // an event was found to be missed
	trace   *tracer       // nil where nobody wants to hear
}

// ending is how a look ended.
type ending struct {
	state  store.State
	reason store.Reason
	detail string
	next   time.Time // when to come back by itself; zero for not
}

// Look has one look at a destination: it does what there is to do, records how
// it stands, and says when to come back by itself. An error means that the
// record could not be read or written, or that ctx ended; what a look finds
// out about the world is a state, not an error.
func (e *Engine) Look(ctx context.Context, name string) (next time.Time, err error) {
	busy, ok := e.busy[name]
	if !ok {
		return time.Time{}, fmt.Errorf("destination %q is not configured", name)
	}
	busy.Lock()
	defer busy.Unlock()

	w, err := e.newLook(ctx, name)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { w.traced(err) }()
	due := w.rec.Due
	if w.rec.IsDue() && w.rec.DueSource == SourcePerson {
		ctx = planet.Interactive(ctx)
	}
	end, err := w.run(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if err := ctx.Err(); err != nil && end.state != store.StateInSync {
		// What was done is saved; how the destination stands is found out anew.
		return time.Time{}, err
	}
	return w.finish(ctx, end, due)
}

func (e *Engine) newLook(ctx context.Context, name string) (*look, error) {
	d, ok := e.destinations[name]
	if !ok {
		return nil, fmt.Errorf("destination %q is not configured", name)
	}
	rec, err := e.store.Load(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("load record of %q: %w", name, err)
	}
	return &look{e: e, d: d, a: e.accounts[d.Account], rec: rec, before: cloned(rec), log: e.log.With("destination", name),
		trace: e.newTracer(d, rec)}, nil
}

func (w *look) run(ctx context.Context) (ending, error) {
	w.takeIn(ctx)
	if w.rec.Paused != nil {
		// Nothing is changed, and what goes on is still watched.
		w.lookAtBucket(ctx)
		return ending{state: store.StatePaused, detail: w.rec.Paused.Note}, nil
	}
	w.settleOrphan()
	end, err := w.rotate(ctx)
	if err != nil {
		return ending{}, err
	}
	// Whatever keeps a destination from being rotated, deliveries go on with what
	// Planet holds.
	w.lookAtBucket(ctx)
	return end, nil
}

// rotate does what there is to do about the current version.
func (w *look) rotate(ctx context.Context) (ending, error) {
	if end := w.identify(ctx); end != nil {
		return *end, nil
	}
	if end := w.askSource(ctx); end != nil {
		return *end, nil
	}
	w.rec.Failures = 0
	w.countMissed(ctx)
	return w.converge(ctx)
}

// converge decides and acts until there is nothing left to do now.
func (w *look) converge(ctx context.Context) (ending, error) {
	for range maxMoves {
		w.startTrial()
		d, err := w.decide(ctx)
		if err != nil {
			return ending{}, err
		}
		switch d.Action {
		case ActionNothing, ActionWait:
			return w.settled(d), nil
		case ActionAdopt:
			w.adopt()
		case ActionPush, ActionRestore:
			if err := ctx.Err(); err != nil {
				return ending{}, err
			}
			end, err := w.push(ctx, d)
			if err != nil || end != nil {
				return deref(end), err
			}
		}
	}
	return ending{state: store.StateWaiting, reason: store.ReasonPropagation,
		detail: "the source keeps changing", next: time.Now().Add(w.e.jitter(soon))}, nil
}

func deref(e *ending) ending {
	if e == nil {
		return ending{}
	}
	return *e
}

func (w *look) decide(ctx context.Context) (Decision, error) {
	if w.e.quirks.NoFence {
		w.rec.Fence = nil
	}
	s := Snapshot{Now: time.Now(), Settings: w.d.Settings, Facts: w.rec.Facts, Current: w.cur}
	d := Decide(s)
	peers, err := w.peers(ctx, d)
	return RollOut(s, d, w.d.Name, peers), err
}

// settleOrphan turns an intent that a dead process left behind into what it
// means: a PATCH whose outcome is unknown.
func (w *look) settleOrphan() {
	in := w.rec.Inflight
	if in == nil {
		return
	}
	w.rec.Inflight = nil
	w.lostAnswer(in.Version, in.Sent)
	w.entry(store.Entry{Kind: store.EntryAttempt, Version: in.Version, Outcome: string(planet.OutcomeUnknown),
		Reason: store.ReasonOutcomeUnknown, Detail: "rotatord stopped before the answer came"})
}

// askSource asks the provider for the current version.
func (w *look) askSource(ctx context.Context) *ending {
	cur, err := w.current(ctx, w.askFor)
	if err != nil {
		w.rec.Failures++
		return &ending{state: store.StateFailing, reason: sourceReason(err), detail: err.Error(),
			next: w.after(w.e.backoff(w.rec.Failures, soon, slow))}
	}
	w.moveTo(ctx, cur)
	return nil
}

// askAgain asks whether the current version is still that of askFor.
func (w *look) askAgain(ctx context.Context) (credential.Version, error) {
	return w.e.source.Current(ctx, w.d.Secret)
}

func (w *look) current(ctx context.Context, ask func(context.Context) (credential.Version, error)) (credential.Version, error) {
	begun := time.Now()
	cur, err := ask(ctx)
	w.step(StepCurrent, begun, string(providers.ReasonOf(err)), err != nil)
	if err == nil && cur.ID == "" {
		err = &providers.Error{Op: "read current version of", Secret: w.d.Secret, Reason: providers.ReasonDisabled,
			Hint: "the source names no current version"}
	}
	return cur, err
}

func (w *look) moveTo(ctx context.Context, cur credential.Version) {
	before := w.rec.Source
	w.cur = cur
	w.rec.Source = &store.Source{Version: cur.ID, Created: cur.Created, Expires: cur.Expires,
		NextRotation: cur.NextRotation, At: time.Now()}
	w.notice(ctx, before)
}

// startTrial remembers since when the current version is waited for: the
// propagation window counts from there.
func (w *look) startTrial() {
	r := &w.rec
	if r.Accepted != nil && r.Accepted.Version == w.cur.ID && !r.Uncertain {
		r.Trial, r.Restore, r.Hold = nil, nil, nil
		return
	}
	if r.Trial == nil || r.Trial.Version != w.cur.ID {
		r.Trial = &store.Trial{Version: w.cur.ID, FirstSeen: time.Now()}
	}
	if r.Hold != nil && r.Hold.Version != w.cur.ID {
		r.Hold = nil
	}
}

// adopt records the current version as what Planet holds, without a PATCH.
func (w *look) adopt() {
	w.rec.Accepted = &store.Accepted{Version: w.cur.ID, Created: w.cur.Created, Expires: w.cur.Expires,
		At: time.Now(), Adopted: true, Unproven: true}
	w.rec.Trial = nil
	w.entry(store.Entry{Kind: store.EntryAttempt, Version: w.cur.ID, Outcome: "adopted",
		Detail: "first sight, believed to be what Planet holds"})
}

// settled says how a destination stands once there is nothing to do now.
func (w *look) settled(d Decision) ending {
	switch {
	case d.Action == ActionNothing && d.Reason == "":
		return ending{state: store.StateInSync}
	case d.Action == ActionNothing:
		end := ending{state: store.StateHeld, reason: d.Reason, detail: d.Detail, next: d.Until}
		w.sayUnrestored(&end)
		return end
	}
	end := ending{state: stateOfWait(d.Reason), reason: d.Reason, detail: d.Detail, next: d.Until}
	w.sayUnrestored(&end)
	return end
}

// sayUnrestored raises a refusal that could not be undone above one that was:
// Planet may be left without a working credential.
func (w *look) sayUnrestored(end *ending) {
	r := w.rec.Restore
	if end.reason != store.ReasonPlanetRefused || !w.rec.Uncertain || r == nil || !r.GaveUp {
		return
	}
	end.reason = store.ReasonRestoreFailed
	end.detail += "; the previous version could not be put back (" + r.Detail + "), so Planet may hold no working credential"
}

func stateOfWait(r store.Reason) store.State {
	switch r {
	case store.ReasonOutcomeUnknown:
		return store.StateUnknown
	case store.ReasonNotWritable, store.ReasonAccountBlocked, store.ReasonVanished:
		return store.StateBlocked
	case store.ReasonSourceNotFound, store.ReasonSourceDenied, store.ReasonSourceDisabled, store.ReasonSourceInvalid,
		store.ReasonSourceThrottled, store.ReasonSourceUnavailable, store.ReasonVersionGone, store.ReasonPlanetUnavailable:
		return store.StateFailing
	}
	return store.StateWaiting
}

func sourceReason(err error) store.Reason {
	switch providers.ReasonOf(err) {
	case providers.ReasonNotFound:
		return store.ReasonSourceNotFound
	case providers.ReasonGone:
		return store.ReasonVersionGone
	case providers.ReasonDenied:
		return store.ReasonSourceDenied
	case providers.ReasonDisabled:
		return store.ReasonSourceDisabled
	case providers.ReasonInvalid:
		return store.ReasonSourceInvalid
	case providers.ReasonThrottled:
		return store.ReasonSourceThrottled
	}
	return store.ReasonSourceUnavailable
}

// finish records how the look ended. It runs even while the daemon stops, so
// that an answer that came is not forgotten.
func (w *look) finish(ctx context.Context, end ending, due int64) (time.Time, error) {
	now := time.Now()
	old := w.rec.Status
	w.rec.Status = store.Status{State: end.state, Reason: end.reason, Detail: end.detail, Since: old.Since}
	if old.State != end.state || old.Reason != end.reason {
		w.rec.Status.Since = now
		w.entry(store.Entry{Kind: store.EntryState, Version: w.cur.ID, Outcome: string(end.state), Reason: end.reason, Detail: end.detail})
		w.tell(ctx, end)
	}
	if end.state == store.StateInSync {
		w.rec.LastSuccess = now
	}
	w.rec.Done = due
	w.rec.NextLook = w.nextLook(end)
	if err := w.save(ctx); err != nil {
		return time.Time{}, err
	}
	if w.missed && w.e.onMissed != nil {
		w.e.onMissed(w.d.Name, w.d.Announcers)
	}
	if w.e.onChanged != nil {
		w.e.onChanged(w.before, w.rec)
	}
	w.wakePeers(w.before)
	w.e.receiptsDue()
	return w.rec.NextLook, nil
}

func (w *look) tell(ctx context.Context, end ending) {
	level := slog.LevelInfo
	if end.state == store.StateHeld || end.state == store.StateBlocked || end.state == store.StateFailing {
		level = slog.LevelWarn
	}
	attrs := []any{"state", end.state, "reason", end.reason, "detail", end.detail, "version", w.cur.ID}
	if !end.next.IsZero() {
		attrs = append(attrs, "next_look", end.next)
	}
	w.log.Log(ctx, level, "destination changed state", attrs...)
}

// nextLook is the earliest of what the ending asks for, when the leftover has
// to be looked for, and when an event counts as missed.
func (w *look) nextLook(end ending) time.Time {
	next := end.next
	dues := []time.Time{w.leftoverDue(), w.checkDue()}
	if end.state != store.StatePaused {
		dues = append(dues, w.seenDue(), w.missedDue(), w.hintDue())
	}
	for _, at := range dues {
		if at.IsZero() {
			continue
		}
		// A look that is due and could not be had now, of a blocked destination say,
		// must not spin.
		if !at.After(time.Now()) {
			at = w.after(viewAge)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// save writes the record and the history gathered since the last save. It
// outlives ctx: what was learnt must not be lost to a shutdown.
func (w *look) save(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	if err := w.e.store.Save(ctx, &w.rec, w.entries...); err != nil {
		return fmt.Errorf("save record of %q: %w", w.d.Name, err)
	}
	w.entries = nil
	w.e.remind(w.rec)
	return nil
}

func (w *look) entry(e store.Entry) {
	e.At, e.Destination = time.Now(), w.d.Name
	w.entries = append(w.entries, e)
}

func (w *look) after(d time.Duration) time.Time { return time.Now().Add(d) }

// cloned is a record that stays as it is while the other changes.
func cloned(r store.Record) store.Record {
	r.Facts = r.Facts.Clone()
	return r
}
