package pubsub

import (
	"sync"
	"time"
)

// batch gathers deliveries of which the same is to be said, for a moment after
// the first. While there are none it has no timer.
type batch struct {
	delay time.Duration
	// send says it, and gives what became of those that were refused.
	send func(ids []string) map[string]error

	mu      sync.Mutex
	waiting map[string]chan error
	calls   sync.WaitGroup // of timers that are set, and of what they send
}

// add adds a delivery. What became of it will be in the channel.
func (b *batch) add(id string) <-chan error {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer := make(chan error, 1)
	if b.waiting == nil {
		b.waiting = map[string]chan error{}
		b.calls.Add(1)
		time.AfterFunc(b.delay, b.flush)
	}
	if before := b.waiting[id]; before != nil {
		before <- nil // the same delivery twice; the second one tells
	}
	b.waiting[id] = answer
	return answer
}

func (b *batch) flush() {
	defer b.calls.Done()
	b.mu.Lock()
	waiting := b.waiting
	b.waiting = nil
	b.mu.Unlock()
	ids := make([]string, 0, len(waiting))
	for id := range waiting {
		ids = append(ids, id)
	}
	refused := b.send(ids)
	for id, answer := range waiting {
		answer <- refused[id]
	}
}

// still waits for what is under way; there is no more to come.
func (b *batch) still() { b.calls.Wait() }

// Pub/Sub takes at most 512 KiB in one request; Google's own client puts at most
// this many deliveries into one.
const (
	mostIDs     = 1000
	mostIDBytes = 400 << 10
)

// portions cuts ids into what fits into one request each.
func portions(ids []string) [][]string {
	var all [][]string
	from, size := 0, 0
	for i, id := range ids {
		if i > from && (i-from >= mostIDs || size+len(id) > mostIDBytes) {
			all = append(all, ids[from:i])
			from, size = i, 0
		}
		size += len(id) + 4 // its tag and length
	}
	if from < len(ids) {
		all = append(all, ids[from:])
	}
	return all
}
