package sqs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

// mortal is the network of a process that dies at a chosen step: from then on
// nothing it does is heard and nothing reaches it. That is all that others see
// of a death.
type mortal struct {
	to http.RoundTripper
	// dies says whether the process dies at this request; before the request
	// leaves, or when its answer is on the way.
	dies func(action string, answered bool) bool

	mu   sync.Mutex
	dead bool
}

func (m *mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	action := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	if m.step(action, false) {
		return nil, syscall.ECONNRESET
	}
	resp, err := m.to.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if m.step(action, true) {
		_ = resp.Body.Close()
		return nil, syscall.ECONNRESET
	}
	return resp, nil
}

func (m *mortal) step(action string, answered bool) (dead bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead = m.dead || m.dies(action, answered)
	return m.dead
}

func (m *mortal) isDead() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dead
}

// TestADeathAtAnyStepLosesNothing kills a process while it has messages at hand,
// and lets another go on. What counts is what was recorded.
func TestADeathAtAnyStepLosesNothing(t *testing.T) {
	const count = 35
	for _, tc := range []struct {
		name     string
		action   string
		answered bool
		after    int  // how often the step happens before the death
		most     int  // deliveries in all
		recorded bool // before the death, of what it had at hand
	}{
		{name: "between receive and delivery", action: "ReceiveMessage", answered: true, after: 0, most: count},
		{name: "between receive and delivery, in the middle", action: "ReceiveMessage", answered: true, after: 2, most: count + 20},
		{name: "after Done and before the delete is sent", action: "DeleteMessageBatch", after: 0, most: 2 * count},
		{name: "after Done and before the delete is sent, in the middle", action: "DeleteMessageBatch", after: 1, most: 2 * count},
		{name: "after the delete is sent and before its answer", action: "DeleteMessageBatch", answered: true, after: 0, most: 2 * count},
		{name: "after the delete is sent and before its answer, in the middle", action: "DeleteMessageBatch", answered: true, after: 2, most: 2 * count},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := virtual()
				b, q := newBook(), s.Queue("rotatord")
				for i := range count {
					q.Put(fmt.Sprint(i), nil)
				}
				seen := 0
				network := &mortal{to: s.RoundTripper(), dies: func(action string, answered bool) bool {
					if action == tc.action && answered == tc.answered {
						seen++
						return seen > tc.after
					}
					return false
				}}
				_, stop := run(t, inMemory(t, network, q), func(ctx context.Context, m watcher.Message) watcher.Verdict {
					if network.isDead() {
						return watcher.Again // a dead process records nothing
					}
					return b.record(ctx, m)
				})
				time.Sleep(time.Second)
				stop()
				if !network.isDead() {
					t.Fatal("the process never came to that step")
				}
				kept := map[string]bool{}
				for _, body := range q.Bodies() {
					kept[body] = true
				}
				for i := range count {
					if body := fmt.Sprint(i); !kept[body] && b.count(body) == 0 {
						t.Errorf("message %s was deleted and never recorded", body)
					}
				}
				// The next process, after the visibility time-out.
				run(t, inMemory(t, s.RoundTripper(), q), b.record)
				time.Sleep(time.Minute)
				total := 0
				for i := range count {
					total += b.count(fmt.Sprint(i))
					if b.count(fmt.Sprint(i)) == 0 {
						t.Errorf("message %d is lost", i)
					}
				}
				if total > tc.most || q.Left() != 0 {
					t.Errorf("%d deliveries, %d left in the queue", total, q.Left())
				}
			})
		})
	}
}

// TestNothingIsDeletedThatWasNotRecorded runs seeds of a queue that duplicates
// and shuffles, over a network and a server with faults, with verdicts of all
// kinds, and looks at every message that disappears.
func TestNothingIsDeletedThatWasNotRecorded(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { anySeed(t, seed) })
		})
	}
}

func anySeed(t *testing.T, seed uint64) {
	const count = 120
	chance := rand.New(rand.NewPCG(seed, 2))
	s := virtual()
	s.Shuffle(seed)
	q := s.Queue("rotatord")
	var (
		mu   sync.Mutex
		last bool
		done = map[string]bool{}
	)
	h, stop := run(t, inMemory(t, s.RoundTripper(), q), func(_ context.Context, m watcher.Message) watcher.Verdict {
		mu.Lock()
		defer mu.Unlock()
		if !last && chance.IntN(3) > 0 {
			return watcher.Again
		}
		done[string(m.Body)] = true
		return watcher.Done
	})
	judge := func() {
		t.Helper()
		kept := map[string]bool{}
		for _, body := range q.Bodies() {
			kept[body] = true
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range count {
			if body := fmt.Sprint(i); !kept[body] && !done[body] {
				t.Fatalf("message %s was deleted and never recorded", body)
			}
		}
	}
	for i := range count {
		q.Put(fmt.Sprint(i), nil)
	}
	faults := []func(){
		func() { s.Duplicate(20) }, func() { s.Cut(3) }, func() { s.CutAfter(3) }, func() { s.Throttle(3) },
		func() { s.Fail(3, 500) }, func() { s.FailEntries("DeleteMessageBatch", 5) }, func() { s.Garble(2) }, q.Expire,
		func() { s.Refuse(sqstest.ReceiptHandleInvalid, sqstest.OverLimit) },
	}
	for range 40 {
		mu.Lock()
		fault := faults[chance.IntN(len(faults))]
		pause := time.Duration(chance.IntN(20_000)) * time.Millisecond
		mu.Unlock()
		fault()
		time.Sleep(pause)
		judge()
	}
	s.Heal()
	mu.Lock()
	last = true
	mu.Unlock()
	time.Sleep(5 * time.Minute)
	judge()
	if q.Left() != 0 || h.last() != nil {
		t.Errorf("once all is well, %d messages are left and the source is %s", q.Left(), h.story())
	}
	stop()
}
