package probe

import (
	"context"
	"errors"
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// LeftoverState says what is known of an object that should not be there. The
// set is closed: metrics use it as a label.
type LeftoverState string

const (
	// Present: seen twice, a minute or so apart, and the same both times.
	Present LeftoverState = "present"
	// Seen once: it may be Planet's check under way, so it does not count yet.
	Seen LeftoverState = "seen"
	// Absent: the server has said that it is not there.
	Absent LeftoverState = "absent"
	// AbsentInferred: denied, while reading our own object was permitted with
	// the same credential. With the permissions that Planet asks for, this is
	// the normal case.
	AbsentInferred LeftoverState = "absent_inferred"
	// CannotTell: the bucket could not be asked, or its answer means nothing.
	CannotTell LeftoverState = "cannot_tell"
)

// Reason says why a Leftover is in its state. The set is closed: metrics use
// it as a label.
type Reason string

const (
	ReasonConfirmed    Reason = "confirmed"     // Present: seen again unchanged
	ReasonUnconfirmed  Reason = "unconfirmed"   // Seen: to be looked at again
	ReasonNotFound     Reason = "not_found"     // Absent: 404
	ReasonGetProven    Reason = "get_proven"    // AbsentInferred: 403, and a GET was permitted
	ReasonKept         Reason = "kept"          // Absent or AbsentInferred: a mere 403, and no push since it was known
	ReasonDenied       Reason = "denied"        // CannotTell: a mere 403
	ReasonCredential   Reason = "credential"    // CannotTell: the credential is not accepted
	ReasonNoBucket     Reason = "no_bucket"     // CannotTell: no bucket, or not in that region
	ReasonThrottled    Reason = "throttled"     // CannotTell
	ReasonUnreachable  Reason = "unreachable"   // CannotTell
	ReasonServer       Reason = "server_error"  // CannotTell
	ReasonClock        Reason = "clock_skew"    // CannotTell: our clock is wrong
	ReasonNotSupported Reason = "not_supported" // CannotTell: location or type can't be used
	ReasonUnknown      Reason = "unknown"       // CannotTell: any other answer
)

// Sighting is the outcome of one look.
type Sighting struct {
	// Kind is why the object was not seen, empty when it was.
	Kind   bucket.Kind
	Detail string
	// GetProven is what Look was told.
	GetProven bool
	// Size and LastModified are the object's, when it was seen.
	Size         int64
	LastModified time.Time
	// ServerTime is the Date of the answer, zero without one.
	ServerTime time.Time
}

// Look gets the object once. getProven tells that a GET of our own object was
// permitted with the same credential a moment ago: Preflight.GetProven.
func Look(ctx context.Context, b bucket.Bucket, key string, getProven bool) Sighting {
	o, err := b.Get(ctx, key)
	if err == nil {
		return Sighting{GetProven: getProven, Size: o.Size, LastModified: o.LastModified, ServerTime: o.ServerTime}
	}
	s := Sighting{GetProven: getProven}
	s.Kind, _, s.Detail = failure(err)
	var e *bucket.Error
	if errors.As(err, &e) {
		s.ServerTime = e.ServerTime
	}
	return s
}

// Leftover is what is known of an object that should not be there. It is
// stored as JSON and given to the next Conclude. The zero Leftover is nothing
// known yet.
type Leftover struct {
	State  LeftoverState `json:"state"`
	Reason Reason        `json:"reason"`
	Detail string        `json:"detail,omitempty"` // for people

	// Size, LastModified, FirstSeen and Age describe the object as it was last
	// seen. They survive CannotTell and are zero when it is absent.
	Size         int64     `json:"size,omitempty"`
	LastModified time.Time `json:"last_modified,omitzero"`
	// FirstSeen is when the object was seen first with this LastModified.
	FirstSeen time.Time `json:"first_seen,omitzero"`
	// Age is by the server's own clock, in nanoseconds.
	Age time.Duration `json:"age,omitempty"`
	// OlderThanPush: it was there before the last push and has not been written
	// since, so Planet's last check did not overwrite it.
	OlderThanPush bool `json:"older_than_push,omitempty"`

	// CheckedAt is when the last look was, LookAgainAt when the next must be
	// to confirm what was seen; both by our clock.
	CheckedAt   time.Time `json:"checked_at,omitzero"`
	LookAgainAt time.Time `json:"look_again_at,omitzero"`
}

// grain is how exact HTTP's times are, taken twice: Date and Last-Modified are
// whole seconds.
const grain = 2 * time.Second

// Conclude makes what is known of what was known and one more look. It is
// pure. now is our clock at the look; lastPush is when the last PATCH was sent,
// by our clock too, zero for never; confirm is how long an object must have
// stayed unchanged before it counts, a minute unless there is a reason.
func Conclude(previous Leftover, s Sighting, now, lastPush time.Time, confirm time.Duration) Leftover {
	l := Leftover{Detail: s.Detail, CheckedAt: now}
	switch s.Kind {
	case "":
		return concludeSeen(previous, s, now, lastPush, confirm)
	case bucket.KindNotFound:
		l.State, l.Reason = Absent, ReasonNotFound
		return l
	case bucket.KindDenied:
		wasAbsent := previous.State == Absent || previous.State == AbsentInferred
		switch {
		case s.GetProven:
			l.State, l.Reason = AbsentInferred, ReasonGetProven
			return l
		case wasAbsent && previous.CheckedAt.After(lastPush):
			// Only a push makes Planet write, so what was absent after the last one
			// still is.
			l.State, l.Reason = previous.State, ReasonKept
			return l
		}
	}
	l.State, l.Reason = CannotTell, reasonFor(s.Kind)
	// Remember what was seen: a bucket that is out of reach for an hour has not
	// been tidied up by that.
	l.Size, l.LastModified, l.FirstSeen = previous.Size, previous.LastModified, previous.FirstSeen
	l.Age, l.OlderThanPush = previous.Age, previous.OlderThanPush
	return l
}

// concludeSeen deals with an object that is there.
func concludeSeen(previous Leftover, s Sighting, now, lastPush time.Time, confirm time.Duration) Leftover {
	seen := s.ServerTime
	if seen.IsZero() {
		seen = now
	}
	l := Leftover{
		State: Seen, Reason: ReasonUnconfirmed, Detail: s.Detail,
		Size: s.Size, LastModified: s.LastModified, FirstSeen: seen, CheckedAt: now,
	}
	if !s.LastModified.IsZero() {
		l.Age = max(0, seen.Sub(s.LastModified))
		// Two durations, each by one clock: the server's and ours may differ.
		l.OlderThanPush = !lastPush.IsZero() && l.Age > now.Sub(lastPush)+grain
	}
	same := !previous.FirstSeen.IsZero() && previous.LastModified.Equal(s.LastModified)
	if same {
		l.FirstSeen = previous.FirstSeen
	}
	stayed := max(0, seen.Sub(l.FirstSeen))
	if same && (previous.State == Present || stayed >= confirm) {
		l.State, l.Reason = Present, ReasonConfirmed
		return l
	}
	// A second more, lest the server's clock, which tells whole seconds only,
	// makes the next look come too early.
	l.LookAgainAt = now.Add(max(0, confirm-stayed) + time.Second)
	return l
}

// reasonFor says why a look told nothing.
func reasonFor(kind bucket.Kind) Reason {
	switch kind {
	case bucket.KindDenied:
		return ReasonDenied
	case bucket.KindBadCredential:
		return ReasonCredential
	case bucket.KindNoBucket, bucket.KindWrongRegion:
		return ReasonNoBucket
	case bucket.KindThrottled:
		return ReasonThrottled
	case bucket.KindUnreachable:
		return ReasonUnreachable
	case bucket.KindServer:
		return ReasonServer
	case bucket.KindClockSkew:
		return ReasonClock
	case bucket.KindConfig, bucket.KindUnsupported:
		return ReasonNotSupported
	}
	return ReasonUnknown
}
