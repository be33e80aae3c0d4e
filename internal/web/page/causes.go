package page

import (
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/store"
)

// cause is one thing that is wrong, with all destinations that it is gravest
// for: fifty that can't reach Planet are one line.
type cause struct {
	Key     string
	Label   label
	Word    string
	Advice  advice
	Since   moment
	Detail  string
	Risk    string // what depends on them
	Calm    string // that nothing is known to
	Names   []nameView
	More    int
	Link    string // all destinations of this cause
	Command []string
	Count   int
	Docs    string
}

type nameView struct {
	Name, Link string
	Also       []label
}

// causes groups what needs attention, the gravest first.
func (p *pages) causes(now time.Time, items []item) []cause {
	type group struct {
		rank    int
		items   []item
		problem problem
	}
	groups := map[string]*group{}
	var order []*group
	for _, i := range items {
		if !i.attention() {
			continue
		}
		first := i.problems[0]
		key := first.word + "\n" + first.label.Text
		if first.word == string(store.ReasonAccountBlocked) {
			key += "\n" + i.Account
		}
		g := groups[key]
		if g == nil {
			g = &group{rank: first.rank, problem: first}
			groups[key] = g
			order = append(order, g)
		}
		if !first.since.IsZero() && (g.problem.since.IsZero() || first.since.Before(g.problem.since)) {
			g.problem.since = first.since
		}
		if first.detail != g.problem.detail {
			g.problem.detail = "" // each has its own, on its own page
		}
		g.items = append(g.items, i)
	}
	slices.SortStableFunc(order, func(a, b *group) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		return len(b.items) - len(a.items)
	})
	out := make([]cause, 0, len(order))
	for _, g := range order {
		out = append(out, p.cause(now, g.problem, g.items))
	}
	return out
}

func (p *pages) cause(now time.Time, pr problem, items []item) cause {
	c := cause{Key: pr.word, Label: pr.label, Word: word(pr), Advice: pr.advice, Since: lasting(now, pr.since),
		Detail: sentence(pr.detail), Count: len(items), Link: causeLink(p.Base, pr, items), Docs: docs + anchor(pr.word)}
	running, open, unknown := 0, 0, false
	for _, i := range items {
		if d := i.Record.Dependents; d != nil {
			running, open = running+d.Running, open+d.Open
		} else {
			unknown = true
		}
		if len(c.Names) < mostNames {
			n := nameView{Name: clean(i.Destination), Link: p.link(i.Destination)}
			for _, also := range i.problems[1:] {
				if also.rank < attention {
					n.Also = append(n.Also, also.label)
				}
			}
			c.Names = append(c.Names, n)
		}
	}
	c.More = len(items) - len(c.Names)
	switch {
	case len(items) == 1:
		c.Risk, c.Calm = items[0].atRisk()
		c.Command = pr.advice.commandsFor(items[0].Destination)
	case running+open > 0:
		c.Risk = plural(running, "running subscription") + " and " + plural(open, "open order") + " depend on them"
		if unknown {
			c.Risk += ", as far as that is known"
		}
		c.Risk += "."
	}
	return c
}

// word is what stands beside the label, if it says more.
func word(pr problem) string {
	if strings.ReplaceAll(pr.word, "_", " ") == pr.label.Text || pr.word == string(store.ConditionRejected) || pr.word == "standing" {
		return ""
	}
	if _, ok := reasonAdvice[store.Reason(pr.word)]; ok {
		return pr.word
	}
	return ""
}

func causeLink(base string, pr problem, items []item) string {
	q := query{State: attentionOnly}
	switch {
	case slices.Contains(store.Conditions(), store.Condition(pr.word)):
		q = query{Condition: pr.word}
	case slices.Contains(store.Reasons(), store.Reason(pr.word)):
		q = query{Reason: pr.word}
		if pr.word == string(store.ReasonAccountBlocked) {
			q.Account = clean(items[0].Account)
		}
	case slices.Contains(store.States(), store.State(pr.word)):
		q = query{State: pr.word}
	}
	return q.link(base) + "#destinations"
}
