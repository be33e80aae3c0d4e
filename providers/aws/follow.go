package aws

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// lags are the waits between the questions of CurrentAfter. Together they are
// longer than replicas of Secrets Manager are usually behind.
var lags = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// CurrentAfter implements providers.Follower: it asks again until it sees the
// version of the hint current, or an answer that is newer than the hint, for
// some eight seconds, and then says what it sees. So a read that lags behind
// the event is waited for, and an event that was overtaken by another costs
// nothing, or some questions where it has no time.
func (p *Provider) CurrentAfter(ctx context.Context, s credential.Secret, hint providers.Hint) (credential.Version, error) {
	for i := 0; ; i++ {
		a, err := p.current(ctx, s)
		if err != nil {
			err = asError(opCurrent, s, err)
		}
		if i == len(lags) || err == nil && knows(a, hint) || !mayLag(err) {
			return a.version, err
		}
		timer := time.NewTimer(lags[i])
		select {
		case <-ctx.Done():
			timer.Stop()
			return credential.Version{}, asError(opCurrent, s, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()})
		case <-timer.C:
		}
	}
}

// knows tells whether an answer comes from a replica that has heard what the
// hint says, or something that we had not: it is of a later time. Every change
// of a secret moves its date of change; an event's time has whole seconds, cut
// off, so that within one second only the labels tell, by which the version was
// current before this one.
func knows(a answer, hint providers.Hint) bool {
	switch {
	case a.version.ID == hint.Version, hint.Known != "" && a.version.ID != hint.Known:
		return true
	case hint.Time.IsZero() || a.changed.Before(hint.Time):
		return false
	}
	labels := a.labels[hint.Version]
	return !a.changed.Before(hint.Time.Add(time.Second)) || len(labels) > 0 && !slices.Contains(labels, labelPending)
}

// Same implements providers.Namer: an ARN names its secret with the suffix that
// Secrets Manager gave it or without. A name with ?stage= is meant for events
// about that label and about no label in particular; one without it for all
// events that don't speak of another label.
func (p *Provider) Same(configured, named credential.Secret) bool {
	// It is asked for each configured secret at each event, so that nothing is
	// checked here but what it takes to compare.
	a, wanted, _ := strings.Cut(string(configured), "?stage=")
	b, told, labelled := strings.Cut(string(named), "?stage=")
	if wanted == "" {
		wanted = labelCurrent
	}
	if !isARN(configured) || labelled && told != wanted {
		return false
	}
	return name{arn: a}.isOf(b) || name{arn: b}.isOf(a)
}

// mayLag tells whether an answer may come from a replica that is behind: a
// version, or that a new secret or label is not there.
func mayLag(err error) bool {
	switch providers.ReasonOf(err) {
	case "", providers.ReasonNotFound, providers.ReasonDisabled:
		return true
	}
	return false
}
