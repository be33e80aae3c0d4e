package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/store"
)

const (
	// failingFor is how long a destination must have been failing before anybody
	// is told: what passes within seconds happens every day.
	failingFor = 5 * time.Minute
	// manyFailures says the same of looks in a row, which come less and less often:
	// the time of a state begins anew where its reason changes to and fro.
	manyFailures = 8
	// unclearFor is the same for what is in between: a lost answer is cleared up by
	// itself within the time that Planet may take for a PATCH.
	unclearFor = 15 * time.Minute
)

// announcements turns the change of one record into what is announced of it.
// What happened (pushed, recovered) is found by comparing the two; a trouble is
// given at each call for as long as it lasts, with the same id, so that it is
// told once, and is told again where nobody could be reached. within is how
// long before its end a credential is said to expire.
func announcements(before, after store.Record, now time.Time, within time.Duration) []announce.Announcement {
	c := change{before: before, after: after, now: now}
	all := []announce.Announcement{c.pushed(), c.state(), c.recovered(), c.expiring(within)}
	for _, cond := range after.Conditions(now) {
		all = append(all, c.condition(cond))
	}
	out := all[:0]
	for _, a := range all {
		if a.Kind != "" {
			out = append(out, a)
		}
	}
	return out
}

// change is one record before and after. Its methods give an announcement, or
// one without a Kind if there is none.
type change struct {
	before, after store.Record
	now           time.Time
}

// about begins an announcement. The parts tell it from others of its kind.
func (c change) about(k announce.Kind, parts ...string) announce.Announcement {
	r := c.after
	a := announce.Announcement{
		ID:   announce.ID(append([]string{string(k), r.Account, r.Destination, string(r.Secret)}, parts...)...),
		Kind: k, Time: c.now, Destination: r.Destination, Account: r.Account, Secret: r.Secret,
		State: string(r.Status.State),
	}
	if r.Pin != nil {
		a.DestinationID = r.Pin.ID
	}
	if r.Accepted != nil {
		a.Version = r.Accepted.Version
	}
	if d := r.Dependents; d != nil {
		a.Dependents = &announce.Dependents{Subscriptions: d.Running, Orders: d.Open}
	}
	return a
}

func (c change) pushed() announce.Announcement {
	was, is := c.before.Accepted, c.after.Accepted
	if is == nil || is.Adopted || was != nil && was.At.Equal(is.At) {
		return announce.Announcement{}
	}
	again := was != nil && was.Version == is.Version
	if again && (c.after.Source == nil || c.after.Source.Version == is.Version) {
		return announce.Announcement{} // the same once more: nothing is new
	}
	a := c.about(announce.Pushed, is.Version, stamp(is.At))
	a.Time, a.Since, a.Expires = is.At, is.At, c.after.Expiry()
	a.State = "" // the look goes on, and says how it ended
	var text []string
	if again {
		text = append(text, "The previous version was put back, since version "+c.after.Source.Version+" was not accepted.")
	}
	if is.Unproven {
		text = append(text, "It was not tried on the bucket before.")
	}
	a.Detail = strings.Join(text, " ")
	return a
}

// state tells of a state that somebody has to hear of.
func (c change) state() announce.Announcement {
	s := c.after.Status
	k := troubleOf(c.after, c.now)
	if k == "" || c.midway() {
		return announce.Announcement{}
	}
	version := ""
	if c.after.Source != nil {
		version = c.after.Source.Version
	}
	retry := c.after.NextLook
	if k == announce.Held {
		retry = time.Time{}
		if h := c.after.Hold; h != nil {
			version, retry = h.Version, h.RetryAt
		}
	}
	// Since the last success, and not since the state began: a held version that
	// can't be looked at for a minute and is then held again is the same trouble.
	parts := []string{stamp(c.after.LastSuccess)}
	if k != announce.Failing { // whose reasons come and go
		parts = append(parts, string(s.Reason))
	}
	if k == announce.Held {
		parts = append(parts, version)
	}
	a := c.about(k, parts...)
	a.Version, a.Reason, a.Since, a.RetryAt = version, string(s.Reason), s.Since, retry
	a.Detail = sentences(s.Detail, c.inForce())
	a.Expires = c.after.Expiry()
	return a
}

// troubleOf gives the kind by which a state is announced, if it is.
func troubleOf(r store.Record, now time.Time) announce.Kind {
	s := r.Status
	lasted := now.Sub(s.Since)
	switch s.State {
	case store.StateHeld:
		return announce.Held
	case store.StateBlocked:
		return announce.Blocked
	case store.StateFailing:
		if lasted >= failingFor || r.Failures >= manyFailures {
			return announce.Failing
		}
	case store.StateUnknown:
		if lasted >= unclearFor {
			return announce.Failing
		}
	case store.StateWaiting:
		if s.Reason == store.ReasonPlanetThrottled && lasted >= unclearFor {
			return announce.Failing
		}
	}
	return ""
}

// midway tells whether the record was saved in the middle of a look: then its
// status is still that of the look before.
func (c change) midway() bool {
	was, is := c.before, c.after
	if is.Inflight != nil {
		return true
	}
	moved := is.Accepted != nil && (was.Accepted == nil || !was.Accepted.At.Equal(is.Accepted.At))
	return moved && was.Status.State == is.Status.State && was.Status.Reason == is.Status.Reason && was.Status.Since.Equal(is.Status.Since)
}

// inForce says what deliveries go on with.
func (c change) inForce() string {
	switch r := c.after; {
	case r.Accepted == nil:
		return ""
	case r.Uncertain:
		return "Planet accepted version " + r.Accepted.Version + " last, and may hold another by now."
	default:
		return "Planet holds version " + r.Accepted.Version + "."
	}
}

func (c change) recovered() announce.Announcement {
	was, is := c.before, c.after
	if is.Status.State != store.StateInSync {
		return announce.Announcement{}
	}
	k := troubleOf(was, c.now)
	parts, detail := []string{stamp(was.LastSuccess)}, "It was "+string(was.Status.State)
	switch {
	case k != "":
		if was.Status.Reason != "" {
			detail += " (" + string(was.Status.Reason) + ")"
		}
		detail += since(was.Status.Since)
	case rejected(was) && is.Standing.State == standingWorks && was.Standing.Version == is.Standing.Version:
		parts = []string{string(announce.CredentialRejected), was.Standing.Version, stamp(was.Standing.Since)}
		detail = "The bucket takes the credential again, which it had not taken" + since(was.Standing.Since)
	default:
		return announce.Announcement{}
	}
	a := c.about(announce.Recovered, parts...)
	if is.Status.Since.After(was.Status.Since) {
		a.Since = is.Status.Since
	}
	if left := is.Conditions(c.now); len(left) > 0 {
		words := make([]string, len(left))
		for i, l := range left {
			words[i] = string(l)
		}
		detail += " What remains: " + strings.Join(words, ", ") + "."
	}
	a.Detail = detail
	return a
}

// standingWorks is the State of a credential that the bucket takes.
const standingWorks = "works"

// rejected tells whether it is the credential in force that the bucket does not
// take, and not the one before it.
func rejected(r store.Record) bool {
	return r.Standing.State == store.StandingRejected && r.Accepted != nil && r.Standing.Version == r.Accepted.Version
}

// expiring tells of the end of a credential: when it is near, when it comes
// before its replacement, and when it has come; each once.
func (c change) expiring(within time.Duration) announce.Announcement {
	r, at := c.after, c.after.Expiry()
	left := at.Sub(c.now)
	var stage store.Condition
	var text string
	switch {
	case at.IsZero():
		return announce.Announcement{}
	case left <= 0:
		stage, text = store.ConditionExpired, "It has ended: deliveries fail with it."
	case left <= within:
		text = "It ends within " + within.String() + "."
		if within >= 48*time.Hour {
			text = fmt.Sprintf("It ends within %d days.", int(within.Hours()/24))
		}
	case r.ExpiresUnreplaced():
		stage = store.ConditionExpiresUnreplaced
	default:
		return announce.Announcement{}
	}
	switch s := r.Source; {
	case s == nil:
	case s.Version != r.Accepted.Version:
		text = sentences(text, "Its secret has version "+s.Version+" already, which Planet has not accepted.")
	case r.ExpiresUnreplaced() && left > 0:
		text = sentences(text, "The next version is planned for "+moment(s.NextRotation)+", which is too late.")
	}
	a := c.about(announce.Expiring, r.Accepted.Version, stamp(at), string(stage))
	a.Reason, a.Expires, a.Detail = string(stage), at, text
	return a
}

// condition tells of what is wrong beside the state. What has ended or ends is
// told by expiring; what harms no delivery is shown and not told.
func (c change) condition(cond store.Condition) announce.Announcement {
	switch cond {
	case store.ConditionRejected:
		return c.credentialRejected()
	case store.ConditionLeftover, store.ConditionOldLeftover:
		return c.leftover(cond)
	case store.ConditionDrift:
		return c.drift()
	case store.ConditionDeliveriesFailing:
		return c.deliveriesFailing()
	}
	return announce.Announcement{}
}

func (c change) credentialRejected() announce.Announcement {
	if !rejected(c.after) {
		return announce.Announcement{}
	}
	s := c.after.Standing
	a := c.about(announce.CredentialRejected, s.Version, stamp(s.Since))
	a.Version, a.Reason, a.Since, a.Detail, a.Expires = s.Version, s.Reason, s.Since, s.Detail, c.after.Expiry()
	if !s.Worked.IsZero() {
		a.Detail = sentences(a.Detail, "It worked on "+moment(s.Worked)+".")
	}
	return a
}

// leftover tells of one that speaks against the credential once a version, and
// of one that was there before once an object.
func (c change) leftover(cond store.Condition) announce.Announcement {
	l := c.after.Leftover
	began := l.FirstSeen
	if began.IsZero() {
		began = l.LastModified
	}
	parts := []string{string(cond), stamp(l.LastModified)}
	text := "It was there before Planet's last check, which may well have been allowed to delete: remove it."
	if cond == store.ConditionLeftover {
		parts = []string{string(cond)}
		if acc := c.after.Accepted; acc != nil {
			parts = append(parts, acc.Version, stamp(acc.At))
		}
		text = "It was left by the check of the credential in force."
	} else if l.LastModified.IsZero() {
		parts = append(parts, stamp(began))
	}
	a := c.about(announce.Leftover, parts...)
	a.Reason, a.Since, a.Detail = string(cond), began, sentences(l.Detail, text)
	if l.State == "present" && !l.LastModified.IsZero() {
		a.Detail = sentences(a.Detail, fmt.Sprintf("It has %d bytes and is of %s.", l.Size, moment(l.LastModified)))
	}
	return a
}

func (c change) drift() announce.Announcement {
	d := c.after.Drift
	a := c.about(announce.Drift, stamp(d.Updated), stamp(d.Found))
	a.Since = d.Found
	if !d.Updated.IsZero() {
		a.Detail = "It was changed on " + moment(d.Updated) + ", when nothing was sent from here."
	}
	if d.Renamed != "" {
		a.Detail = sentences(a.Detail, fmt.Sprintf("It is called %q now.", d.Renamed))
	}
	if d.Pushing {
		a.Detail = sentences(a.Detail, "The credential is sent again by itself.")
	}
	return a
}

func (c change) deliveriesFailing() announce.Announcement {
	d, acc := c.after.Dependents, c.after.Accepted
	a := c.about(announce.DeliveriesFailing, acc.Version, stamp(acc.At))
	a.Since, a.Expires = acc.At, c.after.Expiry()
	a.Detail = fmt.Sprintf("%d have failed since the version was accepted, %d of them for what looks like the credential.", d.Failed, d.FailedCredential)
	if len(d.Examples) > 0 {
		e := d.Examples[0]
		a.Detail = sentences(a.Detail, fmt.Sprintf("For example %s %s: %s", e.Kind, e.ID, e.Message))
	}
	return a
}

// receiptAnnouncement tells that what came before a version may be revoked. Its
// id is that of the last acceptance: a source that fails for a moment withdraws
// the receipt, and it is no news that it is true again.
func receiptAnnouncement(r store.Receipt) (announce.Announcement, bool) {
	if r.Safe.IsZero() || !r.Withdrawn.IsZero() {
		return announce.Announcement{}, false
	}
	return announce.Announcement{
		ID:   announce.ID(string(announce.SafeToRevoke), string(r.Secret), r.Version, stamp(r.At)),
		Kind: announce.SafeToRevoke, Time: r.Safe, Secret: r.Secret, Version: r.Version, Since: r.At,
		Detail: "The last destination accepted it on " + moment(r.At) + ". Ask rotatord gate before you revoke: this may have been withdrawn since.",
	}, true
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// since ends a sentence.
func since(t time.Time) string {
	if t.IsZero() {
		return "."
	}
	return " since " + moment(t) + "."
}

// sentences joins texts, each ended, for what others wrote often is not.
func sentences(texts ...string) string {
	var out []string
	for _, t := range texts {
		if t = strings.TrimSpace(t); t == "" {
			continue
		}
		if !strings.ContainsAny(t[len(t)-1:], ".!?") {
			t += "."
		}
		out = append(out, t)
	}
	return strings.Join(out, " ")
}
