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
func (a *App) Run(ctx context.Context) error {
	listeners, err := a.listen(ctx)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var parts sync.WaitGroup
	start := func(name string, run func(context.Context) error) {
		parts.Go(func() {
			err := run(ctx)
			if err == nil && ctx.Err() == nil {
				err = errors.New("ended by itself")
			}
			if err != nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	// What announces outlives what happens, so that the last of it is told.
	telling, hush := context.WithCancel(context.WithoutCancel(ctx))
	told := make(chan error, 1)
	go func() { told <- a.tellers.run(telling) }()
	for _, l := range listeners {
		start(l.name, l.serve)
	}
	start("engine", a.engine.Run)
	start("dependents", a.askers.run)
	for _, w := range a.watchers {
		start("watcher "+w.Name(), func(ctx context.Context) error { return w.Run(ctx, a.emit(w.Name())) })
	}
	a.events.setRunning(true)
	defer a.events.setRunning(false)
	for _, s := range a.events.sources {
		start("source "+s.name, func(ctx context.Context) error { return a.events.run(ctx, s) })
	}
	start("history", a.prune)
	close(a.ready)
	a.log.InfoContext(ctx, "rotatord is running", "version", a.version, "destinations", len(a.engine.Names()), "store", a.cfg.Store.Dir)

	<-ctx.Done()
	a.log.InfoContext(ctx, "stopping", "reason", context.Cause(ctx))
	err = a.drain(ctx, &parts)
	hush()
	return errors.Join(err, <-told)
}

// drain waits for everything to come down.
func (a *App) drain(ctx context.Context, parts *sync.WaitGroup) error {
	down := make(chan struct{})
	go func() { parts.Wait(); close(down) }()
	bound := time.NewTimer(a.cfg.Engine.DrainTimeout.Std())
	defer bound.Stop()
	select {
	case <-down:
	case <-bound.C:
		return fmt.Errorf("stop: work is still under way after %s; what was sent is journalled and taken up at the next start", a.cfg.Engine.DrainTimeout)
	}
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return nil
}

// emit counts what a watcher or source emits and hands it to the engine.
func (a *App) emit(source string) watcher.Emit {
	return func(ctx context.Context, e credential.Event) error {
		err := a.engine.Emit(ctx, e)
		switch {
		case err != nil:
			a.metrics.Event(source, metrics.EventFailed)
		case a.engine.Matches(e):
			a.metrics.Event(source, metrics.EventMatched)
		default:
			a.metrics.Event(source, metrics.EventUnmatched)
		}
		return err
	}
}

func (a *App) prune(ctx context.Context) error {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	for {
		if _, err := a.store.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			a.log.WarnContext(ctx, "old history not dropped", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// listener is one server of the daemon with its open socket.
type listener struct {
	name  string
	serve func(context.Context) error
}

// listen opens the sockets, so that a port in use is an error before anything
// has started.
func (a *App) listen(ctx context.Context) ([]listener, error) {
	var out []listener
	if at := a.cfg.Admin.Listen; at != "" {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", at)
		if err != nil {
			return nil, fmt.Errorf("open the admin listener: %w: is another rotatord running? Set [admin] listen to another port, or to \"\" for none", err)
		}
		admin := web.Admin(web.AdminOptions{Metrics: a.Metrics(), Ready: a.readiness, Version: a.version})
		out = append(out, server("admin listener", l, web.NewServer(admin, a.log)))
		a.admin = "http://" + l.Addr().String()
		a.log.InfoContext(ctx, "admin listener is open", "address", l.Addr().String())
	}
	closeAll := func() {
		for _, o := range out {
			_ = o.serve(canceled())
		}
	}
	hooks, err := a.events.listening.open(ctx)
	if err != nil {
		closeAll()
		return nil, err
	}
	if hooks != nil {
		out = append(out, a.events.server(hooks))
		a.hooks = hooks.Addr().String()
		a.log.InfoContext(ctx, "listener for webhooks is open", "address", a.hooks)
	}
	path := SocketPath(a.cfg.Store.Dir)
	l, err := listenLocal(ctx, path)
	if err != nil {
		closeAll()
		return nil, fmt.Errorf("open the local socket: %w", err)
	}
	local := web.NewServer(a.API(), a.log)
	local.WriteTimeout = 0 // a sync may wait for minutes; only our own user gets here
	return append(out, server("local socket", l, local)), nil
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

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// server of the webhooks.
func (ev *events) server(l net.Listener) listener {
	return server("listener for webhooks", l, webhook.NewServer(ev.handler, ev.log))
}

func server(name string, l net.Listener, s *http.Server) listener {
	return listener{name, func(ctx context.Context) error {
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
	}}
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
