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
	// Secret is the name as the event's source writes it; empty when the event
	// names a destination.
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
}
