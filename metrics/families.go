package metrics

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rotatord/rotatord/store"
)

// A moment is one time of a destination.
type moment struct {
	desc *prometheus.Desc
	at   func(store.Record) time.Time // zero where it isn't known
}

// A fact is one yes or no of a destination.
type fact struct {
	desc *prometheus.Desc
	is   func(store.Record) bool
}

func ofDestination(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, append([]string{"destination"}, labels...), nil)
}

func moments() []moment {
	accepted := func(f func(*store.Accepted) time.Time) func(store.Record) time.Time {
		return func(r store.Record) (t time.Time) {
			if r.Accepted != nil {
				t = f(r.Accepted)
			}
			return t
		}
	}
	source := func(f func(*store.Source) time.Time) func(store.Record) time.Time {
		return func(r store.Record) (t time.Time) {
			if r.Source != nil {
				t = f(r.Source)
			}
			return t
		}
	}
	return []moment{
		{ofDestination("rotatord_destination_state_since_timestamp_seconds", "Since when the destination has been in its state for its reason."),
			func(r store.Record) time.Time { return r.Status.Since }},
		{ofDestination("rotatord_destination_last_success_timestamp_seconds", "When a look at the destination last ended with nothing left to do."),
			func(r store.Record) time.Time { return r.LastSuccess }},
		{ofDestination("rotatord_destination_next_look_timestamp_seconds", "When rotatord looks at the destination again by itself. No series while it waits for an event or the schedule."),
			func(r store.Record) time.Time { return r.NextLook }},
		{ofDestination("rotatord_destination_accepted_timestamp_seconds", "When Planet accepted the version that it accepted last."),
			accepted(func(a *store.Accepted) time.Time { return a.At })},
		{ofDestination("rotatord_destination_accepted_version_created_timestamp_seconds", "When the version that Planet accepted last was created, as its secret manager says."),
			accepted(func(a *store.Accepted) time.Time { return a.Created })},
		{ofDestination("rotatord_destination_credential_expiry_timestamp_seconds", "When the accepted credential stops to be valid, as the credential itself says."),
			accepted(func(a *store.Accepted) time.Time { return a.Expires })},
		{ofDestination("rotatord_destination_expiry_timestamp_seconds", "When the credential that Planet holds ends: the earlier of what the credential and its secret manager say. No series where neither says."),
			func(r store.Record) time.Time { return r.Expiry() }},
		{ofDestination("rotatord_destination_source_checked_timestamp_seconds", "When the secret manager last answered which version is current."),
			source(func(s *store.Source) time.Time { return s.At })},
		{ofDestination("rotatord_destination_source_version_created_timestamp_seconds", "When the current version was created, as its secret manager says."),
			source(func(s *store.Source) time.Time { return s.Created })},
		{ofDestination("rotatord_destination_source_version_expiry_timestamp_seconds", "When the current version stops to be valid, as its secret manager says."),
			source(func(s *store.Source) time.Time { return s.Expires })},
		{ofDestination("rotatord_destination_source_next_rotation_timestamp_seconds", "When the secret manager plans the next rotation."),
			source(func(s *store.Source) time.Time { return s.NextRotation })},
		{ofDestination("rotatord_destination_pending_first_seen_timestamp_seconds", "Since when the version that rotatord tries to get accepted has been known. No series while there is none."),
			func(r store.Record) (t time.Time) {
				if r.Trial != nil {
					t = r.Trial.FirstSeen
				}
				return t
			}},
		{ofDestination("rotatord_leftover_first_seen_timestamp_seconds", "When the verify object that lies in the bucket was first seen, by the bucket's clock. No series while it is absent."),
			func(r store.Record) time.Time { return r.Leftover.FirstSeen }},
		{ofDestination("rotatord_leftover_last_modified_timestamp_seconds", "When the verify object that lies in the bucket was written, by the bucket's clock. No series while it is absent."),
			func(r store.Record) time.Time { return r.Leftover.LastModified }},
		{ofDestination("rotatord_leftover_checked_timestamp_seconds", "When rotatord last looked for the verify object."),
			func(r store.Record) time.Time { return r.Leftover.CheckedAt }},
	}
}

func facts() []fact {
	return []fact{
		{ofDestination("rotatord_destination_due", "1 while something was heard of the destination that has not been acted on, else 0."), store.Record.IsDue},
		{ofDestination("rotatord_destination_uncertain", "1 while Planet may hold something else than the accepted version, since a later PATCH was refused or its outcome is unknown, else 0."),
			func(r store.Record) bool { return r.Uncertain }},
		{ofDestination("rotatord_destination_paused", "1 while a person has paused the destination, else 0."),
			func(r store.Record) bool { return r.Paused != nil }},
		{ofDestination("rotatord_leftover_older_than_push", "1 if the verify object that lies in the bucket was not overwritten by Planet's last check, else 0."),
			func(r store.Record) bool { return r.Leftover.OlderThanPush }},
	}
}

// families are the descriptions of all that is read from the store.
type families struct {
	up, size                                           *prometheus.Desc
	recorded, info, state, reason, versionInfo, params *prometheus.Desc
	leftover, leftoverReason, attempts                 *prometheus.Desc
	note, noteAt                                       *prometheus.Desc
	blocked, blockedSince                              *prometheus.Desc
	watching                                           watching
	receipts                                           receipts
	organizations                                      organizations
	moments                                            []moment
	facts                                              []fact
}

func newFamilies() *families {
	return &families{
		up: prometheus.NewDesc("rotatord_store_up",
			"1 if this scrape could read all of the store, else 0; what could not be read has no series then.", nil, nil),
		size: prometheus.NewDesc("rotatord_store_size_bytes", "What the store takes on its disk.", nil, nil),
		recorded: ofDestination("rotatord_destination_recorded",
			"1 if the store holds a readable record of the configured destination, else 0. No series while the store can't be read at all."),
		info: ofDestination("rotatord_destination_info",
			"Always 1. The labels tell what the configured name stands for; what is not known yet is empty.",
			"destination_id", "type", "account", "secret", "pl_ref"),
		state: ofDestination("rotatord_destination_state",
			"1 for the state that the destination is in, 0 for every other state.", "state"),
		reason: ofDestination("rotatord_destination_state_reason",
			"Always 1. Exactly one series a destination: the reason of its state, or none.", "reason"),
		versionInfo: ofDestination("rotatord_destination_version_info",
			"Always 1. The version that the secret manager calls current, and the one that Planet accepted last. No series while it is not known.",
			"source", "version"),
		params: ofDestination("rotatord_destination_parameters_changed",
			"How many of the destination's other parameters were different after a PATCH of ours and still are.", "kind"),
		leftover: ofDestination("rotatord_leftover",
			"1 for what is known of a verify object in the bucket, 0 for everything else it could be.", "state"),
		leftoverReason: ofDestination("rotatord_leftover_reason",
			"Always 1. Exactly one series a destination: the reason for what rotatord_leftover says, or none.", "reason"),
		note: ofDestination("rotatord_note",
			"1 while an event has told this of the destination's secret and neither a newer version nor a success has ended it, else 0.", "kind"),
		noteAt: ofDestination("rotatord_note_timestamp_seconds",
			"When that happened, as the event says. No series while rotatord_note is 0.", "kind"),
		attempts: ofDestination("rotatord_attempts_total",
			"Attempts to give Planet a version since the store was made, by how they ended. Restarts do not reset it.", "outcome", "reason"),
		blocked: prometheus.NewDesc("rotatord_account_blocked",
			"1 while Planet refuses the account's API key itself, else 0.", []string{"account"}, nil),
		blockedSince: prometheus.NewDesc("rotatord_account_blocked_since_timestamp_seconds",
			"Since when Planet has refused the account's API key. No series while it does not.", []string{"account"}, nil),
		watching:      newWatching(),
		receipts:      newReceipts(),
		organizations: newOrganizations(),
		moments:       slices.Concat(moments(), watchMoments()),
		facts:         facts(),
	}
}

func (f *families) describe(ch chan<- *prometheus.Desc) {
	own := []*prometheus.Desc{f.up, f.size, f.recorded, f.info, f.state, f.reason, f.versionInfo, f.params,
		f.leftover, f.leftoverReason, f.note, f.noteAt, f.attempts, f.blocked, f.blockedSince,
		f.organizations.active, f.organizations.quota}
	for _, d := range slices.Concat(own, f.watching.all(), f.receipts.all()) {
		ch <- d
	}
	for _, m := range f.moments {
		ch <- m.desc
	}
	for _, g := range f.facts {
		ch <- g.desc
	}
}
