// Package inbox stands between a transport and the engine: it lets package
// payload say what a message means, hands each event of it over, and tells the
// transport what shall become of the message.
//
// Three rules are all there is to it.
//
// A message is done with when all that it says is durable. If one event of it
// could not be recorded, the whole message comes again; those that were
// recorded are recorded twice then, which is harmless.
//
// A message of which nothing can be understood is counted, logged without its
// content, and given up: it would come back for ever. What is understood in
// part is done with, and the other parts are counted.
//
// Nothing that a stranger can put into a message gets into a log but names,
// which package payload has bounded and cleaned.
//
// An [Inbox] also remembers how its transport stands ([Inbox.State]), and lets
// "rotatord events test" follow a message of its own through the chain
// ([Tests]).
package inbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/payload"
)

// sameComplaint is how long a problem is not logged again.
const sameComplaint = time.Minute

// Counter hears what is counted. Its methods are called concurrently and must
// return at once.
type Counter interface {
	// Message: one delivery ended so.
	Message(source string, v watcher.Verdict)
	// Part: one part of a message had this shape, or was of this kind and
	// became no event; see payload.Shapes and payload.Kinds.
	Part(source, what string)
	// Trouble: the source could not be used.
	Trouble(source string, r watcher.Reason)
}

// Options are what an Inbox is built of.
type Options struct {
	// Source is the configured name of the transport.
	Source string
	// Emit takes one event; the message is acknowledged only if it returns nil.
	Emit watcher.Emit
	// Matches tells whether an event concerns any destination.
	Matches func(credential.Event) bool
	Counter Counter
	// Tests are the messages that somebody waits for; nil means none.
	Tests  *Tests
	Logger *slog.Logger // nil means none
}

// Inbox takes the messages of one transport. It implements watcher.Health and
// watcher.Settler; all methods are safe for concurrent use.
type Inbox struct {
	o Options

	mu         sync.Mutex
	state      State
	complained map[string]time.Time
	tests      map[string]string // id of a message in flight → number of the test in it
}

// State is how a source stands.
type State struct {
	Source string `json:"source"`
	// Up: the source answered when it was last asked. It is false before the
	// first answer.
	Up bool `json:"up"`
	// Since is when Up last changed; before the first answer, when rotatord
	// began to ask.
	Since time.Time `json:"since"`
	// LastMessage is when a message last came; zero for never since the start.
	LastMessage time.Time `json:"last_message,omitzero"`
	// LastError is why it could last not be used; empty for never since the
	// start. It stays when the source is up again.
	LastError   string         `json:"last_error,omitempty"`
	LastReason  watcher.Reason `json:"last_reason,omitempty"`
	LastErrorAt time.Time      `json:"last_error_at,omitzero"`
}

var (
	_ watcher.Health  = (*Inbox)(nil)
	_ watcher.Settler = (*Inbox)(nil)
)

// New makes an Inbox.
func New(o Options) (*Inbox, error) {
	if o.Source == "" || o.Emit == nil || o.Matches == nil || o.Counter == nil {
		return nil, errors.New("make inbox: Source, Emit, Matches and Counter are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Logger = o.Logger.With("source", o.Source)
	return &Inbox{o: o, state: State{Source: o.Source, Since: time.Now()}, complained: map[string]time.Time{}, tests: map[string]string{}}, nil
}

// Deliver is the watcher.Deliver of this source.
func (b *Inbox) Deliver(ctx context.Context, m watcher.Message) watcher.Verdict {
	b.mu.Lock()
	b.state.LastMessage = time.Now()
	b.mu.Unlock()
	v := b.take(ctx, m)
	b.o.Counter.Message(b.o.Source, v)
	return v
}

func (b *Inbox) take(ctx context.Context, m watcher.Message) watcher.Verdict {
	meaning := payload.Decode(m.Body, m.Attributes)
	for _, k := range meaning.Ignored {
		b.o.Counter.Part(b.o.Source, string(k))
	}
	for _, k := range meaning.Unknown {
		b.o.Counter.Part(b.o.Source, string(k))
	}
	if len(meaning.Unknown) > 0 && b.mayComplain("unknown") {
		b.o.Logger.WarnContext(ctx, "message is not understood", "id", m.ID, "bytes", len(m.Body), "kinds", kinds(meaning.Unknown), "in_part", meaning.Understood())
	}
	if !meaning.Understood() {
		return watcher.Never
	}
	for _, e := range meaning.Events {
		b.o.Counter.Part(b.o.Source, string(e.Shape))
		if err := b.emit(ctx, m.ID, e.Event); err != nil {
			if !errors.Is(ctx.Err(), context.Canceled) && b.mayComplain("unrecorded") {
				b.o.Logger.WarnContext(ctx, "event could not be recorded and stays with its source", "id", m.ID, "error", err)
			}
			return watcher.Again
		}
	}
	return watcher.Done
}

// emit hands over one event. The receiver of a test hears of each link.
func (b *Inbox) emit(ctx context.Context, id string, e credential.Event) error {
	e.Source = b.o.Source
	if e.Test == "" {
		return b.o.Emit(ctx, e)
	}
	b.o.Tests.received(e.Test, b.o.Source, b.o.Matches(e))
	if err := b.o.Emit(ctx, e); err != nil {
		return err
	}
	b.o.Tests.recorded(e.Test)
	if b.o.Tests.waitsFor(e.Test) {
		b.mu.Lock()
		b.tests[id] = e.Test
		b.mu.Unlock()
	}
	return nil
}

// Settled implements watcher.Settler.
func (b *Inbox) Settled(id string) {
	b.mu.Lock()
	number, ok := b.tests[id]
	delete(b.tests, id)
	b.mu.Unlock()
	if ok {
		b.o.Tests.acknowledged(number)
	}
}

// kinds gives the distinct kinds, of which there are few.
func kinds(all []payload.Kind) []payload.Kind {
	var some []payload.Kind
	seen := map[payload.Kind]bool{}
	for _, k := range all {
		if !seen[k] {
			seen[k] = true
			some = append(some, k)
		}
	}
	return some
}

// mayComplain lets a problem be logged once a minute: whoever can send messages
// must not be able to fill a disk.
func (b *Inbox) mayComplain(of string) bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if last, ok := b.complained[of]; ok && now.Sub(last) < sameComplaint {
		return false
	}
	b.complained[of] = now
	return true
}

// Up implements watcher.Health.
func (b *Inbox) Up() {
	now := time.Now()
	b.mu.Lock()
	changed := !b.state.Up
	if changed {
		b.state.Up, b.state.Since = true, now
	}
	b.mu.Unlock()
	if changed {
		b.o.Logger.InfoContext(context.Background(), "source of events is up")
	}
}

// Down implements watcher.Health.
func (b *Inbox) Down(err error) {
	if err == nil {
		return
	}
	now, reason := time.Now(), watcher.ReasonOf(err)
	b.mu.Lock()
	changed := b.state.Up || b.state.LastReason != reason || b.state.LastErrorAt.IsZero()
	if b.state.Up {
		b.state.Up, b.state.Since = false, now
	}
	b.state.LastError, b.state.LastReason, b.state.LastErrorAt = err.Error(), reason, now
	b.mu.Unlock()
	b.o.Counter.Trouble(b.o.Source, reason)
	if changed {
		b.o.Logger.WarnContext(context.Background(), "source of events is down, changes are found by schedule meanwhile", "reason", reason, "error", err)
	}
}

// State tells how the source stands.
func (b *Inbox) State() State {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}
