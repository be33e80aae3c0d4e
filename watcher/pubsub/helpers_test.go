package pubsub

import (
	"context"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/watcher"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // the fake says there that it was closed
	goleak.VerifyTestMain(m)
}

// running is a transport at work.
type running struct {
	t        testing.TB
	messages chan watcher.Message
	states   chan error // nil for up; only changes
	ctx      context.Context
	stop     func()
	last     *string
	mu       sync.Mutex
}

const patience = 30 * time.Second

func run(t testing.TB, tr *Transport, verdict func(context.Context, watcher.Message) watcher.Verdict) *running {
	t.Helper()
	r := &running{t: t, messages: make(chan watcher.Message, 10_000), states: make(chan error, 10_000)}
	ctx, cancel := context.WithCancel(context.Background())
	r.ctx = ctx
	done := make(chan error, 1)
	go func() {
		done <- tr.Receive(ctx, func(ctx context.Context, m watcher.Message) watcher.Verdict {
			r.messages <- m
			return verdict(ctx, m)
		}, r)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Receive ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("Receive does not end with its context")
		}
	})
	t.Cleanup(r.stop)
	return r
}

func (r *running) Up() { r.state("", nil) }

func (r *running) Down(err error) { r.state(err.Error(), err) }

func (r *running) state(text string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil || *r.last != text {
		r.last = &text
		r.states <- err
	}
}

func (r *running) next() watcher.Message {
	r.t.Helper()
	select {
	case m := <-r.messages:
		return m
	case <-time.After(patience):
		r.t.Fatal("no message came")
	}
	return watcher.Message{}
}

// becomes waits for a change of health.
func (r *running) becomes(what string, ok func(error) bool) error {
	r.t.Helper()
	end := time.After(patience)
	for {
		select {
		case err := <-r.states:
			if ok(err) {
				return err
			}
		case <-end:
			r.t.Fatalf("it does not become %s", what)
		}
	}
}

func (r *running) becomesUp() {
	r.t.Helper()
	r.becomes("up", func(err error) bool { return err == nil })
}

func (r *running) becomesDown() error {
	r.t.Helper()
	return r.becomes("down", func(err error) bool { return err != nil })
}

func done(context.Context, watcher.Message) watcher.Verdict { return watcher.Done }

func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}

// journal is a log that can be read.
type journal struct {
	mu sync.Mutex
	b  strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }
