package app

import (
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// What a [Connection] takes and gives, under the one import that commands have.
type (
	Request     = web.Request
	Status      = web.Status
	Plan        = web.Plan
	Checks      = web.Checks
	RemoteError = web.RemoteError
	Entry       = store.Entry
	State       = store.State
	Reason      = store.Reason
	OpenError   = store.OpenError
	Action      = rotation.Action
	CheckResult = rotation.CheckResult
)
