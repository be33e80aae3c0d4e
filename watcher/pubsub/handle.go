package pubsub

import (
	"sync"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"

	"github.com/rotatord/rotatord/watcher"
)

// handle delivers one message and does as it is told.
func (s *session) handle(r *pubsubpb.ReceivedMessage) {
	defer s.hand.let(r.GetAckId())
	m := r.GetMessage()
	id, attempt := m.GetMessageId(), int(r.GetDeliveryAttempt())
	message := watcher.Message{ID: id, Body: m.GetData(), Attributes: m.GetAttributes(), Deliveries: attempt}
	if sent := m.GetPublishTime(); sent != nil {
		message.Sent = sent.AsTime()
	}
	verdict := s.deliver(s.work, message)
	// Only a subscription with a dead-letter policy counts attempts.
	if verdict == watcher.Never && s.options.DeadLetter {
		if attempt > 0 {
			sleep(s.holding, s.timing.hold.after(1))
			s.back(r)
			return
		}
		s.log.WarnContext(s.work, "the subscription has no dead-letter policy; a message that nobody understands is removed",
			"source", s.options.Name, "message", id)
	}
	if verdict == watcher.Again {
		sleep(s.holding, s.timing.hold.after(max(s.tries.count(id), attempt)))
		s.back(r)
		return
	}
	s.tries.forget(id)
	switch err := <-s.acks.add(r.GetAckId()); {
	case err == nil:
		watcher.Settled(s.health, id)
	case s.once.Load():
		s.log.WarnContext(s.work, "an acknowledgement was refused; the message comes again",
			"source", s.options.Name, "message", id, "error", s.because(opAcknowledge, err))
	}
}

// back gives a message back, and waits until that is said.
func (s *session) back(r *pubsubpb.ReceivedMessage) {
	if err := <-s.nacks.add(r.GetAckId()); err != nil {
		s.log.DebugContext(s.work, "a message could not be given back; it comes when its lease is over",
			"source", s.options.Name, "message", r.GetMessage().GetMessageId(), "error", s.because(opAcknowledge, err))
	}
}

// mostTries bounds the memory of tries.
const mostTries = 10_000

// tries counts how often a message was wanted again, by this process. Pub/Sub
// counts for subscriptions with a dead-letter policy only.
type tries struct {
	mu sync.Mutex
	of map[string]int
}

// count is how often it was, this time included.
func (t *tries) count(id string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	// What is forgotten too early starts with a short pause again.
	if t.of == nil || len(t.of) >= mostTries {
		t.of = map[string]int{}
	}
	t.of[id]++
	return t.of[id]
}

func (t *tries) forget(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, id)
}
