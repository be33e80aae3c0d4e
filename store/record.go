package store

import (
	"encoding/json"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
)

// Record is all that is durably known of one destination: what Planet accepted
// last, what may be on its way, what is held and why. It holds no secret:
// versions are named by their provider's ids, and a provider that has none
// names them by a keyed fingerprint (see [Store.Fingerprint]).
//
// Two writers touch a record. Whoever hears that something may have changed
// marks it due, which moves Due and nothing else ([Store.MarkDue]). The engine
// loads it, acts, and saves everything else ([Store.Save]), compare-and-swap
// on Revision. The two never conflict: Save does not write Due, MarkDue does
// not move Revision.
type Record struct {
	Destination string            // the configured name; the key
	Account     string            // the configured account
	Secret      credential.Secret // the configured secret

	// Revision counts the saves; Save refuses a record whose Revision is not
	// the stored one. Epoch is the owner's at the last save: a later owner of
	// the same store has a higher one.
	Revision int64
	Epoch    int64

	// Due counts the marks, Done is the mark up to which the engine has acted:
	// there is something to do while Done < Due. DueAt and DueSource describe
	// the latest mark.
	Due, Done int64
	DueAt     time.Time
	DueSource string

	// Heard is what events have said since the engine last finished, in the
	// order in which it came; only [Store.Load] gives it. Whoever saves a Done
	// has taken it in.
	Heard []Heard

	// Dependents are those who use the destination, as last gathered; nil while
	// that is not known. [Store.SetDependents] writes them, and Save does not.
	Dependents *planet.Dependents

	Facts
}

// IsDue tells whether something was marked since the engine last finished.
func (r Record) IsDue() bool { return r.Done < r.Due }

// Facts is the part of a record that the engine alone writes.
type Facts struct {
	Pin      *Pin      `json:"pin,omitempty"`
	Accepted *Accepted `json:"accepted,omitempty"`
	// Uncertain: Planet may hold something else than Accepted, since a later
	// PATCH was refused or its outcome never became known.
	Uncertain bool      `json:"uncertain,omitempty"`
	Inflight  *Inflight `json:"inflight,omitempty"`
	Fence     *Fence    `json:"fence,omitempty"`
	Hold      *Hold     `json:"hold,omitempty"`
	Trial     *Trial    `json:"trial,omitempty"`
	// Failures counts the looks in a row that ended before a version was known.
	Failures int `json:"failures,omitempty"`
	// Restore is the trial of putting Accepted back while Uncertain.
	Restore *Trial `json:"restore,omitempty"`
	// Source is the version that the source called current when last asked.
	Source *Source `json:"source,omitempty"`
	// Announced is the newest event that spoke of a change.
	Announced *Announced `json:"announced,omitempty"`
	// Unannounced is a change that was found before any event spoke of it: nil
	// once one has, or once it was counted as missed.
	Unannounced *Unannounced `json:"unannounced,omitempty"`
	// Notes are what events told of the secret beside changes, one a kind, as
	// long as it is true.
	Notes []Note `json:"notes,omitempty"`
	// Changed lists the structural or optional parameters that were different
	// after a PATCH of ours, until Planet shows them as pinned again or a
	// person acknowledges them.
	Changed []Change `json:"changed,omitempty"`
	// Archived is when Planet says the destination was archived.
	Archived *time.Time `json:"archived,omitempty"`
	// Seen is how Planet showed the destination after our last request that may
	// have changed it; nil until a list has shown it since.
	Seen *Seen `json:"seen,omitempty"`
	// Touched is when a request of ours that may have changed the destination was
	// last answered or given up: only a list asked for after that tells of others.
	Touched time.Time `json:"touched,omitzero"`
	// Drift is a change at Planet that was not ours.
	Drift    *Drift   `json:"drift,omitempty"`
	Leftover Leftover `json:"leftover"`
	// Standing is whether the accepted credential still works.
	Standing Standing `json:"standing,omitzero"`
	Status   Status   `json:"status"`
	// NextLook is when the engine wants to come back by itself; zero when it
	// waits for an event or the schedule.
	NextLook time.Time `json:"next_look,omitzero"`
	// LastSuccess is when a look last ended with nothing left to do.
	LastSuccess time.Time `json:"last_success,omitzero"`
	Paused      *Paused   `json:"paused,omitempty"`
}

// Pin is what a destination was when it was first seen. A later mismatch means
// that the configured name now leads somewhere else.
type Pin struct {
	ID         string          `json:"id"`
	Ref        string          `json:"ref"`
	Name       string          `json:"name"`
	Type       string          `json:"type"`
	Structural json.RawMessage `json:"structural"`         // in clear, without credential fields
	Optional   json.RawMessage `json:"optional,omitempty"` // as Planet last showed it
	At         time.Time       `json:"at"`
}

// Accepted is the version that Planet answered 2xx for, to a PATCH of ours, or
// that was adopted without one.
type Accepted struct {
	Version string    `json:"version"`
	Created time.Time `json:"created,omitzero"` // as the source says
	Sent    time.Time `json:"sent,omitzero"`    // when the PATCH was sent
	// FirstSent is when a PATCH of this version may first have been sent: before
	// Sent if the answers to earlier ones were lost, or it was pushed again.
	FirstSent time.Time `json:"first_sent,omitzero"`
	At        time.Time `json:"at"` // when Planet answered
	Adopted   bool      `json:"adopted,omitempty"`
	// Unproven: preflight did not pass before the push (off, or advisory and
	// inconclusive).
	Unproven bool `json:"unproven,omitempty"`
	// GetProven: preflight read an object with it, see the probe.
	GetProven bool `json:"get_proven,omitempty"`
	// Unchecked: Planet's answer did not show the destination, so that its
	// parameters are still to be compared in a later list.
	Unchecked bool      `json:"unchecked,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
}

// Inflight is the intent that is journalled before a PATCH is sent. One that
// is found at start belongs to a process that died: its outcome is unknown.
type Inflight struct {
	Version string    `json:"version"`
	Sent    time.Time `json:"sent"`
	Epoch   int64     `json:"epoch"`
	Restore bool      `json:"restore,omitempty"` // puts the last accepted version back
}

// Fence keeps every other version than Version waiting until Until: a PATCH of
// Version whose outcome is unknown may still take effect up to then.
type Fence struct {
	Version string    `json:"version"`
	Until   time.Time `json:"until"`
}

// Hold is a version that is not pushed until the source moves on, the
// configuration changes, or a person retries.
type Hold struct {
	Version string    `json:"version"`
	Reason  Reason    `json:"reason"`
	Detail  string    `json:"detail,omitempty"`
	Since   time.Time `json:"since"`
	// Config is the hash of the destination's settings at the time.
	Config string `json:"config,omitempty"`
	// RetryAt is when the version is tried again by itself; zero when only a
	// change can help.
	RetryAt time.Time `json:"retry_at,omitzero"`
}

// Trial is what was tried with a version that has not been accepted yet.
type Trial struct {
	Version   string    `json:"version"`
	FirstSeen time.Time `json:"first_seen"`
	Failures  int       `json:"failures"`
	NotBefore time.Time `json:"not_before,omitzero"`
	Reason    Reason    `json:"reason,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	// ResumeDelete: a preflight object of this version still lies in the
	// bucket, because its deletion was refused.
	ResumeDelete bool `json:"resume_delete,omitempty"`
	// GaveUp: no further attempt is made by itself.
	GaveUp bool `json:"gave_up,omitempty"`
}

// Source is what the secret manager last said.
type Source struct {
	Version      string    `json:"version"`
	Created      time.Time `json:"created,omitzero"`
	Expires      time.Time `json:"expires,omitzero"`
	NextRotation time.Time `json:"next_rotation,omitzero"`
	At           time.Time `json:"at"`
}

// Announced is an event that spoke of a change of the secret.
type Announced struct {
	Source  string    `json:"source"`
	Version string    `json:"version,omitempty"` // the version it spoke of, a hint
	Time    time.Time `json:"time,omitzero"`     // when it happened, as the event says
	At      time.Time `json:"at"`                // when the newest such event was heard
	// Open: the source has not been asked about Version in particular yet, nor
	// has it called it current.
	Open bool `json:"open,omitempty"`
}

// Unannounced is a change that no event has spoken of so far.
type Unannounced struct {
	Version string    `json:"version"`
	Found   time.Time `json:"found"`
}

// Note is something that an event told of the secret and that a person should
// know: a rotation that failed at the source, a version that expires.
type Note struct {
	Kind   credential.EventKind `json:"kind"`
	Source string               `json:"source"`
	// Version is what the event spoke of; where it named none, what was current
	// by then. The note ends when another version is current.
	Version string    `json:"version,omitempty"`
	Time    time.Time `json:"time"` // when it happened, or was heard of
}

// Change is one parameter that differs across a PATCH of ours.
type Change struct {
	Parameter  string          `json:"parameter"`
	Structural bool            `json:"structural"`
	Before     json.RawMessage `json:"before,omitempty"`
	After      json.RawMessage `json:"after,omitempty"`
}

// Leftover is what is known of a planetverify.txt in the bucket.
type Leftover struct {
	// State is one of present, seen, absent, absent_inferred, cannot_tell; ""
	// before the first look.
	State        string    `json:"state,omitempty"`
	Reason       string    `json:"reason,omitempty"`
	Detail       string    `json:"detail,omitempty"`
	Size         int64     `json:"size,omitempty"`
	LastModified time.Time `json:"last_modified,omitzero"` // the bucket's clock
	FirstSeen    time.Time `json:"first_seen,omitzero"`
	CheckedAt    time.Time `json:"checked_at,omitzero"`
	LookAgainAt  time.Time `json:"look_again_at,omitzero"`
	// OlderThanPush: Planet's last check did not overwrite it.
	OlderThanPush bool `json:"older_than_push,omitempty"`
	// Versions is how many versions of it a bucket that keeps them has, as far as
	// one page of a list tells; 0 where that is not known.
	Versions int `json:"versions,omitempty"`
	// NoDelete: Planet's check of the accepted version left it there, so that
	// credential may not delete, whoever has removed the object since.
	NoDelete bool `json:"no_delete,omitempty"`
	// Removal is when its removal was last tried.
	Removal time.Time `json:"removal,omitzero"`
}

// Seen is what a list showed of a destination.
type Seen struct {
	Updated time.Time `json:"updated,omitzero"` // by Planet's clock
	Name    string    `json:"name,omitempty"`
	At      time.Time `json:"at"` // when the list was asked for
}

// Drift is that Planet's time of the last change has moved though nothing was
// sent from here.
type Drift struct {
	// Was and Updated are Planet's times of the change before and of this one.
	Was     time.Time `json:"was,omitzero"`
	Updated time.Time `json:"updated,omitzero"`
	Found   time.Time `json:"found"`
	// Renamed is the new name, if the destination has got one: that alone would
	// have moved the time.
	Renamed string `json:"renamed,omitempty"`
	// Pushing: the settings have the credential sent again because of it.
	Pushing bool `json:"pushing,omitempty"`
}

// Standing is how the accepted credential did when it was last tried.
type Standing struct {
	// State is one of works, doubtful, rejected, cannot_tell; "" before the
	// first try.
	State   string `json:"state,omitempty"`
	Reason  string `json:"reason,omitempty"`
	Detail  string `json:"detail,omitempty"`
	Version string `json:"version,omitempty"` // of the accepted credential
	// Since is when State began, CheckedAt when it was last tried, Worked when
	// that last succeeded.
	Since     time.Time `json:"since,omitzero"`
	CheckedAt time.Time `json:"checked_at,omitzero"`
	Worked    time.Time `json:"worked,omitzero"`
	// LookAgainAt is when a doubt is to be confirmed.
	LookAgainAt time.Time `json:"look_again_at,omitzero"`
	// Permitted: a read was once permitted with it. A denial that follows says
	// that a policy has changed.
	Permitted bool `json:"permitted,omitempty"`
	// LeftBehind: an object of ours could not be deleted when it was tried.
	LeftBehind bool `json:"left_behind,omitempty"`
}

// StandingRejected is the State of a credential that the bucket does not take.
const StandingRejected = "rejected"

// Paused says who stopped the rotation of a destination, and why.
type Paused struct {
	Since time.Time `json:"since"`
	Note  string    `json:"note,omitempty"`
}

// Account is what is durably known of one Planet account.
type Account struct {
	Name string `json:"name"`
	// BlockedSince is when Planet began to refuse the key itself; zero while
	// it does not.
	BlockedSince time.Time `json:"blocked_since,omitzero"`
	Detail       string    `json:"detail,omitempty"`
	// NextLook is when the key is tried again.
	NextLook time.Time `json:"next_look,omitzero"`
	Failures int       `json:"failures,omitempty"`
	// Active is how many destinations that count towards the organization's quota
	// the last list showed.
	Active int `json:"active,omitempty"`
}

// Entry is one line of the history.
type Entry struct {
	ID          int64         `json:"id"`
	At          time.Time     `json:"at"`
	Destination string        `json:"destination"`
	Kind        EntryKind     `json:"kind"`
	Version     string        `json:"version,omitempty"`
	Outcome     string        `json:"outcome,omitempty"`
	Reason      Reason        `json:"reason,omitempty"`
	Detail      string        `json:"detail,omitempty"`
	Duration    time.Duration `json:"duration,omitempty"`
}

// EntryKind says what happened. Entries of EntryAttempt are also counted for
// ever, by outcome and reason, however long the history is kept.
type EntryKind string

const (
	EntryAttempt EntryKind = "attempt" // one push was tried; Outcome and Reason say how it ended
	EntryState   EntryKind = "state"   // the state changed; Outcome holds the new one
	EntryProbe   EntryKind = "probe"   // the leftover's state changed
	EntryPerson  EntryKind = "person"  // somebody paused, resumed or retried
	EntryChange  EntryKind = "change"  // a parameter differs across our PATCH
	EntryEvent   EntryKind = "event"   // an event told something or was missed; Outcome says what
	EntryDrift   EntryKind = "drift"   // somebody else changed the destination, or that is settled
	EntryCheck   EntryKind = "check"   // the accepted credential was tried again and did otherwise than before; Outcome says how
	EntryCleanup EntryKind = "cleanup" // a leftover was removed, or could not be
)

// AttemptCount is how often a push ended so, since the store was made.
type AttemptCount struct {
	Destination, Outcome string
	Reason               Reason
	Count                int64
}
