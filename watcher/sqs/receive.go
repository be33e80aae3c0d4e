package sqs

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/rotatord/rotatord/watcher"
)

const (
	firstPause = time.Second
	lastPause  = time.Minute
	// helperWait is how long a helper waits for a message before it ends.
	helperWait = time.Second
	// drain is how long deliveries and acknowledgements go on after the end of
	// the context.
	drain = 5 * time.Second
)

// run is one Receive.
type run struct {
	t       *Transport
	deliver watcher.Deliver
	health  *standing
	// work is the context of deliveries and acknowledgements; it outlasts that
	// of the polls by drain.
	work context.Context //nolint:containedctx // a run is one call
	open chan struct{}   // a token for each answer that is being worked on
	wg   sync.WaitGroup

	mu      sync.Mutex
	helpers int
}

// Receive implements watcher.Transport. It returns nil, always: what may be
// wrong with a queue can be put right while it waits.
func (t *Transport) Receive(ctx context.Context, deliver watcher.Deliver, health watcher.Health) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	r := &run{t: t, deliver: deliver, health: &standing{health: health}, work: work, open: make(chan struct{}, maxOpen)}
	r.poll(ctx)
	timer := time.AfterFunc(drain, stop)
	defer timer.Stop()
	r.wg.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client != nil {
		t.client.carrier.Close()
	}
	return nil
}

// poll is the first receiver: it goes on until ctx ends, and waits longer after
// each failure.
func (r *run) poll(ctx context.Context) {
	pause, wait := firstPause, time.Duration(0)
	for r.slot(ctx) {
		n, err := r.receive(ctx, wait)
		if err != nil && ctx.Err() != nil {
			return // the end is no failure
		}
		if err == nil {
			r.health.received(nil)
			if n == r.t.options.Batch {
				r.help(ctx)
			}
			pause, wait = firstPause, r.t.options.Wait
			continue
		}
		r.health.received(err)
		// Half of it is chance, so that several processes do not come back at once.
		if !sleep(ctx, pause/2+rand.N(pause/2)) {
			return
		}
		pause, wait = min(2*pause, lastPause), 0
	}
}

// help starts another receiver, unless there are enough. It ends when it finds
// nothing.
func (r *run) help(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.helpers+1 >= maxReceivers {
		return
	}
	r.helpers++
	r.wg.Go(func() {
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.helpers--
		}()
		for r.slot(ctx) {
			n, err := r.receive(ctx, min(helperWait, r.t.options.Wait))
			switch {
			case err != nil, n == 0: // the first receiver says what is wrong
				return
			case n == r.t.options.Batch:
				r.help(ctx)
			}
		}
	})
}

// slot waits until there is room for another answer. It is false when ctx has
// ended.
func (r *run) slot(ctx context.Context) bool {
	if ctx.Err() != nil {
		return false
	}
	select {
	case r.open <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// receive asks once, and has what comes worked on. It gives the slot back.
func (r *run) receive(ctx context.Context, wait time.Duration) (n int, err error) {
	messages, err := r.t.receive(ctx, wait)
	if err != nil || len(messages) == 0 {
		<-r.open
		return 0, err
	}
	r.wg.Go(func() {
		defer func() { <-r.open }()
		r.batch(messages)
	})
	return len(messages), nil
}

// receive is one ReceiveMessage.
func (t *Transport) receive(ctx context.Context, wait time.Duration) ([]types.Message, error) {
	c, err := t.connect(ctx)
	if err != nil {
		return nil, t.because(ctx, nil, receiving, err)
	}
	out, err := c.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:              &t.queue.url,
		MaxNumberOfMessages:   int32(t.options.Batch),
		WaitTimeSeconds:       int32(wait / time.Second),
		MessageAttributeNames: []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount, types.MessageSystemAttributeNameSentTimestamp,
		},
	})
	if err != nil {
		return nil, t.because(ctx, c, receiving, err)
	}
	return out.Messages, nil
}

// settled is a message that was delivered.
type settled struct {
	id, handle string
	deliveries int
	verdict    watcher.Verdict
}

// batch delivers the messages of one answer, all at once, and settles them.
func (r *run) batch(messages []types.Message) {
	all := make([]settled, len(messages))
	var wg sync.WaitGroup
	for i := range messages {
		wg.Go(func() {
			m := messageOf(&messages[i])
			all[i] = settled{id: m.ID, handle: sdk.ToString(messages[i].ReceiptHandle), deliveries: m.Deliveries}
			all[i].verdict = r.deliver(r.work, m)
		})
	}
	wg.Wait()
	r.settle(all)
}

// messageOf is a message as the contract has it. Binary attributes are passed
// on as they are; numbers come as text anyway.
func messageOf(in *types.Message) watcher.Message {
	m := watcher.Message{ID: sdk.ToString(in.MessageId), Body: []byte(sdk.ToString(in.Body))}
	if len(in.MessageAttributes) > 0 {
		m.Attributes = make(map[string]string, len(in.MessageAttributes))
	}
	for name, value := range in.MessageAttributes {
		if value.StringValue != nil {
			m.Attributes[name] = *value.StringValue
			continue
		}
		m.Attributes[name] = string(value.BinaryValue)
	}
	// What is no number counts as not told.
	if n, err := strconv.Atoi(in.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)]); err == nil && n > 0 {
		m.Deliveries = n
	}
	if millis, err := strconv.ParseInt(in.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64); err == nil && millis > 0 {
		m.Sent = time.UnixMilli(millis)
	}
	return m
}

// sleep is false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// standing is how the source stands, over receiving and deleting: one that can
// be received from but not deleted from brings the same messages for ever.
type standing struct {
	health watcher.Health

	mu              sync.Mutex
	receive, delete error
	asked           bool
}

func (s *standing) received(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.receive = true, err
	s.tell()
}

func (s *standing) deleted(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delete = err
	if s.asked {
		s.tell()
	}
}

func (s *standing) tell() {
	switch {
	case s.receive != nil:
		s.health.Down(s.receive)
	case s.delete != nil:
		s.health.Down(s.delete)
	default:
		s.health.Up()
	}
}
