package app

import (
	"context"
	"time"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/metrics"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

// changed hears of each record that the engine has saved.
func (g *generation) changed(before, after store.Record) {
	g.tellers.changed(before, after)
	if worthAsking(before, after, time.Now()) {
		g.askers.poke(after.Destination)
	}
}

// worthAsking tells whether somebody may want to know just now who depends on a
// destination: it was rotated, or something has begun to be wrong with it.
func worthAsking(before, after store.Record, now time.Time) bool {
	switch {
	case after.Accepted != nil && (before.Accepted == nil || !before.Accepted.At.Equal(after.Accepted.At)):
		return true
	case after.Status.State != before.Status.State && after.Status.State.Alerting():
		return true
	}
	return len(after.Conditions(now)) > len(before.Conditions(now))
}

// newTellers makes what announces, if somebody is to be told. Where nothing of
// that was changed it is the one before: it knows what was told already.
func (g *generation) newTellers(before *generation) error {
	if before != nil && len(config.DiffAnnounce(before.cfg, g.cfg)) == 0 {
		g.tellers = before.tellers
		return nil
	}
	announcer, err := newAnnouncer(g.cfg, func(o announce.Observation) {
		g.app.now().metrics.Announcement(o.Target, string(o.Kind), string(o.Event), string(o.Reason))
	}, g.log)
	if err != nil {
		return err
	}
	g.tellers = newAnnouncing(announcer, g.cfg.Announce.ExpiringWithin.Std(), g.store.List, g.log)
	return nil
}

// marker writes to the secret managers and counts what goes wrong.
func marker(set providers.Set, m *metrics.Metrics) func(context.Context, credential.Secret, string) error {
	return func(ctx context.Context, s credential.Secret, version string) error {
		err := set.Mark(ctx, s, version)
		m.Mark(providers.ReasonOf(err))
		return err
	}
}

// targetStates is how the targets of announcements stand, for metrics.
func (g *generation) targetStates() []metrics.TargetState {
	var out []metrics.TargetState
	for _, s := range g.tellers.states() {
		out = append(out, metrics.TargetState{Target: s.Name, Waiting: s.Waiting, Stopped: s.Stopped})
	}
	return out
}

func targetNames(cfg *config.Config) []string {
	var out []string
	for _, w := range cfg.Announce.Webhooks {
		out = append(out, w.Name)
	}
	for _, s := range cfg.Announce.Slack {
		out = append(out, s.Name)
	}
	return out
}

func destinationSecrets(cfg *config.Config) []credential.Secret {
	out := make([]credential.Secret, 0, len(cfg.Destinations))
	for _, d := range cfg.Destinations {
		out = append(out, d.Secret)
	}
	return out
}
