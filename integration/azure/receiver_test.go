package azure

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/watcher"
)

// run is a transport at work.
type run struct {
	t        testing.TB
	cancel   context.CancelFunc
	ended    chan error
	messages chan watcher.Message
	deliver  watcher.Deliver // in place of messages and the verdict
	mu       sync.Mutex
	ups      int
	errs     []error
	log      lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.String()
}

// logger writes all there is to say into the log of the run.
func (r *run) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func newRun(t testing.TB) *run {
	return &run{t: t, ended: make(chan error, 1), messages: make(chan watcher.Message, 20_000)}
}

// start runs a transport; each message is answered by verdict.
func (r *run) start(transport watcher.Transport, verdict func(watcher.Message) watcher.Verdict) *run {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		r.ended <- transport.Receive(ctx, func(ctx context.Context, m watcher.Message) watcher.Verdict {
			if r.deliver != nil {
				return r.deliver(ctx, m)
			}
			r.messages <- m
			return verdict(m)
		}, r)
	}()
	r.t.Cleanup(r.stop)
	return r
}

func (r *run) stop() {
	r.cancel()
	if r.ended == nil {
		return
	}
	must(r.t, <-r.ended)
	r.ended = nil
}

func (r *run) Up() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ups++
}

func (r *run) Down(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

func (r *run) health() (ups int, errs []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ups, r.errs
}

func (r *run) next() watcher.Message {
	r.t.Helper()
	select {
	case m := <-r.messages:
		return m
	case <-time.After(20 * time.Second):
		_, errs := r.health()
		r.t.Fatalf("no message was delivered: %v", errs)
	}
	return watcher.Message{}
}

// down waits for trouble.
func (r *run) down() error {
	r.t.Helper()
	until(r.t, "the source is down", func() bool { _, errs := r.health(); return len(errs) > 0 })
	_, errs := r.health()
	return errs[0]
}

// noCanary fails if a text holds a credential, whole or in the encodings that
// URLs and connection strings have it in.
func noCanary(t testing.TB, text string) {
	t.Helper()
	for _, c := range []string{accountKey, accountKey[:40], busKey[:40], busToken, "canary", "sig=", "SharedAccessSignature", "AccountKey="} {
		if strings.Contains(text, c) {
			t.Errorf("it holds %q:\n%s", c, text)
		}
	}
}

func done(watcher.Message) watcher.Verdict { return watcher.Done }

// checkError holds an error to a reason and to words that its reader needs.
func checkError(t testing.TB, err error, reason watcher.Reason, words ...string) {
	t.Helper()
	if got := watcher.ReasonOf(err); got != reason {
		t.Errorf("the reason is %s, want %s: %v", got, reason, err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("it does not say %q: %v", w, err)
		}
	}
	noCanary(t, err.Error())
}
