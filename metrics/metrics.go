package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

const (
	defaultTimeout = 5 * time.Second
	// maxScrapes is how many scrapes are served at once: a pair of Prometheus
	// servers and a few people. Each costs a read of the whole store.
	maxScrapes = 8
)

// Reader is what a scrape reads of package store. Its methods are called by
// one goroutine at a time.
type Reader interface {
	// List gives every record. Records that come with an error are those that
	// could be read.
	List(ctx context.Context) ([]store.Record, error)
	// Attempts gives the totals of all attempts.
	Attempts(ctx context.Context) ([]store.AttemptCount, error)
	// LoadAccount gives what is known of an account, or its name alone.
	LoadAccount(ctx context.Context, name string) (store.Account, error)
	// Receipts gives what was found of each secret. Receipts that come with an
	// error are those that could be read.
	Receipts(ctx context.Context) ([]store.Receipt, error)
}

// Options are what [New] makes Metrics of.
type Options struct {
	// Store is the truth, read at each scrape. Required.
	Store Reader
	// StoreSize gives the bytes that the store takes on its disk; nil means
	// that nobody knows.
	StoreSize func() (int64, error)
	// Destinations are the names of the configured destinations: the only ones
	// that have series.
	Destinations []string
	// Accounts are the names of the configured accounts.
	Accounts []string
	// Secrets are the configured secrets, in any order: the only ones whose
	// receipts have series. One that several destinations share may be named
	// several times.
	Secrets []credential.Secret
	// Sources are where events may come from, the names of the watchers and
	// "person". Events from elsewhere count as "other".
	Sources []string
	// Transports are the configured sources of messages among Sources.
	Transports []string
	// SourceStates tells how they stand; nil means that nobody knows.
	SourceStates func() []SourceState
	// Parts are the words for parts of messages, see payload.Shapes and
	// payload.Kinds. Others count as "other".
	Parts []string
	// Refusals are the reasons why webhooks refuse requests. Others count as
	// "other".
	Refusals []string
	// Steps are the timed parts of a look, see rotation.Steps. Others count as
	// "other".
	Steps []string
	// Targets are the names of the configured targets of announcements. Others
	// count as "other".
	Targets []string
	// TargetStates tells how they stand; nil means that nobody knows.
	TargetStates func() []TargetState
	// Reload tells how it stands with the configuration; nil where it is never
	// read anew.
	Reload func() ReloadState
	// TraceLosses are the reasons why spans of traces get lost; empty where
	// nothing is traced. Others count as "other".
	TraceLosses []string
	// Version is rotatord's own.
	Version string
	// Timeout bounds the reading of the store for one scrape; 0 means 5 s. It
	// should be less than the scraper's own.
	Timeout time.Duration
	// Logger is told when the store can't be read, and when it can again; nil
	// means none.
	Logger *slog.Logger
}

// Metrics is everything that Prometheus may see of one daemon, on a registry
// of its own. Its methods are safe for concurrent use and return at once.
type Metrics struct {
	registry      *prometheus.Registry
	logger        *slog.Logger
	counters      *counters
	turns         *turns
	arrivals      *arrivals
	announcements *announcements
	traces        *traces
}

// New checks the options and registers everything. It reads nothing and
// starts nothing.
func New(o Options) (*Metrics, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("make metrics: %w", err)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Version == "" {
		o.Version = "unknown"
	}
	m := &Metrics{
		registry:      prometheus.NewRegistry(),
		logger:        o.Logger,
		counters:      newCounters(o),
		turns:         newTurns(o.Accounts),
		arrivals:      newArrivals(o),
		announcements: newAnnouncements(o),
		traces:        newTraces(o),
	}
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name:        "rotatord_build_info",
		Help:        "Always 1. The labels tell the version of rotatord and the Go release that it was built with.",
		ConstLabels: prometheus.Labels{"version": clean(o.Version), "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	all := slices.Concat(m.counters.all(), m.arrivals.all(), m.announcements.all(), m.traces.all(), newReload(o), []prometheus.Collector{
		build, m.turns, newCollector(o),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	})
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("make metrics: %w", err)
		}
	}
	return m, nil
}

func (o *Options) validate() error {
	if o.Store == nil {
		return errors.New("no Store to read from")
	}
	if o.Timeout < 0 {
		return fmt.Errorf("the time-out of %v is negative: leave it out for %v", o.Timeout, defaultTimeout)
	}
	for _, list := range []struct {
		what  string
		names []string
	}{{"destination", o.Destinations}, {"account", o.Accounts}, {"event source", o.Sources}, {"transport", o.Transports},
		{"announcement target", o.Targets}, {"part of a message", o.Parts}, {"refusal", o.Refusals}, {"step", o.Steps}, {"loss of a trace", o.TraceLosses}} {
		names := slices.Sorted(slices.Values(list.names))
		for i, name := range names {
			switch {
			case name == "":
				return fmt.Errorf("one %s has no name", list.what)
			case !utf8.ValidString(name):
				return fmt.Errorf("the name of the %s %q is not UTF-8", list.what, name)
			case i > 0 && name == names[i-1]:
				return fmt.Errorf("the %s %q is named twice", list.what, name)
			}
		}
	}
	for _, s := range o.Secrets {
		if s == "" || !utf8.ValidString(string(s)) {
			return fmt.Errorf("the name of the secret %q is empty or not UTF-8", s)
		}
	}
	return nil
}

// sparing logs what goes wrong while a scrape is answered, once a minute at most:
// of a client that hangs up each metric family that is left is told.
type sparing struct {
	logger *slog.Logger
	mu     sync.Mutex
	last   time.Time
}

// Println implements promhttp.Logger.
func (s *sparing) Println(v ...any) {
	now := time.Now()
	s.mu.Lock()
	told := !s.last.IsZero() && now.Sub(s.last) < time.Minute
	if !told {
		s.last = now
	}
	s.mu.Unlock()
	if !told {
		s.logger.ErrorContext(context.Background(), "a scrape was not answered in full", "error", strings.TrimSpace(fmt.Sprintln(v...)))
	}
}

// Handler serves what Prometheus scrapes, as OpenMetrics to those who ask for
// it and as the classic text to all others.
//
// A collector that breaks a rule costs its own series and no others: at the
// moment when something is wrong, the metrics that still work are worth most.
// It is counted by promhttp_metric_handler_errors_total and logged.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            &sparing{logger: m.logger},
		ErrorHandling:       promhttp.ContinueOnError,
		Registry:            m.registry,
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: maxScrapes,
	})
}
