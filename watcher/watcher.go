// Package watcher is the contract for everything that tells rotatord that a
// secret may have changed: a schedule, a file system, later the queues and
// webhooks of the clouds. There is one folder a transport below this one.
//
// What a watcher emits is a hint and never the truth: rotatord asks the
// source itself before it does anything. Losing an event costs the time until
// the next schedule; repeating one costs a cheap look.
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
