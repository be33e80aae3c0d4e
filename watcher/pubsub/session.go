package pubsub

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"

	"github.com/rotatord/rotatord/watcher"
)

// What the server is asked for. An event has some kilobytes, so these bounds are
// megabytes of memory, and far more than are ever under way: a delivery takes as
// long as one write to the store.
const (
	mostMessages = 200
	mostBytes    = 16 << 20
	// lease is how long a message is ours without a word from us: what a crash
	// costs. With exactly-once delivery a late acknowledgement is refused, so
	// there it is as long as Google's own client has it.
	lease     = 20 * time.Second
	leaseOnce = time.Minute
	// longestLease ends the renewals, for a delivery that never ends.
	longestLease = 5 * time.Minute
)

// service is what is used of Google's generated client.
type service interface {
	StreamingPull(ctx context.Context, opts ...gax.CallOption) (pubsubpb.Subscriber_StreamingPullClient, error)
	Acknowledge(ctx context.Context, r *pubsubpb.AcknowledgeRequest, opts ...gax.CallOption) error
	ModifyAckDeadline(ctx context.Context, r *pubsubpb.ModifyAckDeadlineRequest, opts ...gax.CallOption) error
}

// session is what happens on one connection: streams, one after the other, and
// the calls about their messages.
type session struct {
	*Transport
	service service
	deliver watcher.Deliver
	health  watcher.Health

	holding context.Context //nolint:containedctx // a signal: what is held is given back
	release context.CancelFunc
	work    context.Context //nolint:containedctx // of deliveries; it outlives Receive's
	abandon context.CancelFunc
	talking context.Context //nolint:containedctx // of calls; it outlives deliveries
	hangUp  context.CancelFunc

	once     atomic.Bool // exactly-once delivery
	hand     *hand
	acks     *batch
	nacks    *batch
	handlers sync.WaitGroup

	mu       sync.Mutex
	refusing bool // the last acknowledgement was refused
}

func (t *Transport) session(ctx context.Context, s service, deliver watcher.Deliver, health watcher.Health) *session {
	n := &session{Transport: t, service: s, deliver: deliver, health: health}
	lasting := context.WithoutCancel(ctx)
	n.holding, n.release = context.WithCancel(ctx)
	n.work, n.abandon = context.WithCancel(lasting)
	n.talking, n.hangUp = context.WithCancel(lasting)
	n.hand = newHand(n.lease, n.renew)
	n.acks = &batch{delay: t.timing.gather, send: n.acknowledge}
	n.nacks = &batch{delay: t.timing.gather, send: n.giveBack}
	return n
}

// lease is how long messages are ours.
func (s *session) lease() time.Duration {
	if s.once.Load() {
		return leaseOnce
	}
	return lease
}

// result is how a round ended. err is never nil.
type result struct {
	heard bool // the subscription has answered in this round
	err   *watcher.Error
}

// round makes a connection and pulls until it fails, or ctx ends.
func (t *Transport) round(ctx context.Context, deliver watcher.Deliver, health watcher.Health) result {
	client, err := t.subscriber(ctx)
	if err != nil {
		return result{err: t.because(opReceive, err)}
	}
	defer func() { _ = client.Close() }()
	s := t.session(ctx, client, deliver, health)
	heard, err := s.pull(ctx)
	s.end()
	return result{heard: heard, err: t.because(opReceive, err)}
}

// pull opens a stream after the other, as long as each was well.
func (s *session) pull(ctx context.Context) (heard bool, err error) {
	for {
		answered, well, err := s.stream(ctx)
		heard = heard || answered
		if !well || !sleep(ctx, s.timing.reopen.after(1)) {
			return heard, err
		}
	}
}

// take starts the deliveries of what has come, and waits while there is more in
// hand than was asked for: a server, or an emulator, may not count.
func (s *session) take(ctx context.Context, answer *pubsubpb.StreamingPullResponse) {
	if p := answer.GetSubscriptionProperties(); p != nil {
		s.once.Store(p.GetExactlyOnceDeliveryEnabled())
	}
	messages := answer.GetReceivedMessages()
	switch {
	case len(messages) == 0:
		return
	case over(ctx): // it has come after we had said goodbye
		for _, m := range messages {
			s.handlers.Go(func() { s.back(m) })
		}
		return
	}
	for _, m := range messages {
		s.hand.take(m.GetAckId(), len(m.GetMessage().GetData()))
	}
	if s.once.Load() {
		s.handlers.Go(func() {
			for _, m := range s.receipt(messages) {
				s.handlers.Go(func() { s.handle(m) })
			}
		})
	} else {
		for _, m := range messages {
			s.handlers.Go(func() { s.handle(m) })
		}
	}
	s.hand.room(ctx)
}

// end lets go of what is held and waits for what is under way: deliveries have
// most of the time, what is to be said about their messages has all of it.
func (s *session) end() {
	s.release()
	defer s.hangUp()
	defer s.abandon()
	finished := make(chan struct{})
	go func() {
		s.handlers.Wait()
		close(finished)
	}()
	words := s.timing.drain / 5
	if !within(finished, s.timing.drain-words) {
		s.abandon()
	}
	if !within(finished, words) {
		s.hangUp()
	}
	<-finished
	s.hangUp()
	s.hand.still()
	s.acks.still()
	s.nacks.still()
}

// within waits for done, but not longer than d.
func within(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}
