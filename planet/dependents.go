package planet

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	defaultRequests = 16
	maxExamples     = 5
	// overlap is how much of what was asked for before is asked for again:
	// clocks differ, and a result may show up a little after its own time.
	overlap = 2 * time.Minute
	// keptResults bounds what is remembered of one subscription.
	keptResults = 1000
)

// Dependents says who uses a destination and how their deliveries have gone.
type Dependents struct {
	// At is when this was gathered.
	At time.Time `json:"at"`
	// Since is from when on failures are counted.
	Since time.Time `json:"since"`
	// Running counts subscriptions that deliver, or will: running, preparing
	// and pending ones.
	Running int `json:"running"`
	// Open counts orders that are queued or running.
	Open int `json:"open"`
	// Failed counts what failed since: orders, in whole or in part, results of
	// subscriptions that run, and subscriptions that failed themselves.
	Failed int `json:"failed"`
	// FailedCredential counts those of them whose texts speak against the
	// credential.
	FailedCredential int `json:"failed_credential"`
	// Examples are at most five of the failures: those that speak against the
	// credential first, then the newest.
	Examples []Failure `json:"examples,omitempty"`
	// AllUsers tells whether the organization's were asked for, or those of
	// the key's own user alone.
	AllUsers bool `json:"all_users"`
	// Incomplete says that there may be more than what was counted: an answer
	// failed, a bound was reached, a reference could not be told.
	Incomplete bool `json:"incomplete"`
	// ResultsAt is the oldest of the answers that the results of subscriptions
	// were taken from; zero when there was no need to ask for any.
	ResultsAt time.Time `json:"results_at,omitzero"`
}

// FailureKind says what failed.
type FailureKind string

// The kinds of a [Failure].
const (
	FailedOrder        FailureKind = "order"
	FailedSubscription FailureKind = "subscription"
	FailedResult       FailureKind = "result"
)

// Failure is one delivery that failed.
type Failure struct {
	// Kind says what failed.
	Kind FailureKind `json:"kind"`
	// ID is the order's or the subscription's, for a result too.
	ID string `json:"id"`
	// Name is what its user called it.
	Name string `json:"name,omitempty"`
	// At is Planet's time of the failure; zero if it can't be read.
	At time.Time `json:"at,omitzero"`
	// Cause is what the texts say.
	Cause Cause `json:"cause"`
	// Message is one of the texts, fit to be shown.
	Message string `json:"message,omitempty"`
}

// Target is a destination to gather dependents of.
type Target struct {
	// Destination is as Planet shows it. What was ordered for the organization's
	// default counts where Destination.Default is true; if the answer left it
	// open, see [Client.Default].
	Destination Destination
	// Since is from when on failures count; the last rotation.
	Since time.Time
}

// GathererOptions configure a [Gatherer].
type GathererOptions struct {
	// Orders and Subscriptions are the account's; one may be nil, and is then
	// not asked, which is said by nothing in the results.
	Orders        *Orders
	Subscriptions *Subscriptions
	// AllUsers asks for those of the whole organization: the key's user must be
	// an admin of it, or Planet refuses.
	AllUsers bool
	// Requests bounds the requests of one call to both APIs together,
	// repetitions included; 0 means 16.
	Requests int
	// Pages bounds the pages that are read of one list; 0 means 4.
	Pages int
}

// Gatherer finds out who depends on destinations. It remembers the failed
// results of subscriptions, which cost a request each, and asks only for what
// is new: those that it has not asked about for longest come first, so that a
// small bound reaches all of them over time. It is safe for concurrent use and
// starts nothing.
type Gatherer struct {
	o GathererOptions

	mu      sync.Mutex
	results map[string]*recalled // by subscription
}

// NewGatherer makes a Gatherer.
func NewGatherer(o GathererOptions) (*Gatherer, error) {
	if o.Requests == 0 {
		o.Requests = defaultRequests
	}
	if o.Pages == 0 {
		o.Pages = defaultPages
	}
	switch {
	case o.Orders == nil && o.Subscriptions == nil:
		return nil, errors.New("make a gatherer of dependents: neither Orders nor Subscriptions are given")
	case o.Requests < 0 || o.Pages < 0:
		return nil, errors.New("make a gatherer of dependents: requests and pages must not be negative")
	}
	return &Gatherer{o: o, results: map[string]*recalled{}}, nil
}

// Gather finds the dependents of one destination, by asking Planet for each
// form in which they may refer to it. An error is that of an API which did not
// answer; what else was found is given with it, marked as incomplete.
func (g *Gatherer) Gather(ctx context.Context, t Target) (Dependents, error) {
	all, err := g.gather(ctx, []Target{t}, refsOf(t.Destination))
	return all[t.Destination.ID], err
}

// GatherAll finds the dependents of many destinations at the price of one: it
// lists everything once and sorts it by the references that the items show. It
// gives a summary for each target by its id, with an error too, as Gather. Should
// Planet's lists not show references, all summaries are empty and incomplete:
// ask for those that matter with Gather.
func (g *Gatherer) GatherAll(ctx context.Context, targets []Target) (map[string]Dependents, error) {
	return g.gather(ctx, targets, []string{""})
}

// refsOf are the forms in which orders may refer to a destination.
func refsOf(d Destination) []string {
	refs := []string{refPrefix + d.ID}
	add := func(ref string) {
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	if d.Ref != "" {
		add(d.Ref)
	}
	if tail := suffixOf(d.ID); tail != "" {
		add(refPrefix + tail)
	}
	if d.Default != nil && *d.Default {
		add(refPrefix + "default")
	}
	return refs
}

// round is one call of Gather or GatherAll.
type round struct {
	g       *Gatherer
	targets []Target
	all     []Destination
	found   []*tally
	byRef   map[string]int // a reference that was looked up, as an index of found; -1 is none
	since   time.Time      // the earliest of the targets
	budget  int
	orders  map[string]bool // what was counted: one item may answer to several forms
	subs    map[string]bool
	deliver []source // running subscriptions, whose results tell
	errs    []error
}

// tally is a summary that is being made.
type tally struct {
	Dependents
	failures []Failure
}

// source is a subscription and the targets that it counts for.
type source struct {
	Subscription
	target int
}

func (g *Gatherer) gather(ctx context.Context, targets []Target, refs []string) (map[string]Dependents, error) {
	r := &round{
		g: g, targets: targets, byRef: map[string]int{}, budget: g.o.Requests,
		orders: map[string]bool{}, subs: map[string]bool{},
	}
	for i, t := range targets {
		r.all = append(r.all, t.Destination)
		r.found = append(r.found, &tally{Dependents: Dependents{Since: t.Since, AllUsers: g.o.AllUsers}})
		if i == 0 || t.Since.Before(r.since) {
			r.since = t.Since
		}
	}
	if len(targets) > 0 {
		r.readOrders(ctx, refs)
		r.readSubscriptions(ctx, refs)
		r.readResults(ctx)
	}
	out := make(map[string]Dependents, len(targets))
	now := time.Now()
	for i, t := range targets {
		r.found[i].At = now
		out[t.Destination.ID] = r.found[i].finish()
	}
	return out, errors.Join(r.errs...)
}

// unsure marks every summary.
func (r *round) unsure() {
	for _, t := range r.found {
		t.Incomplete = true
	}
}

// answered notes how a list ended, and says whether to go on with its API.
func (r *round) answered(more bool, err error) bool {
	if more || err != nil {
		r.unsure()
	}
	if err == nil || errors.Is(err, errBudget) {
		return err == nil
	}
	r.errs = append(r.errs, err)
	return false
}

// of finds the target that an item belongs to. asked is the reference that
// Planet was asked for, empty if it was asked for all.
func (r *round) of(asked, shown string) (int, bool) {
	if shown == "" {
		return 0, asked != "" // Planet says so
	}
	if i, ok := r.byRef[shown]; ok {
		return i, i >= 0
	}
	r.byRef[shown] = -1
	ref, err := ParseRef(shown)
	if err != nil {
		return 0, false
	}
	best, at, twice := noMatch, -1, false
	for i, d := range r.all {
		switch c := ref.closeness(d); {
		case c == noMatch || c > best:
		case c == best:
			twice = true
		default:
			best, at, twice = c, i, false
		}
	}
	if twice { // a suffix that several ids share, or several defaults
		r.unsure()
		return 0, false
	}
	r.byRef[shown] = at
	return at, at >= 0
}

func (r *round) readOrders(ctx context.Context, refs []string) {
	if r.g.o.Orders == nil {
		return
	}
	listed, shown := 0, 0
	for _, q := range []OrdersQuery{
		{States: []OrderState{OrderQueued, OrderRunning}},
		{States: []OrderState{OrderFailed, OrderPartial}, ModifiedSince: r.since},
	} {
		for _, ref := range refs {
			q.Ref, q.AllUsers, q.Pages, q.budget = ref, r.g.o.AllUsers, r.g.o.Pages, &r.budget
			got, err := r.g.o.Orders.List(ctx, q)
			for _, o := range got.Orders {
				r.order(ref, o)
			}
			listed, shown = listed+len(got.Orders), shown+got.Deliveries
			if !r.answered(got.More, err) {
				return
			}
		}
	}
	r.compare(refs, listed, shown)
}

// compare judges a list of everything: where no item shows where it delivers,
// none delivers anywhere, or such a list does not tell.
func (r *round) compare(refs []string, listed, shown int) {
	if refs[0] == "" && listed > 0 && shown == 0 {
		r.unsure()
	}
}

func (r *round) order(asked string, o Order) {
	i, ok := r.of(asked, o.Ref)
	if !ok || r.orders[o.ID] {
		return
	}
	r.orders[o.ID] = true
	t := r.found[i]
	switch o.State {
	case OrderQueued, OrderRunning:
		t.Open++
	case OrderFailed, OrderPartial:
		text := o.LastMessage
		for _, hint := range o.ErrorHints {
			if text == "" || CauseOf(text) != CauseCredential && CauseOf(hint) == CauseCredential {
				text = hint
			}
		}
		t.fail(Failure{FailedOrder, o.ID, o.Name, o.Modified, o.Cause, text})
	}
}

// fail counts a failure unless it is older than what is asked for. One without
// a readable time counts: Planet was asked for those since.
func (t *tally) fail(f Failure) {
	if !f.At.IsZero() && f.At.Before(t.Since) {
		return
	}
	t.failures = append(t.failures, f)
}

func (t *tally) finish() Dependents {
	d := t.Dependents
	d.Failed = len(t.failures)
	slices.SortStableFunc(t.failures, func(a, b Failure) int {
		rank := func(f Failure) int {
			if f.Cause == CauseCredential {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), b.At.Compare(a.At), cmp.Compare(a.ID, b.ID))
	})
	for _, f := range t.failures {
		if f.Cause == CauseCredential {
			d.FailedCredential++
		}
	}
	d.Examples = slices.Clone(t.failures[:min(len(t.failures), maxExamples)])
	return d
}
