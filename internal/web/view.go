package web

import (
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// Status is how one destination stands, as the JSON API and
// "rotatord status --output json" give it. Times are RFC 3339, absent when
// unknown.
type Status struct {
	Destination string            `json:"destination"` // as configured
	ID          string            `json:"id,omitempty"`
	Ref         string            `json:"ref,omitempty"`
	Type        string            `json:"type,omitempty"`
	Account     string            `json:"account"`
	Secret      credential.Secret `json:"secret"`

	State  store.State  `json:"state"`
	Reason store.Reason `json:"reason,omitempty"`
	Detail string       `json:"detail,omitempty"`
	Since  time.Time    `json:"since,omitzero"`
	// Due: something was heard that has not been looked at yet.
	Due         bool      `json:"due"`
	NextLook    time.Time `json:"next_look,omitzero"`
	LastSuccess time.Time `json:"last_success,omitzero"`

	Source   *store.Source   `json:"source,omitempty"`   // what the secret manager calls current
	Accepted *store.Accepted `json:"accepted,omitempty"` // what Planet accepted last
	// Uncertain: Planet may hold something else than the accepted version.
	Uncertain bool            `json:"uncertain"`
	Leftover  store.Leftover  `json:"leftover"`
	Changed   []store.Change  `json:"changed,omitempty"`
	Archived  *time.Time      `json:"archived,omitempty"`
	Paused    *store.Paused   `json:"paused,omitempty"`
	Inflight  *store.Inflight `json:"inflight,omitempty"`
	// Expires is when the credential that Planet holds ends, ExpiresUnreplaced
	// whether that is before the secret manager plans to replace it.
	Expires           time.Time `json:"expires,omitzero"`
	ExpiresUnreplaced bool      `json:"expires_unreplaced,omitempty"`
	// Notes are what events told of the secret beside changes.
	Notes []store.Note `json:"notes,omitempty"`
	// Unannounced is a change that no event has told of so far.
	Unannounced *store.Unannounced `json:"unannounced,omitempty"`

	// Conditions are what is wrong with the destination, or soon will be, at the
	// time of the answer, the gravest first; never null.
	Conditions []store.Condition `json:"conditions"`
	// Standing is whether the accepted credential still works; absent before it
	// was tried.
	Standing store.Standing `json:"standing,omitzero"`
	// Seen is how a list of Planet's showed the destination after our last
	// change of it, Drift a change since that was not ours.
	Seen  *store.Seen  `json:"seen,omitempty"`
	Drift *store.Drift `json:"drift,omitempty"`
	// Dependents are those who use the destination; absent while that is not
	// known.
	Dependents *planet.Dependents `json:"dependents,omitempty"`
	// Receipt is what is noted of the secret as a whole: which version all of
	// its destinations have accepted, and how far that has got.
	Receipt *store.Receipt `json:"receipt,omitempty"`
}

// StatusOf makes the Status of a record, with the conditions of a moment. The
// receipt of the secret is not in a record: see [API].
func StatusOf(r store.Record, now time.Time) Status {
	s := Status{
		Destination: r.Destination, Account: r.Account, Secret: r.Secret,
		State: r.Status.State, Reason: r.Status.Reason, Detail: r.Status.Detail, Since: r.Status.Since,
		Due: r.IsDue(), NextLook: r.NextLook, LastSuccess: r.LastSuccess,
		Source: r.Source, Accepted: r.Accepted, Uncertain: r.Uncertain, Leftover: r.Leftover,
		Changed: r.Changed, Archived: r.Archived, Paused: r.Paused, Inflight: r.Inflight,
		Notes: r.Notes, Unannounced: r.Unannounced, Expires: r.Expiry(), ExpiresUnreplaced: r.ExpiresUnreplaced(),
		Conditions: conditionsOf(r, now), Standing: r.Standing, Seen: r.Seen, Drift: r.Drift, Dependents: r.Dependents,
	}
	if s.State == "" {
		s.State = store.StateNew
	}
	if r.Pin != nil {
		s.ID, s.Ref, s.Type = r.Pin.ID, r.Pin.Ref, r.Pin.Type
	}
	return s
}

// conditionsOf gives a list in every case, for programs that read JSON.
func conditionsOf(r store.Record, now time.Time) []store.Condition {
	if all := r.Conditions(now); all != nil {
		return all
	}
	return []store.Condition{}
}

// Plan is what a look would do, for "rotatord sync --dry-run".
type Plan struct {
	Destination string          `json:"destination"`
	ID          string          `json:"id,omitempty"`
	Type        string          `json:"type,omitempty"`
	Secret      string          `json:"secret"`
	Version     string          `json:"version,omitempty"`
	Accepted    string          `json:"accepted,omitempty"`
	Action      rotation.Action `json:"action"`
	Until       time.Time       `json:"until,omitzero"`
	Reason      store.Reason    `json:"reason,omitempty"`
	Detail      string          `json:"detail,omitempty"`
	Fields      []string        `json:"fields,omitempty"` // names of the parameters that would be sent
	Warnings    []string        `json:"warnings,omitempty"`
	Error       string          `json:"error,omitempty"`
}

func planOf(p rotation.Plan) Plan {
	return Plan{Destination: p.Destination, ID: p.ID, Type: p.Type, Secret: p.Secret, Version: p.Version,
		Accepted: p.Accepted, Action: p.Action, Until: p.Until, Reason: p.Reason, Detail: p.Detail,
		Fields: p.Fields, Warnings: p.Warnings, Error: p.Err}
}

// Checks are the checks of one destination, for "rotatord check".
type Checks struct {
	Destination string  `json:"destination"`
	Checks      []Check `json:"checks"`
}

// Check is one thing that must hold.
type Check struct {
	Name   string               `json:"name"`
	Result rotation.CheckResult `json:"result"`
	Detail string               `json:"detail,omitempty"`
}

// Request is the body of every POST of the API.
type Request struct {
	// Destinations are the configured names meant, or ids, references or
	// suffixes of theirs; empty means all, where the call allows that.
	Destinations []string `json:"destinations,omitempty"`
	// Wait is how long to stay for destinations that settle by themselves.
	Wait time.Duration `json:"wait,omitempty"`
	// Version is the one to push; empty means the source's current one.
	Version string `json:"version,omitempty"`
	// Note says why, for a pause.
	Note string `json:"note,omitempty"`
}

// Failure is the body of every answer that is not a success.
type Failure struct {
	Error string `json:"error"`
}
