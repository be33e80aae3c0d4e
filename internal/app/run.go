package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/metrics"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/webhook"
)

// pruneEvery is how often old history is dropped.
const pruneEvery = 6 * time.Hour

// Run is the daemon. It returns when ctx has ended and everything is down, or
// earlier with an error when a part that it can't do without has died. What is
// under way when ctx ends is finished, for as long as the drain time-out; a
// PATCH that was sent is waited for, since an answer that nobody hears costs
// two and a half minutes' wait later.
func (a *App) Run(ctx context.Context) (err error) {
	g := a.now()
	house := newHouse(a)
	// First of all, so that a port in use is an error before anything has begun.
	if err := house.prepare(ctx, g); err != nil {
		return err
	}
	house.settle(ctx, g)
	defer func() { err = errors.Join(err, <-house.closing()) }()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// What announces outlives what happens, so that the last of it is told.
	telling := tell(ctx, a.tellers)
	defer func() { err = errors.Join(err, telling.hush()) }()

	running := g.start(ctx)
	var prunes sync.WaitGroup
	prunes.Go(func() { a.prune(ctx) })
	defer prunes.Wait()
	close(a.ready)
	a.log.InfoContext(ctx, "rotatord is running", "version", a.o.Version, "destinations", len(g.engine.Names()), "store", g.cfg.Store.Dir)
	for {
		why := a.awaitReload(ctx, g, running, house)
		if why == "" {
			break
		}
		ended := a.reloading()
		next := a.reload(ctx, g, house, why)
		if next == nil {
			ended()
			continue
		}
		// From here on there is no way back: the old one goes, the new one comes.
		house.hold()
		running.stop()
		if err := running.wait(ctx, 0); err != nil {
			return err
		}
		if next.tellers != a.tellers {
			if err := telling.hush(); err != nil {
				return err
			}
			a.tellers = next.tellers
			telling = tell(ctx, a.tellers)
		}
		if err := next.ensure(ctx); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
		running = next.start(ctx)
		house.settle(ctx, next)
		g.close()
		g = next
		a.log.InfoContext(ctx, "configuration is in force", "destinations", len(g.engine.Names()))
		ended()
	}
	a.log.InfoContext(ctx, "stopping", "reason", cause(ctx, running, house))
	stop(cause(ctx, running, house))
	running.stop()
	house.closing() // nobody is to wait for one that goes
	if err := running.wait(ctx, g.cfg.Engine.DrainTimeout.Std()); err != nil {
		return err
	}
	if c := context.Cause(ctx); !errors.Is(c, context.Canceled) {
		return c
	}
	return nil
}

// awaitReload returns why to read the configuration anew; "" when everything
// has to end.
func (a *App) awaitReload(ctx context.Context, g *generation, r *running, h *house) string {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	why := make(chan string, 1)
	go func() { why <- a.reloader.wait(waiting, g.cfg) }()
	select {
	case w := <-why:
		return w
	case <-r.died:
	case <-h.broken:
	}
	cancel()
	<-why
	return ""
}

func (a *App) reloading() (ended func()) {
	if a.o.Reloading == nil {
		return func() {}
	}
	return a.o.Reloading()
}

// reload builds the next generation; nil when there is none.
func (a *App) reload(ctx context.Context, g *generation, h *house, why string) *generation {
	a.log.InfoContext(ctx, "reading the configuration anew", "reason", why)
	next, changes, err := a.next(ctx, g)
	if err == nil && next != nil {
		if err = h.prepare(ctx, next); err != nil {
			next.close()
		}
	}
	a.reloads.ended(err)
	switch {
	case err != nil:
		a.log.ErrorContext(ctx, "configuration not reloaded", "error", err)
		return nil
	case next == nil:
		a.log.InfoContext(ctx, "configuration is as it was")
		return nil
	}
	for _, c := range changes {
		a.log.InfoContext(ctx, "configuration changes", "change", c)
	}
	for _, w := range next.cfg.Warnings {
		a.log.WarnContext(ctx, "configuration", "problem", w.String())
	}
	a.reloader.follow(next.cfg)
	if a.o.Reloaded != nil {
		a.o.Reloaded(next.cfg)
	}
	return next
}

// cause is why everything ends: told to, or a part that has died.
func cause(ctx context.Context, r *running, h *house) error {
	for _, err := range []error{context.Cause(ctx), r.cause(), h.cause()} {
		if err != nil {
			return err
		}
	}
	return context.Canceled
}

// running are the parts of a generation that run.
type running struct {
	stop  func()
	parts sync.WaitGroup
	died  chan struct{} // closed when a part has ended by itself
	mu    sync.Mutex
	err   error
}

// start begins everything that a generation does by itself.
func (g *generation) start(ctx context.Context) *running {
	ctx, stop := context.WithCancel(ctx)
	r := &running{stop: stop, died: make(chan struct{})}
	begin := func(name string, run func(context.Context) error) {
		r.parts.Go(func() {
			err := run(ctx)
			if err == nil && ctx.Err() == nil {
				err = errors.New("ended by itself")
			}
			if err != nil {
				r.fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	begin("engine", g.rotate)
	begin("dependents", g.askers.run)
	for _, w := range g.watchers {
		begin("watcher "+w.Name(), func(ctx context.Context) error { return w.Run(ctx, g.emit(w.Name())) })
	}
	g.events.setRunning(true)
	for _, s := range g.events.sources {
		begin("source "+s.name, func(ctx context.Context) error { return g.events.run(ctx, s) })
	}
	return r
}

func (r *running) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
		close(r.died)
	}
}

func (r *running) cause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// wait waits for all parts to come down, for as long as bound if that is not 0.
func (r *running) wait(ctx context.Context, bound time.Duration) error {
	down := make(chan struct{})
	go func() { r.parts.Wait(); close(down) }()
	var late <-chan time.Time
	if bound > 0 {
		timer := time.NewTimer(bound)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-down:
	case <-late:
		return fmt.Errorf("stop: work is still under way after %s; what was sent is journalled and taken up at the next start", bound)
	}
	if err := r.cause(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// emit counts what a watcher or source emits and hands it to the engine.
func (g *generation) emit(source string) watcher.Emit {
	return func(ctx context.Context, e credential.Event) error {
		err := g.engine.Emit(ctx, e)
		switch {
		case err != nil:
			g.metrics.Event(source, metrics.EventFailed)
		case g.engine.Matches(e):
			g.metrics.Event(source, metrics.EventMatched)
		default:
			g.metrics.Event(source, metrics.EventUnmatched)
		}
		return err
	}
}

func (a *App) prune(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if _, err := a.store.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "old history not dropped", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// teller is an announcing that runs.
type teller struct {
	cancel context.CancelFunc
	ended  chan error
	once   sync.Once
	err    error
}

func tell(ctx context.Context, a *announcing) *teller {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	t := &teller{cancel: cancel, ended: make(chan error, 1)}
	go func() { t.ended <- a.run(ctx) }()
	return t
}

// hush lets what was announced be delivered, for some seconds, and ends it.
func (t *teller) hush() error {
	t.once.Do(func() {
		t.cancel()
		t.err = <-t.ended
	})
	return t.err
}

// doorways are the listeners that a generation wants.
func (g *generation) doorways() []doorway {
	var out []doorway
	if at := g.cfg.Admin.Listen; at != "" {
		out = append(out, doorway{name: adminDoor, key: at, handler: g.adminHandler(),
			open: func(ctx context.Context) (net.Listener, error) {
				l, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
				if err != nil {
					return nil, fmt.Errorf("open the admin listener: %w: is another rotatord running? Set [admin] listen to another port, or to \"\" for none", err)
				}
				return l, nil
			},
			server: func(h http.Handler) *http.Server { return web.NewServer(h, g.log) }})
	}
	if w := g.events.listening; len(w.endpoints) > 0 {
		out = append(out, doorway{name: hooksDoor, key: fmt.Sprint(w.settings.Listen, w.settings.CertFile, w.settings.KeyFile), handler: g.events.handler,
			open: w.open, server: func(h http.Handler) *http.Server { return webhook.NewServer(h, g.log) }})
	}
	path := SocketPath(g.cfg.Store.Dir)
	return append(out, doorway{name: localDoor, key: path, handler: g.api.Handler(),
		open: func(ctx context.Context) (net.Listener, error) {
			l, err := listenLocal(ctx, path)
			if err != nil {
				return nil, fmt.Errorf("open the local socket: %w", err)
			}
			return l, nil
		},
		server: func(h http.Handler) *http.Server {
			local := web.NewServer(h, g.log)
			local.WriteTimeout = 0 // a sync may wait for minutes; only our own user gets here
			return local
		}})
}

// listenLocal opens the socket that other commands speak to. The store's lock
// is ours, so that a socket that lies there is a dead process's.
func listenLocal(ctx context.Context, path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (a *App) readiness(ctx context.Context) error {
	select {
	case <-a.ready:
	default:
		return errors.New("starting")
	}
	var unreadable *store.FactsError
	if _, err := a.store.List(ctx); err != nil && !errors.As(err, &unreadable) {
		return fmt.Errorf("the store can't be read: %w", err)
	}
	return nil
}
