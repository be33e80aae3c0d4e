package watchertest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/watcher"
)

func done(watcher.Message) watcher.Verdict { return watcher.Done }

func delivered(t *testing.T, q *Queue) {
	p := start(t, q, done)
	body := []byte(`{"secret": "projects/p/secrets/ä \" \\ s", "version": "1"}`)
	attributes := map[string]string{"eventType": "SECRET_VERSION_ADD", "secretId": "projects/1/secrets/s"}
	if q.NoAttributes {
		attributes = nil
	}
	q.Send(body, attributes)
	m := p.next()
	if diff := cmp.Diff(string(body), string(m.Body)); diff != "" {
		t.Errorf("the body (-sent +delivered):\n%s", diff)
	}
	for k, want := range attributes {
		if got := m.Attributes[k]; got != want {
			t.Errorf("attribute %s is %q, want %q", k, got, want)
		}
	}
	if m.Deliveries > 1 {
		t.Errorf("at its first delivery it was delivered %d times", m.Deliveries)
	}
	if name := q.Open().Name(); name == "" {
		t.Error("the transport has no name")
	}
}

func acknowledged(t *testing.T, q *Queue) {
	p := start(t, q, done)
	q.Send([]byte("once"), nil)
	p.next()
	until(t, "the queue is empty", func() bool { return q.Left() == 0 })
	q.Expire()
	q.Send([]byte("another"), nil)
	if m := p.next(); string(m.Body) != "another" {
		t.Errorf("%q came again", m.Body)
	}
	p.health.wait(t, "up", up)
}

func again(t *testing.T, q *Queue) {
	var tries atomic.Int64
	p := start(t, q, func(watcher.Message) watcher.Verdict {
		if tries.Add(1) < 3 {
			return watcher.Again
		}
		return watcher.Done
	})
	q.Send([]byte("not now"), nil)
	for range 3 {
		if m := p.next(); string(m.Body) != "not now" {
			t.Errorf("%q was delivered", m.Body)
		}
	}
	until(t, "the queue is empty", func() bool { return q.Left() == 0 })
}

func never(t *testing.T, q *Queue) {
	p := start(t, q, func(m watcher.Message) watcher.Verdict {
		if string(m.Body) == "junk" {
			return watcher.Never
		}
		return watcher.Done
	})
	q.Send([]byte("junk"), nil)
	p.next()
	until(t, "the junk has left the queue", func() bool {
		if q.DeadLetter {
			q.Expire() // the queue's own policy may need several deliveries
		}
		return q.Left() == 0
	})
	if q.DeadLetter && q.Dead != nil && q.Dead() != 1 {
		t.Errorf("%d messages in the dead-letter queue, want the junk", q.Dead())
	}
	if !q.DeadLetter && q.Dead != nil && q.Dead() != 0 {
		t.Errorf("%d messages in the dead-letter queue, want none: it is to be removed", q.Dead())
	}
}

func many(t *testing.T, q *Queue) {
	const count = 250
	for i := range count {
		q.Send(fmt.Appendf(nil, "message %d", i), nil)
	}
	p := start(t, q, done)
	seen := map[string]bool{}
	for len(seen) < count {
		seen[string(p.next().Body)] = true
	}
	until(t, "the queue is empty", func() bool { return q.Left() == 0 })
}

func finished(t *testing.T, q *Queue) {
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := start(t, q, func(watcher.Message) watcher.Verdict {
		once.Do(func() { close(inside) })
		<-leave
		return watcher.Done
	})
	q.Send([]byte("slow"), nil)
	<-inside
	p.cancel()
	close(leave)
	p.stop()
	if left := q.Left(); left != 0 {
		t.Errorf("%d messages are left, want none: the one under way was recorded", left)
	}
}

// diesBefore and diesAfter let a process die while it has a message in its
// hands: its network ends, so that nothing it does afterwards is heard. That is
// what the queue sees of a kill.
func diesBefore(t *testing.T, q *Queue) { dies(t, q, watcher.Again) }

func diesAfter(t *testing.T, q *Queue) { dies(t, q, watcher.Done) }

func dies(t *testing.T, q *Queue, verdict watcher.Verdict) {
	if q.Cut == nil {
		t.Skip("the network can't be cut here")
	}
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	p := start(t, q, func(watcher.Message) watcher.Verdict {
		once.Do(func() { close(inside) })
		<-leave
		return verdict
	})
	q.Send([]byte("precious"), nil)
	<-inside
	q.Cut()
	close(leave)
	p.stop()
	q.Mend()
	q.Expire()
	if left := q.Left(); left != 1 {
		t.Fatalf("%d messages are left in the queue, want the one that was never acknowledged", left)
	}
	next := start(t, q, done)
	if m := next.next(); string(m.Body) != "precious" {
		t.Errorf("%q came again", m.Body)
	}
	until(t, "the queue is empty", func() bool { return q.Left() == 0 })
}

func outage(t *testing.T, q *Queue) {
	if q.Cut == nil {
		t.Skip("the network can't be cut here")
	}
	p := start(t, q, done)
	q.Send([]byte("before"), nil)
	p.next()
	p.health.wait(t, "up", up)
	q.Cut()
	p.health.wait(t, "down", func(_ int, err error) bool { return err != nil })
	_, err := p.health.get()
	if r := watcher.ReasonOf(err); r != watcher.ReasonUnavailable {
		t.Errorf("an outage counts as %s: %v", r, err)
	}
	q.Mend()
	q.Send([]byte("after"), nil)
	for string(p.next().Body) != "after" { // what was not acknowledged may come again
	}
	p.health.wait(t, "up again", up)
}

func denied(t *testing.T, q *Queue) {
	if q.Deny == nil {
		t.Skip("the permission can't be withdrawn here")
	}
	q.Deny()
	p := start(t, q, done)
	p.health.wait(t, "down", func(_ int, err error) bool { return err != nil })
	_, err := p.health.get()
	if r := watcher.ReasonOf(err); r != watcher.ReasonDenied {
		t.Errorf("a missing permission counts as %s: %v", r, err)
	}
	q.Allow()
	q.Send([]byte("granted"), nil)
	if m := p.next(); string(m.Body) != "granted" {
		t.Errorf("%q was delivered", m.Body)
	}
	p.health.wait(t, "up", up)
}

func ends(t *testing.T, q *Queue) {
	p := start(t, q, done)
	p.stop()
	// And where nobody answers.
	if q.Cut == nil {
		return
	}
	q.Cut()
	p = start(t, q, done)
	p.health.wait(t, "down", func(_ int, err error) bool { return err != nil })
	p.stop()
	q.Mend()
}
