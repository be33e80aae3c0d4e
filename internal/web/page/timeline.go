package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/store"
)

const (
	// lanes is how many destinations a time line shows.
	mostLanes = 12
	// marksALane bounds what a destination that fails all the time draws.
	marksALane = 200
	// timelineEntries bounds what is read for a time line.
	timelineEntries = 2000
	// lastRotations is how many the list beside it shows.
	lastRotations = 10
)

// span is how far back a time line goes.
type span struct {
	Key, Text string
	length    time.Duration
	tick      time.Duration
	format    string
}

var spans = []span{
	{"day", "24 hours", 24 * time.Hour, 4 * time.Hour, "15:04"},
	{"", "7 days", 7 * 24 * time.Hour, 24 * time.Hour, "Jan 2"},
	{"month", "30 days", 30 * 24 * time.Hour, 5 * 24 * time.Hour, "Jan 2"},
}

func spanOf(key string) span {
	for _, s := range spans {
		if s.Key == key {
			return s
		}
	}
	return spans[1]
}

// timeline is drawn with positions in per cent, so that it fits each width
// without being distorted.
type timeline struct {
	Ticks []tick
	Lanes []lane
	More  int    // destinations that it has no room for
	Cut   bool   // older entries were not read
	Says  string // what a reader that sees no picture is told
	// Banded: there is one lane, with the state over time, and no name.
	Banded bool
}

type tick struct{ X, Text string }

type lane struct {
	Name, Link string
	Says       string
	Band       []segment // the state over time; only on a destination's page
	Marks      []mark
}

type mark struct {
	X, Title string
	Label    label
}

type segment struct {
	X, Width, Title string
	Tone            tone
}

// axis places moments on a line.
type axis struct {
	from, to time.Time
}

func (a axis) x(t time.Time) float64 {
	share := float64(t.Sub(a.from)) / float64(a.to.Sub(a.from))
	return 100 * max(0, min(1, share))
}

func percent(x float64) string { return fmt.Sprintf("%.2f%%", x) }

// ticks are round times in UTC.
func (a axis) ticks(s span) (out []tick) {
	first := a.from.UTC().Truncate(s.tick)
	for t := first; t.Before(a.to); t = t.Add(s.tick) {
		// One at the very edge would be cut.
		if x := a.x(t); t.After(a.from) && x > 3 && x < 90 {
			out = append(out, tick{percent(x), t.Format(s.format)})
		}
	}
	return out
}

// fleetTimeline draws a lane for each destination that something was tried for,
// the latest first.
func fleetTimeline(now time.Time, s span, entries []store.Entry, link func(string) string) timeline {
	a := axis{now.Add(-s.length), now}
	tl := timeline{Ticks: a.ticks(s), Cut: len(entries) >= timelineEntries}
	attempts := attemptsIn(a, entries)
	byName := map[string][]store.Entry{}
	var names []string
	for _, e := range attempts {
		if byName[e.Destination] == nil {
			names = append(names, e.Destination)
		}
		byName[e.Destination] = append(byName[e.Destination], e)
	}
	tl.More = max(0, len(names)-mostLanes)
	for _, name := range names[:min(len(names), mostLanes)] {
		tl.Lanes = append(tl.Lanes, lane{Name: clean(name), Link: link(name), Says: outcomes(byName[name]), Marks: a.marks(byName[name])})
	}
	tl.Says = "Rotations of the last " + s.Text + ": " + outcomes(attempts) + "."
	return tl
}

// ownTimeline draws the states of one destination and what was tried.
func ownTimeline(now time.Time, s span, i item, entries []store.Entry) timeline {
	a := axis{now.Add(-s.length), now}
	attempts := attemptsIn(a, entries)
	l := lane{Says: outcomes(attempts), Band: a.band(i, entries), Marks: a.marks(attempts)}
	return timeline{Ticks: a.ticks(s), Lanes: []lane{l}, Banded: true, Cut: len(entries) >= timelineEntries,
		Says: "Rotations of the last " + s.Text + ": " + outcomes(attempts) + "."}
}

func attemptsIn(a axis, entries []store.Entry) (out []store.Entry) {
	for _, e := range entries {
		if e.Kind == store.EntryAttempt && !e.At.Before(a.from) {
			out = append(out, e)
		}
	}
	return out
}

func (a axis) marks(attempts []store.Entry) []mark {
	out := make([]mark, 0, len(attempts))
	for _, e := range attempts[:min(len(attempts), marksALane)] {
		l := outcomeOf(e)
		title := []string{l.Text, e.At.UTC().Format("2006-01-02 15:04 UTC")}
		if e.Reason != "" {
			title = append(title, clean(string(e.Reason)))
		}
		if e.Version != "" {
			title = append(title, "version "+short(e.Version, 16))
		}
		out = append(out, mark{X: percent(a.x(e.At)), Label: l, Title: strings.Join(title, ", ")})
	}
	slices.Reverse(out) // the latest is drawn last, above the others
	return out
}

// band is the state over time. What is older than the history is left empty.
func (a axis) band(i item, entries []store.Entry) (out []segment) {
	type change struct {
		at    time.Time
		state store.State
	}
	var changes []change
	for _, e := range slices.Backward(entries) {
		if e.Kind == store.EntryState {
			changes = append(changes, change{e.At, store.State(e.Outcome)})
		}
	}
	if len(changes) == 0 && !i.Status.Since.IsZero() {
		changes = append(changes, change{i.Status.Since, i.Status.State})
	}
	for n, c := range changes {
		end := a.to
		if n+1 < len(changes) {
			end = changes[n+1].at
		}
		from, to := a.x(c.at), a.x(end)
		if !end.After(a.from) || to <= from {
			continue
		}
		l := labelOf(stateLabels, c.state)
		out = append(out, segment{X: percent(from), Width: percent(to - from), Tone: l.Tone,
			Title: l.Text + " since " + c.at.UTC().Format("2006-01-02 15:04 UTC")})
	}
	return out
}

// outcomes counts, in words: "5 accepted, 1 refused".
func outcomes(attempts []store.Entry) string {
	if len(attempts) == 0 {
		return "none"
	}
	counts := map[string]int{}
	var order []string
	for _, e := range attempts {
		word := labelOf(outcomeLabels, e.Outcome).Text
		if counts[word] == 0 {
			order = append(order, word)
		}
		counts[word]++
	}
	slices.SortStableFunc(order, func(a, b string) int { return counts[b] - counts[a] })
	said := make([]string, 0, len(order))
	for _, word := range order {
		said = append(said, fmt.Sprintf("%d %s", counts[word], word))
	}
	return strings.Join(said, ", ")
}

// entryView is one line of a history.
type entryView struct {
	ID          int64
	At          moment
	Destination string
	Link        string
	Kind        string
	Outcome     label
	Reason      string
	Version     string
	Short       string
	Detail      string
	Took        string
}

var kindWords = map[store.EntryKind]string{
	store.EntryAttempt: "attempt", store.EntryState: "state", store.EntryProbe: "probe", store.EntryPerson: "person",
	store.EntryChange: "change", store.EntryEvent: "event", store.EntryDrift: "drift", store.EntryCheck: "check", store.EntryCleanup: "clean-up",
}

func (p *pages) entry(now time.Time, e store.Entry) entryView {
	kind, ok := kindWords[e.Kind]
	if !ok {
		kind = clean(string(e.Kind))
	}
	return entryView{ID: e.ID, At: ago(now, e.At), Destination: clean(e.Destination), Link: p.link(e.Destination), Kind: kind,
		Outcome: outcomeOf(e), Reason: clean(string(e.Reason)), Version: clean(e.Version), Short: short(e.Version, 14), Detail: clean(e.Detail), Took: took(e.Duration)}
}

// outcomeOf gives the label of an outcome, which has the words of what it is
// about.
func outcomeOf(e store.Entry) label {
	switch {
	case e.Outcome == "":
		return label{}
	case e.Kind == store.EntryState:
		return labelOf(stateLabels, store.State(e.Outcome))
	case e.Kind == store.EntryProbe:
		return labelOf(leftoverLabels, e.Outcome)
	case e.Kind == store.EntryCheck:
		return labelOf(standingLabels, e.Outcome)
	case e.Kind == store.EntryAttempt && e.Reason == store.ReasonPropagation:
		l := labelOf(outcomeLabels, e.Outcome)
		l.Tone, l.Sign = info, "half" // it is tried again: new keys take a while to work
		return l
	}
	return labelOf(outcomeLabels, e.Outcome)
}
