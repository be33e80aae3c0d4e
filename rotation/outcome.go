package rotation

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// answer records what became of a PATCH.
func (a *attempt) answer(ctx context.Context, res patcher.Result) (*ending, error) {
	sent := a.rec.Inflight.Sent
	a.rec.Inflight = nil
	detail := ""
	if res.Err != nil {
		detail = res.Err.Error()
	}
	if a.e.quirks.TrustLost && res.Outcome == planet.OutcomeUnknown {
		res.Outcome = planet.OutcomeAccepted
	}
	a.touch(res.Outcome)
	switch res.Outcome {
	case planet.OutcomeAccepted:
		return nil, a.accepted(ctx, res, sent)
	case planet.OutcomeRefused:
		a.refusedByPlanet(detail)
	case planet.OutcomeBlocked:
		return a.forbidden(ctx, res.Err)
	case planet.OutcomeNotFound:
		a.a.forget()
		a.failed("not_found", store.ReasonVanished, detail, a.e.backoff(a.trial.Failures+1, soon, slow))
	case planet.OutcomeThrottled:
		a.failed("throttled", store.ReasonPlanetThrottled, detail, max(retryAfter(res.Err), a.e.backoff(a.trial.Failures+1, time.Second, slow)))
	case planet.OutcomeNotSent:
		a.failed("not_sent", store.ReasonPlanetUnavailable, detail, a.e.backoff(a.trial.Failures+1, soon, slow))
	default:
		a.lostAnswer(a.Version, sent)
		a.failed("unknown", store.ReasonOutcomeUnknown, detail, max(retryAfter(res.Err), a.e.backoff(a.trial.Failures+1, soon, slow)))
	}
	return nil, a.save(ctx)
}

// lostAnswer records that a PATCH of a version may or may not have taken
// effect, and may still do so.
func (w *look) lostAnswer(version string, sent time.Time) {
	w.rec.Uncertain = true
	w.touch(planet.OutcomeUnknown)
	until := sent.Add(w.d.Verification)
	if f := w.rec.Fence; f != nil && f.Version == version && f.Until.After(until) {
		until = f.Until
	}
	w.rec.Fence = &store.Fence{Version: version, Until: until}
}

// accepted records the 2xx, then looks at what came with it.
func (a *attempt) accepted(ctx context.Context, res patcher.Result, sent time.Time) error {
	r := &a.rec
	acc := &store.Accepted{Version: a.Version, Sent: sent, FirstSent: a.firstSent(sent), At: time.Now(), Unproven: a.unproven, GetProven: a.proven,
		// Until the comparison below is saved, a crash must not lose it.
		Unchecked: true}
	if a.restore {
		acc.Created = r.Accepted.Created
	} else {
		acc.Created = a.cur.Created
	}
	if at, ok := patcher.Expiry(string(a.seen.Type), a.params); ok {
		acc.Expires = at
	}
	r.Accepted, r.Uncertain, r.Restore, r.Leftover.NoDelete = acc, false, nil, false
	a.settleDrift("a credential of ours was accepted since")
	if !a.restore {
		r.Trial, r.Hold = nil, nil
	}
	a.tried("accepted", "", "")
	if err := a.save(ctx); err != nil {
		return err
	}
	a.log.InfoContext(ctx, "planet accepted the credential", "version", a.Version, "restored", a.restore, "took", time.Since(a.begun))
	if res.After != nil {
		a.a.note(a.d.Name, *res.After)
	}
	if err := a.checkChanges(ctx, res); err != nil {
		return err
	}
	acc.Unchecked = !res.Checked
	a.lookAfterPush(ctx)
	return a.save(ctx)
}

// firstSent is since when Planet's check of this version may have written its
// object. An earlier PATCH of it may have, and Planet need not check what it
// holds already.
func (a *attempt) firstSent(sent time.Time) time.Time {
	if was := a.rec.Accepted; was != nil && was.Version == a.Version && was.FirstSent.Before(sent) && !was.FirstSent.IsZero() {
		return was.FirstSent
	}
	f := a.rec.Fence
	if lost := f != nil && f.Version == a.Version; (lost || a.trial.Failures > 0) && a.trial.FirstSeen.Before(sent) {
		return a.trial.FirstSeen // it was refused or an answer was lost; nothing of it was sent before it was seen
	}
	return sent
}

// checkChanges looks at what else the PATCH changed. Structural parameters are
// reported and left alone; optional booleans are put back once, if the
// settings say so.
func (a *attempt) checkChanges(ctx context.Context, res patcher.Result) error {
	if !res.Checked || len(convert(res.Changes)) == 0 {
		return nil
	}
	booleans := lostBooleans(a.seen.Type, res.Changes)
	if !a.d.RestoreOptional || len(booleans) == 0 {
		a.noteChanges(convert(res.Changes))
		return nil
	}
	turn, err := a.a.Turns.Acquire(ctx)
	if err != nil {
		// The credential is accepted; that the switch is not put back is reported.
		a.noteChanges(convert(res.Changes))
		return nil //nolint:nilerr // noted as a change
	}
	a.rec.Inflight = &store.Inflight{Version: a.Version, Sent: time.Now(), Epoch: a.e.store.Epoch(), Restore: a.restore}
	if err := a.save(ctx); err != nil {
		turn.GiveBack()
		return err
	}
	again := a.patch(ctx, turn, booleans)
	sent := a.rec.Inflight.Sent
	a.rec.Inflight = nil
	a.begun = sent
	a.touch(again.Outcome)
	switch again.Outcome {
	case planet.OutcomeAccepted:
		a.tried("accepted", "", "with the optional parameters as they were")
	case planet.OutcomeNotSent, planet.OutcomeThrottled:
		a.tried("not_sent", store.ReasonPlanetUnavailable, "optional parameters were not put back")
	default:
		// Same version: whatever became of it, sending it again mends it.
		a.lostAnswer(a.Version, sent)
		a.rec.Trial = &store.Trial{Version: a.Version, FirstSeen: time.Now(), NotBefore: a.after(a.e.jitter(soon)),
			Reason: store.ReasonOutcomeUnknown, Detail: errorText(again.Err)}
		a.tried("unknown", store.ReasonOutcomeUnknown, errorText(again.Err))
	}
	left := res.Changes
	if again.Outcome == planet.OutcomeAccepted && again.Checked {
		left = again.Changes
		if again.After != nil {
			a.a.note(a.d.Name, *again.After)
		}
	}
	a.noteChanges(convert(left))
	return nil
}

func (w *look) noteChanges(changes []store.Change) {
	w.rec.Changed = changes
	for _, c := range changes {
		w.entry(store.Entry{Kind: store.EntryChange, Version: w.rec.Accepted.Version,
			Detail: "parameter " + c.Parameter + " was " + orNone(c.Before) + " before our PATCH and is " + orNone(c.After)})
	}
}

// refusedByPlanet: this version was refused, and what Planet holds is unknown.
func (a *attempt) refusedByPlanet(detail string) {
	a.rec.Uncertain = !a.e.quirks.TrustRefusal
	switch {
	case a.restore:
		a.giveUp("refused", store.ReasonRestoreFailed, "Planet refused it: "+detail, time.Time{})
	case a.inWindow():
		a.failed("refused", store.ReasonPlanetRefused, detail+" (a new key may need a while to work)",
			a.e.backoff(a.trial.Failures+1, 15*time.Second, 4*time.Minute))
	default:
		a.giveUp("refused", store.ReasonPlanetRefused, detail, time.Time{})
	}
}

// forbidden tells a bad key from a destination that is somebody else's: a
// 401 can mean either. One list call decides. It also makes the client fetch
// the key anew where the key was the reason, so a first 401 is followed by one
// more try, soon.
func (a *attempt) forbidden(ctx context.Context, cause error) (*ending, error) {
	wait := a.e.jitter(byPerson)
	if a.trial.Reason != store.ReasonNotWritable && planet.KindOf(cause) == planet.KindUnauthorized {
		wait = a.e.jitter(soon)
	}
	a.failed("blocked", store.ReasonNotWritable,
		"Planet does not let this API key change the destination: "+errorText(cause), wait)
	if err := a.save(ctx); err != nil {
		return nil, err
	}
	if _, end := a.list(ctx, time.Now()); end != nil {
		if end.reason == store.ReasonAccountBlocked {
			// The key is bad: the destination may well be ours.
			a.trial.NotBefore, a.trial.Reason, a.trial.Detail = time.Time{}, "", ""
		}
		return end, a.save(ctx)
	}
	return nil, nil
}

// failed records a try that will be repeated by itself.
func (a *attempt) failed(outcome string, reason store.Reason, detail string, wait time.Duration) {
	a.trial.Failures++
	a.trial.NotBefore = a.after(wait)
	a.trial.Reason, a.trial.Detail = reason, detail
	a.tried(outcome, reason, detail)
}

// giveUp records that a version is not tried again by itself, or only at
// retryAt.
func (a *attempt) giveUp(outcome string, reason store.Reason, detail string, retryAt time.Time) {
	a.trial.Failures++
	a.trial.NotBefore, a.trial.Reason, a.trial.Detail = time.Time{}, reason, detail
	if a.restore {
		a.trial.GaveUp = true
	} else if !a.e.quirks.ForgetHeld {
		a.rec.Hold = &store.Hold{Version: a.Version, Reason: reason, Detail: detail, Since: time.Now(),
			Config: a.d.Hash, RetryAt: retryAt}
	}
	a.tried(outcome, reason, detail)
}

func (a *attempt) tried(outcome string, reason store.Reason, detail string) {
	if a.restore {
		if detail != "" {
			detail = "putting the previous version back: " + detail
		} else {
			detail = "the previous version was put back"
		}
	}
	a.entry(store.Entry{Kind: store.EntryAttempt, Version: a.Version, Outcome: outcome, Reason: reason,
		Detail: detail, Duration: time.Since(a.begun)})
	a.trace.outcome(outcome, reason)
}

// convert makes durable facts of what a PATCH changed. That a destination was
// archived meanwhile is no parameter: the record says it elsewhere.
func convert(changes []patcher.Change) []store.Change {
	out := make([]store.Change, 0, len(changes))
	for _, c := range changes {
		if c.Parameter != "archived" {
			out = append(out, store.Change{Parameter: c.Parameter, Structural: c.Structural, Before: c.Before, After: c.After})
		}
	}
	return out
}

// lostBooleans gives the type's optional booleans as Planet showed them before.
func lostBooleans(t planet.Type, changes []patcher.Change) map[string]bool {
	fields, _ := t.Fields()
	booleans := map[string]bool{}
	for _, c := range changes {
		var was bool
		if slices.Contains(fields.Optional, c.Parameter) && json.Unmarshal(c.Before, &was) == nil {
			booleans[c.Parameter] = was
		}
	}
	return booleans
}

// merge makes one object of two; both are canonical JSON objects.
func merge(a, b json.RawMessage) json.RawMessage {
	all := map[string]json.RawMessage{}
	_ = json.Unmarshal(a, &all)
	_ = json.Unmarshal(b, &all)
	out, _ := json.Marshal(all)
	return out
}

func orNone(b json.RawMessage) string {
	if len(b) == 0 {
		return "absent"
	}
	return string(b)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func retryAfter(err error) time.Duration {
	var e *planet.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
