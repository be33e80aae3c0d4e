package page

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/store"
)

// perPage is how many destinations one page shows.
const perPage = 200

// anything stands for "attention" among states and for "any" among conditions.
const (
	attentionOnly = "attention"
	anyCondition  = "any"
)

// query is what a page was asked for. Words that are not known are taken for
// none: a link from elsewhere shows more, and never an error.
type query struct {
	Text, State, Condition, Reason, Account string

	Sort string // a column; "" for the gravest first
	Desc bool
	Page int    // from 0
	Span string // of the time line
}

const maxText = 200

func parse(v url.Values) query {
	q := query{Text: strings.TrimSpace(clean(v.Get("q"))), Account: clean(v.Get("account"))}
	if r := []rune(q.Text); len(r) > maxText {
		q.Text = string(r[:maxText])
	}
	if s := v.Get("state"); s == attentionOnly || slices.Contains(store.States(), store.State(s)) {
		q.State = s
	}
	if c := v.Get("condition"); c == anyCondition || slices.Contains(store.Conditions(), store.Condition(c)) {
		q.Condition = c
	}
	if r := v.Get("reason"); slices.Contains(store.Reasons(), store.Reason(r)) {
		q.Reason = r
	}
	if s := v.Get("sort"); slices.ContainsFunc(columns, func(c column) bool { return c.Key == s }) {
		q.Sort, q.Desc = s, v.Get("dir") == "desc"
	}
	if n, err := strconv.Atoi(v.Get("page")); err == nil && n > 0 {
		q.Page = min(n, 1_000_000)
	}
	if s := v.Get("span"); slices.ContainsFunc(spans, func(x span) bool { return x.Key == s }) {
		q.Span = s
	}
	return q
}

// values is the query as one writes it, without what is the default.
func (q query) values() url.Values {
	v := url.Values{}
	set := func(key, value string) {
		if value != "" {
			v.Set(key, value)
		}
	}
	set("q", q.Text)
	set("state", q.State)
	set("condition", q.Condition)
	set("reason", q.Reason)
	set("account", q.Account)
	set("sort", q.Sort)
	if q.Sort != "" && q.Desc {
		v.Set("dir", "desc")
	}
	if q.Page > 0 {
		v.Set("page", strconv.Itoa(q.Page))
	}
	set("span", q.Span)
	return v
}

func (q query) link(base string) string {
	if s := q.values().Encode(); s != "" {
		return base + "?" + s
	}
	return base
}

// filtered tells whether some destinations may be left out.
func (q query) filtered() bool {
	return q.Text != "" || q.State != "" || q.Condition != "" || q.Reason != "" || q.Account != ""
}

// takes tells whether a destination is asked for. Each word of the text must be
// somewhere in what names it.
func (q query) takes(i item) bool {
	switch {
	case q.State == attentionOnly && !i.attention(),
		q.State != "" && q.State != attentionOnly && string(i.state) != q.State,
		q.Condition == anyCondition && len(i.conditions) == 0,
		q.Condition != "" && q.Condition != anyCondition && !slices.Contains(i.conditions, store.Condition(q.Condition)),
		q.Reason != "" && string(i.Status.Reason) != q.Reason,
		q.Account != "" && clean(i.Account) != q.Account:
		return false
	}
	for word := range strings.FieldsSeq(strings.ToLower(q.Text)) {
		if !strings.Contains(i.text, word) {
			return false
		}
	}
	return true
}

// column is one that the table can be sorted by.
type column struct {
	Key, Title string
	Hint       string // what the title leaves out
	less       func(a, b item) int
}

// columns are those of the table, in their order. What is not known comes last.
var columns = []column{
	{"name", "Destination", "", func(a, b item) int { return cmp.Compare(a.Destination, b.Destination) }},
	{"state", "State", "", func(a, b item) int { return cmp.Compare(a.rank(), b.rank()) }},
	{"version", "Version", "what Planet accepted last; after an arrow what is current", func(a, b item) int { return cmp.Compare(a.version(), b.version()) }},
	{"accepted", "Accepted", "when Planet accepted it", func(a, b item) int { return times(b.acceptedAt(), a.acceptedAt()) }},
	{"expires", "Expires", "when the accepted credential ends, if anybody says so", func(a, b item) int { return lastIfZero(a.Expiry(), b.Expiry()) }},
	{"credential", "Credential", "how the accepted credential did when it was last tried on the bucket", func(a, b item) int { return cmp.Compare(weight(a.standing().Tone), weight(b.standing().Tone)) }},
	{"leftover", "Leftover", "planetverify.txt in the bucket", func(a, b item) int { return cmp.Compare(weight(a.leftover().Tone), weight(b.leftover().Tone)) }},
	{"used", "Used by", "running subscriptions and open orders", func(a, b item) int { return cmp.Compare(b.dependents(), a.dependents()) }},
	{"receipt", "Receipt", "whether every destination of the secret has it, and the old credential may be revoked", func(a, b item) int { return cmp.Compare(weight(a.receiptLabel().Tone), weight(b.receiptLabel().Tone)) }},
	{"next", "Next look", "when it is looked at by itself", func(a, b item) int { return lastIfZero(a.NextLook, b.NextLook) }},
}

func times(a, b time.Time) int { return a.Compare(b) }

func lastIfZero(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// weight sorts tones, the gravest first.
func weight(t tone) int { return slices.Index([]tone{bad, warn, info, quiet, good}, t) }

// sorted puts items into the order that was asked for; what is equal there
// stands by name.
func (q query) sorted(items []item) {
	less := func(a, b item) int { return cmp.Compare(a.rank(), b.rank()) }
	for _, c := range columns {
		if c.Key == q.Sort {
			less = c.less
		}
	}
	slices.SortStableFunc(items, func(a, b item) int {
		n := less(a, b)
		if q.Desc {
			n = -n
		}
		return cmp.Or(n, cmp.Compare(a.Destination, b.Destination))
	})
}

// option is one of a select.
type option struct {
	Value, Text string
	Selected    bool
}

func (q query) stateOptions() []option {
	out := []option{{"", "all", q.State == ""}, {attentionOnly, "needs attention", q.State == attentionOnly}}
	for _, s := range store.States() {
		out = append(out, option{string(s), labelOf(stateLabels, s).Text, q.State == string(s)})
	}
	return out
}

func (q query) conditionOptions() []option {
	out := []option{{"", "all", q.Condition == ""}, {anyCondition, "any condition", q.Condition == anyCondition}}
	for _, c := range store.Conditions() {
		out = append(out, option{string(c), labelOf(conditionLabels, c).Text, q.Condition == string(c)})
	}
	return out
}
