package rotation

import (
	"context"
	"errors"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
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
	var s probe.Sighting
	if a.bucket == nil {
		_, err := a.open(a.params)
		s = cannotLook(err)
	} else {
		s = a.glimpse(ctx, a.bucket, a.proven)
	}
	if !a.unproven {
		a.stand(ctx, probe.TrialOf(s))
	}
	if a.d.ProbeSecret != "" {
		s = a.glimpseOf(ctx, a.d.ProbeSecret)
	}
	a.conclude(ctx, s)
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
	return w.comesAfter(w.d.NextProbe, l.CheckedAt)
}

// comesAfter is what a schedule says of what was last done at a time, or never
// since the version was accepted.
func (w *look) comesAfter(next func(time.Time) time.Time, last time.Time) time.Time {
	if next == nil {
		return time.Time{}
	}
	if last.IsZero() {
		last = w.rec.Accepted.At
	}
	return next(last)
}

// lookAtBucket does what is due between rotations: it tries the accepted
// credential again and looks for a leftover. One read of one object serves both,
// unless leftovers are looked for with another credential.
func (w *look) lookAtBucket(ctx context.Context) {
	leftover, check := due(w.leftoverDue()), due(w.checkDue())
	if !leftover && !check || ctx.Err() != nil {
		return
	}
	w.rememberPlace()
	acc := w.rec.Accepted
	b, err := w.openWith(ctx, w.d.Secret, acc.Version, w.d.Mapping)
	s := cannotLook(err)
	switch {
	case err != nil:
		w.stand(ctx, probe.NotTried(errorText(err)))
	case check && w.d.Check == CheckWrite:
		w.standByWriting(ctx, b)
		s = w.glimpse(ctx, b, w.rec.Standing.State == string(probe.Works))
	default:
		s = w.glimpse(ctx, b, acc.GetProven && time.Since(acc.At) < provenFor)
		w.stand(ctx, probe.TrialOf(s))
	}
	if w.d.ProbeSecret != "" {
		if !leftover {
			return
		}
		s = w.glimpseOf(ctx, w.d.ProbeSecret)
	}
	w.conclude(ctx, s)
	w.cleanUp(ctx)
}

func due(at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) }

// rememberPlace lets a bucket be looked at while Planet can't be asked where it
// is: deliveries go on through it, and the pin says where it was.
func (w *look) rememberPlace() {
	if pin := w.rec.Pin; w.seen.ID == "" && pin != nil {
		w.seen = finding{Destination: planet.Destination{ID: pin.ID, Ref: pin.Ref, Name: pin.Name, Type: planet.Type(pin.Type),
			Parameters: merge(pin.Structural, pin.Optional)}}
	}
}

// openWith opens the destination's bucket with what a secret holds; an empty
// version means the current one.
func (w *look) openWith(ctx context.Context, s credential.Secret, version string, m patcher.Mapping) (bucket.Bucket, error) {
	if version == "" {
		cur, err := w.e.source.Current(ctx, s)
		if err != nil {
			return nil, err
		}
		version = cur.ID
	}
	value, err := w.e.source.Read(ctx, s, version)
	if err != nil {
		return nil, err
	}
	params, err := patcher.Make(string(w.seen.Type), value, m, time.Now())
	value.Clear()
	defer params.Clear()
	if err != nil {
		return nil, err
	}
	return (&attempt{look: w}).open(params)
}

// glimpse looks for the object once.
func (w *look) glimpse(ctx context.Context, b bucket.Bucket, getProven bool) probe.Sighting {
	begun := time.Now()
	s := probe.Look(ctx, b, w.d.VerifyObject, getProven)
	// That the object is not there is what one hopes for; a bucket whose list is
	// not ours to see says so by denying it.
	absent := s.Kind == bucket.KindNotFound || s.Kind == bucket.KindDenied && getProven
	w.step(StepProbe, begun, string(s.Kind), s.Kind != "" && !absent)
	return s
}

// glimpseOf looks for the object with a credential of our own.
func (w *look) glimpseOf(ctx context.Context, s credential.Secret) probe.Sighting {
	b, err := w.openWith(ctx, s, "", nil)
	if err != nil {
		return cannotLook(err)
	}
	return w.glimpse(ctx, b, false)
}

func (w *look) conclude(ctx context.Context, s probe.Sighting) {
	old := w.rec.Leftover
	acc, asked := w.rec.Accepted, time.Now()
	next := probe.Conclude(fromStore(old), s, asked, acc.Sent, w.d.LeftoverConfirm)
	if s.Kind == "" && !acc.FirstSent.IsZero() {
		// An earlier PATCH of the same version may have left it.
		next.OlderThanPush = probe.Conclude(fromStore(old), s, asked, acc.FirstSent, w.d.LeftoverConfirm).OlderThanPush
	}
	now := toStore(next)
	now.NoDelete, now.Removal = old.NoDelete, old.Removal
	if next.State == probe.Present {
		now.Versions = old.Versions
		now.NoDelete = now.NoDelete || !next.OlderThanPush
	}
	w.rec.Leftover = now
	if next.State == probe.LeftoverState(old.State) {
		return
	}
	w.entry(store.Entry{Kind: store.EntryProbe, Version: w.rec.Accepted.Version, Outcome: string(next.State), Detail: next.Detail})
	if next.State == probe.Present {
		w.log.WarnContext(ctx, "leftover in the bucket", "object", w.d.VerifyObject, "last_modified", next.LastModified,
			"older_than_push", next.OlderThanPush)
	}
}

// cleanUp removes a leftover with the credential that was given for it, and
// nothing else: the object that Planet writes, where Planet writes it, once it
// is known to be no check under way. It is tried once a probe.
func (w *look) cleanUp(ctx context.Context) {
	l := &w.rec.Leftover
	if l.State != string(probe.Present) || w.rec.Paused != nil {
		return
	}
	own, err := w.ownBucket(ctx)
	if err == nil {
		w.countVersions(ctx, own)
	}
	if w.d.CleanupSecret == "" || ctx.Err() != nil || !l.Removal.IsZero() && time.Now().Before(w.comesAfter(w.d.NextProbe, l.Removal)) {
		return
	}
	l.Removal = time.Now()
	if err == nil {
		err = own.Delete(ctx, w.d.VerifyObject)
	}
	if err != nil {
		w.entry(store.Entry{Kind: store.EntryCleanup, Outcome: "refused", Detail: errorText(err)})
		w.log.WarnContext(ctx, "leftover not removed", "object", w.d.VerifyObject, "error", err)
		return
	}
	w.entry(store.Entry{Kind: store.EntryCleanup, Outcome: "removed", Detail: w.d.VerifyObject + " was removed"})
	w.log.InfoContext(ctx, "leftover removed", "object", w.d.VerifyObject)
	l.LookAgainAt = w.after(soon)
}

var errNoOwn = errors.New("no credential of our own is configured")

// ownBucket opens the bucket with a credential that is ours and not Planet's.
func (w *look) ownBucket(ctx context.Context) (bucket.Bucket, error) {
	switch {
	case w.d.CleanupSecret != "":
		return w.openWith(ctx, w.d.CleanupSecret, "", nil)
	case w.d.ProbeSecret != "":
		return w.openWith(ctx, w.d.ProbeSecret, "", nil)
	}
	return nil, errNoOwn
}

// countVersions finds out how many versions of a leftover a bucket keeps, which
// only a credential that may list can.
func (w *look) countVersions(ctx context.Context, b bucket.Bucket) {
	v, ok := b.(bucket.Versioner)
	if !ok {
		return
	}
	if n, err := v.Versions(ctx, w.d.VerifyObject); err == nil {
		w.rec.Leftover.Versions = n
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
