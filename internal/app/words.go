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
