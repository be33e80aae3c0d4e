package store

import "time"

// Condition is something that is wrong with a destination, or soon will be,
// whatever the state of its rotation: a destination that is in sync may well
// have an expired credential. The set is closed: metrics show one series each,
// and each has a runbook.
type Condition string

const (
	// ConditionRejected: the bucket does not take the credential that Planet
	// holds any more.
	ConditionRejected Condition = "credential_rejected"
	// ConditionExpired: the credential that Planet holds has ended.
	ConditionExpired Condition = "expired"
	// ConditionExpiresUnreplaced: it ends before the secret manager plans to
	// replace it.
	ConditionExpiresUnreplaced Condition = "expires_unreplaced"
	// ConditionLeftover: Planet's last check left its object in the bucket, so
	// the credential may not delete. It lasts until another credential is accepted,
	// also where the object has been removed.
	ConditionLeftover Condition = "leftover"
	// ConditionOldLeftover: the object was there before the last check.
	ConditionOldLeftover Condition = "old_leftover"
	// ConditionDrift: somebody else has changed the destination at Planet.
	ConditionDrift Condition = "drift"
	// ConditionParametersChanged: parameters that are no credential were
	// different after a PATCH of ours.
	ConditionParametersChanged Condition = "parameters_changed"
	// ConditionArchived: Planet says that the destination is archived.
	ConditionArchived Condition = "archived"
	// ConditionUnproven: Planet holds a credential that preflight has not passed.
	ConditionUnproven Condition = "unproven"
	// ConditionDeliveriesFailing: since Planet accepted the version, deliveries
	// have failed for what looks like the credential.
	ConditionDeliveriesFailing Condition = "deliveries_failing"
)

// Conditions lists every Condition, the gravest first.
func Conditions() []Condition {
	return []Condition{ConditionRejected, ConditionExpired, ConditionDeliveriesFailing, ConditionLeftover,
		ConditionExpiresUnreplaced, ConditionDrift, ConditionParametersChanged, ConditionOldLeftover,
		ConditionUnproven, ConditionArchived}
}

// Conditions gives what is wrong with a destination now, the gravest first.
func (r Record) Conditions(now time.Time) []Condition {
	var out []Condition
	for _, c := range Conditions() {
		if r.has(c, now) {
			out = append(out, c)
		}
	}
	return out
}

func (r Record) has(c Condition, now time.Time) bool {
	switch c {
	case ConditionRejected:
		return r.Standing.State == StandingRejected && r.Accepted != nil && r.Standing.Version == r.Accepted.Version
	case ConditionExpired:
		at := r.Expiry()
		return !at.IsZero() && !now.Before(at)
	case ConditionExpiresUnreplaced:
		return r.ExpiresUnreplaced()
	case ConditionLeftover:
		return r.Leftover.NoDelete || r.Leftover.State == "present" && !r.Leftover.OlderThanPush
	case ConditionOldLeftover:
		return r.Leftover.State == "present" && r.Leftover.OlderThanPush && !r.Leftover.NoDelete
	case ConditionDrift:
		return r.Drift != nil
	case ConditionParametersChanged:
		return len(r.Changed) > 0
	case ConditionArchived:
		return r.Archived != nil
	case ConditionUnproven:
		return r.Accepted != nil && r.Accepted.Unproven
	case ConditionDeliveriesFailing:
		d := r.Dependents
		return d != nil && d.FailedCredential > 0 && r.Accepted != nil && !d.Since.Before(r.Accepted.At)
	}
	return false
}
