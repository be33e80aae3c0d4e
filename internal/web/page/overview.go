package page

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/store"
)

// overviewView is the page of all destinations.
type overviewView struct {
	frame
	Summary  summary
	Causes   []cause
	Rest     []cause // those after the gravest, a line each
	Filter   filterView
	Columns  []columnView
	Rows     []row
	Shown    string // "12 of 50 destinations"
	Newer    string
	Older    string
	Timeline timeline
	Spans    []spanView
	Rotated  []entryView
	Accounts []accountView
	Sources  []sourceView
}

type summary struct {
	Total    int
	Headline string
	Tone     tone
	Sign     string
	Parts    []part
	Breaking int
	Trouble  int
}

// part is how many destinations are in one state.
type part struct {
	Label    label
	Count    int
	Link     string
	X, Width string
	Chosen   bool
}

type spanView struct {
	Text, Link string
	Current    bool
}

const (
	mostCauses = 8
	mostNames  = 6
	// soonExpiring is from when on a credential's end is shown as a warning.
	soonExpiring = 7 * 24 * time.Hour
)

func (p *pages) overview(w http.ResponseWriter, r *http.Request) {
	ctx, now := r.Context(), p.Now()
	records, err := p.Source.List(ctx)
	if err != nil && len(records) == 0 {
		p.problem(w, r, http.StatusServiceUnavailable, "What is recorded can’t be read", err.Error())
		return
	}
	receipts, receiptsErr := p.Source.Receipts(ctx)
	items := itemsOf(now, records, receipts)
	q := parse(r.URL.Query())

	v := overviewView{frame: p.frame(r, now, ""), Summary: p.summary(items, q), Filter: p.filter(q), Columns: p.columns(q)}
	v.Title = title(v.Summary)
	v.Causes = p.causes(now, items)
	if len(v.Causes) > mostCauses {
		v.Causes, v.Rest = v.Causes[:mostCauses], v.Causes[mostCauses:]
	}
	p.table(&v, now, items, q)
	historyErr := p.rotations(ctx, &v, now, q)
	var accountsErr error
	v.Accounts, accountsErr = p.accounts(ctx, now, items)
	var sourcesErr error
	v.Sources, sourcesErr = p.sources(ctx, now)
	v.Broken = broken(err, receiptsErr, historyErr, accountsErr, sourcesErr)
	p.render(w, r, http.StatusOK, "overview.html", v)
}

func title(s summary) string {
	if s.Trouble > 0 {
		return fmt.Sprintf("(%d) rotatord", s.Trouble)
	}
	return "rotatord"
}

// summary counts states, and says how things are in one sentence.
func (p *pages) summary(items []item, q query) summary {
	s := summary{Total: len(items)}
	counts := map[store.State]int{}
	for _, i := range items {
		counts[i.state]++
		if i.attention() {
			s.Trouble++
		}
		if i.breaking() {
			s.Breaking++
		}
	}
	s.Headline, s.Tone, s.Sign = headline(s)
	order := []store.State{store.StateInSync, store.StateNew, store.StatePaused, store.StateWaiting, store.StateUnknown,
		store.StateFailing, store.StateHeld, store.StateBlocked}
	for state := range counts { // another version's
		if !slices.Contains(order, state) {
			order = append(order, state)
		}
	}
	x := 0.0
	for _, state := range order {
		n := counts[state]
		if n == 0 {
			continue
		}
		width := 100 * float64(n) / float64(len(items))
		link := query{State: string(state)}
		chosen := q.State == string(state)
		if chosen {
			link = query{}
		}
		s.Parts = append(s.Parts, part{Label: labelOf(stateLabels, state), Count: n, Link: link.link(p.Base) + "#destinations",
			X: percent(x), Width: percent(width), Chosen: chosen})
		x += width
	}
	return s
}

func headline(s summary) (text string, t tone, sign string) {
	switch {
	case s.Total == 0:
		return "No destinations are configured", quiet, "ring"
	case s.Trouble == 0 && s.Total == 1:
		return "The destination is well", good, "disc"
	case s.Trouble == 0:
		return fmt.Sprintf("All %d destinations are well", s.Total), good, "disc"
	}
	verb := "need"
	if s.Trouble == 1 {
		verb = "needs"
	}
	text = fmt.Sprintf("%d of %s %s attention", s.Trouble, plural(s.Total, "destination"), verb)
	if s.Breaking > 0 {
		return text + fmt.Sprintf("; deliveries to %d fail or may be failing", s.Breaking), bad, "cross"
	}
	return text, warn, "triangle"
}

// rotations reads what was tried lately.
func (p *pages) rotations(ctx context.Context, v *overviewView, now time.Time, q query) error {
	s := spanOf(q.Span)
	entries, err := p.Source.History(ctx, store.HistoryQuery{Since: now.Add(-s.length), Limit: timelineEntries})
	v.Timeline = fleetTimeline(now, s, entries, p.link)
	v.Spans = spansOf(q.Span, func(key string) string {
		next := q
		next.Span = key
		return next.link(p.Base) + "#rotations"
	})
	for _, e := range entries {
		if e.Kind == store.EntryAttempt && len(v.Rotated) < lastRotations {
			v.Rotated = append(v.Rotated, p.entry(now, e))
		}
	}
	return err
}

func spansOf(current string, link func(string) string) (out []spanView) {
	for _, s := range spans {
		out = append(out, spanView{s.Text, link(s.Key), s.Key == current})
	}
	return out
}
