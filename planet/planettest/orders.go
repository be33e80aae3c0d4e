package planettest

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// orderStates are Planet's.
var orderStates = []string{"queued", "running", "failed", "success", "partial", "cancelled"}

// order is one order that delivers to a destination.
type order struct {
	use
	id, name          string
	state, message    string
	hints             []string
	created, modified time.Time
}

func (o *order) move(state, message string) {
	o.state, o.message, o.modified = state, message, time.Now()
}

// Order is what [Simulator.Order] makes. The zero values are those of the
// [DeliveryOptions].
type Order struct {
	Name   string // empty picks one
	Prefix string // the path prefix of its files
	Files  int
	Hold   time.Duration
	Queue  time.Duration
}

// Order places an order of the user that delivers to the destination of a
// reference, "pl:destinations/<id>", "pl:destinations/<suffix>" or
// "pl:destinations/default", and returns its id. Everything is as if it had
// come over HTTP; where that would be refused, Order panics.
func (s *Simulator) Order(user, ref string, n Order) (id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, bad := s.newOrder(s.userNamed(user), ref, n)
	if bad != nil {
		panic("planettest: order: " + bad.message)
	}
	return o.id
}

// newOrder files an order and starts it. The caller holds mu.
func (s *Simulator) newOrder(u *User, ref string, n Order) (*order, *problem) {
	to, bad := s.newUse(u, ref, n.Prefix)
	if bad != nil {
		return nil, bad
	}
	to.adapt(n.Files, n.Hold)
	queue := s.deliveryOptions.Queue
	if n.Queue > 0 {
		queue = n.Queue
	}
	o := &order{use: to, id: itemID(s.work.ids), name: n.Name, created: time.Now()}
	if o.name == "" {
		o.name = "order " + o.id[:8]
	}
	o.move("queued", "Preparing order")
	s.work.add(o)
	s.clock.run(func(life context.Context) { s.fill(life, o, queue) })
	return o, nil
}

// keptOrders bounds what the simulator remembers.
const keptOrders = 1 << 16

// add files an order; of too many the older half is dropped where it is done.
func (w *work) add(o *order) {
	if len(w.orders) >= keptOrders {
		half := len(w.orders) / 2
		open := slices.DeleteFunc(slices.Clone(w.orders[:half]), func(o *order) bool { return o.state != "queued" && o.state != "running" })
		w.orders = append(open, w.orders[half:]...)
	}
	w.orders = append(w.orders, o)
}

func (n *use) adapt(files int, hold time.Duration) {
	if files > 0 {
		n.files = files
	}
	if hold > 0 {
		n.hold = hold
	}
}

func (s *Simulator) createOrder(_ context.Context, c *call, _ string) (answer, *problem) {
	name, delivery, bad := readDelivery(c.body)
	if bad != nil {
		return answer{}, bad
	}
	members, bad := decodeObject(delivery, "delivery")
	if bad != nil {
		return answer{}, bad
	}
	var ref, prefix string
	for _, m := range members {
		if m.name == "destination" {
			if ref, prefix, bad = readUse(m.raw, "delivery.destination"); bad != nil {
				return answer{}, bad
			}
		}
	}
	if ref == "" {
		return answer{}, badRequest("delivery.destination is required: others are not simulated")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, bad := s.newOrder(c.user, ref, Order{Name: name, Prefix: prefix})
	if bad != nil {
		return answer{}, bad
	}
	s.takeEffect(c)
	return reply(http.StatusAccepted, s.showOrder(o, c)), nil
}

func (s *Simulator) getOrder(_ context.Context, c *call, id string) (answer, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.work.orders {
		if o.id == id && o.user.Organization == c.user.Organization && (o.user == c.user || c.user.Admin) {
			return reply(http.StatusOK, s.showOrder(o, c)), nil
		}
	}
	return answer{}, &problem{http.StatusNotFound, "there is no such order"}
}

// listOrders lists the newest first.
func (s *Simulator) listOrders(_ context.Context, c *call, _ string) (answer, *problem) {
	sel, bad := s.readSelection(c, "state", "last_modified", orderStates)
	if bad != nil {
		return answer{}, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*order
	for i := len(s.work.orders) - 1; i >= 0; i-- {
		if o := s.work.orders[i]; s.wants(sel, c, o.use, o.state, o.modified) {
			found = append(found, o)
		}
	}
	from, to, links := sel.cut(c, len(found))
	shown := []any{}
	for _, o := range found[from:to] {
		shown = append(shown, s.showOrder(o, c))
	}
	return reply(http.StatusOK, map[string]any{"_links": links, "orders": shown}), nil
}

// showOrder has the fields that matter here. The caller holds mu.
func (s *Simulator) showOrder(o *order, c *call) map[string]any {
	hints := o.hints
	if hints == nil {
		hints = []string{}
	}
	shown := map[string]any{
		"_links":     map[string]string{"_self": c.origin() + string(ordersAPI) + "/" + o.id},
		"created_on": stamp(o.created), "last_modified": stamp(o.modified),
		"id": o.id, "name": o.name, "state": o.state, "last_message": o.message, "error_hints": hints,
		"products": []any{}, "source_type": "scenes",
	}
	if !s.deliveryOptions.HideRefs {
		shown["delivery"] = map[string]any{"destination": o.show()}
	}
	return shown
}

func (n use) show() map[string]string {
	shown := map[string]string{"ref": n.ref}
	if n.prefix != "" {
		shown["path_prefix"] = n.prefix
	}
	return shown
}
