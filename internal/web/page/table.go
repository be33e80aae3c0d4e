package page

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/store"
)

type columnView struct {
	column
	Link string
	Aria string // aria-sort
	Sign string
}

type filterView struct {
	query
	States, Conditions []option
	Active             bool
	Clear              string
	Chips              []chip
}

// chip is a filter that the form has no field for.
type chip struct{ Name, Value, Without string }

type row struct {
	Name, Link, Sub    string
	Rev                string
	Graver             []label // conditions that weigh more than the state
	State              label
	Since              moment
	Reason             string
	Conditions         []label
	Version, Short     string
	Current, CurrShort string
	Accepted           moment
	Expires            moment
	ExpiresTone        tone
	Credential         label
	Tried              moment
	Leftover           label
	UsedBy, UsedLong   string
	LeftoverWhy        string
	Failed             int
	Receipt            label
	ReceiptAt          moment
	Next               moment
	Tone               tone
}

func (p *pages) filter(q query) filterView {
	f := filterView{query: q, States: q.stateOptions(), Conditions: q.conditionOptions(), Active: q.filtered()}
	f.Clear = query{Sort: q.Sort, Desc: q.Desc, Span: q.Span}.link(p.Base) + "#destinations"
	without := q
	without.Page = 0
	if q.Reason != "" {
		w := without
		w.Reason = ""
		f.Chips = append(f.Chips, chip{"reason", q.Reason, w.link(p.Base) + "#destinations"})
	}
	if q.Account != "" {
		w := without
		w.Account = ""
		f.Chips = append(f.Chips, chip{"account", q.Account, w.link(p.Base) + "#destinations"})
	}
	return f
}

func (p *pages) columns(q query) []columnView {
	out := make([]columnView, 0, len(columns))
	for _, c := range columns {
		next := q
		next.Page, next.Sort, next.Desc = 0, c.Key, false
		v := columnView{column: c}
		if q.Sort == c.Key {
			v.Aria, v.Sign, next.Desc = "ascending", "up", !q.Desc
			if q.Desc {
				v.Aria, v.Sign = "descending", "down"
			}
		}
		v.Link = next.link(p.Base) + "#destinations"
		out = append(out, v)
	}
	return out
}

// table fills in the rows that were asked for.
func (p *pages) table(v *overviewView, now time.Time, items []item, q query) {
	taken := make([]item, 0, len(items))
	for _, i := range items {
		if q.takes(i) {
			taken = append(taken, i)
		}
	}
	q.sorted(taken)
	from := min(q.Page*perPage, max(0, (len(taken)-1)/perPage*perPage))
	to := min(from+perPage, len(taken))
	for _, i := range taken[from:to] {
		v.Rows = append(v.Rows, p.row(now, i))
	}
	v.Shown = plural(len(items), "destination")
	if q.filtered() {
		v.Shown = fmt.Sprintf("%d of %s", len(taken), v.Shown)
	}
	if len(taken) > perPage {
		v.Shown += fmt.Sprintf(", %d to %d shown", from+1, to)
	}
	page := q
	if from > 0 {
		page.Page = from/perPage - 1
		v.Newer = page.link(p.Base) + "#destinations"
	}
	if to < len(taken) {
		page.Page = from/perPage + 1
		v.Older = page.link(p.Base) + "#destinations"
	}
}

func (p *pages) row(now time.Time, i item) row {
	r := row{Name: clean(i.Destination), Link: p.link(i.Destination), Sub: sub(i), State: labelOf(stateLabels, i.state),
		Since: lasting(now, i.Status.Since), Version: clean(i.version()), Short: short(i.version(), 12),
		Current: clean(i.current()), CurrShort: short(i.current(), 12), Accepted: ago(now, i.acceptedAt()),
		Credential: i.standing(), Tried: ago(now, i.Standing.CheckedAt), Leftover: i.leftover(), UsedBy: i.usedBy(true), UsedLong: i.usedBy(false), Receipt: i.receiptLabel(), Tone: quiet}
	if i.Status.Reason != "" && i.Paused == nil {
		r.Reason = clean(string(i.Status.Reason))
	}
	if i.Status.Reason == store.ReasonRestoreFailed && i.Paused == nil {
		r.State.Tone = bad
	}
	r.Graver, r.Conditions = i.weighed()
	if len(i.problems) > 0 {
		r.Tone = i.problems[0].label.Tone
	}
	r.Expires, r.ExpiresTone = expiry(now, i)
	if i.Leftover.State == "cannot_tell" {
		r.LeftoverWhy = clean(strings.ReplaceAll(i.Leftover.Reason, "_", " "))
	}
	if d := i.Record.Dependents; d != nil {
		r.Failed = d.FailedCredential
	}
	r.ReceiptAt = receiptMoment(now, i.receipt)
	switch {
	case i.Paused != nil:
	case i.IsDue():
		r.Next = exact("now", now)
	default:
		r.Next = in(now, i.NextLook)
	}
	r.Rev = revision(r)
	return r
}

// revision tells whether anything but the time has changed in a row.
func revision(r row) string {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, r.State, r.Reason, r.Graver, r.Conditions, r.Version, r.Current, r.Credential, r.Leftover, r.UsedBy, r.Receipt)
	return fmt.Sprintf("%x", h.Sum64())
}

func expiry(now time.Time, i item) (moment, tone) {
	at := i.Expiry()
	switch {
	case at.IsZero():
		return moment{}, quiet
	case !at.After(now):
		return exact("expired", at), bad
	case i.ExpiresUnreplaced(), at.Sub(now) < soonExpiring:
		return in(now, at), warn
	}
	return in(now, at), quiet
}

func receiptMoment(now time.Time, r *store.Receipt) moment {
	switch {
	case r == nil:
		return moment{}
	case !r.Withdrawn.IsZero():
		return ago(now, r.Withdrawn)
	case !r.Safe.IsZero():
		return ago(now, r.Safe)
	}
	return in(now, r.Opens)
}

func sub(i item) string {
	var said []string
	if i.Pin != nil && i.Pin.Type != "" {
		said = append(said, strings.ReplaceAll(clean(i.Pin.Type), "_", " "))
	}
	if i.Account != "" {
		said = append(said, clean(i.Account))
	}
	return strings.Join(said, " · ")
}
