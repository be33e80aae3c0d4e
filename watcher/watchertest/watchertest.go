// Package watchertest holds every transport that takes messages from a queue
// to the contract of package watcher. A transport runs the suite against the
// most real server that there is:
//
//	watchertest.Test(t, watchertest.Harness{New: func(t testing.TB) *watchertest.Queue { … }})
//
// What the suite asks is what operators rely on without knowing it: that a
// message which could not be recorded comes again, that one which was recorded
// does not, that a process which dies at any moment in between loses nothing,
// and that an outage of the queue is a state and not the end of the daemon.
//
// The suite waits for things to become so, for up to [Patience]; it measures
// no time.
package watchertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/watcher"
)

// Patience is how long the suite waits for something that must happen. It is no
// measure of speed.
const Patience = 30 * time.Second

// Harness makes what the suite is run against.
type Harness struct {
	// New makes an empty queue on a server of its own or shared, and takes it
	// down with t.
	New func(t testing.TB) *Queue
}

// Queue is one queue and what can be done to it from outside.
type Queue struct {
	// Open makes a transport as a process that was just started would. Several
	// are made one after the other.
	Open func() watcher.Transport
	// Send puts one message into the queue, past rotatord.
	Send func(body []byte, attributes map[string]string)
	// Left counts the messages that are not acknowledged: waiting or in flight.
	Left func() int
	// Dead counts the messages in the dead-letter queue; nil if there is none.
	Dead func() int
	// Expire lets what is in flight become visible again: a visibility
	// time-out, a lock or an acknowledgement deadline has passed.
	Expire func()
	// Cut ends every connection between transport and server and lets none
	// come about until Mend; both are nil if that can't be done.
	Cut, Mend func()
	// Deny withdraws our permission to receive until Allow.
	Deny, Allow func()
	// DeadLetter: Open gives transports that leave what nobody understands to
	// the queue's dead-letter policy.
	DeadLetter bool
	// NoAttributes: the transport has none.
	NoAttributes bool
}

// Test runs the suite.
func Test(t *testing.T, h Harness) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Queue)
	}{
		{"a message is delivered as it was sent", delivered},
		{"what was recorded does not come again", acknowledged},
		{"what could not be recorded comes again", again},
		{"what nobody understands does not stay", never},
		{"many messages all arrive", many},
		{"a message in flight when the process stops is finished", finished},
		{"a process that dies before the record loses nothing", diesBefore},
		{"a process that dies after the record loses nothing", diesAfter},
		{"an outage is a state and heals", outage},
		{"a missing permission is a state and heals", denied},
		{"a transport ends with its context", ends},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, h.New(t)) })
	}
}

// process is a running transport.
type process struct {
	t        testing.TB
	cancel   context.CancelFunc
	done     chan error
	received chan watcher.Message
	verdict  func(watcher.Message) watcher.Verdict
	health   *health
}

// start runs a transport. Every message is answered by verdict.
func start(t testing.TB, q *Queue, verdict func(watcher.Message) watcher.Verdict) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, cancel: cancel, done: make(chan error, 1), received: make(chan watcher.Message, 10_000), verdict: verdict, health: newHealth()}
	transport := q.Open()
	go func() {
		p.done <- transport.Receive(ctx, func(_ context.Context, m watcher.Message) watcher.Verdict {
			kept := m
			kept.Body = slices.Clone(m.Body)
			p.received <- kept
			return verdict(m)
		}, p.health)
	}()
	t.Cleanup(p.stop)
	return p
}

// stop ends the transport and waits for it.
func (p *process) stop() {
	p.t.Helper()
	p.cancel()
	if p.done == nil {
		return
	}
	select {
	case err := <-p.done:
		if err != nil {
			p.t.Errorf("Receive ended with %v, want nil when its context ends", err)
		}
		p.done = nil
	case <-time.After(Patience):
		p.t.Error("Receive does not end with its context")
		p.done = nil
	}
}

// next waits for a delivery.
func (p *process) next() watcher.Message {
	p.t.Helper()
	select {
	case m := <-p.received:
		return m
	case err := <-p.done:
		p.done = nil
		p.t.Fatalf("Receive ended by itself: %v", err)
	case <-time.After(Patience):
		p.t.Fatalf("no message was delivered (%s)", p.health.say())
	}
	return watcher.Message{}
}

// health records what a transport says of itself.
type health struct {
	mu      sync.Mutex
	ups     int
	err     error
	changed chan struct{}
}

func newHealth() *health { return &health{changed: make(chan struct{}, 1)} }

// Up implements watcher.Health.
func (h *health) Up() { h.set(nil) }

// Down implements watcher.Health.
func (h *health) Down(err error) {
	if err == nil {
		err = errors.New("down without an error")
	}
	h.set(err)
}

func (h *health) set(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.ups++
	}
	h.err = err
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *health) get() (ups int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ups, h.err
}

func (h *health) say() string {
	ups, err := h.get()
	return fmt.Sprintf("it was up %d times, last error %v", ups, err)
}

// wait waits until the health is as wanted.
func (h *health) wait(t testing.TB, what string, ok func(ups int, err error) bool) {
	t.Helper()
	end := time.After(Patience)
	for {
		if ok(h.get()) {
			return
		}
		select {
		case <-h.changed:
		case <-end:
			t.Fatalf("the source is not %s: %s", what, h.say())
		}
	}
}

func up(_ int, err error) bool { return err == nil }

// until waits for something at the server.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(Patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}
