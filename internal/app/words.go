package app

import (
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// Here is what a [Connection] takes and gives, by the one import that commands
// have: each name means what it means in its own room.
type (
	// Request is the body of every call that does something.
	Request = web.Request
	// Status is how one destination stands.
	Status = web.Status
	// Plan is what a look would do.
	Plan = web.Plan
	// Checks are the checks of one destination.
	Checks = web.Checks
	// Pushed is what came of a push by hand.
	Pushed = web.Pushed
	// Destination is one as Planet shows it.
	Destination = web.Destination
	// Target says who is asked, and about which destination.
	Target = web.Target
	// Find says which destinations are wanted.
	Find = web.Find
	// Create describes a new destination.
	Create = web.Create
	// Created is what came of a Create.
	Created = web.Created
	// Change says what to change of a destination.
	Change = web.Change
	// Changed is what came of a Change.
	Changed = web.Changed
	// Gate tells whether old credentials may be revoked.
	Gate = web.Gate
	// GateVerdict is what it says in a word.
	GateVerdict = rotation.Verdict
	// Source is how one source of events stands.
	Source = web.Source
	// EventTest asks for test messages.
	EventTest = web.EventTest
	// EventTested is how far one came.
	EventTested = web.EventTested
	// RemoteError is what was said instead of doing as asked.
	RemoteError = web.RemoteError
	// Entry is one line of the history.
	Entry = store.Entry
	// State is where a destination stands, in a word.
	State = store.State
	// Reason is why.
	Reason = store.Reason
	// OpenError tells why a store can't be opened, and what to do.
	OpenError = store.OpenError
	// Action is what a Plan comes to.
	Action = rotation.Action
	// CheckResult is how one check ended.
	CheckResult = rotation.CheckResult
)
