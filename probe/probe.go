// Package probe asks a bucket the three questions that rotatord has about it.
//
// Before a push: can this credential do what Planet will do with it? The
// answer is a [Preflight], our own put, get and delete of one small object.
// What a bucket refuses us it will refuse Planet, and Planet must not be
// given such a credential. What could not be asked is another matter: a bucket
// that is closed to our network may be open to Planet's. So there are three
// verdicts, and only a server that has spoken against the credential makes for
// a refusal.
//
// After a push and now and then: did Planet's own check leave its
// planetverify.txt behind? The answer is a [Leftover]. It takes patience to
// give. With the permissions that Planet asks for, a missing object answers
// 403 like a forbidden one, so that absence must be inferred from a GET that
// was permitted. And Planet's file is there for a moment in each check, so
// that its presence must be seen twice. [Look] does the one request, [Conclude]
// is the pure rule that makes something of it.
//
// Between two rotations: does the credential that Planet holds still work?
// Planet itself does not ask until a delivery fails. The answer is a
// [Standing]: a [Trial] is one try, [Trial.Conclude] the rule.
//
// The package is logic over bucket.Bucket: it knows no cloud, keeps no state
// and starts nothing.
package probe

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// VerifyObject is what Planet's own check writes and deletes, at the root of
// the bucket.
const VerifyObject = "planetverify.txt"

// Verify does to a bucket what Planet does when it is given a credential: it
// puts an object and deletes it again. On failure it says at which step; like
// Planet it leaves the object behind when it may not delete it.
func Verify(ctx context.Context, b bucket.Bucket, object string) (step bucket.Op, err error) {
	if err := b.Put(ctx, object, []byte("Written to verify that this bucket can be delivered to.\n")); err != nil {
		return bucket.OpPut, err
	}
	if err := b.Delete(ctx, object); err != nil {
		return bucket.OpDelete, err
	}
	return "", nil
}

// PreflightObject is the usual name of the object that preflights write.
const PreflightObject = "rotatord-preflight-{id}.txt"

// ObjectKey is the one object that preflights of a destination write: prefix and
// name, with the destination's id for "{id}" in the latter, which is
// [PreflightObject] if it is empty. It never changes, so that a bucket which
// keeps every version keeps them of one object only.
// Whatever else than letters, digits, '.', '_' and '-' an id should hold becomes
// '-'.
func ObjectKey(prefix, name, destinationID string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '-'
	}, destinationID)
	if name == "" {
		name = PreflightObject
	}
	return prefix + strings.ReplaceAll(name, "{id}", id)
}

// afterwards gives a context for cleaning up after ctx, which may have ended.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
}

// cleanUpTime bounds what is done for cleanliness after the caller has left.
const cleanUpTime = 20 * time.Second

// failure takes what a report needs from an error of a bucket.
func failure(err error) (kind bucket.Kind, permission, detail string) {
	var e *bucket.Error
	if errors.As(err, &e) {
		return e.Kind, e.Permission, e.Error()
	}
	// Not one of bucket's errors, so nobody vouches for its text.
	return bucket.KindUnknown, "", "the bucket gave an error that can't be shown"
}
