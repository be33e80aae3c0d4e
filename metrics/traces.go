package metrics

import "github.com/prometheus/client_golang/prometheus"

// traces counts spans that did not arrive at the collector.
type traces struct {
	lost    *prometheus.CounterVec
	reasons set
}

// newTraces makes one series for each reason; none where nothing is traced.
func newTraces(o Options) *traces {
	t := &traces{reasons: newSet(o.TraceLosses...), lost: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rotatord_trace_spans_lost_total",
		Help: "Spans of traces since the start that did not arrive at the collector, by why. Rotations do not wait for it.",
	}, []string{"reason"})}
	for _, r := range o.TraceLosses {
		t.lost.WithLabelValues(r)
	}
	return t
}

func (t *traces) all() []prometheus.Collector { return []prometheus.Collector{t.lost} }

// SpansLost counts spans of traces that did not arrive.
func (m *Metrics) SpansLost(reason string, spans int) {
	m.traces.lost.WithLabelValues(m.traces.reasons.word(reason)).Add(float64(spans))
}
