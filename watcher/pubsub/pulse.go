package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	vkit "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/watcher"
)

// errRound ends a round: Google's client gives up for this code. What really
// happened is in pulse.err.
var errRound = status.Error(codes.FailedPrecondition, "the stream was lost")

// pulse watches the streams of one round from below Google's client.
type pulse struct {
	transport *Transport
	health    watcher.Health

	ending context.Context //nolint:containedctx // a signal: no stream is to be opened any more
	close  context.CancelFunc

	failed context.Context //nolint:containedctx // a signal: err is set, and the client is giving up
	giveUp context.CancelFunc

	mu       sync.Mutex
	heard    bool
	err      error
	refusing bool // the last acknowledgement was refused
}

func newPulse(t *Transport, health watcher.Health) *pulse {
	p := &pulse{transport: t, health: health}
	p.failed, p.giveUp = context.WithCancel(context.Background())
	p.ending, p.close = context.WithCancel(p.failed)
	return p
}

func (p *pulse) options() []option.ClientOption {
	return []option.ClientOption{
		option.WithGRPCDialOption(grpc.WithChainStreamInterceptor(p.open)),
		option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(p.call)),
	}
}

// outcome tells whether the subscription has answered, and what ended the
// round; nil if it was not for a stream.
func (p *pulse) outcome() (heard bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.heard, p.err
}

// beat says that the subscription has answered.
func (p *pulse) beat() {
	p.mu.Lock()
	p.heard = true
	p.mu.Unlock()
	p.health.Up()
}

// fail remembers the first cause, and gives the error that makes Google's client
// give up.
func (p *pulse) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
		p.giveUp()
	}
	return errRound
}

// open is a grpc.StreamClientInterceptor. The only stream that is ever opened
// is StreamingPull. A failure ends the round.
func (p *pulse) open(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{pulse: p, ctx: ctx, cancel: cancel, begun: time.Now()}
	s.patience = time.AfterFunc(p.transport.timing.patience, s.unanswered)
	s.silence = time.AfterFunc(p.transport.timing.silence, s.silent)
	// The client may drop a stream without another word.
	context.AfterFunc(ctx, s.still)
	// While a connection is made, the client holds a lock that its end needs.
	opened := context.AfterFunc(p.ending, cancel)
	inner, err := streamer(ctx, desc, cc, method, opts...)
	opened()
	if err != nil {
		cancel()
		return nil, p.fail(s.because(err))
	}
	s.ClientStream = inner
	return s, nil
}

// stream is one StreamingPull.
type stream struct {
	grpc.ClientStream
	pulse  *pulse
	ctx    context.Context //nolint:containedctx // gRPC's streams have one
	cancel context.CancelFunc
	begun  time.Time

	patience, silence *time.Timer
	asked             bool // the first keep-alive is sent; SendMsg is never called twice at once
	heard             bool // there was an answer; only RecvMsg looks at it

	mu     sync.Mutex
	reason error // why we have ended it
}

// SendMsg sends a keep-alive right behind the first request, which the server
// answers at once.
func (s *stream) SendMsg(m any) error {
	if err := s.ClientStream.SendMsg(m); err != nil || s.asked {
		return err
	}
	s.asked = true
	return s.ClientStream.SendMsg(&pubsubpb.StreamingPullRequest{})
}

// RecvMsg notes what comes. A stream that was well for a while and ends as
// Pub/Sub ends streams is left to the client; any other end is the end of the
// round.
func (s *stream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err == nil {
		s.heard = true
		s.patience.Stop()
		s.silence.Reset(s.pulse.transport.timing.silence)
		s.pulse.beat()
		return nil
	}
	s.cancel()
	err = s.because(err)
	if s.heard && time.Since(s.begun) >= s.pulse.transport.timing.settled && (errors.Is(err, io.EOF) || status.Code(err) == codes.Unavailable) {
		return err
	}
	return s.pulse.fail(err)
}

// unanswered is called when the first answer is overdue. The stream is left
// open: perhaps it is only slow.
func (s *stream) unanswered() {
	if s.ctx.Err() != nil {
		return
	}
	t := s.pulse.transport
	s.pulse.health.Down(t.because(opReceive, fmt.Errorf("no answer for %v", t.timing.patience)))
}

// silent is called when nothing was heard for too long.
func (s *stream) silent() {
	err := fmt.Errorf("nothing was heard for %v", s.pulse.transport.timing.silence)
	if s.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	s.reason = err
	s.mu.Unlock()
	s.pulse.health.Down(s.pulse.transport.because(opReceive, err))
	s.cancel()
}

// still ends the timers.
func (s *stream) still() {
	s.patience.Stop()
	s.silence.Stop()
}

// because is why the stream has ended: our own reason, if we have ended it.
func (s *stream) because(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reason != nil {
		return s.reason
	}
	return err
}

const methodAcknowledge = "/google.pubsub.v1.Subscriber/Acknowledge"

// call is a grpc.UnaryClientInterceptor. Google's client drops what becomes of
// acknowledgements, except with exactly-once delivery. And it goes on with them
// for a minute after it has given up, while nobody pulls; they are ended.
func (p *pulse) call(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.failed, cancel)()
	err := invoker(ctx, method, req, reply, cc, opts...)
	if method != methodAcknowledge {
		return err
	}
	p.mu.Lock()
	before := p.refusing
	p.refusing = err != nil
	p.mu.Unlock()
	t := p.transport
	switch {
	case err != nil && !before:
		t.log.WarnContext(ctx, "acknowledgements don't get through; the messages come again",
			"source", t.options.Name, "error", t.because(opAcknowledge, err))
	case err == nil && before:
		t.log.InfoContext(ctx, "acknowledgements get through again", "source", t.options.Name)
	}
	return err
}

// retrier is a gax.Retryer for acknowledgements and leases: as patient as
// Google's own, but its pauses stay short, and it stops when the round has
// failed. The client waits for it.
type retrier struct {
	pulse   *pulse
	backoff gax.Backoff
}

func (r *retrier) Retry(err error) (time.Duration, bool) {
	if r.pulse.failed.Err() != nil || status.Code(err) != codes.Unavailable {
		return 0, false
	}
	return r.backoff.Pause(), true
}

func (p *pulse) callOptions() *vkit.SubscriptionAdminCallOptions {
	retry := []gax.CallOption{gax.WithRetry(func() gax.Retryer {
		return &retrier{pulse: p, backoff: gax.Backoff{Initial: 100 * time.Millisecond, Max: time.Second, Multiplier: 1.5}}
	})}
	return &vkit.SubscriptionAdminCallOptions{Acknowledge: retry, ModifyAckDeadline: retry}
}
