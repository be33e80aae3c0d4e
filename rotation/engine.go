package rotation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

// Options are what an Engine is built of.
type Options struct {
	Store        Store              // the durable truth
	Source       providers.Provider // reads every configured secret
	Accounts     []Account
	Destinations []Destination
	Workers      int           // looks at the same time; 0 means 32
	PatchTimeout time.Duration // bound of one PATCH, which outlives a shutdown; 0 means 150 s
	Rand         *rand.Rand    // spreads retries; nil means a random seed
	Logger       *slog.Logger  // nil means none
	Observe      Observer      // may be nil
	// MissedAfter is how long an event is waited for that should have announced
	// a change; after that it counts as missed. 0 counts none.
	MissedAfter time.Duration
	// Missed hears of each event that counts as missed, with the sources of
	// which none has brought it. It may be nil and must return at once.
	Missed func(destination string, sources []string)
	// Grace is how long after the last acceptance a delivery may still hold the
	// credential before. The gate and the receipts wait for it; 0 waits for none.
	Grace time.Duration
	// Changed hears of each record that a look has saved, with the one before. It
	// is called concurrently for different destinations and must return at once.
	// After a crash it may miss one, never make one up. May be nil.
	Changed func(before, after store.Record)
	// Receipt hears of each change of a receipt: made, safe, marked, withdrawn.
	// It must return at once. May be nil.
	Receipt func(store.Receipt)
	// Mark writes to the secret manager which version all destinations use, or
	// with an empty version that this is not known any more. Nil for not.
	Mark func(ctx context.Context, s credential.Secret, version string) error
	// Marks tells of which secrets Mark can write; nil for all. The others are left
	// out: what can't be done is no failure.
	Marks func(s credential.Secret) bool
	// Trace hears of each look that has ended, with what it did when. It is called
	// concurrently and must return at once. May be nil, and nothing is gathered then.
	Trace func(Trace)
}

// Engine brings destinations to their current versions. Its methods are safe
// for concurrent use.
type Engine struct {
	store        Store
	source       providers.Provider
	log          *slog.Logger
	observe      Observer
	workers      int
	patchTimeout time.Duration
	missedAfter  time.Duration
	onMissed     func(destination string, sources []string)
	grace        time.Duration
	onChanged    func(before, after store.Record)
	onReceipt    func(store.Receipt)
	onMark       func(ctx context.Context, s credential.Secret, version string) error
	marks        func(s credential.Secret) bool
	onTrace      func(Trace)

	accounts     map[string]*account
	destinations map[string]Destination
	names        []string // sorted
	bySecret     map[credential.Secret][]string
	secrets      []credential.Secret // the keys of bySecret
	keyed        []*account          // those whose API key is kept in a secret

	queue workqueue.TypedDelayingInterface[string]
	// busy keeps two looks at one destination apart where one of them does not
	// come from the queue (Sync, Plan).
	busy map[string]gate

	mu   sync.Mutex
	rand *rand.Rand
	pins map[string]store.Pin
	// rolling are those that wait for another destination of their secret.
	rolling map[string]bool

	receipts receipts

	quirks quirks
}

// quirks are deliberate mistakes that tests plant, to see that each is found.
type quirks struct {
	NoFence       bool // another version does not wait for a lost PATCH
	NoJournal     bool // the intent is not written before the PATCH
	TrustRefusal  bool // a refusal is taken to have changed nothing
	TrustLost     bool // a lost answer is taken for success
	SkipPreflight bool // credentials are not tried on the bucket
	DropBusy      bool // an event that comes during a look wakes nobody
	ForgetHeld    bool // a hold is not recorded, so the version is sent again
	BlindRestore  bool // a version is put back without trying it
	IgnoreHint    bool // the version that an event spoke of is not waited for
	IgnoreGrace   bool // the gate does not wait for deliveries that began before
	BlindGate     bool // the gate takes what is uncertain for certain
}

// gate lets one look at a time at a destination. It is a channel and not a
// mutex because a look takes as long as Planet does, and in virtual time a
// goroutine that waits for a mutex stops the clock.
type gate chan struct{}

func (g gate) Lock()   { g <- struct{}{} }
func (g gate) Unlock() { <-g }

func (g gate) TryLock() bool {
	select {
	case g <- struct{}{}:
		return true
	default:
		return false
	}
}

// New checks the options and starts nothing.
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Source == nil {
		return nil, errors.New("rotation: a Store and a Source are needed")
	}
	e := &Engine{
		store: o.Store, source: o.Source, log: o.Logger, observe: o.Observe,
		workers: o.Workers, patchTimeout: o.PatchTimeout, rand: o.Rand, missedAfter: o.MissedAfter, onMissed: o.Missed,
		accounts: map[string]*account{}, destinations: map[string]Destination{},
		bySecret: map[credential.Secret][]string{}, busy: map[string]gate{},
		pins: map[string]store.Pin{}, rolling: map[string]bool{},
		receipts: receipts{wake: make(chan struct{}, 1), tries: map[credential.Secret]*markTries{}},
		grace:    o.Grace, onChanged: o.Changed, onReceipt: o.Receipt, onMark: o.Mark, marks: o.Marks, onTrace: o.Trace,
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.workers <= 0 {
		e.workers = 32
	}
	if e.patchTimeout <= 0 {
		e.patchTimeout = 150 * time.Second
	}
	if e.rand == nil {
		e.rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	for _, a := range o.Accounts {
		e.accounts[a.Name] = &account{Account: a}
	}
	for _, d := range o.Destinations {
		a, ok := e.accounts[d.Account]
		if !ok {
			return nil, fmt.Errorf("rotation: destination %q: no account %q", d.Name, d.Account)
		}
		if _, twice := e.destinations[d.Name]; twice {
			return nil, fmt.Errorf("rotation: destination %q is configured twice", d.Name)
		}
		e.destinations[d.Name] = d
		e.names = append(e.names, d.Name)
		e.bySecret[d.Secret] = append(e.bySecret[d.Secret], d.Name)
		e.busy[d.Name] = make(gate, 1)
		a.names = append(a.names, d.Name)
	}
	slices.Sort(e.names)
	for _, a := range e.accounts {
		slices.Sort(a.names)
		if a.KeySecret != "" {
			e.keyed = append(e.keyed, a)
			for _, n := range a.names {
				if !slices.Contains(e.bySecret[a.KeySecret], n) {
					e.bySecret[a.KeySecret] = append(e.bySecret[a.KeySecret], n)
				}
			}
		}
	}
	e.secrets = slices.Sorted(maps.Keys(e.bySecret))
	return e, nil
}

// Names lists the configured destinations in order.
func (e *Engine) Names() []string { return slices.Clone(e.names) }

// wake puts names into the queue, if the engine runs. Without a running engine
// the mark in the store is enough.
func (e *Engine) wake(names ...string) {
	e.mu.Lock()
	q := e.queue
	e.mu.Unlock()
	if q == nil {
		return
	}
	for _, n := range names {
		if e.quirks.DropBusy {
			if !e.busy[n].TryLock() {
				continue
			}
			e.busy[n].Unlock()
		}
		q.Add(n)
	}
}

// Run looks at every destination once, then whenever one is due, until ctx
// ends. A look that is under way then is finished up to the next safe point: a
// PATCH that was sent is waited for and its answer recorded.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.start(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	q := workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{Name: "destinations"})
	e.mu.Lock()
	e.queue = q
	e.mu.Unlock()
	e.wake(e.names...)

	var workers sync.WaitGroup
	for range e.workers {
		workers.Go(func() { e.work(ctx, q) })
	}
	for _, a := range e.accounts {
		if a.ListEvery > 0 && len(a.names) > 0 {
			workers.Go(func() { e.sweep(ctx, a) })
		}
	}
	workers.Go(func() { e.watchReceipts(ctx) })
	<-ctx.Done()
	q.ShutDown()
	workers.Wait()
	e.mu.Lock()
	e.queue = nil
	e.mu.Unlock()
	return nil
}

// start reads what the store knows and marks everything as due: events may
// have come and gone while nobody listened.
func (e *Engine) start(ctx context.Context) error {
	if err := e.remember(ctx); err != nil {
		return err
	}
	if len(e.names) == 0 {
		return nil
	}
	if err := e.store.MarkDue(ctx, "start", time.Now(), e.names...); err != nil {
		return fmt.Errorf("mark destinations as due: %w", err)
	}
	return nil
}

// remember loads the pins and the accounts' states.
func (e *Engine) remember(ctx context.Context) error {
	records, err := e.store.List(ctx)
	var unreadable *store.FactsError
	if errors.As(err, &unreadable) {
		// One record that can't be read must not keep the others from being
		// rotated; its own looks will say what is wrong.
		e.log.ErrorContext(ctx, "records can't be read", "error", err)
	} else if err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	for _, r := range records {
		e.remind(r)
	}
	for _, a := range e.accounts {
		known, err := e.store.LoadAccount(ctx, a.Name)
		if err != nil {
			return fmt.Errorf("read account %q from the store: %w", a.Name, err)
		}
		a.mu.Lock()
		a.known = known
		a.mu.Unlock()
	}
	return nil
}

func (e *Engine) work(ctx context.Context, q workqueue.TypedDelayingInterface[string]) {
	for {
		name, shutdown := q.Get()
		if shutdown {
			return
		}
		if ctx.Err() == nil {
			if again := e.turn(ctx, name); again > 0 {
				q.AddAfter(name, again)
			}
		}
		q.Done(name)
	}
}

// turn has one look from the queue and says after how long to come back by
// itself; 0 for not.
func (e *Engine) turn(ctx context.Context, name string) time.Duration {
	next, err := e.Look(ctx, name)
	switch {
	case ctx.Err() != nil:
		return 0
	case err != nil:
		// Only the store or a bug ends here; everything else is a state.
		again := e.jitter(15 * time.Second)
		e.log.ErrorContext(ctx, "look ended early", "destination", name, "error", err, "again_in", again)
		return again
	case next.IsZero():
		return 0
	}
	return max(time.Until(next), time.Millisecond)
}

func (e *Engine) remind(r store.Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Pin != nil {
		e.pins[r.Destination] = *r.Pin
	} else {
		delete(e.pins, r.Destination)
	}
	e.rolling[r.Destination] = r.Status.Reason == store.ReasonRollout || r.Status.Reason == store.ReasonRolloutStopped
}

func (e *Engine) knownPins() map[string]store.Pin {
	e.mu.Lock()
	defer e.mu.Unlock()
	pins := make(map[string]store.Pin, len(e.pins))
	for k, v := range e.pins {
		pins[k] = v
	}
	return pins
}

// jitter spreads a duration over its last quarter, so that what failed
// together does not come back together.
func (e *Engine) jitter(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return d - time.Duration(e.rand.Int64N(int64(d)/4+1))
}

// backoff is base doubled with each failure, up to top, with jitter.
func (e *Engine) backoff(failures int, base, top time.Duration) time.Duration {
	d := base
	for i := 1; i < failures && d < top; i++ {
		d *= 2
	}
	return e.jitter(min(d, top))
}

func (e *Engine) step(name string, s Step, since time.Time) {
	if e.observe != nil {
		e.observe(name, s, time.Since(since))
	}
}

func isCanceled(err error) bool {
	return errors.Is(err, context.Canceled)
}
