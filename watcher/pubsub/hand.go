package pubsub

import (
	"context"
	"sync"
	"time"
)

// hand holds the messages that are ours, and renews their leases in time. While
// it is empty it has no timer.
type hand struct {
	lease func() time.Duration
	renew func(ids []string) // says so to the server

	mu    sync.Mutex
	held  map[string]*held // by the id of the delivery
	bytes int
	timer *time.Timer
	calls sync.WaitGroup // of timers that are set, and of renewals
	freed chan struct{}  // has one if something was let go
}

// held is one message. Its lease is renewed when half of it is over, until last.
type held struct {
	bytes     int
	due, last time.Time
}

func newHand(lease func() time.Duration, renew func([]string)) *hand {
	return &hand{lease: lease, renew: renew, held: map[string]*held{}, freed: make(chan struct{}, 1)}
}

// take begins to keep a message.
func (h *hand) take(id string, bytes int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(id)
	now := time.Now()
	h.held[id] = &held{bytes, now.Add(h.lease() / 2), now.Add(longestLease)}
	h.bytes += bytes
	h.set(now)
}

// let ends that.
func (h *hand) let(ids ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		h.drop(id)
	}
	if len(h.held) == 0 {
		h.stop()
	}
	select {
	case h.freed <- struct{}{}:
	default:
	}
}

func (h *hand) drop(id string) {
	if m := h.held[id]; m != nil {
		h.bytes -= m.bytes
		delete(h.held, id)
	}
}

// set sets the timer for the lease that is due first, if it isn't set.
func (h *hand) set(now time.Time) {
	if h.timer != nil {
		return
	}
	var first time.Time
	for _, m := range h.held {
		if now.Before(m.last) && (first.IsZero() || m.due.Before(first)) {
			first = m.due
		}
	}
	if !first.IsZero() {
		h.calls.Add(1)
		h.timer = time.AfterFunc(first.Sub(now), h.ring)
	}
}

func (h *hand) stop() {
	if h.timer != nil && h.timer.Stop() {
		h.timer = nil
		h.calls.Done()
	}
}

// ring renews what is due, and what is due soon, in one go.
func (h *hand) ring() {
	defer h.calls.Done()
	h.mu.Lock()
	h.timer = nil
	now, lease := time.Now(), h.lease()
	var due []string
	for id, m := range h.held {
		if now.Before(m.last) && !m.due.After(now.Add(lease/8)) {
			due = append(due, id)
			m.due = now.Add(lease / 2)
		}
	}
	h.set(now)
	h.mu.Unlock()
	if len(due) > 0 {
		h.renew(due)
	}
}

// room waits until less is held than was asked for.
func (h *hand) room(ctx context.Context) {
	for h.full() {
		select {
		case <-ctx.Done():
			return
		case <-h.freed:
		}
	}
}

func (h *hand) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held) >= mostMessages || h.bytes >= mostBytes
}

// still waits for renewals that are under way; there are no more to come.
func (h *hand) still() {
	h.mu.Lock()
	h.stop()
	h.mu.Unlock()
	h.calls.Wait()
}
