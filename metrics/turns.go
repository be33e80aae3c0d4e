package metrics

import (
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Limiter is what a scrape asks of an account's planet.Limiter.
type Limiter interface {
	// Waiting counts who waits for a turn now.
	Waiting() (interactive, background int)
	// Paused tells until when nobody gets a turn.
	Paused() time.Time
}

// turns asks the limiters at each scrape.
type turns struct {
	waiting, paused *prometheus.Desc

	accounts set
	mu       sync.Mutex
	limiters map[string]Limiter
}

func newTurns(accounts []string) *turns {
	return &turns{
		accounts: newSet(accounts...),
		limiters: map[string]Limiter{},
		waiting: prometheus.NewDesc("rotatord_planet_turns_waiting",
			"How many requests wait for the account's rate limit to let them through.", []string{"account", "priority"}, nil),
		paused: prometheus.NewDesc("rotatord_planet_paused_until_timestamp_seconds",
			"Until when the account makes no requests because Planet asked to slow down. No series before the first time.", []string{"account"}, nil),
	}
}

// WatchLimiter has each scrape ask an account's limiter, in place of the one
// before. It comes after New because a limiter is made with [Metrics.TurnObserver].
func (m *Metrics) WatchLimiter(account string, l Limiter) error {
	if !m.turns.accounts[account] || l == nil {
		return fmt.Errorf("watch the limiter of account %q: name a configured account and its limiter", account)
	}
	m.turns.mu.Lock()
	defer m.turns.mu.Unlock()
	m.turns.limiters[account] = l
	return nil
}

// Describe implements prometheus.Collector.
func (t *turns) Describe(ch chan<- *prometheus.Desc) { ch <- t.waiting; ch <- t.paused }

// Collect implements prometheus.Collector.
func (t *turns) Collect(ch chan<- prometheus.Metric) {
	t.mu.Lock()
	limiters := maps.Clone(t.limiters)
	t.mu.Unlock()
	for account, l := range limiters {
		people, work := l.Waiting()
		ch <- prometheus.MustNewConstMetric(t.waiting, prometheus.GaugeValue, float64(people), account, interactive)
		ch <- prometheus.MustNewConstMetric(t.waiting, prometheus.GaugeValue, float64(work), account, background)
		if until := l.Paused(); !until.IsZero() {
			ch <- prometheus.MustNewConstMetric(t.paused, prometheus.GaugeValue, seconds(until), account)
		}
	}
}

// seconds is a moment as Prometheus writes it: seconds since 1970, UTC.
func seconds(t time.Time) float64 {
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9
}
