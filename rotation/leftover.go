package rotation

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

// provenFor is how long a GET that preflight was permitted proves that the
// credential may read: longer than it takes for a leftover to be confirmed.
const provenFor = 10 * time.Minute

// lookAfterPush looks for planetverify.txt with the credential that is at hand
// right after a PATCH, so that a rotation in which nothing fails reads the
// value once.
func (a *attempt) lookAfterPush(ctx context.Context) {
	if ctx.Err() != nil {
		// The daemon stops; the next one looks first thing.
		a.rec.Leftover.LookAgainAt = time.Now()
		return
	}
	if a.bucket == nil {
		_, err := a.open(a.params)
		a.conclude(ctx, cannotLook(err))
		return
	}
	a.sight(ctx, a.bucket, a.proven)
	// An answer without the destination may mean that Planet verifies later.
	if a.rec.Accepted.Unchecked && a.rec.Leftover.LookAgainAt.IsZero() {
		a.rec.Leftover.LookAgainAt = a.after(a.d.LeftoverConfirm)
	}
}

// leftoverDue is when the leftover has to be looked for next; zero for never.
func (w *look) leftoverDue() time.Time {
	if w.rec.Accepted == nil {
		return time.Time{}
	}
	l := w.rec.Leftover
	if !l.LookAgainAt.IsZero() {
		return l.LookAgainAt
	}
	if w.d.NextProbe == nil {
		return time.Time{}
	}
	from := l.CheckedAt
	if from.IsZero() {
		from = w.rec.Accepted.At
	}
	return w.d.NextProbe(from)
}

// lookForLeftover looks when it is due, with the accepted version read anew.
func (w *look) lookForLeftover(ctx context.Context) {
	due := w.leftoverDue()
	if due.IsZero() || time.Now().Before(due) || ctx.Err() != nil {
		return
	}
	acc := w.rec.Accepted
	value, err := w.e.source.Read(ctx, w.d.Secret, acc.Version)
	if err != nil {
		w.conclude(ctx, cannotLook(err))
		return
	}
	params, err := patcher.Make(string(w.seen.Type), value, w.d.Mapping, time.Now())
	value.Clear()
	defer params.Clear()
	if err != nil {
		w.conclude(ctx, cannotLook(err))
		return
	}
	a := &attempt{look: w}
	b, err := a.open(params)
	if err != nil {
		w.conclude(ctx, cannotLook(err))
		return
	}
	w.sight(ctx, b, acc.GetProven && time.Since(acc.At) < provenFor)
}

func (w *look) sight(ctx context.Context, b bucket.Bucket, getProven bool) {
	begun := time.Now()
	s := probe.Look(ctx, b, w.d.VerifyObject, getProven)
	w.e.step(w.d.Name, StepProbe, begun)
	w.conclude(ctx, s)
}

func (w *look) conclude(ctx context.Context, s probe.Sighting) {
	old := w.rec.Leftover
	next := probe.Conclude(fromStore(old), s, time.Now(), w.rec.Accepted.Sent, w.d.LeftoverConfirm)
	w.rec.Leftover = toStore(next)
	if next.State == probe.LeftoverState(old.State) {
		return
	}
	w.entry(store.Entry{Kind: store.EntryProbe, Version: w.rec.Accepted.Version, Outcome: string(next.State), Detail: next.Detail})
	if next.State == probe.Present {
		w.log.WarnContext(ctx, "leftover in the bucket", "object", w.d.VerifyObject, "last_modified", next.LastModified)
	}
}

// cannotLook is what is seen of a bucket that could not even be asked.
func cannotLook(err error) probe.Sighting {
	return probe.Sighting{Kind: bucket.KindOf(err), Detail: errorText(err)}
}

func toStore(l probe.Leftover) store.Leftover {
	return store.Leftover{State: string(l.State), Reason: string(l.Reason), Detail: l.Detail, Size: l.Size, LastModified: l.LastModified,
		FirstSeen: l.FirstSeen, CheckedAt: l.CheckedAt, LookAgainAt: l.LookAgainAt, OlderThanPush: l.OlderThanPush}
}

func fromStore(l store.Leftover) probe.Leftover {
	return probe.Leftover{State: probe.LeftoverState(l.State), Reason: probe.Reason(l.Reason), Detail: l.Detail, Size: l.Size, LastModified: l.LastModified,
		FirstSeen: l.FirstSeen, CheckedAt: l.CheckedAt, LookAgainAt: l.LookAgainAt, OlderThanPush: l.OlderThanPush}
}
