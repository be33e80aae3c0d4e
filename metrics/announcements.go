package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// TargetState is how one target of announcements stands.
type TargetState struct {
	Target  string
	Waiting int  // announcements that are not delivered yet
	Stopped bool // not used until a restart
}

// announcementKinds, announcementEvents and announcementReasons are the words
// of package announce.
func announcementKinds() []string {
	return []string{
		"pushed", "held", "blocked", "leftover", "expiring", "credential_rejected", "drift", "deliveries_failing",
		"safe_to_revoke", "failing", "recovered",
	}
}

func announcementEvents() []string {
	return []string{"sent", "retry", "failed", "dropped", "repeated"}
}

func announcementReasons() []string {
	return []string{
		"network", "timeout", "throttled", "server", "refused", "redirect", "gone", "keys", "invalid", "shutdown",
	}
}

// announcements counts what becomes of announcements, and asks the targets at
// each scrape.
type announcements struct {
	targets, kinds, events, reasons set

	states           func() []TargetState
	waiting, stopped *prometheus.Desc
	total, errors    *prometheus.CounterVec
}

func newAnnouncements(o Options) *announcements {
	a := &announcements{
		targets: newSet(o.Targets...), kinds: newSet(announcementKinds()...),
		events: newSet(announcementEvents()...), reasons: newSet(announcementReasons()...),
		states: o.TargetStates,
		waiting: prometheus.NewDesc("rotatord_announcements_waiting",
			"Announcements that the target does not have yet.", []string{"target"}, nil),
		stopped: prometheus.NewDesc("rotatord_announcement_target_stopped",
			"1 if the target has said that it is gone and is not used until a restart, else 0.", []string{"target"}, nil),
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_announcements_total",
			Help: "What became of announcements since the start, each try counted.",
		}, []string{"target", "kind", "event"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "rotatord_announcement_errors_total",
			Help: "Announcements that did not arrive since the start, each try counted, by the reason.",
		}, []string{"target", "reason"}),
	}
	for _, target := range o.Targets {
		for _, kind := range announcementKinds() {
			for _, event := range announcementEvents() {
				a.total.WithLabelValues(target, kind, event)
			}
		}
		for _, reason := range announcementReasons() {
			a.errors.WithLabelValues(target, reason)
		}
	}
	return a
}

func (a *announcements) all() []prometheus.Collector {
	return []prometheus.Collector{a.total, a.errors, a}
}

// Describe implements prometheus.Collector.
func (a *announcements) Describe(ch chan<- *prometheus.Desc) {
	ch <- a.waiting
	ch <- a.stopped
}

// Collect implements prometheus.Collector.
func (a *announcements) Collect(ch chan<- prometheus.Metric) {
	if a.states == nil {
		return
	}
	for _, s := range a.states() {
		if !a.targets[s.Target] {
			continue
		}
		gauge(ch, a.waiting, float64(s.Waiting), s.Target)
		gauge(ch, a.stopped, yes(s.Stopped), s.Target)
	}
}

// Announcement counts one thing that happened to an announcement at a target.
// The reason is empty for what is no error. Its words are those of an
// announce.Observation, which this package does not import:
//
//	Observe: func(o announce.Observation) {
//		m.Announcement(o.Target, string(o.Kind), string(o.Event), string(o.Reason))
//	}
func (m *Metrics) Announcement(target, kind, event, reason string) {
	a := m.announcements
	target = a.targets.word(target)
	a.total.WithLabelValues(target, a.kinds.word(kind), a.events.word(event)).Inc()
	if reason != "" {
		a.errors.WithLabelValues(target, a.reasons.word(reason)).Inc()
	}
}
