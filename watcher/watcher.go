// Package watcher is the contract for everything that tells rotatord that a
// secret may have changed: a schedule, a file system, the queues and webhooks
// of the clouds. There is one folder for each below this one.
//
// What a watcher emits is a hint and never the truth: rotatord asks the
// source itself before it does anything. Losing an event costs the time until
// the next schedule; repeating one costs a cheap look.
//
// There are two kinds. A [Watcher] notices changes by itself and knows which
// secret or destination they concern: the schedule, the files. A [Transport]
// carries messages that others have written, and understands nothing of them:
// it takes bytes from a queue, hands them to [Deliver] and does with the
// message what the [Verdict] says. What the bytes mean is the business of
// package payload, so that any transport carries any shape; package inbox
// stands between the two.
package watcher

import (
	"context"

	"github.com/rotatord/rotatord/credential"
)

// Emit hands over one event. It returns nil once what the event means is
// durable, and only then may a watcher acknowledge the message that it came
// from. After an error the message must stay where it can be delivered again.
// Emit is safe for concurrent use and returns quickly.
type Emit func(ctx context.Context, e credential.Event) error

// Watcher listens to one source of events.
type Watcher interface {
	// Name says which watcher it is, "file"; metrics use it as a label.
	Name() string
	// Run emits events until ctx ends and returns nil then. It deals with a
	// source that comes and goes by itself, with backoff; an error means that
	// this watcher can never work as configured.
	Run(ctx context.Context, emit Emit) error
}
