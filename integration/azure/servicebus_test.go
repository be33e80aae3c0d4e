package azure

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/servicebus"
	"github.com/rotatord/rotatord/watcher/watchertest"
)

const (
	busKeyName = "listener"
	busKey     = "canaryBusKeyCanaryBusKeyCanaryBusKeyCanaryB="
	busToken   = "canaryEntraToken"
)

// queue is one queue of the Service Bus namespace, and the wire to it.
type queue struct {
	t    testing.TB
	path string
	wire *wire
}

// newQueue makes a queue; fields change how it behaves.
func newQueue(t testing.TB, fields map[string]any) *queue {
	t.Helper()
	q := &queue{t: t, path: fmt.Sprintf("q%d", time.Now().UnixNano()), wire: newWire(t, servers.bus.address)}
	if topic, ok := fields["topic"].(string); ok {
		q.path = topic + "/Subscriptions/rotatord"
		servers.bus.do(t, "create", map[string]any{"path": topic, "to": []string{q.path}})
	}
	q.do("create", fields)
	return q
}

func (q *queue) do(op string, fields map[string]any) state {
	q.t.Helper()
	all := map[string]any{"path": q.path}
	for k, v := range fields {
		all[k] = v
	}
	return servers.bus.do(q.t, op, all)
}

func (q *queue) state() state {
	q.t.Helper()
	return q.do("state", nil)
}

func (q *queue) left() int {
	s := q.state()
	return s.Waiting + s.Locked
}

func (q *queue) send(body []byte, fields map[string]any) {
	q.t.Helper()
	all := map[string]any{"body": base64.StdEncoding.EncodeToString(body)}
	for k, v := range fields {
		all[k] = v
	}
	q.do("send", all)
}

// deny withdraws a claim of everyone's, or gives it back.
func (q *queue) deny(claim string, on bool) {
	q.t.Helper()
	q.do("deny", map[string]any{"claim": claim, "on": on})
}

func (q *queue) connection(key string) credential.Value {
	return credential.NewValue(fmt.Appendf(nil, "Endpoint=sb://%s;SharedAccessKeyName=%s;SharedAccessKey=%s;UseDevelopmentEmulator=true",
		q.wire.address(), busKeyName, key))
}

func (q *queue) options() servicebus.Options {
	return servicebus.Options{Name: "events", Queue: q.path, ConnectionString: q.connection(busKey)}
}

func (q *queue) open(o servicebus.Options) *servicebus.Transport {
	q.t.Helper()
	s, err := servicebus.New(o)
	must(q.t, err)
	return s
}

// harness is the suite's view of a queue.
func (q *queue) harness(o servicebus.Options) *watchertest.Queue {
	return &watchertest.Queue{
		Open: func() watcher.Transport { return q.open(o) },
		Send: func(body []byte, attributes map[string]string) {
			q.send(body, map[string]any{"attributes": attributes})
		},
		Left: q.left, Dead: func() int { return q.state().Dead }, Expire: func() { q.do("expire", nil) },
		Cut: q.wire.Cut, Mend: q.wire.Mend,
		Deny: func() { q.deny("listen", true) }, Allow: func() { q.deny("listen", false) },
		DeadLetter: o.DeadLetter,
	}
}

func TestServiceBusQueueKeepsTheContract(t *testing.T) {
	t.Parallel()
	watchertest.Test(t, watchertest.Harness{New: func(t testing.TB) *watchertest.Queue {
		q := newQueue(t, nil)
		return q.harness(q.options())
	}})
}

func TestServiceBusSubscriptionWithDeadLettersKeepsTheContract(t *testing.T) {
	t.Parallel()
	watchertest.Test(t, watchertest.Harness{New: func(t testing.TB) *watchertest.Queue {
		topic := fmt.Sprintf("t%d", time.Now().UnixNano())
		q := newQueue(t, map[string]any{"topic": topic})
		o := q.options()
		o.Queue, o.Topic, o.Subscription, o.DeadLetter = "", topic, "rotatord", true
		return q.harness(o)
	}})
}
