package pubsub

import (
	"context"
	"errors"
	"sync"
	"time"

	sdk "cloud.google.com/go/pubsub/v2"

	"github.com/rotatord/rotatord/watcher"
)

// What is asked of Google's client. An event has some kilobytes, so these
// bounds are megabytes of memory, and far more than are ever under way: a
// delivery takes as long as one write to the store.
const (
	mostMessages = 200
	mostBytes    = 16 << 20
	// lease is how long a message is ours without a word from us: what a
	// crash costs. The client renews it while the message is in our hands.
	lease = 20 * time.Second
	// longestLease ends that, for a delivery that never ends.
	longestLease = 5 * time.Minute
)

// result is how a round ended. err is never nil.
type result struct {
	heard bool // the subscription has answered in this round
	err   *watcher.Error
}

// round makes a client and pulls until it fails for good or ctx ends.
func (t *Transport) round(ctx context.Context, deliver watcher.Deliver, health watcher.Health) result {
	p := newPulse(t, health)
	defer p.giveUp()
	client, err := t.connect(ctx, &sdk.ClientConfig{SubscriptionAdminCallOptions: p.callOptions()}, p.options()...)
	if err != nil {
		return result{err: t.because(opReceive, err)}
	}
	defer func() { _ = client.Close() }() // a second time, perhaps
	// Deliveries under way outlive ctx, but not for long.
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	finished := make(chan struct{})
	var end sync.WaitGroup
	end.Go(func() {
		select {
		case <-finished:
			return
		case <-ctx.Done():
		}
		p.close()
		late := time.NewTimer(t.timing.drain)
		defer late.Stop()
		select {
		case <-finished:
		case <-late.C:
			abandon()
			_ = client.Close() // ends what the client waits for
		}
	})
	err = t.subscriber(client).Receive(ctx, func(ctx context.Context, m *sdk.Message) {
		t.handle(ctx, work, p, m, deliver)
	})
	close(finished)
	end.Wait()
	heard, cause := p.outcome()
	switch {
	case cause != nil:
		err = cause
	case err == nil:
		err = errors.New("the stream has ended")
	}
	return result{heard: heard, err: t.because(opReceive, err)}
}

func (t *Transport) subscriber(client *sdk.Client) *sdk.Subscriber {
	s := client.Subscriber(t.options.Subscription)
	s.ReceiveSettings = sdk.ReceiveSettings{
		MaxExtension:               longestLease,
		MaxDurationPerAckExtension: lease,
		MaxOutstandingMessages:     mostMessages,
		MaxOutstandingBytes:        mostBytes,
		NumGoroutines:              1,
	}
	return s
}

// handle delivers one message and does as it is told. ctx ends with the round
// or when the process stops, work ends later.
func (t *Transport) handle(ctx, work context.Context, p *pulse, m *sdk.Message, deliver watcher.Deliver) {
	attempt := 0
	if m.DeliveryAttempt != nil {
		attempt = *m.DeliveryAttempt
	}
	verdict := deliver(work, watcher.Message{ID: m.ID, Body: m.Data, Attributes: m.Attributes, Deliveries: attempt, Sent: m.PublishTime})
	// Only a subscription with a dead-letter policy counts attempts.
	if verdict == watcher.Never && t.options.DeadLetter {
		if attempt > 0 {
			sleep(ctx, t.timing.hold.after(1))
			m.Nack()
			return
		}
		t.log.WarnContext(ctx, "the subscription has no dead-letter policy; a message that nobody understands is removed",
			"source", t.options.Name, "message", m.ID)
	}
	if verdict == watcher.Again {
		sleep(ctx, t.timing.hold.after(max(t.tries.count(m.ID), attempt)))
		m.Nack()
		return
	}
	t.tries.forget(m.ID)
	t.confirm(work, p, m)
}

// confirm acknowledges a message and waits until Pub/Sub has said yes, if it is
// going to say anything.
func (t *Transport) confirm(work context.Context, p *pulse, m *sdk.Message) {
	answer := m.AckWithResult()
	timer := time.NewTimer(t.timing.confirm)
	defer timer.Stop()
	select {
	case <-answer.Ready():
		_, err := answer.Get(work)
		if err == nil {
			watcher.Settled(p.health, m.ID)
			return
		}
		t.log.WarnContext(work, "an acknowledgement was refused; the message comes again",
			"source", t.options.Name, "message", m.ID, "error", t.because(opAcknowledge, err))
	case <-p.failed.Done(): // whoever would have told is gone
	case <-work.Done():
	case <-timer.C:
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
