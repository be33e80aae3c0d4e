package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/rotatord/rotatord/watcher"
)

// kind is what differs between the endpoints: how a request of one kind of
// sender is authenticated and answered. It is called only while the endpoint
// receives, and has to authenticate before it calls anything that delivers.
type kind interface {
	serve(w http.ResponseWriter, r *http.Request) answer
}

// gate is what the endpoints share.
type gate struct {
	options Common
	kind    kind
	methods []string
	client  *http.Client
	slots   chan struct{}
	all     *rate.Limiter
	known   *rate.Limiter
	refused *refusals
	count   atomic.Uint64 // of messages without an id of their own

	mu      sync.Mutex
	current *session // nil while nothing receives
}

// session is one Receive.
type session struct {
	deliver watcher.Deliver
	health  watcher.Health
	// Of the gate's mutex:
	under int           // calls of deliver under way
	ended bool          // no more of them begin
	idle  chan struct{} // closed when ended and none is under way
}

func (g *gate) endpoint() *gate { return g }

// Name is the configured name of the source.
func (g *gate) Name() string { return g.options.Name }

// Path is where the endpoint wants to be mounted.
func (g *gate) Path() string { return g.options.Path }

// Receive makes the endpoint accept requests until ctx ends; before and after
// it answers 503. Only one Receive can run at a time.
func (g *gate) Receive(ctx context.Context, deliver watcher.Deliver, health watcher.Health) error {
	s := &session{deliver: deliver, health: health, idle: make(chan struct{})}
	g.mu.Lock()
	if g.current != nil {
		g.mu.Unlock()
		return g.fault("receive from", watcher.ReasonInvalid, errors.New("it is being received from already"), "")
	}
	g.current = s
	g.mu.Unlock()
	health.Up() // nothing more is known of a sender who has yet to call

	<-ctx.Done()
	g.mu.Lock()
	g.current = nil
	s.ended = true
	if s.under == 0 {
		close(s.idle)
	}
	g.mu.Unlock()
	patience := time.NewTimer(deliverTimeout)
	defer patience.Stop()
	select {
	case <-s.idle:
	case <-patience.C: // their answers will be 503 or come to nobody
	}
	g.client.CloseIdleConnections()
	return nil
}

func (g *gate) session() *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.current
}

// enter gives the session in which a message can be delivered; leave has to
// follow.
func (g *gate) enter() *session {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.current != nil {
		g.current.under++
	}
	return g.current
}

func (g *gate) leave(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.under--
	if s.ended && s.under == 0 {
		close(s.idle)
	}
}

// ServeHTTP answers one request.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := g.answer(w, r)
	if a.refused != "" {
		g.refused.count(r.Context(), a.refused, a.hint)
	}
	a.write(w)
}

func (g *gate) answer(w http.ResponseWriter, r *http.Request) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			// What it says may hold what was in the request; its type can't.
			a = refuseBecause(RefusedPanic, fmt.Sprintf("a mistake in rotatord: a panic of type %T", p))
		}
	}()
	switch {
	case g.session() == nil:
		return notNow("not receiving")
	case !slices.Contains(g.methods, r.Method):
		a = refuse(RefusedMethod)
		a.header = http.Header{"Allow": {strings.Join(g.methods, ", ")}}
		return a
	case !g.all.Allow():
		return refuse(RefusedFast)
	case r.ContentLength > g.options.MaxBody:
		return refuse(RefusedLarge)
	}
	select {
	case g.slots <- struct{}{}:
		defer func() { <-g.slots }()
	default:
		return refuse(RefusedBusy)
	}
	return g.kind.serve(w, r)
}

// read gives the body, or the answer if it can't be had.
func (g *gate) read(w http.ResponseWriter, r *http.Request) ([]byte, answer, bool) {
	control := http.NewResponseController(w)
	// A writer of a test may not be able to; a server's is.
	_ = control.SetReadDeadline(time.Now().Add(g.options.BodyTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, g.options.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, refuse(RefusedLarge), false
	case err != nil:
		return nil, refuse(RefusedSlow), false
	}
	// Left in place, the deadline would end the request's context.
	_ = control.SetReadDeadline(time.Time{})
	return body, answer{}, true
}

// admit takes a request of a known caller off the budget.
func (g *gate) admit() bool { return g.known.Allow() }

// deliver hands over a message of a caller who has been let in.
func (g *gate) deliver(ctx context.Context, m watcher.Message) (watcher.Verdict, answer) {
	if !g.admit() {
		return watcher.Again, refuse(RefusedFast)
	}
	s := g.enter()
	if s == nil {
		return watcher.Again, notNow("not receiving")
	}
	defer g.leave(s)
	// A caller who hangs up does not stop what has begun.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deliverTimeout)
	defer cancel()
	s.health.Up()
	if m.ID == "" {
		m.ID = strconv.FormatUint(g.count.Add(1), 10) // a number of ours, for logs
	}
	v := s.deliver(ctx, m)
	switch {
	case v == watcher.Done, v == watcher.Never && !g.options.DeadLetter:
		watcher.Settled(s.health, m.ID) // as far as can be known: the answer is on its way
		return v, done()
	case v == watcher.Never:
		return v, answer{status: http.StatusBadRequest, text: "not understood"}
	}
	return watcher.Again, notNow("try again")
}

// down tells health, if anybody listens, that callers can't be checked.
func (g *gate) down(err error) {
	if s := g.session(); s != nil {
		s.health.Down(err)
	}
}

func (g *gate) fault(op string, reason watcher.Reason, err error, hint string) *watcher.Error {
	return &watcher.Error{Op: op, Source: "webhook " + g.options.Name, Reason: reason, Hint: hint, Err: err}
}

// answer is what a request is answered with: constants, but for the fields of
// a handshake.
type answer struct {
	status  int
	text    string
	json    []byte // instead of text
	header  http.Header
	refused Refusal
	hint    string // for the log only
}

func done() answer { return answer{status: http.StatusOK, text: "ok"} }

// notNow asks to come again.
func notNow(why string) answer { return answer{status: http.StatusServiceUnavailable, text: why} }

func refuse(r Refusal) answer { return refuseBecause(r, "") }

// refuseBecause has a hint for the log, which must not hold anything of the
// request.
func refuseBecause(r Refusal, hint string) answer {
	text := "refused"
	if r == RefusedReplayed {
		text = "ok"
	}
	return answer{status: r.status(), text: text, refused: r, hint: hint}
}

// retryAfter is when a sender is asked to come again, in seconds. The clouds
// have schedules of their own and take no notice of it; others may.
const retryAfter = 10

func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if a.status >= http.StatusBadRequest {
		// The body may not have been read; the server need not wait for it.
		h.Set("Connection", "close")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	body := a.json
	if body == nil {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		body = []byte(a.text + "\n")
	} else {
		h.Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a caller who has gone away will come again
}
