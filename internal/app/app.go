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
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/metrics"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/watcher"
	filewatcher "github.com/rotatord/rotatord/watcher/file"
	"github.com/rotatord/rotatord/watcher/schedule"
	"github.com/rotatord/rotatord/watcher/webhook"
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
}

// App is a rotatord that was built and not started.
type App struct {
	cfg      *config.Config
	log      *slog.Logger
	store    *store.Store
	engine   *rotation.Engine
	metrics  *metrics.Metrics
	watchers []watcher.Watcher
	events   *events
	tellers  *announcing // nil where nobody is told
	askers   *askers
	api      *web.API
	version  string
	ready    chan struct{} // closed once Run has started everything
	admin    string        // where the admin listener is, once ready
	hooks    string        // where the listener for webhooks is, once ready
	hangUp   []func()      // end the connections that nobody uses any more
}

// Open takes the store and builds everything; it starts nothing. The caller
// closes the App.
func Open(ctx context.Context, o Options) (*App, error) {
	silenceAzure()
	st, err := store.Open(ctx, store.Options{Dir: o.Config.Store.Dir, KeepHistory: o.Config.Store.History.Std(), Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	a, err := build(ctx, o, st)
	if err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return a, nil
}

func build(ctx context.Context, o Options, st *store.Store) (*App, error) {
	cfg := o.Config
	a := &App{cfg: cfg, log: o.Logger, store: st, version: o.Version, ready: make(chan struct{})}
	m, err := a.newMetrics()
	if err != nil {
		return nil, err
	}
	source, hangUpSource, err := newProviders(cfg, st, o.Logger)
	if err != nil {
		return nil, err
	}
	if a.events, err = newEvents(cfg, source, m, o.Logger); err != nil {
		return nil, err
	}
	opts := rotation.Options{
		Store: st, Source: source, Workers: cfg.Engine.Workers, Logger: o.Logger, Observe: metrics.StepObserver[rotation.Step](m),
		MissedAfter: cfg.Events.MissedAfter.Std(), Missed: func(_ string, sources []string) { m.Missed(sources) },
		Grace: cfg.Gate.Grace.Std(), Changed: a.changed, Receipt: func(r store.Receipt) { a.tellers.received(r) },
	}
	if cfg.Gate.WriteBack {
		opts.Mark = marker(source, m)
	}
	buckets := transports{given: o.Buckets, own: map[string]http.RoundTripper{}}
	hangUp := []func(){buckets.hangUp, hangUpSource}
	clients := map[string]*planet.Client{} // by account, for what is no rotation
	for _, ac := range cfg.Accounts {
		account, err := newAccount(ac, st, m, source, o.Version, o.Planet, o.Logger)
		if err != nil {
			return nil, err
		}
		if c, ok := account.API.(*planet.Client); ok {
			clients[ac.Name] = c
			if o.Planet == nil {
				hangUp = append(hangUp, c.CloseIdleConnections)
			}
		}
		opts.Accounts = append(opts.Accounts, account)
		opts.PatchTimeout = max(opts.PatchTimeout, ac.PatchTimeout.Std()+5*time.Second)
	}
	if a.askers, err = newDependents(cfg, clients, st, o.Logger); err != nil {
		return nil, err
	}
	if err := a.newTellers(); err != nil {
		return nil, err
	}
	records := make([]store.Record, 0, len(cfg.Destinations))
	for _, d := range cfg.Destinations {
		dest, err := newDestination(d, buckets)
		if err != nil {
			return nil, fmt.Errorf("destination %q: %w", d.Name, err)
		}
		dest.Announcers = a.events.announcers(d.Secret)
		opts.Destinations = append(opts.Destinations, dest)
		records = append(records, store.Record{Destination: d.Name, Account: d.Account, Secret: d.Secret})
	}
	if err := st.Ensure(ctx, records); err != nil {
		return nil, err
	}
	a.hangUp = hangUp
	if a.engine, err = rotation.New(opts); err != nil {
		return nil, err
	}
	if err := a.events.connect(a.emit, a.engine.Matches, m); err != nil {
		return nil, err
	}
	transport, err := buckets.trusting("")
	if err != nil {
		return nil, err
	}
	a.api = &web.API{Engine: a.engine, Store: st, Logger: o.Logger, Events: a.events, Grace: cfg.Gate.Grace.Std(), Directory: newDirectory(cfg, clients, opts.Source, BucketKinds(transport), a.engine.Touched)}
	if a.watchers, err = newWatchers(cfg, o.Logger); err != nil {
		return nil, err
	}
	return a, nil
}

// newMetrics makes a.metrics, which the parts that are built after it are
// counted by.
func (a *App) newMetrics() (*metrics.Metrics, error) {
	cfg := a.cfg
	transports := cfg.SourceNames()
	m, err := metrics.New(metrics.Options{Store: a.store, StoreSize: sizeOf(cfg.Store.Dir), Destinations: names(cfg), Accounts: accountNames(cfg),
		Sources: append([]string{"file", "schedule", rotation.SourcePerson}, transports...), Transports: transports,
		SourceStates: func() []metrics.SourceState { return a.events.states() }, Parts: parts(), Refusals: refusals(),
		Secrets: destinationSecrets(cfg), Targets: targetNames(cfg), TargetStates: a.targetStates,
		Steps: stepNames(), Version: a.version, Logger: a.log})
	a.metrics = m
	return m, err
}

// newWatchers is the list of what notices changes by itself. A watcher is one
// folder below watcher/ and one entry here; what only carries messages stands
// in transports.
func newWatchers(cfg *config.Config, log *slog.Logger) ([]watcher.Watcher, error) {
	var entries []schedule.Entry
	for _, d := range cfg.Destinations {
		if d.Schedule != config.Off {
			entries = append(entries, schedule.Entry{Destination: d.Name, Spec: d.Schedule, Jitter: d.ScheduleJitter.Std()})
		}
	}
	scheduled, err := schedule.New(schedule.Options{Entries: entries, Logger: log})
	if err != nil {
		return nil, err
	}
	files, err := filewatcher.New(filewatcher.Options{Secrets: watchedFiles(cfg), Poll: cfg.Files.Poll.Std(),
		Settle: cfg.Files.Settle.Std(), Logger: log})
	if err != nil {
		return nil, err
	}
	return []watcher.Watcher{scheduled, files}, nil
}

func newDestination(d config.Destination, buckets transports) (rotation.Destination, error) {
	transport, err := buckets.trusting(d.BucketCAFile)
	if err != nil {
		return rotation.Destination{}, err
	}
	next, err := nextOf("probe_schedule", d.ProbeSchedule)
	if err != nil {
		return rotation.Destination{}, err
	}
	nextCheck, err := nextOf("check_schedule", d.CheckSchedule)
	if err != nil {
		return rotation.Destination{}, err
	}
	return rotation.Destination{
		Name: d.Name, Account: d.Account, Secret: d.Secret,
		Settings: rotation.Settings{
			FirstSight: rotation.FirstSight(d.FirstSight), Preflight: rotation.PreflightMode(d.Preflight),
			Propagation: d.PropagationWindow.Std(), Verification: d.VerificationMax.Std(),
			RestorePrevious: d.RestorePrevious, RestoreOptional: d.RestoreOptional,
			Mapping: patcher.Mapping(d.Map), VerifyObject: d.VerifyObject, PreflightPrefix: d.PreflightPrefix,
			PreflightObject: d.PreflightObject, LeftoverConfirm: d.LeftoverConfirm.Std(), NextProbe: next, Endpoint: d.BucketEndpoint,
			Check: rotation.CheckMode(d.Check), NextCheck: nextCheck, ProbeSecret: d.ProbeSecret, CleanupSecret: d.CleanupSecret,
			OnDrift: rotation.DriftMode(d.OnDrift), Rollout: rotation.RolloutMode(d.Rollout),
			Open: BucketKinds(transport).Open, Hash: d.Hash(),
		},
	}, nil
}

// nextOf turns a schedule into what comes after a time; nil for "off".
func nextOf(key, spec string) (func(time.Time) time.Time, error) {
	if spec == config.Off {
		return nil, nil
	}
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("%s %q: not a schedule", key, spec)
	}
	return s.Next, nil
}

// sizeOf adds up what lies in the store's directory.
func sizeOf(dir string) func() (int64, error) {
	return func() (total int64, err error) {
		entries, err := os.ReadDir(dir)
		for _, e := range entries {
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				total += info.Size()
			}
		}
		return total, err
	}
}

// Close ends idle connections and gives the store back. Run must have returned.
func (a *App) Close() error {
	for _, f := range a.hangUp {
		f()
	}
	return a.store.Close()
}

// API is the handler of what a person does by hand.
func (a *App) API() http.Handler { return a.api.Handler() }

// Metrics is the handler of /metrics.
func (a *App) Metrics() http.Handler { return a.metrics.Handler() }

// Ready is closed once Run has started everything.
func (a *App) Ready() <-chan struct{} { return a.ready }

// AdminURL is where the admin listener is, once the App is ready; empty when
// it is off.
func (a *App) AdminURL() string { return a.admin }

func names(cfg *config.Config) []string {
	out := make([]string, 0, len(cfg.Destinations))
	for _, d := range cfg.Destinations {
		out = append(out, d.Name)
	}
	return out
}

func accountNames(cfg *config.Config) []string {
	out := make([]string, 0, len(cfg.Accounts))
	for _, a := range cfg.Accounts {
		out = append(out, a.Name)
	}
	return out
}

func refusals() []string {
	var out []string
	for _, r := range webhook.Refusals() {
		out = append(out, string(r))
	}
	return out
}

func stepNames() []string {
	var out []string
	for _, s := range rotation.Steps() {
		out = append(out, string(s))
	}
	return out
}
