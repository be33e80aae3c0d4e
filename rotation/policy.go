package rotation

import (
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

// Action is what follows from a snapshot.
type Action string

const (
	// ActionNothing: Planet holds what it should, or the current version is held.
	ActionNothing Action = "nothing"
	// ActionAdopt: record the current version as accepted without sending it.
	ActionAdopt Action = "adopt"
	// ActionPush: preflight and PATCH the current version.
	ActionPush Action = "push"
	// ActionRestore: preflight and PATCH the last accepted version, since a later
	// one was refused and nobody knows what Planet holds.
	ActionRestore Action = "restore"
	// ActionWait: come back at Until.
	ActionWait Action = "wait"
)

// Snapshot is all that a decision depends on.
type Snapshot struct {
	Now      time.Time
	Settings Settings
	Facts    store.Facts
	// Current is the version that the source calls current, asked just now.
	Current credential.Version
}

// Decision is what to do, with what, and why.
type Decision struct {
	Action  Action
	Version string       // for push, restore and adopt
	Until   time.Time    // for wait; for nothing: when a held version is tried again, if ever
	Reason  store.Reason // why not in sync, if so
	Detail  string
}

// Decide is the rotation policy: a pure function over a snapshot.
//
// The rules, in their order: what Planet accepted and what the source calls
// current agree, and nothing is uncertain: nothing. A version that is held
// stays so. Without any accepted version the first sight is adopted where the
// settings say so. A version whose last try failed waits for its time. In both
// of these cases the last accepted version is put back meanwhile, if a refusal
// or a lost answer left open what Planet holds. Everything else is pushed, once
// no PATCH of another version can still take effect.
func Decide(s Snapshot) Decision {
	f, cur := s.Facts, s.Current.ID
	if f.Accepted != nil && f.Accepted.Version == cur && !f.Uncertain {
		return Decision{Action: ActionNothing}
	}
	if h := heldNow(s); h != nil {
		if d, ok := restore(s); ok {
			return d
		}
		return Decision{Action: ActionNothing, Until: h.RetryAt, Reason: h.Reason, Detail: h.Detail}
	}
	if f.Accepted == nil && !f.Uncertain && s.Settings.FirstSight == FirstSightAdopt {
		return Decision{Action: ActionAdopt, Version: cur}
	}
	if t := f.Trial; t != nil && t.Version == cur && s.Now.Before(t.NotBefore) {
		if d, ok := restore(s); ok && undoes(t.Reason) {
			return earlier(d, t)
		}
		return Decision{Action: ActionWait, Until: t.NotBefore, Reason: t.Reason, Detail: t.Detail}
	}
	return fenced(s, Decision{Action: ActionPush, Version: cur})
}

// heldNow gives the hold that applies to the current version: one of the same
// version, made under the same settings, whose time to try again, if it has
// one, has not come.
func heldNow(s Snapshot) *store.Hold {
	h := s.Facts.Hold
	if h == nil || h.Version != s.Current.ID || h.Config != s.Settings.Hash {
		return nil
	}
	if !h.RetryAt.IsZero() && !s.Now.Before(h.RetryAt) {
		return nil
	}
	return h
}

// undoes tells whether a failed try is one that Planet answered with a
// refusal: only then is the previous version put back while the new one
// waits. After a lost answer the same version is simply sent again.
func undoes(r store.Reason) bool { return r == store.ReasonPlanetRefused }

// restore decides about putting the last accepted version back.
func restore(s Snapshot) (Decision, bool) {
	f := s.Facts
	if !f.Uncertain || f.Accepted == nil || !s.Settings.RestorePrevious || f.Accepted.Version == s.Current.ID {
		return Decision{}, false
	}
	if r := f.Restore; r != nil && r.Version == f.Accepted.Version {
		if r.GaveUp {
			return Decision{}, false
		}
		if s.Now.Before(r.NotBefore) {
			return Decision{Action: ActionWait, Until: r.NotBefore, Reason: r.Reason, Detail: r.Detail}, true
		}
	}
	return fenced(s, Decision{Action: ActionRestore, Version: f.Accepted.Version}), true
}

// fenced turns a push into a wait while a PATCH of another version may still
// take effect.
func fenced(s Snapshot, d Decision) Decision {
	if f := s.Facts.Fence; f != nil && f.Version != d.Version && s.Now.Before(f.Until) {
		return Decision{Action: ActionWait, Until: f.Until, Reason: store.ReasonFence,
			Detail: "an earlier PATCH of version " + f.Version + " got no answer and may still take effect"}
	}
	return d
}

// earlier lets a wait of the restore end with the trial's own, if that comes
// first.
func earlier(d Decision, t *store.Trial) Decision {
	if d.Action == ActionWait && t.NotBefore.Before(d.Until) {
		return Decision{Action: ActionWait, Until: t.NotBefore, Reason: t.Reason, Detail: t.Detail}
	}
	return d
}
