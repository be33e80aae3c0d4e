package page

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/store"
)

// docs is where the long form of each word stands.
const docs = "https://github.com/rotatord/rotatord/blob/main/docs/states.md#"

const historyPage = 50

// destinationView is the page of one destination.
type destinationView struct {
	frame
	Name     string
	Raw      string // as the actions take it
	Known    bool   // there is a record
	Sub      string
	Graver   []label // conditions that weigh more than the state
	State    label
	Since    moment
	Reason   string
	Headline string
	Todo     []todo
	Risk     string // what depends on it
	Calm     string // that nothing is known to
	Sections []section
	Failures []failure
	Timeline timeline
	Spans    []spanView
	History  []entryView
	Newest   string
	Older    string
}

// todo is one thing to do, or to know.
type todo struct {
	Label    label
	Word     string
	Since    moment
	Detail   string
	Advice   advice
	Commands []string
	Docs     string
}

// section is a few facts under a heading.
type section struct {
	Title string
	Facts []fact
}

type fact struct {
	Name  string
	Label label // Text empty for none
	Text  string
	Code  string
	At    moment
}

type failure struct {
	What, ID, Name, Cause, Message string
	At                             moment
}

func (p *pages) destination(w http.ResponseWriter, r *http.Request, name string) {
	ctx, now := r.Context(), p.Now()
	records, err := p.Source.List(ctx)
	at := slices.IndexFunc(records, func(r store.Record) bool { return r.Destination == name })
	before, _ := strconv.ParseInt(r.URL.Query().Get("before"), 10, 64)
	before = max(before, 0)
	history, historyErr := p.Source.History(ctx, store.HistoryQuery{Destination: name, Limit: historyPage + 1, Before: before})
	if at < 0 && len(history) == 0 {
		if err != nil || historyErr != nil {
			p.problem(w, r, http.StatusServiceUnavailable, "What is recorded of this destination can’t be read", strings.Join(broken(err, historyErr), " "))
			return
		}
		p.problem(w, r, http.StatusNotFound, "No destination is configured by this name", clean(name))
		return
	}
	v := destinationView{frame: p.frame(r, now, clean(name)+" · rotatord"), Name: clean(name), Raw: name, Known: at >= 0}
	var receiptsErr error
	if v.Known {
		var receipts []store.Receipt
		receipts, receiptsErr = p.Source.Receipts(ctx)
		i := itemsOf(now, records[at:at+1], receipts)[0]
		p.about(&v, now, i)
		p.ownRotations(ctx, &v, now, i, spanOf(parse(r.URL.Query()).Span))
	}
	v.History, v.Older = p.historyOf(now, name, history)
	if before > 0 {
		v.Newest = p.link(name) + "#history"
	}
	v.Broken = broken(receiptsErr, historyErr)
	if at < 0 {
		v.Broken = broken(err, historyErr)
	}
	p.render(w, r, http.StatusOK, "destination.html", v)
}

func (p *pages) historyOf(now time.Time, name string, entries []store.Entry) (out []entryView, older string) {
	if len(entries) > historyPage {
		entries = entries[:historyPage]
		older = p.link(name) + fmt.Sprintf("?before=%d#history", entries[historyPage-1].ID)
	}
	for _, e := range entries {
		out = append(out, p.entry(now, e))
	}
	return out, older
}

func (p *pages) ownRotations(ctx context.Context, v *destinationView, now time.Time, i item, s span) {
	// What can't be read is said for the history itself.
	entries, _ := p.Source.History(ctx, store.HistoryQuery{Destination: i.Destination, Limit: timelineEntries})
	v.Timeline = ownTimeline(now, s, i, entries)
	v.Spans = spansOf(s.Key, func(key string) string {
		link := p.link(i.Destination)
		if key != "" {
			link += "?" + url.Values{"span": {key}}.Encode()
		}
		return link + "#rotations"
	})
}

// about fills in all that is known of one destination.
func (p *pages) about(v *destinationView, now time.Time, i item) {
	v.Sub, v.State, v.Since = sub(i), labelOf(stateLabels, i.state), lasting(now, i.Status.Since)
	if i.Paused != nil {
		v.Since = lasting(now, i.Paused.Since)
	} else {
		v.Reason = clean(string(i.Status.Reason))
	}
	v.Graver, _ = i.weighed()
	for _, pr := range i.problems {
		v.Todo = append(v.Todo, todo{Label: pr.label, Word: word(pr), Since: lasting(now, pr.since), Detail: sentence(pr.detail),
			Advice: pr.advice, Commands: pr.advice.commandsFor(i.Destination), Docs: docs + anchor(pr.word)})
	}
	if len(v.Todo) == 0 {
		v.Headline = "Nothing to do. " + stateAdvice[store.StateInSync].Says
	}
	if i.attention() {
		v.Risk, v.Calm = i.atRisk()
	}
	for _, s := range []section{
		{"Versions", versionFacts(now, i)},
		{"Credential", credentialFacts(now, i)},
		{"Bucket", bucketFacts(now, i)},
		{"Used by", dependentFacts(now, i)},
		{"Receipt", receiptFacts(now, i)},
		{"Changes by others", driftFacts(now, i)},
		{"Destination", ownFacts(now, i)},
	} {
		if len(s.Facts) > 0 {
			v.Sections = append(v.Sections, s)
		}
	}
	if d := i.Record.Dependents; d != nil {
		for _, f := range d.Examples {
			v.Failures = append(v.Failures, failure{What: clean(string(f.Kind)), ID: clean(f.ID), Name: clean(f.Name),
				Cause: clean(string(f.Cause)), Message: clean(f.Message), At: ago(now, f.At)})
		}
	}
}

// anchor is the heading of docs/states.md that speaks of a word.
func anchor(word string) string {
	if strings.HasPrefix(word, notePrefix) {
		return "conditions"
	}
	return word
}
