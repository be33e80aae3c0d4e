package store

import "time"

// Status says where a destination stands, for people, metrics and alerts.
type Status struct {
	State  State  `json:"state"`
	Reason Reason `json:"reason,omitempty"`
	// Detail is one sentence for a person; it may name versions, fields and
	// permissions, and never a value.
	Detail string    `json:"detail,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// State is one of a small closed set.
type State string

const (
	// StateNew: configured, not looked at yet.
	StateNew State = "new"
	// StateInSync: Planet accepted the version that the source calls current.
	StateInSync State = "in_sync"
	// StateWaiting: a newer version exists and will be tried by itself, soon.
	StateWaiting State = "waiting"
	// StateUnknown: a PATCH was sent and nobody knows whether it took effect;
	// it is sent again by itself.
	StateUnknown State = "unknown"
	// StateFailing: the source or Planet can't be used at the moment; tried
	// again by itself.
	StateFailing State = "failing"
	// StateHeld: the current version is not pushed, for a reason that somebody
	// has to look at.
	StateHeld State = "held"
	// StateBlocked: nothing can be sent for this destination, whatever the
	// version.
	StateBlocked State = "blocked"
	// StatePaused: a person stopped it.
	StatePaused State = "paused"
)

// States lists every State, for metrics that show one series each.
func States() []State {
	return []State{StateNew, StateInSync, StateWaiting, StateUnknown, StateFailing, StateHeld, StateBlocked, StatePaused}
}

// Alerting tells whether a person should hear of a state that lasts.
func (s State) Alerting() bool {
	return s == StateHeld || s == StateBlocked || s == StateFailing || s == StateUnknown || s == StateWaiting
}

// Reason says why a destination is in its state, or how an attempt ended. The
// set is closed: metrics use it as a label, runbooks as a heading.
type Reason string

const (
	ReasonSourceNotFound    Reason = "source_not_found"   // there is no such secret
	ReasonSourceDenied      Reason = "source_denied"      // rotatord may not read it
	ReasonSourceDisabled    Reason = "source_disabled"    // disabled, or without a current version
	ReasonSourceInvalid     Reason = "source_invalid"     // what lies there can't be a secret
	ReasonSourceThrottled   Reason = "source_throttled"   // the secret manager asks to slow down
	ReasonSourceUnavailable Reason = "source_unavailable" // the secret manager does not answer
	ReasonVersionGone       Reason = "version_gone"       // the version can't be read any more

	ReasonValueInvalid Reason = "value_invalid" // the value does not fit the destination's type

	ReasonPropagation           Reason = "propagation"            // a new key may need a while to work
	ReasonPreflightRefused      Reason = "preflight_refused"      // the bucket refuses the credential
	ReasonPreflightInconclusive Reason = "preflight_inconclusive" // the bucket could not be asked
	ReasonPreflightUnsupported  Reason = "preflight_unsupported"  // no bucket access for this type is built in

	ReasonPlanetRefused     Reason = "planet_refused"     // Planet refused this version
	ReasonRestoreFailed     Reason = "restore_failed"     // and the previous one could not be put back
	ReasonPlanetThrottled   Reason = "planet_throttled"   // 429
	ReasonPlanetUnavailable Reason = "planet_unavailable" // Planet did not answer, nothing was sent
	ReasonOutcomeUnknown    Reason = "outcome_unknown"    // 5xx, time-out or cut: it may have taken effect
	ReasonFence             Reason = "fence"              // an earlier PATCH may still take effect
	ReasonRollout           Reason = "rollout"            // another destination of the secret goes first
	ReasonRolloutStopped    Reason = "rollout_stopped"    // Planet refused the version for the one that went first

	ReasonAccountBlocked Reason = "account_blocked"       // Planet refuses the API key
	ReasonNotWritable    Reason = "not_writable"          // the key's user is neither owner nor admin
	ReasonVanished       Reason = "vanished"              // Planet knows no such destination
	ReasonAmbiguous      Reason = "ambiguous"             // the configured name fits several destinations
	ReasonDuplicate      Reason = "duplicate_destination" // two entries lead to one destination
	ReasonPinMismatch    Reason = "pin_mismatch"          // type or structural parameters are not those first seen
	ReasonUnsupported    Reason = "unsupported_type"      // a destination type that rotatord does not know
	ReasonInternal       Reason = "internal"              // a bug or the store
)

// Reasons lists every Reason.
func Reasons() []Reason {
	return []Reason{
		ReasonSourceNotFound, ReasonSourceDenied, ReasonSourceDisabled, ReasonSourceInvalid,
		ReasonSourceThrottled, ReasonSourceUnavailable, ReasonVersionGone, ReasonValueInvalid,
		ReasonPropagation, ReasonPreflightRefused, ReasonPreflightInconclusive, ReasonPreflightUnsupported,
		ReasonPlanetRefused, ReasonRestoreFailed, ReasonPlanetThrottled, ReasonPlanetUnavailable,
		ReasonOutcomeUnknown, ReasonFence, ReasonRollout, ReasonRolloutStopped, ReasonAccountBlocked, ReasonNotWritable, ReasonVanished,
		ReasonAmbiguous, ReasonDuplicate, ReasonPinMismatch, ReasonUnsupported, ReasonInternal,
	}
}
