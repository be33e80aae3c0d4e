package servicebus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/rotatord/rotatord/watcher"
)

// session is one client's life: until ctx ends, or something is wrong that the
// library does not put right by itself.
type session struct {
	t        *Transport
	receiver *azservicebus.Receiver
	deliver  watcher.Deliver
	health   watcher.Health
	// work outlives the context of Receive by the grace.
	work context.Context //nolint:containedctx // the life of deliveries
	// link is for what is said to the server. It ends with work, and as soon as
	// the session is given up: then nothing said would be heard.
	link context.Context //nolint:containedctx // the life of the session itself
	free chan struct{}   // holds one token a free slot
	busy sync.WaitGroup

	mu   sync.Mutex
	held []*azservicebus.ReceivedMessage // at the end, to be given back
}

// session receives until ctx ends or until the client has to be made anew, and
// tells whether it was of use.
func (t *Transport) session(ctx, work context.Context, deliver watcher.Deliver, health watcher.Health) (up bool) {
	c, s, err := t.open(work, deliver, health)
	if err != nil {
		health.Down(t.asError(opReceive, err))
		return false
	}
	defer c.close()
	link, giveUp := context.WithCancel(work)
	defer giveUp()
	defer s.giveBack(c)
	defer s.busy.Wait()
	defer func() { // before the others: nobody waits for messages of a lost session
		if ctx.Err() == nil {
			giveUp()
		}
	}()
	on, stop := context.WithCancel(ctx)
	defer stop() // what is held is given back
	s.link = link
	for lost := (time.Time{}); ; lost = time.Now() {
		if err = s.peek(ctx); err != nil {
			break
		}
		health.Up()
		up = true
		// The library mends what it can when it is asked again, and the next peek
		// asks. A link that does not stay is something else.
		if err = s.receive(ctx, on); time.Since(lost) < linkLives {
			break
		}
	}
	if ctx.Err() == nil {
		health.Down(t.asError(opReceive, c.lines.why(err)))
	}
	return up
}

// open makes what a session needs. Nobody is asked yet.
func (t *Transport) open(work context.Context, deliver watcher.Deliver, health watcher.Health) (*client, *session, error) {
	c, err := t.connect()
	if err != nil {
		return nil, nil, err
	}
	s := &session{t: t, deliver: deliver, health: health, work: work, free: make(chan struct{}, slots)}
	if s.receiver, err = t.receiver(c); err != nil {
		c.close()
		return nil, nil, err
	}
	for range slots {
		s.free <- struct{}{}
	}
	return c, s, nil
}

func (t *Transport) receiver(c *client) (*azservicebus.Receiver, error) {
	if t.options.Queue != "" {
		return c.NewReceiverForQueue(t.options.Queue, nil)
	}
	return c.NewReceiverForSubscription(t.options.Topic, t.options.Subscription, nil)
}

// giveBack abandons what is still held at the end. That goes by a link of its
// own, once the one that received is closed: it has credit, and what is abandoned
// beside it comes back by it at once.
func (s *session) giveBack(c *client) {
	if len(s.held) == 0 || s.link.Err() != nil {
		return
	}
	_ = s.receiver.Close(s.link)
	var err error
	if s.receiver, err = s.t.receiver(c); err != nil {
		return
	}
	for _, m := range s.held {
		s.settle(m, "abandon", s.abandon)
	}
}

// peek asks for the next message without taking it, which opens the link if it
// is not open: whether that is answered is whether the source is up.
func (s *session) peek(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, peekWithin)
	defer cancel()
	err := guarded(func() error {
		_, err := s.receiver.PeekMessages(ctx, 1, nil)
		return err
	})
	if errors.Is(err, errUnreadable) {
		return nil // it was answered; what can't be read must be received to be got rid of
	}
	return err
}

// receive takes messages until the link is lost, which is nil, or fails.
func (s *session) receive(ctx, on context.Context) error {
	for {
		most := slots
		if s.t.cautious() {
			most = 1 // what can't be read takes nothing else with it
		}
		n, ok := s.slots(ctx, most)
		if !ok {
			return ctx.Err()
		}
		var messages []*azservicebus.ReceivedMessage
		err := guarded(func() (err error) {
			// Not to wait for more than has arrived: an event alone is the usual case.
			messages, err = s.receiver.ReceiveMessages(ctx, n, &azservicebus.ReceiveMessagesOptions{TimeAfterFirstMessage: time.Millisecond})
			return err
		})
		at := time.Now()
		for _, m := range messages {
			s.busy.Go(func() {
				s.take(on, m, at)
				s.free <- struct{}{}
			})
		}
		for range n - len(messages) {
			s.free <- struct{}{}
		}
		if errors.Is(err, errUnreadable) {
			s.t.stumbled.Store(time.Now().UnixNano())
		}
		if err != nil || len(messages) == 0 {
			return err
		}
	}
}

// slots takes the slots that are free, at most so many, and waits for one if
// none is.
func (s *session) slots(ctx context.Context, most int) (n int, ok bool) {
	select {
	case <-s.free:
		n = 1
	case <-ctx.Done():
		return 0, false
	}
	for n < most {
		select {
		case <-s.free:
			n++
		default:
			return n, true
		}
	}
	return n, true
}

// cautious tells that the library has lately stumbled over a message. The whole
// batch is lost to us then, until its locks expire: for a while messages are
// taken one by one.
func (t *Transport) cautious() bool {
	return time.Now().UnixNano()-t.stumbled.Load() < int64(caution)
}

// errUnreadable is for messages that the library stumbles over.
var errUnreadable = errors.New("a message has properties that the library can't read")

// guarded turns a panic of the library into an error. It takes it for granted
// that some application properties are strings, so that whoever may send to the
// queue could end the process.
func guarded(f func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errUnreadable
		}
	}()
	return f()
}
