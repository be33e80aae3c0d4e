package sqs_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/sqs"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

// later records when messages were delivered, in seconds after its making.
type later struct {
	mu    sync.Mutex
	begin time.Time
	at    []int
}

func (l *later) note() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, int(time.Since(l.begin).Round(time.Second)/time.Second))
}

func (l *later) gaps() []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	var gaps []int
	for i := 1; i < len(l.at); i++ {
		gaps = append(gaps, l.at[i]-l.at[i-1])
	}
	return gaps
}

func TestTheTimeUntilAMessageComesAgainGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		q := s.Queue("rotatord")
		times := &later{begin: time.Now()}
		_, stop := run(t, inMemory(t, s.RoundTripper(), q), func(context.Context, watcher.Message) watcher.Verdict {
			times.note()
			return watcher.Again
		})
		q.Put("a", nil)
		time.Sleep(4 * time.Minute)
		stop()
		if diff := cmp.Diff([]int{1, 2, 4, 8, 16, 32, 60, 60}, times.gaps()); diff != "" {
			t.Errorf("seconds between deliveries (-want +got):\n%s", diff)
		}
		if q.Left() != 1 || s.Count("DeleteMessageBatch") != 0 {
			t.Error("a message that was never recorded was deleted")
		}
	})
}

func TestWithoutThePermissionAMessageWaitsForTheQueuesOwnTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		q := s.Queue("rotatord")
		s.Deny("ChangeMessageVisibility")
		var said bytes.Buffer
		times := &later{begin: time.Now()}
		h, stop := run(t, inMemory(t, s.RoundTripper(), q, func(o *sqs.Options) {
			o.Logger = slog.New(slog.NewTextHandler(&said, nil))
		}), func(context.Context, watcher.Message) watcher.Verdict {
			times.note()
			return watcher.Again
		})
		q.Put("a", nil)
		time.Sleep(25 * time.Minute)
		stop()
		for _, gap := range times.gaps() {
			if gap != 30 {
				t.Errorf("it comes again after %d s, want the 30 s of the queue", gap)
			}
		}
		if n := s.Count("ChangeMessageVisibilityBatch"); n < 2 || n > 3 {
			t.Errorf("the permission was tried %d times in 25 minutes", n)
		}
		if n := strings.Count(said.String(), "sqs:ChangeMessageVisibility"); n != 1 || strings.Count(said.String(), "\n") != 1 {
			t.Errorf("it is said %d times:\n%s", n, said.String())
		}
		if h.story() != "up" {
			t.Errorf("the source is %s; it can do without", h.story())
		}
	})
}

func TestWhatNobodyUnderstandsReachesTheDeadLetterQueueWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		q, dead := s.Queue("rotatord"), s.Queue("dead")
		q.Redrive(dead, 5)
		var n atomic.Int64
		run(t, inMemory(t, s.RoundTripper(), q, func(o *sqs.Options) { o.DeadLetter = true }), func(context.Context, watcher.Message) watcher.Verdict {
			n.Add(1)
			return watcher.Never
		})
		q.Put("junk", nil)
		time.Sleep(6 * time.Second)
		if dead.Left() != 1 || q.Left() != 0 || n.Load() != 5 || s.Count("DeleteMessageBatch") != 0 {
			t.Errorf("%d there, %d here after %d deliveries", dead.Left(), q.Left(), n.Load())
		}
	})
}

func TestWithoutARedrivePolicyItDoesNotComeInAHotLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		q := s.Queue("rotatord")
		times := &later{begin: time.Now()}
		_, stop := run(t, inMemory(t, s.RoundTripper(), q, func(o *sqs.Options) { o.DeadLetter = true }), func(context.Context, watcher.Message) watcher.Verdict {
			times.note()
			return watcher.Never
		})
		q.Put("junk", nil)
		time.Sleep(4 * time.Minute)
		stop()
		if diff := cmp.Diff([]int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 8, 16, 32, 60, 60}, times.gaps()); diff != "" {
			t.Errorf("seconds between deliveries (-want +got):\n%s", diff)
		}
	})
}

func TestAnIdleQueueCostsThreeRequestsAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		h, stop := run(t, inMemory(t, s.RoundTripper(), s.Queue("rotatord")), newBook().record)
		synctest.Wait()
		if h.story() != "up" {
			t.Errorf("at once, the source is %q, want up", h.story())
		}
		time.Sleep(10 * time.Minute)
		stop()
		if n := len(s.Requests()); n > 33 {
			t.Errorf("%d requests in ten minutes", n)
		}
		for i, r := range s.Requests() {
			if r.Wait != 20 && i > 0 {
				t.Errorf("request %d waits %d s", i, r.Wait)
			}
		}
	})
}

func TestAFailureIsTriedAgainEverMoreSlowlyAndHealsWithinAMinute(t *testing.T) {
	for name, hurt := range map[string]func(s *sqstest.Server, on bool){
		"offline":   (*sqstest.Server).Offline,
		"throttled": func(s *sqstest.Server, on bool) { s.Throttle(map[bool]int{true: sqstest.Forever}[on]) },
		"broken":    func(s *sqstest.Server, on bool) { s.Fail(map[bool]int{true: sqstest.Forever}[on], 503) },
		"hanging":   (*sqstest.Server).Hang,
		"denied": func(s *sqstest.Server, on bool) {
			if s.Allow(); on {
				s.Deny("ReceiveMessage")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := virtual()
				b, q := newBook(), s.Queue("rotatord")
				h, _ := run(t, inMemory(t, s.RoundTripper(), q), b.record)
				time.Sleep(time.Minute)
				hurt(s, true)
				time.Sleep(21 * time.Second) // a poll that waits already is not hurt
				q.Put("during", nil)
				before := len(s.Requests())
				time.Sleep(time.Hour)
				n := len(s.Requests()) - before
				if n < 30 || n > 260 {
					t.Errorf("%d requests in an hour", n)
				}
				if !strings.HasPrefix(h.story(), "up, down: ") {
					t.Errorf("the source is %s", h.story())
				}
				hurt(s, false)
				time.Sleep(time.Minute + 31*time.Second) // a poll that hangs has to give up first
				if b.count("during") != 1 || !strings.HasSuffix(h.story(), ", up") || strings.Count(h.story(), "up") != 2 {
					t.Errorf("delivered %d times, the source is %s", b.count("during"), h.story())
				}
			})
		})
	}
}

func TestDeletingThatFailsIsTriedAgain(t *testing.T) {
	for name, tc := range map[string]struct {
		hurt func(s *sqstest.Server)
		left int
	}{
		"single entries":               {func(s *sqstest.Server) { s.FailEntries("DeleteMessageBatch", 3) }, 0},
		"entries that never succeed":   {func(s *sqstest.Server) { s.FailEntries("DeleteMessageBatch", sqstest.Forever) }, 5},
		"the whole batch":              {func(s *sqstest.Server) { s.Throttle(4) }, 0},
		"an answer that gets lost":     {func(s *sqstest.Server) { s.CutAfter(1) }, 0},
		"a request that gets lost":     {func(s *sqstest.Server) { s.Cut(5) }, 0},
		"an answer that can't be read": {func(s *sqstest.Server) { s.Garble(2) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := virtual()
				b, q := newBook(), s.Queue("rotatord")
				for i := range 5 {
					q.Put(fmt.Sprint(i), nil)
				}
				var once sync.Once
				h, _ := run(t, inMemory(t, s.RoundTripper(), q), func(ctx context.Context, m watcher.Message) watcher.Verdict {
					once.Do(func() { tc.hurt(s) })
					return b.record(ctx, m)
				})
				time.Sleep(20 * time.Second) // less than the visibility time-out
				if q.Left() != tc.left || b.size() != 5 {
					t.Errorf("%d left of %d, want %d", q.Left(), b.size(), tc.left)
				}
				if healthy := h.last() == nil; healthy != (tc.left == 0) {
					t.Errorf("the source is %s", h.story())
				}
				s.Heal()
				time.Sleep(2 * time.Minute)
				if q.Left() != 0 || h.last() != nil {
					t.Errorf("in the end %d are left, and the source is %s", q.Left(), h.story())
				}
			})
		})
	}
}

// TestAQueueThatMayNotBeDeletedFromIsDown: everything would come again and
// again, while receiving looks well.
func TestAQueueThatMayNotBeDeletedFromIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		s.Deny("DeleteMessage")
		b, q := newBook(), s.Queue("rotatord")
		q.Put("a", nil)
		h, _ := run(t, inMemory(t, s.RoundTripper(), q), b.record)
		time.Sleep(5 * time.Minute)
		if e := reason(t, h.last()); e.Op != "delete from" || e.Reason != watcher.ReasonDenied || !strings.Contains(e.Hint, "sqs:DeleteMessage") {
			t.Error(e)
		}
		if n := b.count("a"); n < 9 || n > 11 {
			t.Errorf("it came %d times in five minutes, want once a visibility time-out", n)
		}
		s.Allow()
		time.Sleep(time.Minute)
		if h.last() != nil || q.Left() != 0 {
			t.Errorf("then the source is %s, %d left", h.story(), q.Left())
		}
	})
}

func TestASlowDeliveryHoldsBackNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		b, q := newBook(), s.Queue("rotatord")
		q.SetVisibility(time.Hour)
		for i := range 30 {
			q.Put(fmt.Sprint(i), nil)
		}
		leave := make(chan struct{})
		run(t, inMemory(t, s.RoundTripper(), q), func(ctx context.Context, m watcher.Message) watcher.Verdict {
			if string(m.Body) == "0" {
				<-leave
			}
			return b.record(ctx, m)
		})
		synctest.Wait()
		if b.size() != 29 {
			t.Errorf("%d of the other 29 were delivered", b.size())
		}
		close(leave)
		synctest.Wait()
		if q.Left() != 0 {
			t.Errorf("%d are left", q.Left())
		}
	})
}

func TestNoMoreIsTakenThanCanBeWorkedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		q := s.Queue("rotatord")
		q.SetVisibility(time.Hour)
		for i := range 1000 {
			q.Put(fmt.Sprint(i), nil)
		}
		leave := make(chan struct{})
		var inside atomic.Int64
		run(t, inMemory(t, s.RoundTripper(), q), func(context.Context, watcher.Message) watcher.Verdict {
			inside.Add(1)
			<-leave
			return watcher.Done
		})
		time.Sleep(time.Minute)
		if n := inside.Load(); n != 160 {
			t.Errorf("%d messages are being delivered, want 160", n)
		}
		close(leave)
		time.Sleep(time.Minute)
		if q.Left() != 0 || inside.Load() != 1000 {
			t.Errorf("%d left after %d deliveries", q.Left(), inside.Load())
		}
	})
}

// TestABurstBringsMoreReceivers works off 2,000 messages over a network of
// 20 ms: 200 answers one after the other would take four seconds.
func TestABurstBringsMoreReceivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		s.SetLatency(20 * time.Millisecond)
		b, q := newBook(), s.Queue("rotatord")
		for i := range 2000 {
			q.Put(fmt.Sprint(i), nil)
		}
		run(t, inMemory(t, s.RoundTripper(), q), b.record)
		time.Sleep(time.Second)
		if b.size() != 2000 || q.Left() != 0 {
			t.Errorf("after a second %d are delivered, %d left", b.size(), q.Left())
		}
		time.Sleep(time.Minute)
		before := len(s.Requests())
		time.Sleep(10 * time.Minute)
		if n := len(s.Requests()) - before; n > 31 {
			t.Errorf("long after it %d requests in ten minutes, want those of one receiver", n)
		}
	})
}

func TestWhatIsUnderWayAtTheEndIsFinishedButNotForEver(t *testing.T) {
	for _, tc := range []struct {
		name       string
		takes      time.Duration
		left, ends time.Duration
	}{
		{"a delivery of two seconds", 2 * time.Second, 0, 2 * time.Second},
		{"a delivery that waits for its context", time.Hour, 1, 5 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := virtual()
				q := s.Queue("rotatord")
				q.Put("a", nil)
				inside := make(chan struct{})
				_, stop := run(t, inMemory(t, s.RoundTripper(), q), func(ctx context.Context, _ watcher.Message) watcher.Verdict {
					close(inside)
					select {
					case <-time.After(tc.takes):
						return watcher.Done
					case <-ctx.Done():
						return watcher.Again
					}
				})
				<-inside
				begin := time.Now()
				stop()
				if took := time.Since(begin); took != tc.ends || q.Left() != int(tc.left) {
					t.Errorf("it took %s, %d left", took, q.Left())
				}
			})
		})
	}
}

func TestWhatComesWithAMessageIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		q := s.Queue("rotatord")
		time.Sleep(time.Minute)
		sent := time.Now()
		id := q.Put(`{"a":"ä\u0000<>"}`, map[string]string{"eventType": "x", "n": "1"})
		time.Sleep(time.Second)
		got := make(chan watcher.Message, 9)
		run(t, inMemory(t, s.RoundTripper(), q), func(_ context.Context, m watcher.Message) watcher.Verdict {
			got <- m
			if m.Deliveries < 2 {
				return watcher.Again
			}
			return watcher.Done
		})
		time.Sleep(time.Minute)
		if len(got) != 2 {
			t.Fatalf("%d deliveries, want two", len(got))
		}
		for n := range 2 {
			want := watcher.Message{ID: id, Body: []byte(`{"a":"ä\u0000<>"}`), Attributes: map[string]string{"eventType": "x", "n": "1"}, Deliveries: n + 1, Sent: sent}
			if diff := cmp.Diff(want, <-got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	})
}

func TestABodyWithAWrongChecksumIsNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := virtual()
		b, q := newBook(), s.Queue("rotatord")
		s.Corrupt(1)
		q.Put("a", nil)
		h, _ := run(t, inMemory(t, s.RoundTripper(), q), b.record)
		synctest.Wait()
		if e := reason(t, h.last()); e.Reason != watcher.ReasonInvalid || b.size() != 0 {
			t.Errorf("%v, %d delivered", e, b.size())
		}
		time.Sleep(time.Minute)
		if b.count("a") != 1 || q.Left() != 0 || h.last() != nil {
			t.Errorf("then it is delivered %d times, %s", b.count("a"), h.story())
		}
	})
}
