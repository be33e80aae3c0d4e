// Package credential is the vocabulary of rotatord: the few types that every
// other room speaks with, and nothing that does anything.
//
// A [Secret] is an entry in a secret manager, named the way its owner names
// it. A [Version] is one value of that entry, named by the provider's own
// version id. A [Value] is the bytes of a version; it redacts itself wherever
// it might be shown. [Parameters] are what a patcher makes of a value for one
// destination type: the credential fields that Planet stores. An [Event] is a
// hint that something may have changed.
//
// The package imports the standard library only, so that everything may
// import it.
package credential

import "time"

// Secret names an entry in a secret manager exactly as its owner writes it,
// so that a name can be copied from a console: an AWS ARN,
// "projects/p/secrets/s", a Key Vault URL, "vault://mount/path" or
// "file:///path". A name is no secret and may be shown.
type Secret string

// Version is one value of a secret, as its provider describes it without
// reading it.
type Version struct {
	// ID is the provider's own version id. It is opaque: ids compare for
	// equality and have no order.
	ID string
	// Created is when the source says the version came to be; zero when the
	// source does not say.
	Created time.Time
	// Expires is when the source says that the version stops to be valid;
	// zero when it does not say.
	Expires time.Time
	// NextRotation is when the source plans to replace the version; zero when
	// it does not say.
	NextRotation time.Time
}

// Event is a hint that a secret, or what a destination needs, may have
// changed. Repeating, losing and reordering events is harmless: the reader of
// an event always asks the source itself. An event names either the secret
// that changed or, where a person or a schedule is the origin, a destination.
type Event struct {
	// Kind says what happened; the zero Kind is the usual hint.
	Kind EventKind
	// Secret is the full name as the event's source writes it; empty when the
	// event names a destination. It may differ from the configured name of the
	// same secret: an ARN with or without its suffix, a project by its number.
	Secret Secret
	// Destination is the configured name of the one destination meant; empty
	// when the event names a secret.
	Destination string
	// Version is the version that the event speaks of, if it says so: a hint.
	Version string
	// Source is the watcher that received the event: "file", "schedule".
	Source string
	// Time is when the source says that it happened; zero if it does not say.
	Time time.Time
	// Test is the number of a test event, which "rotatord events test" waits
	// for; empty for all others. A test event is a hint like any other.
	Test string
}

// EventKind says what an event tells of its secret. Whatever its kind, an
// event makes the destinations of the secret due; all kinds but the first are
// also remembered there until they are no longer true.
type EventKind string

const (
	// EventChanged: versions or labels of the secret may have changed.
	EventChanged EventKind = ""
	// EventRotationSucceeded: the secret manager's own rotation has finished.
	EventRotationSucceeded EventKind = "rotation_succeeded"
	// EventRotationFailed: the secret manager's own rotation has failed.
	EventRotationFailed EventKind = "rotation_failed"
	// EventRotationAbandoned: it was given up.
	EventRotationAbandoned EventKind = "rotation_abandoned"
	// EventNearExpiry: the version will expire soon.
	EventNearExpiry EventKind = "near_expiry"
	// EventExpired: the version has expired.
	EventExpired EventKind = "expired"
)
