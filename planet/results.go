package planet

import (
	"context"
	"errors"
	"slices"
	"time"
)

// recalled is what is known of the failed results of one subscription.
type recalled struct {
	asked  time.Time // when its results were last read to their end
	tried  time.Time // when that was last tried
	since  time.Time // from when on they are known
	failed map[string]Result
	lossy  bool // there were more than could be read or kept
	seen   time.Time
}

// forgetAfter is how long a subscription that no list shows is remembered: a
// list may have been cut, or have been about another destination.
const forgetAfter = time.Hour

func (r *round) readSubscriptions(ctx context.Context, refs []string) {
	if r.g.o.Subscriptions == nil {
		return
	}
	listed, shown := 0, 0
	for _, q := range []SubscriptionsQuery{
		{Statuses: []SubscriptionStatus{SubscriptionRunning, SubscriptionPreparing, SubscriptionPending}},
		{Statuses: []SubscriptionStatus{SubscriptionFailed}, UpdatedSince: r.since},
	} {
		for _, ref := range refs {
			q.Ref, q.AllUsers, q.Pages, q.budget = ref, r.g.o.AllUsers, r.g.o.Pages, &r.budget
			got, err := r.g.o.Subscriptions.List(ctx, q)
			for _, s := range got.Subscriptions {
				r.subscription(ref, s)
			}
			listed, shown = listed+len(got.Subscriptions), shown+got.Deliveries
			if !r.answered(got.More, err) {
				return
			}
		}
	}
	r.compare(refs, listed, shown)
}

func (r *round) subscription(asked string, s Subscription) {
	i, ok := r.of(asked, s.Ref)
	if !ok || r.subs[s.ID] {
		return
	}
	r.subs[s.ID] = true
	t := r.found[i]
	switch s.Status {
	case SubscriptionRunning, SubscriptionPreparing, SubscriptionPending:
		t.Running++
		r.deliver = append(r.deliver, source{s, i})
	case SubscriptionFailed:
		t.fail(Failure{FailedSubscription, s.ID, s.Name, s.Updated, CauseUnknown, ""})
	}
}

// due is a subscription whose results are to be asked for.
type due struct {
	id          string
	from, tried time.Time
}

// due gives the running subscriptions, those first that were asked about
// longest ago: one whose results can't be had does not keep the others waiting.
func (r *round) due() []due {
	g := r.g
	var all []due
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for _, s := range r.deliver {
		m, since := g.results[s.ID], r.targets[s.target].Since
		if m == nil || since.Before(m.since) || since.After(m.since) && m.lossy {
			m = &recalled{failed: map[string]Result{}}
			g.results[s.ID] = m
		}
		m.since, m.seen = since, now
		d := due{s.ID, since, m.tried}
		if again := m.asked.Add(-overlap); !m.asked.IsZero() && again.After(d.from) {
			d.from = again
		}
		all = append(all, d)
	}
	for id, m := range g.results {
		if now.Sub(m.seen) > forgetAfter {
			delete(g.results, id)
		}
	}
	slices.SortStableFunc(all, func(a, b due) int { return a.tried.Compare(b.tried) })
	return all
}

// readResults spends what is left of the budget on results, and counts what is
// known of all.
func (r *round) readResults(ctx context.Context) {
	g := r.g
	for _, d := range r.due() {
		if r.budget <= 0 {
			break
		}
		began := time.Now()
		got, err := g.o.Subscriptions.Results(ctx, d.id, ResultsQuery{
			Statuses: []ResultStatus{ResultFailed}, UpdatedSince: d.from, Pages: g.o.Pages, budget: &r.budget,
		})
		g.remember(d.id, began, got, err)
		if KindOf(err) == KindNotFound { // it is gone since the list was made
			continue
		}
		if err != nil {
			if !errors.Is(err, errBudget) {
				r.errs = append(r.errs, err)
			}
			break
		}
	}
	r.countResults()
}

func (g *Gatherer) remember(id string, began time.Time, got ResultList, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.results[id]
	if m == nil {
		return
	}
	m.tried = began
	for _, res := range got.Results {
		if res.Status != ResultFailed {
			continue
		}
		if _, known := m.failed[res.ID]; !known && len(m.failed) >= keptResults {
			m.lossy = true
			continue
		}
		m.failed[res.ID] = res
	}
	m.lossy = m.lossy || got.More && err == nil
	if (err == nil || KindOf(err) == KindNotFound) && began.After(m.asked) {
		m.asked = began
	}
}

func (r *round) countResults() {
	r.g.mu.Lock()
	defer r.g.mu.Unlock()
	for _, s := range r.deliver {
		t, m := r.found[s.target], r.g.results[s.ID]
		if m == nil || m.asked.IsZero() || m.lossy {
			t.Incomplete = true
		}
		if m == nil {
			continue
		}
		if !m.asked.IsZero() && (t.ResultsAt.IsZero() || m.asked.Before(t.ResultsAt)) {
			t.ResultsAt = m.asked
		}
		for id, res := range m.failed {
			at := res.Completed
			if at.IsZero() {
				at = res.Updated
			}
			if !at.IsZero() && at.Before(m.since) {
				delete(m.failed, id)
				continue
			}
			text := ""
			for _, e := range res.Errors {
				if text == "" || CauseOf(text) != CauseCredential && CauseOf(e) == CauseCredential {
					text = e
				}
			}
			t.fail(Failure{FailedResult, s.ID, s.Name, at, res.Cause, text})
		}
	}
}
