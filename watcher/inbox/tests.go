package inbox

import (
	"context"
	"sync"
	"time"
)

// Tests follows messages that "rotatord events test" has sent. Its zero value
// follows none; a nil one may be asked, too.
type Tests struct {
	mu    sync.Mutex
	waits map[string]*Trace
}

// Trace is what is known of one test message. Times are zero for what has not
// happened.
type Trace struct {
	// Source is the one that received it.
	Source string
	// Received: it came back to us.
	Received time.Time
	// Matched: the secret that it names is some destination's.
	Matched bool
	// Recorded: its meaning is durable.
	Recorded time.Time
	// Acknowledged: the source has confirmed that the message is done with.
	Acknowledged time.Time

	changed chan struct{}
}

// Expect begins to follow the message with a number of its own. The caller
// calls forget when it is done.
func (t *Tests) Expect(number string) (forget func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waits == nil {
		t.waits = map[string]*Trace{}
	}
	t.waits[number] = &Trace{changed: make(chan struct{}, 1)}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.waits, number)
	}
}

// Await waits until the message was acknowledged, or until ctx ends, and gives
// what is known by then.
func (t *Tests) Await(ctx context.Context, number string) Trace {
	for {
		t.mu.Lock()
		trace := t.waits[number]
		if trace == nil {
			t.mu.Unlock()
			return Trace{}
		}
		now := *trace
		t.mu.Unlock()
		if !now.Acknowledged.IsZero() {
			return now
		}
		select {
		case <-trace.changed:
		case <-ctx.Done():
			return now
		}
	}
}

func (t *Tests) waitsFor(number string) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waits[number] != nil
}

func (t *Tests) received(number, source string, matched bool) {
	t.note(number, func(trace *Trace, now time.Time) {
		trace.Source, trace.Matched = source, matched
		if trace.Received.IsZero() {
			trace.Received = now
		}
	})
}

func (t *Tests) recorded(number string) {
	t.note(number, func(trace *Trace, now time.Time) { trace.Recorded = now })
}

func (t *Tests) acknowledged(number string) {
	t.note(number, func(trace *Trace, now time.Time) { trace.Acknowledged = now })
}

func (t *Tests) note(number string, change func(*Trace, time.Time)) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	trace := t.waits[number]
	if trace == nil {
		return
	}
	change(trace, time.Now())
	select {
	case trace.changed <- struct{}{}:
	default:
	}
}
