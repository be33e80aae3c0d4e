// Package app builds a rotatord from its configuration, in one explicit list,
// and runs it: what is made, in which order, and how it is taken down again,
// stands here and nowhere else.
//
// [Open] takes the store and builds everything on top of it without starting
// anything; that is all that a command needs which does one thing by hand.
// [App.Run] is the daemon: watchers that emit events, the engine that acts on
// them, the admin listener, and the local socket through which other commands
// hand their work over. [Reach] is what those commands begin with: it speaks
// to a running daemon if there is one, and else opens the App itself, under
// the store's lock, and serves the same API to itself.
//
// What a configuration decides is a generation (generation.go): engine,
// providers, sources of events, metrics, the API. A reload builds the next one
// beside the one that runs, lets that one finish what it has begun, and puts
// the other in its place (run.go). The store, its lock and the listeners
// (doors.go) outlive generations.
package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/store"
)

// Options are what an App is built of.
type Options struct {
	Config  *config.Config
	Version string
	Logger  *slog.Logger
	// Planet and Buckets carry the requests to the API and to buckets; nil means
	// transports of their own. Tests and the demo put others here.
	Planet  http.RoundTripper
	Buckets http.RoundTripper
	// Load reads the configuration anew, when its files change or a signal comes
	// on Hangups; nil for never.
	Load    func() (*config.Config, error)
	Hangups <-chan os.Signal
	// Reloaded is called with each configuration that has come into force; may be
	// nil.
	Reloaded func(*config.Config)
	// Reloading is called when a reload begins, and what it gives once that has
	// ended: the new configuration is in force, or the old one still is. May be
	// nil.
	Reloading func() (ended func())
}

// App is a rotatord that was built and not started.
type App struct {
	o        Options
	log      *slog.Logger
	store    *store.Store
	tellers  *announcing // nil where nobody is told
	reloads  *reloads
	reloader *reloader
	ready    chan struct{} // closed once Run has started everything
	sessions *web.Sessions // of those who act through the admin listener

	mu      sync.Mutex
	current *generation // what runs, or would
	admin   string      // where the admin listener is, once ready
	hooks   string      // where the listener for webhooks is, once ready
}

// Open takes the store and builds everything; it starts nothing. The caller
// closes the App.
func Open(ctx context.Context, o Options) (*App, error) {
	silenceAzure()
	st, err := store.Open(ctx, store.Options{Dir: o.Config.Store.Dir, KeepHistory: o.Config.Store.History.Std(), Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	a := &App{o: o, log: o.Logger, store: st, reloader: newReloader(o), ready: make(chan struct{}), sessions: web.NewSessions(nil),
		reloads: &reloads{loaded: time.Now(), count: map[bool]int{}}}
	if a.current, err = a.newGeneration(o.Config, nil); err == nil {
		a.tellers = a.current.tellers
		err = a.current.ensure(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return a, nil
}

// now is the generation that runs, or would.
func (a *App) now() *generation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.current
}

// Close ends idle connections and gives the store back. Run must have returned.
func (a *App) Close() error {
	a.now().close()
	return a.store.Close()
}

// API is the handler of what a person does by hand.
func (a *App) API() http.Handler { return a.now().api.Handler() }

// Ready is closed once Run has started everything.
func (a *App) Ready() <-chan struct{} { return a.ready }

// AdminURL is where the admin listener is, once the App is ready; empty when
// it is off.
func (a *App) AdminURL() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.admin
}
