package storagequeue

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2"

	"github.com/rotatord/rotatord/watcher"
)

const (
	// grace is how long deliveries and deletions under way may go on after ctx
	// has ended.
	grace = 5 * time.Second
	// workers deliver and delete the messages of one look.
	workers = 8
	// The pause after a look that found nothing begins here and doubles.
	firstIdle = 100 * time.Millisecond
	// The pause after trouble begins here and doubles.
	firstTrouble, maxTrouble = 500 * time.Millisecond, 30 * time.Second
	// testMessageLives bounds how long a message of Send stays if nobody takes it.
	testMessageLives = time.Hour
)

// Transport receives from one queue. It implements watcher.Transport and
// watcher.Sender.
type Transport struct {
	options  Options
	log      *slog.Logger
	key      key
	insecure bool
}

var (
	_ watcher.Transport = (*Transport)(nil)
	_ watcher.Sender    = (*Transport)(nil)
)

// New makes a Transport. It reads no environment and asks nobody.
func New(o Options) (*Transport, error) {
	o = o.withDefaults()
	k, err := o.validate()
	if err != nil {
		return nil, fmt.Errorf("make storage queue source: %w", err)
	}
	u, err := url.Parse(o.Queue)
	if err != nil {
		return nil, fmt.Errorf("make storage queue source: %w", errNoAddress)
	}
	return &Transport{options: o, log: o.Logger, key: k, insecure: u.Scheme == "http"}, nil
}

// Name implements watcher.Transport.
func (t *Transport) Name() string { return t.options.Name }

// Receive implements watcher.Transport.
func (t *Transport) Receive(ctx context.Context, deliver watcher.Deliver, health watcher.Health) error {
	c, err := t.connect()
	if err != nil {
		return t.asError(opReceive, err)
	}
	defer c.close()
	work, cancel := outlive(ctx, grace)
	defer cancel()
	r := &receiver{t: t, queue: c.queue, deliver: deliver, health: health}
	for pause := time.Duration(0); sleep(ctx, pause); {
		pause = r.look(ctx, work)
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

// receiver is one run of Receive.
type receiver struct {
	t       *Transport
	queue   *azqueue.QueueClient
	deliver watcher.Deliver
	health  watcher.Health

	idle, trouble time.Duration
	mu            sync.Mutex
	stuck         error // why a message could not be deleted, until one can be
	noUpdate      bool  // we may not update messages
}

// look takes what is in the queue, and says how long to wait until the next
// look.
func (r *receiver) look(ctx, work context.Context) time.Duration {
	out, err := r.queue.DequeueMessages(ctx, &azqueue.DequeueMessagesOptions{
		NumberOfMessages:  to.Ptr(int32(r.t.options.Batch)), //nolint:gosec // at most 32
		VisibilityTimeout: to.Ptr(seconds(r.t.options.Visibility)),
	})
	if ctx.Err() != nil && err != nil {
		return 0
	}
	if err != nil {
		r.health.Down(r.t.asError(opReceive, err))
		r.trouble = min(max(2*r.trouble, firstTrouble), maxTrouble)
		return r.trouble
	}
	if r.troubled() == nil {
		r.health.Up()
	}
	if len(out.Messages) > 0 {
		r.takeAll(ctx, work, out.Messages)
	}
	if stuck := r.troubled(); stuck != nil {
		r.health.Down(stuck)
		r.trouble = min(max(2*r.trouble, firstTrouble), maxTrouble)
		return r.trouble
	}
	r.trouble = 0
	if len(out.Messages) > 0 {
		r.idle = 0
		return 0
	}
	r.idle = min(max(2*r.idle, firstIdle), r.t.options.Poll)
	return r.idle
}

// takeAll delivers the messages of one look, some at once.
func (r *receiver) takeAll(ctx, work context.Context, messages []*azqueue.DequeuedMessage) {
	next := make(chan *azqueue.DequeuedMessage)
	var wg sync.WaitGroup
	for range min(workers, len(messages)) {
		wg.Go(func() {
			for m := range next {
				r.take(ctx, work, m)
			}
		})
	}
	for _, m := range messages {
		next <- m
	}
	close(next)
	wg.Wait()
}

// Send implements watcher.Sender. The text is base64, as Event Grid writes it.
func (t *Transport) Send(ctx context.Context, body []byte) error {
	c, err := t.connect()
	if err != nil {
		return t.asError(opSend, err)
	}
	defer c.close()
	_, err = c.queue.EnqueueMessage(ctx, base64.StdEncoding.EncodeToString(body),
		&azqueue.EnqueueMessageOptions{TimeToLive: to.Ptr(seconds(testMessageLives))})
	if err != nil {
		return t.asError(opSend, err)
	}
	return nil
}

// seconds are those of the service; durations here are bounded by 7 days.
func seconds(d time.Duration) int32 {
	return int32(d / time.Second) //nolint:gosec // checked by Options.validate
}
