package app

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const week = 7 * 24 * time.Hour

// settledRecord is in sync with version 7 since the day before.
func settledRecord() store.Record {
	return store.Record{Destination: "prod", Account: "main", Secret: "mem://s", Revision: 5,
		Dependents: &planet.Dependents{Running: 3, Open: 1},
		Facts: store.Facts{
			Pin:         &store.Pin{ID: "d-1"},
			Accepted:    &store.Accepted{Version: "7", Sent: noon.Add(-25 * time.Hour), At: noon.Add(-24 * time.Hour)},
			Source:      &store.Source{Version: "7", At: noon.Add(-time.Minute)},
			Standing:    store.Standing{State: "works", Version: "7", Since: noon.Add(-24 * time.Hour)},
			Leftover:    store.Leftover{State: "absent"},
			Status:      store.Status{State: store.StateInSync, Since: noon.Add(-24 * time.Hour)},
			LastSuccess: noon.Add(-15 * time.Minute),
		}}
}

type edit func(*store.Record)

// accepted is a version that Planet has answered for just now.
func accepted(version string) edit {
	return func(r *store.Record) {
		r.Accepted = &store.Accepted{Version: version, Sent: noon.Add(-time.Second), At: noon}
		r.Standing = store.Standing{}
	}
}

func current(version string) edit {
	return func(r *store.Record) { r.Source = &store.Source{Version: version, At: noon} }
}

// stands sets a state that began so long ago.
func stands(s store.State, why store.Reason, ago time.Duration) edit {
	return func(r *store.Record) {
		r.Status = store.Status{State: s, Reason: why, Detail: "in other words", Since: noon.Add(-ago)}
	}
}

func held8(ago time.Duration) edit {
	return func(r *store.Record) {
		current("8")(r)
		r.Hold = &store.Hold{Version: "8", Reason: store.ReasonPreflightRefused, Since: noon.Add(-ago), RetryAt: noon.Add(time.Hour)}
		stands(store.StateHeld, store.ReasonPreflightRefused, ago)(r)
	}
}

func standing(state string) edit {
	return func(r *store.Record) {
		r.Standing = store.Standing{State: state, Reason: "credential", Version: "7", Since: noon.Add(-time.Minute), Worked: noon.Add(-time.Hour)}
	}
}

func ends(in time.Duration) edit { return func(r *store.Record) { r.Accepted.Expires = noon.Add(in) } }

func replaced(in time.Duration) edit {
	return func(r *store.Record) { r.Source.NextRotation = noon.Add(in) }
}

func left(state string, older bool) edit {
	return func(r *store.Record) {
		r.Leftover = store.Leftover{State: state, OlderThanPush: older, Size: 12, LastModified: noon.Add(-time.Hour), FirstSeen: noon}
	}
}

func failed(deliveries int, at time.Duration) edit {
	return func(r *store.Record) {
		r.Dependents.Failed, r.Dependents.FailedCredential, r.Dependents.Since = deliveries+1, deliveries, noon.Add(at)
		r.Dependents.Examples = []planet.Failure{{Kind: planet.FailedOrder, ID: "o-1", Message: "403"}}
	}
}

func edited(edits ...edit) store.Record {
	r := settledRecord()
	for _, e := range edits {
		e(&r)
	}
	return r
}

// told is what a test compares of announcements.
func told(all []announce.Announcement) []string {
	var out []string
	for _, a := range all {
		out = append(out, strings.TrimRight(string(a.Kind)+" "+a.Version+" "+a.Reason, " "))
	}
	return out
}

func TestWhatAChangeAnnounces(t *testing.T) {
	drift := func(r *store.Record) {
		r.Drift = &store.Drift{Updated: noon.Add(-time.Minute), Found: noon, Renamed: "x"}
	}
	for _, c := range []struct {
		name          string
		before, after []edit
		want          []string
		detail        string // of the first
	}{
		{"nothing", nil, nil, nil, ""},
		{"a new version is pushed", nil, []edit{current("8"), accepted("8")}, []string{"pushed 8"}, ""},
		{"a first version is pushed", []edit{func(r *store.Record) { r.Accepted = nil }}, []edit{accepted("7")}, []string{"pushed 7"}, ""},
		{"one is pushed unproven", nil, []edit{current("8"), accepted("8"), func(r *store.Record) { r.Accepted.Unproven = true }}, []string{"pushed 8"}, "not tried on the bucket"},
		{"an adopted version is not pushed", []edit{func(r *store.Record) { r.Accepted = nil }}, []edit{func(r *store.Record) { r.Accepted.Adopted = true }}, nil, ""},
		{"the same version once more is nothing new", nil, []edit{accepted("7")}, nil, ""},
		{"the previous version is put back", []edit{held8(time.Minute)}, []edit{held8(time.Minute), accepted("7")}, []string{"pushed 7"}, "previous version was put back, since version 8"},
		{"an older version that the source went back to", []edit{current("8"), accepted("8")}, []edit{current("7")}, []string{"pushed 7"}, ""},
		{"one that was superseded at once was not put back", nil, []edit{accepted("8"), current("9")}, []string{"pushed 8"}, ""},

		{"held", nil, []edit{held8(0)}, []string{"held 8 preflight_refused"}, "in other words. Planet holds version 7."},
		{"held, and nobody knows what Planet has", nil, []edit{held8(0), func(r *store.Record) { r.Uncertain = true }}, []string{"held 8 preflight_refused"}, "may hold another"},
		{"still held", []edit{held8(time.Hour)}, []edit{held8(time.Hour)}, []string{"held 8 preflight_refused"}, ""},
		{"blocked", nil, []edit{stands(store.StateBlocked, store.ReasonVanished, 0)}, []string{"blocked 7 vanished"}, ""},
		{"paused", nil, []edit{stands(store.StatePaused, "", 0)}, nil, ""},
		{"waiting", nil, []edit{current("8"), stands(store.StateWaiting, store.ReasonPropagation, time.Hour)}, nil, ""},
		{"failing for a moment", nil, []edit{stands(store.StateFailing, store.ReasonSourceDenied, failingFor-1)}, nil, ""},
		{"failing for minutes", nil, []edit{stands(store.StateFailing, store.ReasonSourceDenied, failingFor)}, []string{"failing 7 source_denied"}, ""},
		{"failing often, for reasons that change", nil, []edit{stands(store.StateFailing, store.ReasonSourceDenied, 0), func(r *store.Record) { r.Failures = manyFailures }}, []string{"failing 7 source_denied"}, ""},
		{"an answer that was lost", nil, []edit{stands(store.StateUnknown, store.ReasonOutcomeUnknown, unclearFor-1)}, nil, ""},
		{"an answer that stays lost", nil, []edit{stands(store.StateUnknown, store.ReasonOutcomeUnknown, unclearFor)}, []string{"failing 7 outcome_unknown"}, ""},
		{"throttled for long", nil, []edit{stands(store.StateWaiting, store.ReasonPlanetThrottled, unclearFor)}, []string{"failing 7 planet_throttled"}, ""},
		{"in the middle of a look the old state says nothing", []edit{held8(time.Hour)}, []edit{held8(time.Hour), func(r *store.Record) { r.Inflight = &store.Inflight{} }}, nil, ""},

		{"recovered from held", []edit{held8(time.Hour)}, []edit{current("8"), accepted("8")}, []string{"pushed 8", "recovered 8"}, ""},
		{"recovered from blocked", []edit{stands(store.StateBlocked, store.ReasonVanished, time.Hour)}, nil, []string{"recovered 7"}, "blocked (vanished) since 2026-03-01 11:00:00 UTC."},
		{"recovered from a long failure", []edit{stands(store.StateFailing, store.ReasonSourceDenied, time.Hour)}, nil, []string{"recovered 7"}, ""},
		{"a short failure passes in silence", []edit{stands(store.StateFailing, store.ReasonSourceDenied, time.Second)}, nil, nil, ""},
		{"from held to waiting is no recovery", []edit{held8(time.Hour)}, []edit{current("9"), stands(store.StateWaiting, store.ReasonPropagation, 0)}, nil, ""},
		{"recovered, and something else is wrong", []edit{held8(time.Hour)}, []edit{left("present", false)}, []string{"recovered 7", "leftover 7 leftover"}, "What remains: leftover."},

		{"a leftover", nil, []edit{left("present", false)}, []string{"leftover 7 leftover"}, "12 bytes"},
		{"a leftover of old", nil, []edit{left("present", true)}, []string{"leftover 7 old_leftover"}, "before Planet's last check"},
		{"one that is not confirmed", nil, []edit{left("seen", false)}, nil, ""},
		{"nobody can tell", nil, []edit{left("cannot_tell", false)}, nil, ""},

		{"ends soon", nil, []edit{ends(week)}, []string{"expiring 7"}, "It ends within 7 days."},
		{"ends soon, and the next one is held", nil, []edit{ends(time.Hour), held8(0)}, []string{"held 8 preflight_refused", "expiring 7"}, ""},
		{"ends, and not soon", nil, []edit{ends(week + 1)}, nil, ""},
		{"ends before it is replaced", nil, []edit{ends(9 * week), replaced(10 * week)}, []string{"expiring 7 expires_unreplaced"}, "planned for 2026-05-10"},
		{"is replaced before it ends", nil, []edit{ends(9 * week), replaced(8 * week)}, nil, ""},
		{"has ended", nil, []edit{ends(0)}, []string{"expiring 7 expired"}, "deliveries fail"},

		{"the bucket refuses it", nil, []edit{standing("rejected")}, []string{"credential_rejected 7 credential"}, "It worked on 2026-03-01 11:00:00 UTC."},
		{"it is doubtful", nil, []edit{standing("doubtful")}, nil, ""},
		{"the one before was refused", nil, []edit{standing("rejected"), func(r *store.Record) { r.Standing.Version = "6" }}, nil, ""},
		{"the bucket takes it again", []edit{standing("rejected")}, nil, []string{"recovered 7"}, "takes the credential again"},
		{"nobody can tell any more", []edit{standing("rejected")}, []edit{standing("cannot_tell")}, nil, ""},

		{"drift", nil, []edit{drift}, []string{"drift 7"}, `called "x"`},
		{"drift is settled", []edit{drift}, nil, nil, ""},
		{"deliveries fail", nil, []edit{failed(2, -time.Hour)}, []string{"deliveries_failing 7"}, "order o-1: 403"},
		{"deliveries fail for something else", nil, []edit{failed(0, -time.Hour)}, nil, ""},
		{"they failed with the one before", nil, []edit{failed(2, -48*time.Hour)}, nil, ""},
		{"archived and unproven are shown and not told", nil, []edit{func(r *store.Record) { r.Archived, r.Accepted.Unproven = &noon, true }}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := announcements(edited(c.before...), edited(c.after...), noon, week)
			if diff := cmp.Diff(c.want, told(all)); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
			for i, a := range all {
				if i == 0 && !strings.Contains(a.Detail, c.detail) {
					t.Errorf("detail %q, want %q in it", a.Detail, c.detail)
				}
				if a.Destination != "prod" || a.DestinationID != "d-1" || a.Account != "main" || a.Secret != "mem://s" || a.Time.IsZero() {
					t.Errorf("it names its subject badly: %+v", a)
				}
				if a.Dependents == nil || *a.Dependents != (announce.Dependents{Subscriptions: 3, Orders: 1}) {
					t.Errorf("dependents %v", a.Dependents)
				}
			}
		})
	}
}

func TestWhatLastsHasOneIDAndWhatComesAgainAnother(t *testing.T) {
	id := func(now time.Time, edits ...edit) string {
		t.Helper()
		r := edited(edits...)
		all := announcements(r, r, now, week)
		if len(all) != 1 {
			t.Fatalf("%d announcements, want 1: %v", len(all), told(all))
		}
		return all[0].ID
	}
	later := noon.Add(time.Hour)
	settled := func(r *store.Record) { r.LastSuccess = noon.Add(-time.Minute) }
	because := func(why store.Reason) edit { return func(r *store.Record) { r.Status.Reason = why } }
	failing := func(ago time.Duration) edit { return stands(store.StateFailing, store.ReasonSourceDenied, ago) }
	gone := func(r *store.Record) {
		r.Leftover.State, r.Leftover.LastModified, r.Leftover.FirstSeen = "present", time.Time{}, later
	}
	for _, c := range []struct {
		name         string
		first, again string
		same         bool
	}{
		{"held, an hour later", id(noon, held8(0)), id(later, held8(0)), true},
		{"held anew after a failing look", id(noon, held8(time.Hour)), id(noon, held8(0)), true},
		{"held anew after a success", id(noon, held8(0)), id(noon, held8(0), settled), false},
		{"held for another reason", id(noon, held8(0)), id(noon, held8(0), because(store.ReasonPlanetRefused)), false},
		{"another version held", id(noon, held8(0)), id(noon, held8(0), func(r *store.Record) { r.Hold.Version = "9" }), false},
		{"failing for other reasons", id(noon, failing(time.Hour)), id(noon, failing(2*time.Hour), because(store.ReasonSourceThrottled)), true},
		{"blocked and failing", id(noon, stands(store.StateBlocked, "", 0)), id(noon, failing(time.Hour)), false},
		{"a leftover that changes", id(noon, left("present", false)), id(later, left("present", false), gone), true},
		{"a leftover of the next version", id(noon, left("present", false)), id(noon, left("present", false), func(r *store.Record) { r.Accepted.Version = "8" }), false},
		{"a leftover that turns out to be old", id(noon, left("present", false)), id(noon, left("present", true)), false},
		{"expiring, an hour later", id(noon, ends(2*time.Hour)), id(later, ends(2*time.Hour)), true},
		{"expiring at another time", id(noon, ends(2*time.Hour)), id(noon, ends(3*time.Hour)), false},
		{"expiring and expired", id(noon, ends(time.Hour)), id(later, ends(time.Hour)), false},
		{"rejected, looked at again", id(noon, standing("rejected")), id(later, standing("rejected")), true},
		{"failed deliveries that grow", id(noon, failed(2, 0)), id(later, failed(9, 0)), true},
	} {
		if (c.first == c.again) != c.same {
			t.Errorf("%s: one id: %v, want %v", c.name, c.first == c.again, c.same)
		}
	}
}

func TestTheTimesOfAHeldVersionAreThoseOfTheHold(t *testing.T) {
	r := edited(held8(time.Hour), ends(9*week))
	r.NextLook = noon.Add(time.Minute) // for something else
	a := announcements(r, r, noon, week)[0]
	if diff := cmp.Diff([]time.Time{noon, noon.Add(-time.Hour), noon.Add(time.Hour), noon.Add(9 * week)},
		[]time.Time{a.Time, a.Since, a.RetryAt, a.Expires}); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	b := edited(stands(store.StateBlocked, store.ReasonVanished, time.Hour))
	b.NextLook = noon.Add(time.Minute)
	if a := announcements(b, b, noon, week)[0]; !a.RetryAt.Equal(b.NextLook) {
		t.Errorf("tried again at %s, want %s", a.RetryAt, b.NextLook)
	}
}

func TestAReceiptIsAnnouncedWhileItIsTrue(t *testing.T) {
	safe := store.Receipt{Secret: "mem://s", Version: "7", At: noon, Opens: noon.Add(time.Hour), Safe: noon.Add(time.Hour)}
	a, ok := receiptAnnouncement(safe)
	if !ok || a.Kind != announce.SafeToRevoke || a.Secret != "mem://s" || a.Version != "7" || a.Destination != "" || !a.Time.Equal(safe.Safe) {
		t.Errorf("%v %+v", ok, a)
	}
	marked := safe
	marked.Marked = noon.Add(2 * time.Hour)
	if b, ok := receiptAnnouncement(marked); !ok || b.ID != a.ID {
		t.Error("a mark at the source is announced as something new")
	}
	again := safe
	again.Safe = noon.Add(3 * time.Hour)
	if b, ok := receiptAnnouncement(again); !ok || b.ID != a.ID {
		t.Error("what was withdrawn for a moment is announced as something new")
	}
	again.At = noon.Add(2 * time.Hour)
	if b, ok := receiptAnnouncement(again); !ok || b.ID == a.ID {
		t.Error("what was accepted anew has the old id")
	}
	withdrawn, open := safe, safe
	withdrawn.Withdrawn, open.Safe = noon.Add(2*time.Hour), time.Time{}
	for _, r := range []store.Receipt{withdrawn, open} {
		if _, ok := receiptAnnouncement(r); ok {
			t.Errorf("announced: %+v", r)
		}
	}
}
