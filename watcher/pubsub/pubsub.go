package pubsub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	random "math/rand/v2"
	"net"
	"strconv"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/api/option"

	"github.com/rotatord/rotatord/internal/shape"
	"github.com/rotatord/rotatord/watcher"
)

// Options say which subscription is pulled, and how.
type Options struct {
	// Name is the configured name of the source, a label of metrics.
	Name string
	// Subscription is "projects/p/subscriptions/s", with the project's id or its
	// number.
	Subscription string
	// Topic is what the subscription is of, "projects/p/topics/t". Only Send
	// needs it.
	Topic string
	// Endpoint is host:port, asked in place of pubsub.googleapis.com:443: a
	// regional or private endpoint, or a server for tests. It is spoken to in
	// TLS.
	Endpoint string
	// CAFile holds PEM certificates that are trusted beside the system's. It is
	// read whenever a connection is made anew.
	CAFile string
	// Credentials are used in place of Google's default credentials.
	Credentials oauth2.TokenSource
	// ClientOptions are given to Google's client after all others; for tests.
	ClientOptions []option.ClientOption
	// DeadLetter leaves a message that nobody understands to the subscription's
	// dead-letter policy rather than acknowledge it. Where the subscription has
	// no such policy it is acknowledged all the same: it would come for ever.
	DeadLetter bool
	// Logger is told of refused acknowledgements; nil means none.
	Logger *slog.Logger
}

// Transport pulls one subscription. It implements watcher.Transport and
// watcher.Sender.
type Transport struct {
	options Options
	log     *slog.Logger
	client  string // tells this receiver from others of the subscription
	timing  timing
	tries   tries
}

// timing is how long things take; tests are in more of a hurry.
type timing struct {
	patience  time.Duration // for the first answer on a stream, before it counts as down
	settled   time.Duration // after which a stream was well, and its end is nothing special
	keepAlive time.Duration // between keep-alives
	silence   time.Duration // on a stream, before it counts as dead
	goodbye   time.Duration // for the server to end a stream when ours is ended
	drain     time.Duration // for what is under way when the context ends
	gather    time.Duration // for more acknowledgements to come along
	call      time.Duration // for one call about messages
	confirm   time.Duration // for an acknowledgement, with all its calls
	send      time.Duration // for one Send
	hold      bounds        // before a message is given back
	repeat    bounds        // before a call is made again
	reopen    bounds        // before the next stream after one that was well
	retry     bounds        // before another connection is made
}

// bounds are the first and the longest of pauses that double.
type bounds struct{ least, most time.Duration }

// after is the n-th pause in a row, counted from 1, up to a quarter of it taken
// off by chance, so that what fell together does not rise together.
func (b bounds) after(n int) time.Duration {
	pause := b.most
	if n < 1 {
		n = 1
	}
	if n < 20 {
		pause = min(b.least<<(n-1), b.most)
	}
	return pause - random.N(pause/4+1) //nolint:gosec // nobody is kept out by it
}

var usual = timing{
	patience:  15 * time.Second,
	settled:   15 * time.Second,
	keepAlive: 30 * time.Second,
	silence:   75 * time.Second,
	goodbye:   time.Second,
	drain:     4 * time.Second, // with goodbye: five
	gather:    100 * time.Millisecond,
	call:      15 * time.Second,
	confirm:   time.Minute,
	send:      10 * time.Second,
	hold:      bounds{500 * time.Millisecond, 30 * time.Second},
	repeat:    bounds{200 * time.Millisecond, 5 * time.Second},
	reopen:    bounds{250 * time.Millisecond, 250 * time.Millisecond},
	retry:     bounds{500 * time.Millisecond, 30 * time.Second},
}

var (
	_ watcher.Transport = (*Transport)(nil)
	_ watcher.Sender    = (*Transport)(nil)
)

// Names as Pub/Sub allows them; "goog" at the beginning is its own.
var (
	subscriptions = shape.Of(`^projects/([A-Za-z0-9][A-Za-z0-9.:-]*)/subscriptions/([A-Za-z][A-Za-z0-9._~+%-]{2,})$`, 0, 0, 255)
	topics        = shape.Of(`^projects/([A-Za-z0-9][A-Za-z0-9.:-]*)/topics/([A-Za-z][A-Za-z0-9._~+%-]{2,})$`, 0, 0, 255)
)

// New makes a Transport. It reads no file and no environment and asks nobody.
func New(o Options) (*Transport, error) {
	var errs []error
	if o.Name == "" {
		errs = append(errs, errors.New("it has no name"))
	}
	if !subscriptions.MatchString(o.Subscription) {
		errs = append(errs, fmt.Errorf("the subscription %q does not look like projects/PROJECT/subscriptions/NAME", o.Subscription))
	}
	if o.Topic != "" && !topics.MatchString(o.Topic) {
		errs = append(errs, fmt.Errorf("the topic %q does not look like projects/PROJECT/topics/NAME", o.Topic))
	}
	if o.Endpoint != "" {
		host, port, err := net.SplitHostPort(o.Endpoint)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host == "" {
			errs = append(errs, fmt.Errorf("the endpoint %q does not look like europe-west3-pubsub.googleapis.com:443", o.Endpoint))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("make pubsub source: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Transport{options: o, log: o.Logger, client: rand.Text(), timing: usual}, nil
}

// Name implements watcher.Transport.
func (t *Transport) Name() string { return t.options.Name }

// Receive implements watcher.Transport. It never returns an error: what would
// be one, a subscription that is not there say, may be there in a minute.
func (t *Transport) Receive(ctx context.Context, deliver watcher.Deliver, health watcher.Health) error {
	failures := 0
	for !over(ctx) {
		begun := time.Now()
		r := t.round(ctx, deliver, health)
		if over(ctx) {
			break
		}
		if r.heard && time.Since(begun) >= t.timing.settled {
			failures = 0
		}
		// A stream that was well until a moment ago may be so again in a moment:
		// once, that is not worth an alarm. But what will not change is.
		if !r.heard || failures > 0 || r.err.Reason != watcher.ReasonUnavailable {
			health.Down(r.err)
		}
		failures++
		sleep(ctx, t.timing.retry.after(failures))
	}
	return nil
}

func over(ctx context.Context) bool { return ctx.Err() != nil }

// sleep waits, or not to the end if ctx ends; it says whether it has.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
