package rotation

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

// attempt is one try at giving Planet one version.
type attempt struct {
	*look
	Decision
	restore bool
	trial   *store.Trial // of this version: the record's Trial or Restore
	begun   time.Time

	params   credential.Parameters
	bucket   bucket.Bucket // nil when preflight is off or the kind is not built in
	unproven bool
	proven   bool // a GET was permitted just now
}

// push tries to give Planet the version that was decided on: read, make,
// preflight, turn, look again, journal, PATCH, answer. It gives an ending when
// nothing more can be decided in this look, an error when the record could not
// be written, and neither when the record has moved on and a new decision is due.
func (w *look) push(ctx context.Context, d Decision) (*ending, error) {
	a := &attempt{look: w, Decision: d, restore: d.Action == ActionRestore, begun: time.Now()}
	a.trial = w.rec.Trial
	if a.restore {
		if r := w.rec.Restore; r == nil || r.Version != d.Version {
			w.rec.Restore = &store.Trial{Version: d.Version, FirstSeen: time.Now()}
		}
		a.trial = w.rec.Restore
	}
	if a.trial == nil { // a version accepted before, pushed again since Planet may hold another
		w.rec.Trial = &store.Trial{Version: d.Version, FirstSeen: time.Now()}
		a.trial = w.rec.Trial
	}
	w.trace.begin(d)
	defer w.trace.end()
	defer func() { a.params.Clear() }()
	if !a.make(ctx) || !a.preflight(ctx) {
		return nil, w.save(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return a.send(ctx)
}

// make reads the version and turns it into credential parameters.
func (a *attempt) make(ctx context.Context) bool {
	begun := time.Now()
	value, err := a.e.source.Read(ctx, a.d.Secret, a.Version)
	a.step(StepRead, begun, string(providers.ReasonOf(err)), err != nil)
	if err != nil {
		return a.unreadable(err)
	}
	a.params, err = patcher.Make(string(a.seen.Type), value, a.d.Mapping, time.Now())
	value.Clear()
	switch {
	case err == nil:
		return true
	case patcher.ReasonOf(err) == patcher.ReasonNotYetValid && !a.restore:
		a.failed("invalid", store.ReasonValueInvalid, err.Error(), a.e.backoff(a.trial.Failures+1, time.Minute, byPerson))
	default:
		a.giveUp("invalid", store.ReasonValueInvalid, err.Error(), time.Time{})
	}
	return false
}

func (a *attempt) unreadable(err error) bool {
	reason := sourceReason(err)
	if a.restore {
		switch providers.ReasonOf(err) {
		case providers.ReasonThrottled, providers.ReasonUnavailable:
		default:
			a.giveUp("unreadable", reason, "its value can't be read any more: "+err.Error(), time.Time{})
			return false
		}
	}
	a.failed("unreadable", reason, err.Error(), a.e.backoff(a.trial.Failures+1, soon, slow))
	return false
}

// preflight tries the credential on the bucket. Only what passed goes on; or
// what could not be tried, if the settings say so.
func (a *attempt) preflight(ctx context.Context) bool {
	b, err := a.open(a.params)
	if a.d.Preflight == PreflightOff || a.e.quirks.SkipPreflight || (a.e.quirks.BlindRestore && a.restore) {
		a.bucket, a.unproven = b, true
		return true
	}
	result := probe.Preflight{Verdict: probe.Inconclusive, Step: bucket.OpOpen, Kind: bucket.KindOf(err)}
	if err != nil {
		result.Detail = err.Error()
	} else {
		begun := time.Now()
		result = probe.RunPreflight(ctx, b, probe.PreflightOptions{
			Key: a.objectKey(), ResumeDelete: a.trial.ResumeDelete})
		a.step(StepPreflight, begun, string(result.Verdict), result.Verdict != probe.Passed)
	}
	a.trial.ResumeDelete = result.LeftBehind
	a.bucket, a.proven = b, result.GetProven
	switch {
	case result.Verdict == probe.Passed:
		return true
	case ctx.Err() != nil:
		return false
	case result.Verdict == probe.Refused:
		a.refusedByBucket(result)
		return false
	case a.d.Preflight == PreflightAdvisory:
		a.unproven = true
		return true
	}
	a.untested(result)
	return false
}

func (a *attempt) open(p credential.Parameters) (bucket.Bucket, error) {
	at, err := bucket.ParseLocation(string(a.seen.Type), a.seen.Parameters)
	if err != nil {
		return nil, err
	}
	if a.d.Endpoint != "" {
		at = at.WithEndpoint(a.d.Endpoint)
	}
	return a.d.Open(at, p)
}

func (a *attempt) refusedByBucket(p probe.Preflight) {
	detail := "preflight: " + p.Detail
	switch {
	case a.restore:
		a.giveUp("preflight_refused", store.ReasonPreflightRefused, "it does not work any more: "+p.Detail, time.Time{})
	case a.inWindow():
		a.failed("preflight_refused", store.ReasonPropagation, detail+" (a new key may need a while to work)", a.windowBackoff())
	default:
		a.giveUp("preflight_refused", store.ReasonPreflightRefused, detail, a.after(a.e.jitter(byPerson)))
	}
}

func (a *attempt) untested(p probe.Preflight) {
	detail := "preflight: " + p.Detail
	switch {
	case p.Kind == bucket.KindUnsupported:
		a.giveUp("preflight_inconclusive", store.ReasonPreflightUnsupported,
			p.Detail+`; set preflight = "advisory" to push without this test`, time.Time{})
	case a.restore, a.inWindow():
		a.failed("preflight_inconclusive", store.ReasonPreflightInconclusive, detail, a.windowBackoff())
	default:
		a.giveUp("preflight_inconclusive", store.ReasonPreflightInconclusive, detail, a.after(a.e.jitter(byPerson)))
	}
}

// inWindow tells whether a refusal may still mean that the key is too new.
func (a *attempt) inWindow() bool {
	return time.Since(a.trial.FirstSeen) < a.d.Propagation
}

// windowBackoff starts small, since most keys work within seconds.
func (a *attempt) windowBackoff() time.Duration {
	wait := a.e.backoff(a.trial.Failures+1, 2*time.Second, 2*time.Minute)
	if left := a.d.Propagation - time.Since(a.trial.FirstSeen); !a.restore && left > 0 && left < wait {
		// The last try comes just after the window's end, where it is decided.
		return left
	}
	return wait
}

// freshFor is how long the source's answer is good enough to send by. Waiting
// for a turn can take many times that; where it did not, a second question
// would cost a request to the secret manager and tell nothing.
const freshFor = time.Second

// send waits for the account's turn, makes sure that the version is still the
// one, journals the intent and sends one PATCH.
func (a *attempt) send(ctx context.Context) (*ending, error) {
	begun := time.Now()
	turn, err := a.a.Turns.Acquire(ctx)
	a.step(StepTurn, begun, "", err != nil)
	if err != nil {
		if ctx.Err() == nil {
			a.failed("not_sent", store.ReasonPlanetUnavailable, err.Error(), a.e.backoff(a.trial.Failures+1, soon, slow))
		}
		return nil, ctx.Err()
	}
	cur, err := a.cur, error(nil)
	if time.Since(a.rec.Source.At) > freshFor {
		cur, err = a.current(ctx, a.askAgain)
	}
	switch {
	case err != nil:
		turn.GiveBack()
		if ctx.Err() == nil {
			a.failed("unreadable", sourceReason(err), err.Error(), a.e.backoff(a.trial.Failures+1, soon, slow))
		}
		return nil, ctx.Err()
	case cur.ID != a.cur.ID:
		// The source moved while we waited: what we hold is not wanted any more.
		turn.GiveBack()
		a.trace.outcome(outcomeMoved, "")
		a.moveTo(ctx, cur)
		return nil, nil
	}
	a.rec.Inflight = &store.Inflight{Version: a.Version, Sent: time.Now(), Epoch: a.e.store.Epoch(), Restore: a.restore}
	if a.e.quirks.NoJournal {
		return a.answer(ctx, a.patch(ctx, turn, nil))
	}
	if err := a.save(ctx); err != nil {
		turn.GiveBack()
		a.rec.Inflight = nil
		return nil, err
	}
	return a.answer(ctx, a.patch(ctx, turn, nil))
}

// patch sends the one PATCH. It outlives a shutdown, for as long as Planet may
// take: an answer that nobody hears costs a fence.
func (a *attempt) patch(ctx context.Context, turn *planet.Turn, booleans map[string]bool) (res patcher.Result) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.e.patchTimeout)
	defer cancel()
	defer turn.GiveBack() // of no effect once it was used
	ctx = planet.WithTurn(ctx, turn)
	begun := time.Now()
	defer func() { a.step(StepPatch, begun, string(res.Outcome), res.Outcome != planet.OutcomeAccepted) }()
	if booleans != nil {
		return patcher.PushRestoring(ctx, a.a.API, a.seen.Destination, a.params, booleans)
	}
	return patcher.Push(ctx, a.a.API, a.seen.Destination, a.params)
}
