package rotation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// identify finds the destination that the configured name leads to and checks
// that it is the one first seen and may be written. It gives the ending of a
// look that can't go on, nil otherwise.
func (w *look) identify(ctx context.Context) *ending {
	v, end := w.list(ctx, time.Now().Add(-viewAge))
	if end != nil {
		return end
	}
	f := v.found[w.d.Name]
	if f.err != nil {
		if f, end = w.fetchMissing(ctx, f); end != nil {
			return end
		}
	}
	if twin := w.twin(f); twin != "" {
		return w.stuck(store.ReasonDuplicate, fmt.Sprintf("%q leads to the same destination %s: remove one of the two entries", twin, f.ID))
	}
	if _, known := f.Type.Fields(); !known {
		return w.stuck(store.ReasonUnsupported, fmt.Sprintf("destination type %q is not known to this rotatord", f.Type))
	}
	if end := w.checkPin(f.Destination); end != nil {
		return end
	}
	w.compareLater(v, f.Destination)
	w.compareSeen(ctx, v, f.Destination)
	w.rec.Archived, w.seen = f.Archived, f
	if !f.Permissions.CanWrite {
		return w.stuck(store.ReasonNotWritable, "the API key's user is neither the owner of the destination nor an admin of the organization")
	}
	return nil
}

// twin finds another entry that leads to the same destination: in the same
// list, or through another account of the same organization.
func (w *look) twin(f finding) string {
	if f.twin != "" {
		return f.twin
	}
	for name, pin := range w.e.knownPins() {
		if other, configured := w.e.destinations[name]; configured && other.Account != w.d.Account && pin.ID == f.ID {
			return name
		}
	}
	return ""
}

func (w *look) stuck(r store.Reason, detail string) *ending {
	return &ending{state: store.StateBlocked, reason: r, detail: detail, next: w.after(w.e.jitter(byPerson))}
}

// list gets the account's list, or says why the look ends here.
func (w *look) list(ctx context.Context, notBefore time.Time) (*view, *ending) {
	if b, until := w.a.isBlocked(time.Now()); b {
		return nil, &ending{state: store.StateBlocked, reason: store.ReasonAccountBlocked, detail: w.a.blockedDetail(), next: until}
	}
	begun := time.Now()
	v, err := w.a.list(ctx, notBefore, w.e.knownPins)
	w.step(StepList, begun, failedAs(planet.OutcomeOf(err), err), err != nil)
	if err != nil {
		return nil, w.listFailed(ctx, err)
	}
	w.unblock(ctx, v.asked)
	return v, nil
}

func (w *look) listFailed(ctx context.Context, err error) *ending {
	switch planet.OutcomeOf(err) {
	case planet.OutcomeBlocked:
		return w.block(ctx, err)
	case planet.OutcomeThrottled:
		w.rec.Failures++
		return &ending{state: store.StateFailing, reason: store.ReasonPlanetThrottled, detail: err.Error(),
			next: w.after(w.e.backoff(w.rec.Failures, soon, slow))}
	}
	w.rec.Failures++
	return &ending{state: store.StateFailing, reason: store.ReasonPlanetUnavailable, detail: err.Error(),
		next: w.after(w.e.backoff(w.rec.Failures, soon, slow))}
}

// fetchMissing asks for a destination that the list does not show: whether a
// list holds archived ones is documented both ways.
func (w *look) fetchMissing(ctx context.Context, f finding) (finding, *ending) {
	var ambiguous *planet.AmbiguousError
	if errors.As(f.err, &ambiguous) {
		return f, w.stuck(store.ReasonAmbiguous, f.err.Error())
	}
	name := w.d.Name
	if w.rec.Pin != nil {
		name = w.rec.Pin.ID
	}
	ref, err := planet.ParseRef(name)
	if err != nil {
		return f, w.stuck(store.ReasonVanished, f.err.Error())
	}
	d, err := w.a.API.Get(ctx, ref.Key())
	if err == nil {
		return finding{Destination: d}, nil
	}
	if planet.OutcomeOf(err) != planet.OutcomeNotFound && planet.OutcomeOf(err) != planet.OutcomeRefused {
		return f, w.listFailed(ctx, err)
	}
	// A bare suffix can't be fetched, and an archived destination may have been
	// renamed too.
	yes := true
	archived, err := w.a.API.List(ctx, planet.ListOptions{Archived: &yes})
	if err != nil {
		return f, w.listFailed(ctx, err)
	}
	if found := find(w.d.Name, archived, w.e.knownPins()); found.err == nil {
		return found, nil
	}
	return f, w.stuck(store.ReasonVanished, f.err.Error())
}

// checkPin pins a destination at first sight and holds everything when the name
// leads to something else later.
func (w *look) checkPin(d planet.Destination) *ending {
	structural, err := d.StructuralJSON()
	if err != nil {
		return w.stuck(store.ReasonPinMismatch, "Planet's answer can't be read: "+err.Error())
	}
	optional, err := d.OptionalJSON()
	if err != nil {
		return w.stuck(store.ReasonPinMismatch, "Planet's answer can't be read: "+err.Error())
	}
	pin := w.rec.Pin
	if pin == nil {
		w.rec.Pin = &store.Pin{ID: d.ID, Ref: d.Ref, Name: d.Name, Type: string(d.Type),
			Structural: structural, Optional: optional, At: time.Now()}
		return nil
	}
	if pin.Type != string(d.Type) || !bytes.Equal(pin.Structural, structural) {
		return w.stuck(store.ReasonPinMismatch, fmt.Sprintf(
			"%s is not what it was when first seen: type %s, %s then; type %s, %s now. If that is right, acknowledge it with: rotatord retry %s",
			d.ID, pin.Type, pin.Structural, d.Type, structural, w.d.Name))
	}
	pin.ID, pin.Ref, pin.Name = d.ID, d.Ref, d.Name
	if len(w.rec.Changed) == 0 && !(w.rec.Accepted != nil && w.rec.Accepted.Unchecked) {
		pin.Optional = optional
	}
	return nil
}

// compareLater compares parameters across a PATCH whose answer did not show
// them, and forgets a change that Planet does not show any more. Only a list
// that was asked for after the answer tells anything.
func (w *look) compareLater(v *view, d planet.Destination) {
	acc, pin := w.rec.Accepted, w.rec.Pin
	if acc == nil || !v.asked.After(acc.At) || (!acc.Unchecked && len(w.rec.Changed) == 0) {
		return
	}
	before := d
	before.Parameters = merge(pin.Structural, pin.Optional)
	found, err := patcher.Compare(before, d)
	if err != nil {
		return // the next list may be readable
	}
	changes := convert(found)
	if acc.Unchecked && len(changes) > 0 {
		w.noteChanges(changes)
	}
	acc.Unchecked = false
	if len(changes) == 0 && len(w.rec.Changed) > 0 {
		w.rec.Changed = nil
		w.entry(store.Entry{Kind: store.EntryChange, Version: acc.Version, Detail: "parameters are again as they were"})
	}
}

// block records that Planet refuses the API key itself. One list call an
// interval finds out when it is good again.
func (w *look) block(ctx context.Context, cause error) *ending {
	a := w.a
	a.mu.Lock()
	b := a.known
	b.Name = a.Name
	fresh := b.BlockedSince.IsZero()
	if fresh {
		b.BlockedSince = time.Now()
	}
	b.Failures++
	b.Detail = cause.Error()
	b.NextLook = time.Now().Add(w.e.backoff(b.Failures, time.Minute, byPerson))
	a.known, a.refused, a.view = b, time.Now(), nil
	a.mu.Unlock()
	if fresh {
		w.log.ErrorContext(ctx, "planet refuses the api key", "account", a.Name, "error", cause)
	}
	w.saveAccount(ctx, b)
	return &ending{state: store.StateBlocked, reason: store.ReasonAccountBlocked, detail: b.Detail, next: b.NextLook}
}

// unblock records that Planet has answered a list that was asked for after it
// last refused the key.
func (w *look) unblock(ctx context.Context, asked time.Time) {
	a := w.a
	a.mu.Lock()
	was := !a.known.BlockedSince.IsZero() && asked.After(a.refused)
	fresh := store.Account{Name: a.Name, Active: a.known.Active}
	if was {
		a.known = fresh
	}
	a.mu.Unlock()
	if was {
		w.log.InfoContext(ctx, "planet accepts the api key again", "account", a.Name)
		w.saveAccount(ctx, fresh)
		w.e.wake(a.names...)
	}
}

func (w *look) saveAccount(ctx context.Context, a store.Account) {
	if w.dry {
		return
	}
	if err := w.e.store.SaveAccount(context.WithoutCancel(ctx), a); err != nil {
		w.log.ErrorContext(ctx, "account state not saved", "account", a.Name, "error", err)
	}
}

func (a *account) isBlocked(now time.Time) (bool, time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.known.BlockedSince.IsZero() && now.Before(a.known.NextLook), a.known.NextLook
}

func (a *account) blockedDetail() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.known.Detail
}
