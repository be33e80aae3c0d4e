package page

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

// item is a record with what follows from it at one moment.
type item struct {
	store.Record
	state      store.State
	conditions []store.Condition
	problems   []problem
	receipt    *store.Receipt
	text       string // what a filter searches
}

// notePrefix keeps the words of events apart from those of conditions.
const notePrefix = "note_"

// problem is one thing that is wrong with a destination, or was meant so.
type problem struct {
	word   string // "preflight_refused": the heading of docs/states.md
	label  label
	rank   int // the gravest has the lowest
	advice advice
	since  time.Time
	detail string
}

// What a rank means. Below breaking, deliveries fail or may be failing now;
// below attention, somebody should know.
const (
	breaking  = 20
	attention = 100
)

// conditionRanks and stateRanks put both kinds of trouble into one order.
var conditionRanks = map[store.Condition]int{
	store.ConditionRejected: 10, store.ConditionExpired: 11, store.ConditionDeliveriesFailing: 13,
	store.ConditionLeftover: 40, store.ConditionExpiresUnreplaced: 60, store.ConditionDrift: 62,
	store.ConditionParametersChanged: 64, store.ConditionOldLeftover: 65,
	store.ConditionUnproven: 110, store.ConditionArchived: 111,
}

var stateRanks = map[store.State]int{
	store.StateBlocked: 30, store.StateHeld: 31, store.StateUnknown: 50, store.StateFailing: 51,
	store.StateWaiting: 70, store.StatePaused: 112, store.StateNew: 113, store.StateInSync: 1000,
}

const (
	restoreRank  = 12 // Planet may hold no working credential
	doubtfulRank = 61
	noteRank     = 63
)

func itemsOf(now time.Time, records []store.Record, receipts []store.Receipt) []item {
	bySecret := make(map[credential.Secret]*store.Receipt, len(receipts))
	for i := range receipts {
		bySecret[receipts[i].Secret] = &receipts[i]
	}
	out := make([]item, 0, len(records))
	for _, r := range records {
		out = append(out, itemOf(now, r, bySecret[r.Secret]))
	}
	return out
}

func itemOf(now time.Time, r store.Record, receipt *store.Receipt) item {
	i := item{Record: r, state: shown(r), conditions: r.Conditions(now), receipt: receipt}
	i.problems = problemsOf(i)
	names := []string{r.Destination, r.Account, string(r.Secret), string(r.Status.Reason), i.version()}
	if r.Pin != nil {
		names = append(names, r.Pin.ID, r.Pin.Ref, r.Pin.Name, r.Pin.Type)
	}
	i.text = strings.ToLower(clean(strings.Join(names, "\n")))
	return i
}

// problemsOf lists what is to be said of a destination, the gravest first.
func problemsOf(i item) (all []problem) {
	if i.state != store.StateInSync {
		all = append(all, stateProblem(i))
	}
	for _, c := range i.conditions {
		all = append(all, problem{word: string(c), label: labelOf(conditionLabels, c), rank: conditionRanks[c],
			advice: conditionAdvice[c], since: conditionSince(i.Record, c), detail: conditionDetail(i.Record, c)})
	}
	if i.Standing.State == "doubtful" {
		all = append(all, problem{word: "standing", label: label{"credential doubtful", warn, "diamond"}, rank: doubtfulRank,
			advice: doubtAdvice, since: i.Standing.Since, detail: i.Standing.Detail})
	}
	for _, n := range i.Notes {
		kind := clean(strings.ReplaceAll(string(n.Kind), "_", " "))
		a, ok := noteAdvice[n.Kind]
		if !ok {
			a = advice{Says: "An event told: " + kind + ".", You: "See to the secret at its source."}
		}
		all = append(all, problem{word: notePrefix + string(n.Kind), label: label{kind, warn, "triangle"},
			rank: noteRank, advice: a, since: n.Time, detail: "Told by " + n.Source})
	}
	slices.SortStableFunc(all, func(a, b problem) int { return cmp.Compare(a.rank, b.rank) })
	return all
}

// stateProblem is the state with its reason, or the pause.
func stateProblem(i item) problem {
	p := problem{word: string(i.state), label: labelOf(stateLabels, i.state), advice: stateAdvice[i.state],
		since: i.Status.Since, detail: i.Status.Detail}
	var known bool
	if p.rank, known = stateRanks[i.state]; !known { // another version wrote it
		p.rank = noteRank
		p.advice = advice{Says: "This rotatord does not know this state.", You: "See the daemon that wrote it.", commands: []string{cmdStatus}}
	}
	if i.Paused != nil {
		p.since, p.detail = i.Paused.Since, i.Paused.Note
		return p
	}
	if a, ok := reasonAdvice[i.Status.Reason]; ok {
		p.word, p.advice = string(i.Status.Reason), a
	}
	if i.Status.Reason == store.ReasonRestoreFailed {
		p.rank, p.label.Tone = restoreRank, bad
	}
	return p
}

// conditionSince is when a condition began, zero where nobody knows.
func conditionSince(r store.Record, c store.Condition) time.Time {
	switch c {
	case store.ConditionRejected:
		return r.Standing.Since
	case store.ConditionExpired:
		return r.Expiry()
	case store.ConditionLeftover, store.ConditionOldLeftover:
		return r.Leftover.FirstSeen
	case store.ConditionDrift:
		return r.Drift.Found
	case store.ConditionUnproven:
		return r.Accepted.At
	case store.ConditionArchived:
		return *r.Archived
	}
	return time.Time{}
}

// conditionDetail is what is known beyond the condition's word.
func conditionDetail(r store.Record, c store.Condition) string {
	switch c {
	case store.ConditionRejected:
		return r.Standing.Detail
	case store.ConditionLeftover:
		if r.Leftover.State != "present" {
			return "The object has been removed since, which does not help the credential"
		}
		return r.Leftover.Detail
	case store.ConditionOldLeftover:
		return r.Leftover.Detail
	case store.ConditionDeliveriesFailing:
		return plural(r.Dependents.FailedCredential, "delivery failure") + " since the last rotation"
	case store.ConditionDrift:
		if r.Drift.Renamed != "" {
			return "It is now called " + r.Drift.Renamed
		}
	case store.ConditionParametersChanged:
		said := make([]string, 0, len(r.Changed))
		for _, ch := range r.Changed {
			said = append(said, ch.Parameter+" was "+orDash(string(ch.Before))+" and is "+orDash(string(ch.After)))
		}
		return strings.Join(said, "; ")
	}
	return ""
}

func orDash(s string) string { return cmp.Or(s, "–") }

func (i item) rank() int {
	if len(i.problems) == 0 {
		return stateRanks[store.StateInSync]
	}
	return i.problems[0].rank
}

// attention tells whether somebody should know of this destination.
func (i item) attention() bool { return i.rank() < attention }

// breaking tells whether its deliveries fail now, or may.
func (i item) breaking() bool { return i.rank() < breaking }

// weighed parts the conditions into those that weigh more than the state, which
// are said before it, and the others: a destination whose deliveries fail is not
// "in sync" before all else.
func (i item) weighed() (graver, others []label) {
	for _, c := range i.conditions {
		l := labelOf(conditionLabels, c)
		if l.Tone == bad || l.Tone == warn && i.state == store.StateInSync {
			graver = append(graver, l)
		} else {
			others = append(others, l)
		}
	}
	return graver, others
}

func (i item) version() string {
	if i.Accepted == nil {
		return ""
	}
	return i.Accepted.Version
}

// current is the version that the source calls current, if that is another.
func (i item) current() string {
	if i.Source == nil || i.Source.Version == i.version() {
		return ""
	}
	return i.Source.Version
}

func (i item) acceptedAt() time.Time {
	if i.Accepted == nil {
		return time.Time{}
	}
	return i.Accepted.At
}

func (i item) standing() label {
	// What is said of another credential says nothing of this one.
	if i.Accepted == nil || i.Standing.Version != "" && i.Standing.Version != i.Accepted.Version {
		return labelOf(standingLabels, "")
	}
	return labelOf(standingLabels, i.Standing.State)
}

func (i item) leftover() label {
	l := labelOf(leftoverLabels, i.Leftover.State)
	if i.Leftover.State == "present" && i.Leftover.OlderThanPush && !i.Leftover.NoDelete {
		l = label{"old", warn, "triangle"}
	}
	return l
}

// dependents counts who uses it; -1 while that is not known.
func (i item) dependents() int {
	if i.Record.Dependents == nil {
		return -1
	}
	return i.Record.Dependents.Running + i.Record.Dependents.Open
}

// usedBy says who uses it: "3 running subscriptions and 1 open order", or in few
// words "3 subs, 1 order". Empty while that is not known.
func (i item) usedBy(brief bool) string {
	d := i.Record.Dependents
	if d == nil {
		return ""
	}
	subscription, order, and := "running subscription", "open order", " and "
	if brief {
		subscription, order, and = "sub", "order", ", "
	}
	var said []string
	number := func(n int, what string) {
		text := plural(n, what)
		if d.Incomplete { // there may be more
			text = strings.Replace(text, " ", "+ ", 1)
		}
		if n > 0 {
			said = append(said, text)
		}
	}
	number(d.Running, subscription)
	number(d.Open, order)
	switch {
	case len(said) > 0:
		return strings.Join(said, and)
	case d.Incomplete:
		return "not known"
	}
	return "nobody"
}

// atRisk says what depends on a destination that has trouble; calm says that
// nothing is known to.
func (i item) atRisk() (risk, calm string) {
	switch n := i.dependents(); {
	case n < 0:
		return "", ""
	case n == 0:
		return "", "No running subscription and no open order is known to depend on it."
	case n == 1:
		return i.usedBy(false) + " depends on it.", ""
	}
	return i.usedBy(false) + " depend on it.", ""
}

func (i item) receiptLabel() label {
	r := i.receipt
	switch {
	case r == nil:
		return label{"none yet", quiet, "ring"}
	case !r.Withdrawn.IsZero():
		return label{"withdrawn", warn, "diamond"}
	case !r.Safe.IsZero():
		return label{"safe", good, "disc"}
	}
	return label{"grace", info, "half"}
}
