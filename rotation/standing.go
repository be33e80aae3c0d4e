package rotation

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

// confirmAfter is how long after a first refusal of the accepted credential it
// is tried again, before anybody is woken.
const confirmAfter = time.Minute

// checkDue is when the accepted credential has to be tried next; zero for
// never.
func (w *look) checkDue() time.Time {
	if w.rec.Accepted == nil || w.d.Check == CheckOff || w.d.Check == "" {
		return time.Time{}
	}
	s := w.rec.Standing
	if s.Version != w.rec.Accepted.Version {
		return w.comesAfter(w.d.NextCheck, time.Time{})
	}
	next := w.comesAfter(w.d.NextCheck, s.CheckedAt)
	if !s.LookAgainAt.IsZero() && (next.IsZero() || s.LookAgainAt.Before(next)) {
		return s.LookAgainAt
	}
	return next
}

// stand records one more trial of the accepted credential.
func (w *look) stand(ctx context.Context, t probe.Trial) {
	old := w.rec.Standing
	next := t.Conclude(standingOf(old), w.rec.Accepted.Version, time.Now(), confirmAfter)
	w.rec.Standing = store.Standing{State: string(next.State), Reason: string(next.Reason), Detail: next.Detail, Version: next.Version,
		Since: next.Since, CheckedAt: next.CheckedAt, Worked: next.Worked, LookAgainAt: next.LookAgainAt, Permitted: next.Permitted,
		LeftBehind: old.LeftBehind}
	if old.Version == next.Version && old.State == string(next.State) || old.State == "" && next.State == probe.Works {
		return
	}
	w.entry(store.Entry{Kind: store.EntryCheck, Version: next.Version, Outcome: string(next.State), Detail: next.Detail})
	if next.State == probe.Rejected {
		w.log.ErrorContext(ctx, "the credential that planet holds is refused by the bucket", "version", next.Version, "reason", next.Reason)
	}
}

// standByWriting tries the accepted credential as preflight does.
func (w *look) standByWriting(ctx context.Context, b bucket.Bucket) {
	begun := time.Now()
	p := probe.RunPreflight(ctx, b, probe.PreflightOptions{Key: w.objectKey(), ResumeDelete: w.rec.Standing.LeftBehind})
	w.step(StepCheck, begun, string(p.Verdict), p.Verdict != probe.Passed)
	if ctx.Err() != nil && p.Verdict != probe.Passed {
		return
	}
	w.rec.Standing.LeftBehind = p.LeftBehind
	w.stand(ctx, probe.TrialOfPreflight(p))
}

// objectKey is the one object that we write.
func (w *look) objectKey() string {
	return probe.ObjectKey(w.d.PreflightPrefix, w.d.PreflightObject, w.seen.ID)
}

func standingOf(s store.Standing) probe.Standing {
	return probe.Standing{State: probe.StandingState(s.State), Reason: probe.Reason(s.Reason), Detail: s.Detail, Version: s.Version,
		Since: s.Since, CheckedAt: s.CheckedAt, Worked: s.Worked, LookAgainAt: s.LookAgainAt, Permitted: s.Permitted}
}
