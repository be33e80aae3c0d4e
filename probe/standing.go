package probe

import (
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// StandingState says how the credential that Planet holds did when it was last
// tried. The set is closed: metrics use it as a label.
type StandingState string

const (
	// Works: the server took it.
	Works StandingState = "works"
	// Doubtful: refused once and to be tried again, or not permitted any more to
	// read where it was.
	Doubtful StandingState = "doubtful"
	// Rejected: refused twice, a minute or so apart.
	Rejected StandingState = "rejected"
	// NotTold: it could not be tried, or the answer means nothing.
	NotTold StandingState = "cannot_tell"
)

// StandingStates lists every StandingState.
func StandingStates() []StandingState {
	return []StandingState{Works, Doubtful, Rejected, NotTold}
}

// Reasons that a [Standing] has beside those of a [Leftover].
const (
	ReasonPermission Reason = "permission" // a permission that Planet needs is missing
	ReasonUnreadable Reason = "unreadable" // its value can't be read or used any more
)

// StandingReasons lists the reasons that a [Standing] may have; a state that
// needs none has none.
func StandingReasons() []Reason {
	return []Reason{ReasonDenied, ReasonCredential, ReasonNoBucket, ReasonThrottled, ReasonUnreachable, ReasonServer,
		ReasonClock, ReasonNotSupported, ReasonUnknown, ReasonPermission, ReasonUnreadable}
}

// Standing is what is known of a credential between two rotations. It is
// stored as JSON and given to the next [Trial.Conclude]. The zero Standing is
// nothing known yet.
type Standing struct {
	State   StandingState `json:"state"`
	Reason  Reason        `json:"reason,omitempty"`
	Detail  string        `json:"detail,omitempty"` // for people
	Version string        `json:"version,omitempty"`
	// Since is when State began, CheckedAt the last try, Worked the last that
	// succeeded; LookAgainAt is when a doubt is to be confirmed.
	Since       time.Time `json:"since,omitzero"`
	CheckedAt   time.Time `json:"checked_at,omitzero"`
	Worked      time.Time `json:"worked,omitzero"`
	LookAgainAt time.Time `json:"look_again_at,omitzero"`
	// Permitted: a read was once permitted with it, or told that there is nothing
	// to read. Where a bucket may not be listed a read of what is not there is
	// denied, and then a denial says nothing.
	Permitted bool `json:"permitted,omitempty"`
}

// Trial is the outcome of trying a credential once.
type Trial struct {
	state  StandingState
	reason Reason
	detail string
	// A read was permitted, or denied without another meaning.
	permitted, denied bool
}

// TrialOf makes a trial of one look with the credential. It finds a key that
// was revoked, disabled or has expired, and a bucket that is gone. What a key may
// still write or delete it can't find out.
func TrialOf(s Sighting) Trial {
	switch s.Kind {
	case "", bucket.KindNotFound:
		return Trial{state: Works, permitted: true}
	case bucket.KindDenied:
		return Trial{state: Works, denied: true, detail: s.Detail}
	case bucket.KindBadCredential, bucket.KindNoBucket, bucket.KindWrongRegion:
		return Trial{state: Rejected, reason: reasonFor(s.Kind), detail: s.Detail}
	}
	return Trial{state: NotTold, reason: reasonFor(s.Kind), detail: s.Detail}
}

// TrialOfPreflight makes a trial of a put, get and delete with the credential.
func TrialOfPreflight(p Preflight) Trial {
	switch {
	case p.Verdict == Passed:
		return Trial{state: Works, permitted: true}
	case p.Verdict == Refused && p.Kind == bucket.KindDenied:
		return Trial{state: Rejected, reason: ReasonPermission, detail: p.Detail}
	case p.Verdict == Refused:
		return Trial{state: Rejected, reason: reasonFor(p.Kind), detail: p.Detail}
	}
	return Trial{state: NotTold, reason: reasonFor(p.Kind), detail: p.Detail}
}

// NotTried is the trial of a credential whose value can't be had or used.
func NotTried(detail string) Trial {
	return Trial{state: NotTold, reason: ReasonUnreadable, detail: detail}
}

// Conclude makes what is known of what was known and one more trial. It is
// pure. version names the credential, now is our clock, confirm how long after
// a first refusal the second counts: one refusal alone may be a server's bad
// moment, and somebody would be woken for it.
func (t Trial) Conclude(previous Standing, version string, now time.Time, confirm time.Duration) Standing {
	if previous.Version != version {
		previous = Standing{}
	}
	s := Standing{State: t.state, Reason: t.reason, Detail: t.detail, Version: version, CheckedAt: now,
		Worked: previous.Worked, Permitted: previous.Permitted || t.permitted}
	refusedBefore := previous.State == Rejected || previous.State == Doubtful && previous.Reason == t.reason
	switch {
	case t.denied && previous.Permitted:
		s.State, s.Reason = Doubtful, ReasonDenied
		s.Detail = "it was permitted to look at the bucket before and is not any more, so a policy has changed; " +
			`check = "write" tells whether it may still write and delete: ` + t.detail
	case t.denied:
		s.Detail = ""
	case t.state == Rejected && (!refusedBefore || previous.State == Doubtful && now.Before(previous.LookAgainAt)):
		s.State, s.LookAgainAt = Doubtful, now.Add(confirm)
		if refusedBefore {
			s.LookAgainAt = previous.LookAgainAt
		}
	}
	if s.State == Works {
		s.Worked = now
	}
	s.Since = now
	if previous.State == s.State && !previous.Since.IsZero() {
		s.Since = previous.Since
	}
	return s
}
