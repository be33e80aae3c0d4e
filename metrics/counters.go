package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/providers"
)

// EventResult says what became of an event.
type EventResult string

const (
	EventMatched   EventResult = "matched"   // destinations were marked as due
	EventUnmatched EventResult = "unmatched" // nobody is mapped to it
	EventFailed    EventResult = "failed"    // it could not be recorded, and will come again
)

func eventResults() []EventResult {
	return []EventResult{EventMatched, EventUnmatched, EventFailed}
}

// counters are what happens in passing.
type counters struct {
	accounts, sources, steps, results set
	kinds, methods, routes, unmarked  set

	events       *prometheus.CounterVec
	step         *prometheus.HistogramVec
	requests     *prometheus.CounterVec
	request      *prometheus.HistogramVec
	turnWait     *prometheus.HistogramVec
	turnsDropped *prometheus.CounterVec
	marks        *prometheus.CounterVec
}

func newCounters(o Options) *counters {
	c := &counters{
		accounts: newSet(o.Accounts...), sources: newSet(o.Sources...), steps: newSet(o.Steps...),
		results: newSet(eventResults()...), kinds: newSet(planetKinds()...),
		methods: newSet(planetMethods()...), routes: newSet(planetRoutes()...),
		unmarked: newSet(markReasons()...),

		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_events_total",
			Help: "Events heard since the start, by the watcher that heard them and by what became of them.",
		}, []string{"source", "result"}),
		step: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rotatord_step_duration_seconds",
			Help:    "How long each timed part of a look at a destination took, whether it went well or not.",
			Buckets: []float64{.001, .005, .02, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 150},
		}, []string{"step"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_planet_requests_total",
			Help: "Requests to Planet since the start, every attempt counted. The code is none where no answer came, the kind is none where all went well.",
		}, []string{"account", "method", "route", "code", "kind"}),
		request: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rotatord_planet_request_duration_seconds",
			Help:    "From the sending of a request to the end of the answer, or to the error in place of it, without the wait for a turn. Requests that were not tried are left out.",
			Buckets: []float64{.02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 150},
		}, []string{"account", "method", "route"}),
		turnWait: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "rotatord_planet_turn_wait_seconds",
			Help:    "How long requests waited until the account's rate limit let them through.",
			Buckets: []float64{.001, .1, .35, .7, 1, 2.5, 5, 10, 20, 40, 80, 160, 320},
		}, []string{"account", "priority"}),
		turnsDropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_planet_turns_abandoned_total",
			Help: "Requests that went away, or could not be let through, before the account's rate limit gave them a turn.",
		}, []string{"account", "priority"}),
		marks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_mark_errors_total",
			Help: "How often since the start a secret manager did not take the mark of the version that is in use everywhere, by the reason.",
		}, []string{"reason"}),
	}
	c.prepare(o)
	return c
}

// prepare makes the series that are sure to be wanted, at 0: a rate sees the
// first increment only if there was a series before it.
func (c *counters) prepare(o Options) {
	for _, source := range append([]string{other}, o.Sources...) {
		for _, result := range eventResults() {
			c.events.WithLabelValues(source, string(result))
		}
	}
	for _, step := range o.Steps {
		c.step.WithLabelValues(step)
	}
	for _, account := range o.Accounts {
		for _, p := range priorities() {
			c.turnWait.WithLabelValues(account, p)
			c.turnsDropped.WithLabelValues(account, p)
		}
	}
	for _, r := range markReasons() {
		c.marks.WithLabelValues(string(r))
	}
}

func (c *counters) all() []prometheus.Collector {
	return []prometheus.Collector{c.events, c.step, c.requests, c.request, c.turnWait, c.turnsDropped, c.marks}
}

// Event counts one event from a watcher.
func (m *Metrics) Event(source string, result EventResult) {
	c := m.counters
	c.events.WithLabelValues(c.sources.word(source), c.results.word(string(result))).Inc()
}

// Step counts one finished step. Which destination it was for is not a label:
// the histogram would grow with the configuration, by seventeen series a step.
func (m *Metrics) Step(_, step string, took time.Duration) {
	c := m.counters
	c.step.WithLabelValues(c.steps.word(step)).Observe(took.Seconds())
}

// StepObserver gives [Metrics.Step] the type that the engine wants. It is a
// function with a type parameter so that this package does not import the
// engine, which lives on the same floor:
//
//	rotation.Options{Observe: metrics.StepObserver[rotation.Step](m)}
func StepObserver[S ~string](m *Metrics) func(destination string, step S, took time.Duration) {
	return func(destination string, step S, took time.Duration) { m.Step(destination, string(step), took) }
}

// Mark counts that a mark could not be written back to a secret manager. The
// empty reason, which providers.ReasonOf gives for nil, counts nothing.
func (m *Metrics) Mark(reason providers.Reason) {
	if reason != "" {
		m.counters.marks.WithLabelValues(m.counters.unmarked.word(string(reason))).Inc()
	}
}

// PlanetObserver gives the Observer of an account's planet.Client. The clients
// of Orders and Subscriptions, which are made of that client, report to it too.
func (m *Metrics) PlanetObserver(account string) func(planet.Observation) {
	c := m.counters
	account = c.accounts.word(account)
	return func(o planet.Observation) {
		method, route := c.methods.word(o.Method), c.routes.word(o.Route)
		c.requests.WithLabelValues(account, method, route, planetCode(o.Status), c.kinds.word(string(o.Kind))).Inc()
		if o.Status != 0 || o.Duration != 0 {
			c.request.WithLabelValues(account, method, route).Observe(o.Duration.Seconds())
		}
	}
}

// TurnObserver gives the OnWait of an account's planet.Limiter for the
// Destinations API. The limiters of Planet's other APIs are not to be mixed
// with it: they have turns of their own.
func (m *Metrics) TurnObserver(account string) func(wait time.Duration, interactive, granted bool) {
	c := m.counters
	account = c.accounts.word(account)
	return func(wait time.Duration, interactive, granted bool) {
		if granted {
			c.turnWait.WithLabelValues(account, priority(interactive)).Observe(wait.Seconds())
			return
		}
		c.turnsDropped.WithLabelValues(account, priority(interactive)).Inc()
	}
}

const (
	interactive = "interactive" // a person waits for it
	background  = "background"
)

func priorities() []string { return []string{interactive, background} }

func priority(isInteractive bool) string {
	if isInteractive {
		return interactive
	}
	return background
}
