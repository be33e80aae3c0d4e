package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/watcher"
)

// SourceState is how one configured source of events stands.
type SourceState struct {
	Source      string
	Up          bool
	Since       time.Time // when Up last changed
	LastMessage time.Time // zero for never since the start
}

// noteKinds are what events may tell of a secret beside changes.
func noteKinds() []credential.EventKind {
	return []credential.EventKind{
		credential.EventRotationFailed, credential.EventRotationAbandoned, credential.EventNearExpiry, credential.EventExpired,
	}
}

func verdicts() []watcher.Verdict {
	return []watcher.Verdict{watcher.Done, watcher.Again, watcher.Never}
}

// arrivals counts what comes from queues and webhooks. It implements
// inbox.Counter through Metrics.
type arrivals struct {
	sources, parts, reasons, refusals set

	states   func() []SourceState
	up       *prometheus.Desc
	since    *prometheus.Desc
	last     *prometheus.Desc
	messages *prometheus.CounterVec
	part     *prometheus.CounterVec
	trouble  *prometheus.CounterVec
	refused  *prometheus.CounterVec
	missed   *prometheus.CounterVec
}

func newArrivals(o Options) *arrivals {
	a := &arrivals{
		sources: newSet(o.Transports...), parts: newSet(o.Parts...), reasons: newSet(watcher.Reasons()...), refusals: newSet(o.Refusals...),
		states: o.SourceStates,
		up: prometheus.NewDesc("rotatord_source_up",
			"1 while the queue, subscription or webhook that events come from can be used, else 0.", []string{"source"}, nil),
		since: prometheus.NewDesc("rotatord_source_state_since_timestamp_seconds",
			"When rotatord_source_up last changed, or when rotatord began to ask.", []string{"source"}, nil),
		last: prometheus.NewDesc("rotatord_source_last_message_timestamp_seconds",
			"When the last message came from the source, since the start. No series before the first.", []string{"source"}, nil),
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_source_messages_total",
			Help: "Messages delivered since the start, by what became of them; one that is delivered twice counts twice.",
		}, []string{"source", "verdict"}),
		part: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_source_parts_total",
			Help: "What messages were found to consist of since the start: events by their shape, all else by its kind.",
		}, []string{"source", "part"}),
		trouble: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_source_errors_total",
			Help: "How often a source could not be used since the start, by the reason.",
		}, []string{"source", "reason"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_webhook_refused_total",
			Help: "Requests to webhooks that were refused since the start, by the reason.",
		}, []string{"source", "reason"}),
		missed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_events_missed_total",
			Help: "Changes since the start that were found otherwise and that no event had told of when the grace was over, for each source that should have.",
		}, []string{"source"}),
	}
	for _, s := range o.Transports {
		a.missed.WithLabelValues(s)
		for _, v := range verdicts() {
			a.messages.WithLabelValues(s, v.String())
		}
		for _, r := range watcher.Reasons() {
			a.trouble.WithLabelValues(s, string(r))
		}
	}
	return a
}

func (a *arrivals) all() []prometheus.Collector {
	return []prometheus.Collector{a.messages, a.part, a.trouble, a.refused, a.missed, a}
}

// Describe implements prometheus.Collector.
func (a *arrivals) Describe(ch chan<- *prometheus.Desc) {
	ch <- a.up
	ch <- a.since
	ch <- a.last
}

// Collect implements prometheus.Collector.
func (a *arrivals) Collect(ch chan<- prometheus.Metric) {
	if a.states == nil {
		return
	}
	for _, s := range a.states() {
		if !a.sources[s.Source] {
			continue
		}
		gauge(ch, a.up, yes(s.Up), s.Source)
		when(ch, a.since, s.Since, s.Source)
		when(ch, a.last, s.LastMessage, s.Source)
	}
}

// Message counts one delivery of a source.
func (m *Metrics) Message(source string, v watcher.Verdict) {
	a := m.arrivals
	a.messages.WithLabelValues(a.sources.word(source), v.String()).Inc()
}

// Part counts one part of a message.
func (m *Metrics) Part(source, what string) {
	a := m.arrivals
	a.part.WithLabelValues(a.sources.word(source), a.parts.word(what)).Inc()
}

// Trouble counts that a source could not be used.
func (m *Metrics) Trouble(source string, r watcher.Reason) {
	a := m.arrivals
	a.trouble.WithLabelValues(a.sources.word(source), a.reasons.word(string(r))).Inc()
}

// Refused counts a request to a webhook that was refused.
func (m *Metrics) Refused(source, reason string) {
	a := m.arrivals
	a.refused.WithLabelValues(a.sources.word(source), a.refusals.word(reason)).Inc()
}

// Missed counts a change that none of these sources has told of.
func (m *Metrics) Missed(sources []string) {
	for _, s := range sources {
		m.arrivals.missed.WithLabelValues(m.arrivals.sources.word(s)).Inc()
	}
}

// noteTime is when an event told of such a thing; zero while none holds.
func noteTime(r store.Record, kind credential.EventKind) time.Time {
	for _, n := range r.Notes {
		if n.Kind == kind {
			return n.Time
		}
	}
	return time.Time{}
}
