package rotation

import (
	"context"
	"errors"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

// A receipt is the note that every destination of a secret has accepted a
// version. It is made here from the records, carried on as time goes by (the
// grace is over, the source still says so, it is written back), and withdrawn
// when it is not true any more. Nothing is decided by it: [Engine.Gate] finds
// everything out anew. It is what people, metrics and announcements go by.

// receiptsEvery is how often all secrets are gone through when nothing asks for
// it before: the end of a look does, and so does the time at which a receipt
// opens or a mark is due again.
const receiptsEvery = 5 * time.Minute

// receiptsAtOnce keeps a time that has come, and is not dealt with yet, from
// being looked at all the time.
const receiptsAtOnce = 30 * time.Second

// markWithin bounds one write to the secret manager.
const markWithin = 30 * time.Second

// receipts is the state of that in one life of the process.
type receipts struct {
	wake  chan struct{}
	tries map[credential.Secret]*markTries
}

// markTries are failed writes to the source.
type markTries struct {
	failures int
	next     time.Time
}

// receiptsDue has the secrets gone through soon.
func (e *Engine) receiptsDue() {
	select {
	case e.receipts.wake <- struct{}{}:
	default:
	}
}

// watchReceipts keeps the receipts until ctx ends.
func (e *Engine) watchReceipts(ctx context.Context) {
	for {
		due, err := e.keepReceipts(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "receipts not kept", "error", err)
		}
		timer := time.NewTimer(due)
		select {
		case <-e.receipts.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// keepReceipts goes through all secrets once, and says after what time to do so
// again.
func (e *Engine) keepReceipts(ctx context.Context) (time.Duration, error) {
	known, err := e.store.Receipts(ctx)
	if err != nil {
		return receiptsAtOnce, err
	}
	old := map[credential.Secret]store.Receipt{}
	for _, r := range known {
		old[r.Secret] = r
	}
	records, err := e.store.List(ctx)
	var unreadable *store.FactsError
	if err != nil && !errors.As(err, &unreadable) {
		return receiptsAtOnce, err
	}
	due := receiptsEvery
	bySecret := map[credential.Secret][]store.Record{}
	for _, r := range records {
		if d, ok := e.destinations[r.Destination]; ok {
			bySecret[d.Secret] = append(bySecret[d.Secret], r)
		}
	}
	for secret, rs := range bySecret {
		if len(rs) < e.uses(secret) {
			continue // a record can't be read; its own look says so
		}
		next, err := e.keepReceipt(ctx, secret, old[secret], rs)
		if err != nil {
			return receiptsAtOnce, err
		}
		due = min(due, e.receiptDue(next))
	}
	return due, nil
}

// receiptDue is after what time a receipt may have become something else by
// itself.
func (e *Engine) receiptDue(r store.Receipt) time.Duration {
	due := receiptsEvery
	if r.Version != "" && r.Withdrawn.IsZero() && r.Safe.IsZero() {
		due = min(due, untilNext(r.Opens))
	}
	if t := e.receipts.tries[r.Secret]; t != nil && t.failures > 0 {
		due = min(due, untilNext(t.next))
	}
	return due
}

// untilNext is the time until at, and for one that has come that until it is
// looked at again.
func untilNext(at time.Time) time.Duration {
	if d := time.Until(at); d > 0 {
		return d
	}
	return receiptsAtOnce
}

// uses counts the destinations of a secret.
func (e *Engine) uses(secret credential.Secret) int {
	n := 0
	for _, d := range e.destinations {
		if d.Secret == secret {
			n++
		}
	}
	return n
}

// keepReceipt takes one secret as far as it goes now.
func (e *Engine) keepReceipt(ctx context.Context, secret credential.Secret, old store.Receipt, rs []store.Record) (store.Receipt, error) {
	next := Receipt(old, secret, rs, time.Now(), e.grace)
	if next.Safe.IsZero() && next.Version != "" && next.Withdrawn.IsZero() && !time.Now().Before(next.Opens) {
		if e.stillCurrent(ctx, secret, next.Version, rs) {
			next.Safe = time.Now()
		}
	}
	if next != old {
		if err := e.store.SaveReceipt(ctx, next); err != nil {
			return next, err
		}
		e.tellReceipt(ctx, next)
	}
	return next, e.writeBack(ctx, next)
}

// stillCurrent tells whether the source calls the version current, and asks it
// unless a look has just done so.
func (e *Engine) stillCurrent(ctx context.Context, secret credential.Secret, version string, rs []store.Record) bool {
	for _, r := range rs {
		if time.Since(r.Source.At) <= freshFor {
			return r.Source.Version == version
		}
	}
	g, err := e.Gate(ctx, secret, version)
	if err != nil { // it will be asked again
		e.log.DebugContext(ctx, "gate not asked", "secret", secret, "error", err)
	}
	return err == nil && g.Verdict == VerdictSafe
}

func (e *Engine) tellReceipt(ctx context.Context, r store.Receipt) {
	e.log.InfoContext(ctx, "receipt", "secret", r.Secret, "version", r.Version, "accepted", r.At, "opens", r.Opens,
		"safe", !r.Safe.IsZero(), "marked", !r.Marked.IsZero(), "withdrawn", r.Why)
	if e.onReceipt != nil {
		e.onReceipt(r)
	}
}

// Receipt makes the receipt of a secret of the one before and the records of
// all its destinations. It is pure.
func Receipt(old store.Receipt, secret credential.Secret, rs []store.Record, now time.Time, grace time.Duration) store.Receipt {
	version, at, why := agreed(rs, now)
	switch {
	case version == "" && old.Version == "", version == "" && !old.Withdrawn.IsZero():
		return old
	case version == "":
		old.Withdrawn, old.Why = now, why
		return old
	case old.Version == version && old.At.Equal(at) && old.Withdrawn.IsZero():
		old.Opens = at.Add(grace) // the setting may have changed
		return old
	}
	return store.Receipt{Secret: secret, Version: version, At: at, Opens: at.Add(grace)}
}

// agreed gives the version that all destinations have accepted and that is
// current as far as they know, and when the last of them did; or why there is
// none.
func agreed(rs []store.Record, now time.Time) (version string, at time.Time, why string) {
	for _, r := range rs {
		if r.Source == nil {
			return "", time.Time{}, r.Destination + ": not looked at yet"
		}
		if version == "" {
			version = r.Source.Version
		}
		d := gateOf(r, version, now)
		switch {
		case r.Source.Version != version:
			return "", time.Time{}, "another version is current"
		case d.Verdict != VerdictSafe:
			return "", time.Time{}, r.Destination + ": " + d.Detail
		case d.Accepted.After(at):
			at = d.Accepted
		}
	}
	return version, at, ""
}

// writeBack lets the secret manager show which version is in use everywhere, or
// that this is not known any more.
func (e *Engine) writeBack(ctx context.Context, r store.Receipt) error {
	safe := !r.Safe.IsZero() && r.Withdrawn.IsZero()
	if e.onMark == nil || e.marks != nil && !e.marks(r.Secret) || safe == !r.Marked.IsZero() {
		return nil
	}
	t := e.receipts.tries[r.Secret]
	if t == nil {
		t = &markTries{}
		e.receipts.tries[r.Secret] = t
	}
	if time.Now().Before(t.next) {
		return nil
	}
	version := r.Version
	if !safe {
		version = ""
	}
	bounded, cancel := context.WithTimeout(ctx, markWithin)
	defer cancel()
	if err := e.onMark(bounded, r.Secret, version); err != nil {
		t.failures++
		t.next = time.Now().Add(e.backoff(t.failures, time.Minute, byPerson))
		e.log.WarnContext(ctx, "mark not written to the secret manager", "secret", r.Secret, "error", err, "again", t.next)
		return nil
	}
	*t = markTries{}
	r.Marked = time.Time{}
	if safe {
		r.Marked = time.Now()
	}
	if err := e.store.SaveReceipt(ctx, r); err != nil {
		return err
	}
	e.tellReceipt(ctx, r)
	return nil
}
