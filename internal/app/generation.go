package app

import (
	"context"
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
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/tracing"
	"github.com/rotatord/rotatord/watcher"
	filewatcher "github.com/rotatord/rotatord/watcher/file"
	"github.com/rotatord/rotatord/watcher/schedule"
	"github.com/rotatord/rotatord/watcher/webhook"
)

// generation is all that one configuration decides.
type generation struct {
	app      *App
	cfg      *config.Config
	log      *slog.Logger
	store    *store.Store
	records  []store.Record // of the configured destinations, as they are made
	engine   *rotation.Engine
	metrics  *metrics.Metrics
	watchers []watcher.Watcher
	events   *events
	traces   *tracing.Recorder // nil where none are wanted
	tellers  *announcing       // the App's, unless the configuration wants others
	askers   *askers
	api      *web.API
	hangUp   []func() // end the connections that nobody uses any more
}

// ensure makes the store fit the configuration. It is the first that a
// generation writes, and no other may run by then.
func (g *generation) ensure(ctx context.Context) error { return g.store.Ensure(ctx, g.records) }

// close ends idle connections.
func (g *generation) close() {
	for _, f := range g.hangUp {
		f()
	}
}

// newGeneration builds what a configuration wants, beside what may still run by
// the one before. It starts nothing, opens no port, and writes nothing.
func (a *App) newGeneration(cfg *config.Config, before *generation) (*generation, error) {
	g := &generation{cfg: cfg, log: a.log, store: a.store, app: a}
	if err := g.build(before); err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

// build is the list.
func (g *generation) build(before *generation) error {
	cfg, o := g.cfg, g.app.o
	m, err := g.newMetrics()
	if err != nil {
		return err
	}
	source, hangUp, err := newProviders(cfg, g.store, o.Logger)
	if err != nil {
		return err
	}
	g.hangUp = append(g.hangUp, hangUp)
	if g.events, err = newEvents(cfg, source, m, o.Logger); err != nil {
		return err
	}
	if g.traces, err = newTracing(cfg, m, o.Version, o.Logger); err != nil {
		return err
	}
	opts := rotation.Options{
		Store: g.store, Source: source, Workers: cfg.Engine.Workers, Logger: o.Logger, Observe: metrics.StepObserver[rotation.Step](m),
		MissedAfter: cfg.Events.MissedAfter.Std(), Missed: func(_ string, sources []string) { m.Missed(sources) },
		Grace: cfg.Gate.Grace.Std(), Changed: g.changed, Receipt: func(r store.Receipt) { g.tellers.received(r) },
		Trace: traceTo(g.traces, cfg.Tracing.EveryLook),
	}
	if cfg.Gate.WriteBack {
		opts.Mark, opts.Marks = marker(source, m), source.Marks
	}
	clients, err := g.addAccounts(&opts, m, source)
	if err != nil {
		return err
	}
	if g.askers, err = newDependents(cfg, clients, g.store, o.Logger); err != nil {
		return err
	}
	if err := g.newTellers(before); err != nil {
		return err
	}
	buckets := transports{given: o.Buckets, own: map[string]http.RoundTripper{}}
	g.hangUp = append(g.hangUp, buckets.hangUp)
	if err := g.addDestinations(&opts, buckets); err != nil {
		return err
	}
	if g.engine, err = rotation.New(opts); err != nil {
		return err
	}
	if err := g.events.connect(g.emit, g.engine.Matches, m); err != nil {
		return err
	}
	transport, err := buckets.trusting("")
	if err != nil {
		return err
	}
	g.api = &web.API{Version: o.Version, Engine: g.engine, Store: g.store, Logger: o.Logger, Events: g.events,
		Directory: newDirectory(cfg, clients, source, BucketKinds(transport), g.engine.Touched)}
	g.watchers, err = newWatchers(cfg, o.Logger)
	return err
}

// addAccounts makes the accounts, and gives their clients by name, for what is
// no rotation.
func (g *generation) addAccounts(opts *rotation.Options, m *metrics.Metrics, source providers.Set) (map[string]*planet.Client, error) {
	o := g.app.o
	clients := map[string]*planet.Client{}
	for _, ac := range g.cfg.Accounts {
		account, err := newAccount(ac, g.store, m, source, o.Version, o.Planet, o.Logger)
		if err != nil {
			return nil, err
		}
		if c, ok := account.API.(*planet.Client); ok {
			clients[ac.Name] = c
			if o.Planet == nil {
				g.hangUp = append(g.hangUp, c.CloseIdleConnections)
			}
		}
		opts.Accounts = append(opts.Accounts, account)
		opts.PatchTimeout = max(opts.PatchTimeout, ac.PatchTimeout.Std()+5*time.Second)
	}
	return clients, nil
}

// addDestinations makes the destinations and what is recorded of each.
func (g *generation) addDestinations(opts *rotation.Options, buckets transports) error {
	for _, d := range g.cfg.Destinations {
		dest, err := newDestination(d, buckets)
		if err != nil {
			return fmt.Errorf("destination %q: %w", d.Name, err)
		}
		dest.Announcers = g.events.announcers(d.Secret)
		opts.Destinations = append(opts.Destinations, dest)
		g.records = append(g.records, store.Record{Destination: d.Name, Account: d.Account, Secret: d.Secret})
	}
	return nil
}

// newMetrics makes g.metrics, which the parts that are built after it are
// counted by.
func (g *generation) newMetrics() (*metrics.Metrics, error) {
	cfg := g.cfg
	transports := cfg.SourceNames()
	m, err := metrics.New(metrics.Options{Store: g.store, StoreSize: sizeOf(cfg.Store.Dir), Destinations: names(cfg), Accounts: accountNames(cfg),
		Sources: append([]string{"file", "schedule", rotation.SourcePerson}, transports...), Transports: transports,
		SourceStates: func() []metrics.SourceState { return g.events.states() }, Parts: parts(), Refusals: refusals(),
		Secrets: destinationSecrets(cfg), Targets: targetNames(cfg), TargetStates: g.targetStates,
		Steps: stepNames(), TraceLosses: traceLosses(cfg), Version: g.app.o.Version, Logger: g.log,
		Reload: g.app.reloads.state})
	g.metrics = m
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
