package servicebus

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/rotatord/rotatord/internal/entra"
	"github.com/rotatord/rotatord/watcher"
)

const (
	// grace is how long deliveries and settlements under way may go on after ctx
	// has ended.
	grace = 5 * time.Second
	// slots is how many messages are delivered, or held, at a time.
	slots = 64
	// peekWithin bounds the question whether the source answers, connecting
	// included.
	peekWithin = 30 * time.Second
	sendWithin = 30 * time.Second
	// linkLives is how long a link must have lived for its end to be nothing to
	// speak of.
	linkLives = 10 * time.Second
	// caution is how long one goes on to take messages singly after one that the
	// library can't read.
	caution = time.Minute
	// The pause after trouble begins here and doubles.
	firstTrouble, maxTrouble = 500 * time.Millisecond, 30 * time.Second
)

// Transport receives from one queue or subscription. It implements
// watcher.Transport and watcher.Sender.
type Transport struct {
	options Options
	log     *slog.Logger
	place   place
	tokens  *entra.Tokens
	// stumbled is when the library last came upon a message that it can't read,
	// in nanoseconds since 1970.
	stumbled atomic.Int64
}

var (
	_ watcher.Transport = (*Transport)(nil)
	_ watcher.Sender    = (*Transport)(nil)
)

// New makes a Transport. It reads no environment and asks nobody.
func New(o Options) (*Transport, error) {
	p, err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("make service bus source: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Dial == nil {
		o.Dial = (&net.Dialer{}).DialContext
	}
	t := &Transport{options: o, log: o.Logger, place: p, tokens: entra.NewTokens(o.Credential)}
	// What the SDK would refuse is refused now.
	c, err := t.connect()
	if err != nil {
		return nil, fmt.Errorf("make service bus source: %w", err)
	}
	c.close()
	return t, nil
}

// Name implements watcher.Transport.
func (t *Transport) Name() string { return t.options.Name }

// Receive implements watcher.Transport.
func (t *Transport) Receive(ctx context.Context, deliver watcher.Deliver, health watcher.Health) error {
	work, cancel := outlive(ctx, grace)
	defer cancel()
	for pause := time.Duration(0); sleep(ctx, pause); {
		if t.session(ctx, work, deliver, health) {
			pause = 0
		}
		pause = min(max(2*pause, firstTrouble), maxTrouble)
	}
	return nil
}

// outlive gives a context that ends some time after ctx does.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(by, cancel) })
	return longer, func() {
		stop()
		cancel()
	}
}

// sleep waits, and tells whether ctx is still on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Send implements watcher.Sender.
func (t *Transport) Send(ctx context.Context, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, sendWithin)
	defer cancel()
	c, err := t.connect()
	if err != nil {
		return t.asError(opSend, err)
	}
	defer c.close()
	sender, err := c.NewSender(t.place.target, nil)
	if err != nil {
		return t.asError(opSend, err)
	}
	if err := sender.SendMessage(ctx, &azservicebus.Message{Body: body}, nil); err != nil {
		return t.asError(opSend, c.lines.why(err))
	}
	return nil
}
