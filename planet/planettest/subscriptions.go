package planettest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// Planet's words.
var (
	subscriptionStatuses = []string{"running", "cancelled", "preparing", "pending", "completed", "suspended", "failed", "invalid"}
	resultStatuses       = []string{"created", "queued", "processing", "failed", "success"}
)

// subscription is one that delivers to a destination on a clock.
type subscription struct {
	use
	id, name, status string
	created, updated time.Time
	interval         time.Duration
	stop             context.CancelFunc
	results          []*result
}

// result is one delivery of a subscription.
type result struct {
	id, status, message         string
	created, updated, completed time.Time
}

// keptResults bounds what a subscription remembers.
const keptResults = 1 << 14

// add files a result; the older half of too many is dropped.
func (sub *subscription) add(r *result) {
	if len(sub.results) >= keptResults {
		sub.results = append([]*result(nil), sub.results[len(sub.results)/2:]...)
	}
	sub.results = append(sub.results, r)
}

// Subscription is what [Simulator.Subscribe] makes. The zero values are those
// of the [DeliveryOptions].
type Subscription struct {
	Name     string // empty picks one
	Prefix   string // the path prefix of its files
	Files    int
	Hold     time.Duration
	Interval time.Duration
}

// Subscribe makes a subscription of the user, as [Simulator.Order] makes an
// order, and returns its id. It delivers until it is cancelled or the
// Simulator closed.
func (s *Simulator) Subscribe(user, ref string, n Subscription) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, bad := s.newSubscription(s.userNamed(user), ref, n)
	if bad != nil {
		panic("planettest: subscribe: " + bad.message)
	}
	return sub.id
}

// Cancel ends a subscription; a delivery that is under way goes on.
func (s *Simulator) Cancel(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.work.subscriptions {
		if sub.id == id {
			sub.cancel()
			return
		}
	}
	panic("planettest: no subscription " + id)
}

func (sub *subscription) cancel() {
	if sub.status == "running" {
		sub.status, sub.updated = "cancelled", time.Now()
		sub.stop()
	}
}

// newSubscription files a subscription and starts its clock. The caller holds mu.
func (s *Simulator) newSubscription(u *User, ref string, n Subscription) (*subscription, *problem) {
	to, bad := s.newUse(u, ref, n.Prefix)
	if bad != nil {
		return nil, bad
	}
	to.adapt(n.Files, n.Hold)
	now := time.Now()
	sub := &subscription{
		use: to, id: itemID(s.work.ids), name: n.Name, status: "running",
		created: now, updated: now, interval: s.deliveryOptions.Interval,
	}
	if n.Interval > 0 {
		sub.interval = n.Interval
	}
	if sub.name == "" {
		sub.name = "subscription " + sub.id[:8]
	}
	ctx, stop := context.WithCancel(s.clock.life)
	sub.stop = stop
	s.work.subscriptions = append(s.work.subscriptions, sub)
	s.clock.run(func(context.Context) {
		defer stop()
		s.run(ctx, sub)
	})
	return sub, nil
}

func (s *Simulator) createSubscription(_ context.Context, c *call, _ string) (answer, *problem) {
	name, delivery, bad := readDelivery(c.body)
	if bad != nil {
		return answer{}, bad
	}
	ref, prefix, bad := readSubscriptionUse(delivery)
	if bad != nil {
		return answer{}, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, bad := s.newSubscription(c.user, ref, Subscription{Name: name, Prefix: prefix})
	if bad != nil {
		return answer{}, bad
	}
	s.takeEffect(c)
	return reply(http.StatusOK, s.showSubscription(sub, c)), nil
}

// readSubscriptionUse reads {"type": "destination", "parameters": {"ref"}}.
func readSubscriptionUse(delivery json.RawMessage) (ref, prefix string, bad *problem) {
	members, bad := decodeObject(delivery, "delivery")
	if bad != nil {
		return "", "", bad
	}
	fields, bad := pick(members, "type", "parameters")
	if bad != nil {
		return "", "", bad
	}
	if string(fields["type"]) != `"destination"` || fields["parameters"] == nil {
		return "", "", badRequest("delivery must be of type destination with parameters: others are not simulated")
	}
	return readUse(fields["parameters"], "delivery.parameters")
}

// subscriptionOf finds one that the caller may see. The caller holds mu.
func (s *Simulator) subscriptionOf(c *call, id string) (*subscription, *problem) {
	for _, sub := range s.work.subscriptions {
		if sub.id == id && sub.user.Organization == c.user.Organization && (sub.user == c.user || c.user.Admin) {
			return sub, nil
		}
	}
	return nil, &problem{http.StatusNotFound, "there is no such subscription"}
}

func (s *Simulator) getSubscription(_ context.Context, c *call, id string) (answer, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, bad := s.subscriptionOf(c, id)
	if bad != nil {
		return answer{}, bad
	}
	return reply(http.StatusOK, s.showSubscription(sub, c)), nil
}

func (s *Simulator) cancelSubscription(_ context.Context, c *call, id string) (answer, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, bad := s.subscriptionOf(c, id)
	if bad != nil {
		return answer{}, bad
	}
	sub.cancel()
	s.takeEffect(c)
	return reply(http.StatusOK, map[string]any{}), nil
}

// listSubscriptions lists the newest first.
func (s *Simulator) listSubscriptions(_ context.Context, c *call, _ string) (answer, *problem) {
	sel, bad := s.readSelection(c, "status", "updated", subscriptionStatuses)
	if bad != nil {
		return answer{}, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*subscription
	for i := len(s.work.subscriptions) - 1; i >= 0; i-- {
		if sub := s.work.subscriptions[i]; s.wants(sel, c, sub.use, sub.status, sub.updated) {
			found = append(found, sub)
		}
	}
	from, to, links := sel.cut(c, len(found))
	shown := []any{}
	for _, sub := range found[from:to] {
		shown = append(shown, s.showSubscription(sub, c))
	}
	return reply(http.StatusOK, map[string]any{"_links": links, "subscriptions": shown}), nil
}

// showSubscription has the fields that matter here. The caller holds mu.
func (s *Simulator) showSubscription(sub *subscription, c *call) map[string]any {
	self := c.origin() + string(subscriptionsAPI) + "/" + sub.id
	shown := map[string]any{
		"_links":  map[string]string{"_self": self, "results": self + "/results"},
		"created": stamp(sub.created), "updated": stamp(sub.updated),
		"id": sub.id, "name": sub.name, "status": sub.status,
	}
	if !s.deliveryOptions.HideRefs {
		shown["delivery"] = map[string]any{"type": "destination", "parameters": sub.show()}
	}
	return shown
}

// listResults lists the newest first.
func (s *Simulator) listResults(_ context.Context, c *call, id string) (answer, *problem) {
	sel, bad := s.readSelection(c, "status", "updated", resultStatuses)
	if bad != nil {
		return answer{}, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, bad := s.subscriptionOf(c, id)
	if bad != nil {
		return answer{}, bad
	}
	var found []*result
	for i := len(sub.results) - 1; i >= 0; i-- {
		r := sub.results[i]
		if sel.moved(r.updated) && (len(sel.states) == 0 || slices.Contains(sel.states, r.status)) {
			found = append(found, r)
		}
	}
	from, to, links := sel.cut(c, len(found))
	shown := []any{}
	for _, r := range found[from:to] {
		shown = append(shown, r.show())
	}
	return reply(http.StatusOK, map[string]any{"_links": links, "results": shown}), nil
}

func (r *result) show() map[string]any {
	shown := map[string]any{
		"id": r.id, "status": r.status, "created": stamp(r.created), "updated": stamp(r.updated),
		"completed": nil, "errors": map[string]any{},
	}
	if !r.completed.IsZero() {
		shown["completed"] = stamp(r.completed)
	}
	if r.message != "" {
		shown["errors"] = map[string]any{"delivery": []string{r.message}}
	}
	return shown
}
