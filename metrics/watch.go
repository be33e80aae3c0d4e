package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// watching describes what is found between rotations: what is wrong or soon
// will be, how the accepted credential does, who would suffer.
type watching struct {
	condition, standing, standingReason *prometheus.Desc
	versions                            *prometheus.Desc
	subscriptions, orders               *prometheus.Desc
	failed, since, gathered, incomplete *prometheus.Desc
}

func newWatching() watching {
	return watching{
		condition: ofDestination("rotatord_destination_condition",
			"1 while this is wrong with the destination, or soon will be, whatever its state, else 0.", "condition"),
		standing: ofDestination("rotatord_standing",
			"1 for how the accepted credential did when it was last tried, 0 for everything else it could have done.", "state"),
		standingReason: ofDestination("rotatord_standing_reason",
			"Always 1. Exactly one series a destination: the reason for what rotatord_standing says, or none.", "reason"),
		versions: ofDestination("rotatord_leftover_versions",
			"How many versions of the verify object a bucket that keeps versions holds, as far as one page of a list tells. No series where that is not known."),
		subscriptions: ofDestination("rotatord_dependents_subscriptions",
			"Subscriptions that deliver to the destination, or will. No series while that is not known."),
		orders: ofDestination("rotatord_dependents_orders",
			"Open orders that deliver to the destination. No series while that is not known."),
		failed: ofDestination("rotatord_dependents_failed",
			"Deliveries to the destination that have failed since rotatord_dependents_since_timestamp_seconds, by what Planet's texts say of the cause. No series while that is not known.", "cause"),
		since: ofDestination("rotatord_dependents_since_timestamp_seconds",
			"From when on failed deliveries are counted: the last rotation."),
		gathered: ofDestination("rotatord_dependents_gathered_timestamp_seconds",
			"When Planet was last asked for orders and subscriptions that use the destination."),
		incomplete: ofDestination("rotatord_dependents_incomplete",
			"1 if more may use the destination, or have failed, than was counted, else 0. No series while nothing was counted."),
	}
}

func (w *watching) all() []*prometheus.Desc {
	return []*prometheus.Desc{w.condition, w.standing, w.standingReason, w.versions, w.subscriptions, w.orders,
		w.failed, w.since, w.gathered, w.incomplete}
}

// watchMoments are the times of what is found between rotations.
func watchMoments() []moment {
	return []moment{
		{ofDestination("rotatord_standing_since_timestamp_seconds", "Since when the accepted credential has been doing as rotatord_standing says."),
			func(r store.Record) time.Time { return r.Standing.Since }},
		{ofDestination("rotatord_standing_checked_timestamp_seconds", "When the accepted credential was last tried."),
			func(r store.Record) time.Time { return r.Standing.CheckedAt }},
		{ofDestination("rotatord_standing_worked_timestamp_seconds", "When the accepted credential last worked."),
			func(r store.Record) time.Time { return r.Standing.Worked }},
		{ofDestination("rotatord_drift_found_timestamp_seconds", "When it was found that somebody else has changed the destination at Planet. No series without such a change."),
			func(r store.Record) (t time.Time) {
				if r.Drift != nil {
					t = r.Drift.Found
				}
				return t
			}},
	}
}

func (c *collector) collectWatching(ch chan<- prometheus.Metric, r store.Record, now time.Time) {
	name, w := r.Destination, &c.watching
	wrong := newSet(r.Conditions(now)...)
	for _, condition := range store.Conditions() {
		gauge(ch, w.condition, yes(wrong[string(condition)]), name, string(condition))
	}
	one(ch, w.standing, standingStates(), standingState(r.Standing.State), name)
	gauge(ch, w.standingReason, 1, name, c.standingReasons.word(r.Standing.Reason))
	if n := r.Leftover.Versions; n > 0 {
		gauge(ch, w.versions, float64(n), name)
	}
	if r.Dependents != nil {
		c.collectDependents(ch, name, *r.Dependents)
	}
}

func (c *collector) collectDependents(ch chan<- prometheus.Metric, name string, d planet.Dependents) {
	w := &c.watching
	gauge(ch, w.subscriptions, float64(d.Running), name)
	gauge(ch, w.orders, float64(d.Open), name)
	gauge(ch, w.failed, float64(d.FailedCredential), name, string(planet.CauseCredential))
	gauge(ch, w.failed, float64(max(0, d.Failed-d.FailedCredential)), name, string(planet.CauseUnknown))
	gauge(ch, w.incomplete, yes(d.Incomplete), name)
	when(ch, w.since, d.Since, name)
	when(ch, w.gathered, d.At, name)
}

// one shows one series for each of the words, and 1 for the one that holds.
func one(ch chan<- prometheus.Metric, d *prometheus.Desc, words []string, holds, name string) {
	for _, word := range words {
		gauge(ch, d, yes(word == holds), name, word)
	}
}
