package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

// collector reads the store at each scrape and keeps nothing of it.
type collector struct {
	*families
	store        Reader
	storeSize    func() (int64, error)
	destinations []string
	configured   set // of the destinations
	secrets      set
	accounts     []string
	timeout      time.Duration
	logger       *slog.Logger
	errors       *prometheus.CounterVec

	reasons, leftoverReasons, standingReasons, outcomes set

	// reading holds one value while the store is read.
	reading chan struct{}
	// down tells that the last scrape could not read, lest each one be logged.
	down atomic.Bool
}

func newCollector(o Options) *collector {
	c := &collector{
		families:     newFamilies(),
		store:        o.Store,
		storeSize:    o.StoreSize,
		destinations: slices.Clone(o.Destinations),
		configured:   newSet(o.Destinations...),
		secrets:      newSet(o.Secrets...),
		accounts:     slices.Clone(o.Accounts),
		timeout:      o.Timeout,
		logger:       o.Logger,
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_store_read_errors_total",
			Help: "Errors of scrapes that read the store, since the start. A read that took too long is canceled.",
		}, []string{"kind"}),
		reasons:         newSet(store.Reasons()...),
		leftoverReasons: newSet(leftoverReasons()...),
		standingReasons: newSet(probe.StandingReasons()...),
		outcomes:        newSet(outcomes()...),
		reading:         make(chan struct{}, 1),
	}
	for _, kind := range storeKinds() {
		c.errors.WithLabelValues(string(kind))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	c.describe(ch)
	c.errors.Describe(ch)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := c.read()
	c.report(s.errs)
	c.errors.Collect(ch)
	gauge(ch, c.up, yes(len(s.errs) == 0))
	if s.sized {
		gauge(ch, c.size, float64(s.size))
	}
	if s.listed {
		now := time.Now()
		for _, name := range c.destinations {
			r, ok := s.records[name]
			gauge(ch, c.recorded, yes(ok), name)
			if ok {
				c.collectDestination(ch, r)
				c.collectWatching(ch, r, now)
			}
		}
	}
	c.collectAttempts(ch, s.attempts)
	for _, a := range s.accounts {
		c.collectAccount(ch, a)
	}
	c.collectReceipts(ch, s.receipts)
}

func (c *collector) collectDestination(ch chan<- prometheus.Metric, r store.Record) {
	name := r.Destination
	var pin store.Pin
	if r.Pin != nil {
		pin = *r.Pin
	}
	gauge(ch, c.info, 1, name, clean(pin.ID), clean(pin.Type), clean(r.Account), c.secretLabel(r.Secret), clean(pin.Ref))
	current := stateOf(r)
	for _, state := range store.States() {
		gauge(ch, c.state, yes(state == current), name, string(state))
	}
	gauge(ch, c.reason, 1, name, c.reasons.word(string(r.Status.Reason)))
	if r.Source != nil && r.Source.Version != "" {
		gauge(ch, c.versionInfo, 1, name, "current", clean(r.Source.Version))
	}
	if r.Accepted != nil && r.Accepted.Version != "" {
		gauge(ch, c.versionInfo, 1, name, "accepted", clean(r.Accepted.Version))
	}
	structural := 0
	for _, change := range r.Changed {
		if change.Structural {
			structural++
		}
	}
	gauge(ch, c.params, float64(structural), name, "structural")
	gauge(ch, c.params, float64(len(r.Changed)-structural), name, "optional")
	one(ch, c.leftover, leftoverStates(), leftoverState(r.Leftover.State), name)
	gauge(ch, c.leftoverReason, 1, name, c.leftoverReasons.word(r.Leftover.Reason))
	for _, kind := range noteKinds() {
		at := noteTime(r, kind)
		gauge(ch, c.note, yes(!at.IsZero()), name, string(kind))
		when(ch, c.noteAt, at, name, string(kind))
	}
	for _, m := range c.moments {
		when(ch, m.desc, m.at(r), name)
	}
	for _, f := range c.facts {
		gauge(ch, f.desc, yes(f.is(r)), name)
	}
}

// stateOf gives the state that is shown. One that this package does not know
// would leave every series at 0, where no alert sees it.
func stateOf(r store.Record) store.State {
	switch state := r.Status.State; {
	case state == "":
		return store.StateNew
	case slices.Contains(store.States(), state):
		return state
	}
	return store.StateFailing
}

// collectAttempts shows the totals. Words outside of the closed sets are added
// up under one label.
func (c *collector) collectAttempts(ch chan<- prometheus.Metric, counts []store.AttemptCount) {
	type key struct{ destination, outcome, reason string }
	sums := map[key]int64{}
	for _, n := range counts {
		if c.configured[n.Destination] {
			sums[key{n.Destination, c.outcomes.word(n.Outcome), c.reasons.word(string(n.Reason))}] += n.Count
		}
	}
	for k, n := range sums {
		send(ch, c.attempts, prometheus.CounterValue, float64(n), k.destination, k.outcome, k.reason)
	}
}

// report counts errors, and logs when the store stops and when it begins to be
// readable.
func (c *collector) report(errs []error) {
	for _, err := range errs {
		c.errors.WithLabelValues(kindOf(err)).Inc()
	}
	ctx := context.Background()
	switch was := c.down.Swap(len(errs) > 0); {
	case len(errs) > 0 && !was:
		c.logger.ErrorContext(ctx, "metrics can't read the store", "error", errors.Join(errs...))
	case len(errs) == 0 && was:
		c.logger.InfoContext(ctx, "metrics can read the store again")
	}
}

func kindOf(err error) string {
	kind := store.KindOf(err)
	if !slices.Contains(storeKinds(), kind) {
		kind = store.KindOther
	}
	return string(kind)
}

// snapshot is what one scrape could read.
type snapshot struct {
	listed   bool // records holds all records that can be read
	records  map[string]store.Record
	attempts []store.AttemptCount
	accounts []store.Account
	receipts []store.Receipt
	sized    bool
	size     int64
	errs     []error
}

// read reads the store within the time-out, whatever the store does. What
// watches must not hang with what it watches: a disk that does not answer can
// hold a read for ever and take no notice of ctx. The goroutine of such a read
// is left behind, one at most, since no other begins before it ends.
func (c *collector) read() snapshot {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	late := snapshot{errs: []error{fmt.Errorf("read the store for a scrape within %v: %w", c.timeout, context.DeadlineExceeded)}}
	select {
	case c.reading <- struct{}{}:
	case <-ctx.Done():
		return late
	}
	result := make(chan snapshot, 1)
	go func() {
		s := c.load(ctx)
		<-c.reading
		result <- s
	}()
	select {
	case s := <-result:
		return s
	case <-ctx.Done():
		return late
	}
}

// load reads everything. A panic of the store is an error here: a scrape must
// not end the daemon.
func (c *collector) load(ctx context.Context) (s snapshot) {
	defer func() {
		if p := recover(); p != nil {
			s = snapshot{errs: []error{fmt.Errorf("read the store for a scrape: it panicked with a %T", p)}}
		}
	}()
	records, err := c.store.List(ctx)
	var damaged *store.FactsError
	if err != nil {
		s.errs = append(s.errs, err)
	}
	// A record that can't be read hides itself and no other.
	if err == nil || errors.As(err, &damaged) {
		s.listed = true
		s.records = make(map[string]store.Record, len(records))
		for _, r := range records {
			s.records[r.Destination] = r
		}
	}
	if s.attempts, err = c.store.Attempts(ctx); err != nil {
		s.attempts, s.errs = nil, append(s.errs, err)
	}
	for _, name := range c.accounts {
		a, err := c.store.LoadAccount(ctx, name)
		if err != nil {
			s.errs = append(s.errs, err)
			continue
		}
		a.Name = name
		s.accounts = append(s.accounts, a)
	}
	// A receipt that can't be read hides no other either.
	if s.receipts, err = c.store.Receipts(ctx); err != nil {
		s.errs = append(s.errs, err)
	}
	if c.storeSize != nil {
		if s.size, err = c.storeSize(); err != nil {
			s.errs = append(s.errs, fmt.Errorf("measure the store: %w", err))
		}
		s.sized = err == nil
	}
	return s
}

func yes(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	send(ch, d, prometheus.GaugeValue, v, labels...)
}

// when shows a moment, if it is known.
func when(ch chan<- prometheus.Metric, d *prometheus.Desc, at time.Time, labels ...string) {
	if !at.IsZero() {
		gauge(ch, d, seconds(at), labels...)
	}
}

func send(ch chan<- prometheus.Metric, d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
	m, err := prometheus.NewConstMetric(d, t, v, labels...)
	if err != nil {
		m = prometheus.NewInvalidMetric(d, err)
	}
	ch <- m
}
