package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// doorway is a listener that a configuration wants.
type doorway struct {
	name    string // "admin listener"
	key     string // listeners of one name and key are the same
	open    func(context.Context) (net.Listener, error)
	server  func(http.Handler) *http.Server
	handler http.Handler
}

// door is an open listener. Its handler may be exchanged while it serves, so
// that a reload closes no port.
type door struct {
	doorway
	at       net.Addr
	exchange *exchange
	stop     context.CancelFunc
	ended    chan struct{} // closed once it serves no more
	err      error         // why, from then on
}

// openDoor opens a listener. broken is called when it ends by itself.
func openDoor(ctx context.Context, way doorway, broken func(error)) (*door, error) {
	l, err := way.open(ctx)
	if err != nil {
		return nil, err
	}
	d := &door{doorway: way, at: l.Addr(), exchange: newExchange(way.handler), ended: make(chan struct{})}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.stop = stop
	go func() {
		defer close(d.ended)
		if d.err = serve(serving, l, way.server(d.exchange)); d.err != nil {
			broken(fmt.Errorf("%s: %w", way.name, d.err))
		}
	}()
	return d, nil
}

// close ends a door: at once for who waits on it, within seconds for who is
// being answered.
func (d *door) close() error {
	d.exchange.end()
	d.stop()
	<-d.ended
	return d.err
}

// serve serves until ctx ends.
func serve(ctx context.Context, l net.Listener, s *http.Server) error {
	s.BaseContext = func(net.Listener) context.Context { return context.WithoutCancel(ctx) }
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if s.Shutdown(bound) != nil {
		_ = s.Close() // what did not end in time is cut
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// exchange is a handler that another can take the place of. Two handlers of two
// configurations must never both change something: so what changes things
// waits while one goes and the other comes, and what was under way is ended
// before. What only reads is answered all the time.
type exchange struct {
	mu      sync.Mutex
	handler http.Handler
	held    chan struct{} // while changes wait; closed at the end of that
	changes *requests
	reads   *requests
}

// requests are those under way of one handler.
type requests struct {
	ctx    context.Context //nolint:containedctx // ends the requests that it is of
	cancel context.CancelFunc
	all    sync.WaitGroup
}

func newRequests() *requests {
	r := &requests{}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func newExchange(h http.Handler) *exchange {
	return &exchange{handler: h, changes: newRequests(), reads: newRequests()}
}

// ServeHTTP implements http.Handler.
func (e *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, mine := e.enter(r)
	if h == nil {
		return // whoever asked has gone
	}
	defer mine.all.Done()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(mine.ctx, cancel)()
	h.ServeHTTP(w, r.WithContext(ctx))
}

// enter gives the handler for a request, which counts as under way then; nil
// when its sender has gone while it waited.
func (e *exchange) enter(r *http.Request) (http.Handler, *requests) {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	for {
		e.mu.Lock()
		if reads || e.held == nil {
			mine := e.changes
			if reads {
				mine = e.reads
			}
			mine.all.Add(1)
			h := e.handler
			e.mu.Unlock()
			return h, mine
		}
		held := e.held
		e.mu.Unlock()
		select {
		case <-held:
		case <-r.Context().Done():
			return nil, nil
		}
	}
}

// hold lets nothing more change anything, and waits until what was changing has
// ended.
func (e *exchange) hold() {
	e.mu.Lock()
	if e.held == nil {
		e.held = make(chan struct{})
	}
	old := e.changes
	e.mu.Unlock()
	old.cancel()
	old.all.Wait()
}

// swap puts another handler in place, and ends what the old one still answers.
func (e *exchange) swap(h http.Handler) {
	e.mu.Lock()
	old, oldReads := e.changes, e.reads
	e.handler, e.changes, e.reads = h, newRequests(), newRequests()
	if e.held != nil {
		close(e.held)
		e.held = nil
	}
	e.mu.Unlock()
	for _, r := range []*requests{old, oldReads} {
		r.cancel()
		r.all.Wait()
	}
}

// end ends everything under way, as a shutdown does: streams would hold it up.
// It waits for nothing.
func (e *exchange) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reads.cancel()
}
