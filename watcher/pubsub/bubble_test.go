package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/rotatord/rotatord/watcher"
)

// puppet is a subscription that does as a test says, in a bubble in which time
// flies. gRPC on both sides is the real one, over pipes in memory.
type puppet struct {
	pubsubpb.UnimplementedSubscriberServer
	t        *testing.T
	pipes    chan net.Conn
	messages chan *pubsubpb.StreamingPullResponse
	ends     chan error // of the stream that is open
	once     bool       // exactly-once delivery

	over  chan struct{}
	begun time.Time

	mu     sync.Mutex
	refuse error                // of streams
	mute   bool                 // says nothing on streams
	deaf   bool                 // does not end a stream because the client does
	answer func([]string) error // to acknowledgements
	lease  func(*pubsubpb.ModifyAckDeadlineRequest) error
	all    seen
}

// seen is what has come.
type seen struct {
	opened  []time.Duration // streams
	pulls   []pulled
	acks    []spoken
	modacks []spoken
}

// pulled is a request on a stream, and spoken a call, with the time since the
// beginning.
type pulled struct {
	at time.Duration
	*pubsubpb.StreamingPullRequest
}

type spoken struct {
	at      time.Duration
	ids     []string
	seconds int32
}

func bubble(t *testing.T, test func(*testing.T, *puppet)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &puppet{t: t, pipes: make(chan net.Conn), messages: make(chan *pubsubpb.StreamingPullResponse, 1000), ends: make(chan error), over: make(chan struct{}), begun: time.Now()}
		g := grpc.NewServer()
		pubsubpb.RegisterSubscriberServer(g, p)
		served := make(chan struct{})
		go func() { defer close(served); _ = g.Serve(p) }()
		t.Cleanup(func() { close(p.over); g.Stop(); <-served })
		test(t, p)
	})
}

// Accept, Close and Addr make a net.Listener of it.
func (p *puppet) Accept() (net.Conn, error) {
	c, ok := <-p.pipes
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p *puppet) Close() error { close(p.pipes); return nil }

func (p *puppet) Addr() net.Addr { return &net.TCPAddr{} }

func (p *puppet) dial(ctx context.Context, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.pipes <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p *puppet) transport(change ...func(*Options)) *Transport {
	p.t.Helper()
	o := Options{Name: "google", Subscription: testSubscription, Endpoint: "127.0.0.1:1", ClientOptions: []option.ClientOption{
		option.WithoutAuthentication(), option.WithGRPCDialOption(grpc.WithContextDialer(p.dial)),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))}}
	for _, c := range change {
		c(&o)
	}
	tr, err := New(o)
	if err != nil {
		p.t.Fatal(err)
	}
	return tr // with its usual timing
}

func (p *puppet) now() time.Duration { return time.Since(p.begun) }

func (p *puppet) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *puppet) seen() seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.all // what is appended to later is not ours
	return all
}

// hang does not return before the test ends.
func (p *puppet) hang() { <-p.over }

// send sends messages in one response, each with an id of its own.
func (p *puppet) send(ids ...string) {
	r := &pubsubpb.StreamingPullResponse{SubscriptionProperties: p.properties()}
	for _, id := range ids {
		r.ReceivedMessages = append(r.ReceivedMessages, &pubsubpb.ReceivedMessage{AckId: "ack-" + id,
			Message: &pubsubpb.PubsubMessage{MessageId: id, Data: []byte(id)}})
	}
	p.messages <- r
}

func (p *puppet) properties() *pubsubpb.StreamingPullResponse_SubscriptionProperties {
	return &pubsubpb.StreamingPullResponse_SubscriptionProperties{ExactlyOnceDeliveryEnabled: p.once}
}

// StreamingPull answers keep-alives.
func (p *puppet) StreamingPull(ss pubsubpb.Subscriber_StreamingPullServer) error {
	p.mu.Lock()
	p.all.opened = append(p.all.opened, p.now())
	refuse := p.refuse
	p.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	pings, bye := make(chan bool), make(chan bool)
	go func() {
		for first := true; ; first = false {
			r, err := ss.Recv()
			if err != nil {
				if errors.Is(err, io.EOF) {
					close(bye)
				}
				return
			}
			p.mu.Lock()
			p.all.pulls = append(p.all.pulls, pulled{p.now(), r})
			mute := p.mute
			p.mu.Unlock()
			if first || mute {
				continue
			}
			select {
			case pings <- true:
			case <-ss.Context().Done():
			}
		}
	}()
	for {
		answer := &pubsubpb.StreamingPullResponse{SubscriptionProperties: p.properties()}
		select {
		case <-pings:
		case answer = <-p.messages:
		case err := <-p.ends:
			return err
		case <-bye:
			bye = nil
			p.mu.Lock()
			deaf := p.deaf
			p.mu.Unlock()
			if !deaf {
				return nil
			}
			continue
		case <-ss.Context().Done():
			return nil
		}
		if err := ss.Send(answer); err != nil {
			return err
		}
	}
}

func (p *puppet) Acknowledge(_ context.Context, r *pubsubpb.AcknowledgeRequest) (*emptypb.Empty, error) {
	p.mu.Lock()
	p.all.acks = append(p.all.acks, spoken{p.now(), slices.Sorted(slices.Values(r.GetAckIds())), 0})
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		if err := answer(r.GetAckIds()); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}

func (p *puppet) ModifyAckDeadline(_ context.Context, r *pubsubpb.ModifyAckDeadlineRequest) (*emptypb.Empty, error) {
	p.mu.Lock()
	p.all.modacks = append(p.all.modacks, spoken{p.now(), slices.Sorted(slices.Values(r.GetAckIds())), r.GetAckDeadlineSeconds()})
	lease := p.lease
	p.mu.Unlock()
	if lease != nil {
		if err := lease(r); err != nil {
			return nil, err
		}
	}
	return &emptypb.Empty{}, nil
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// heard empties the changes of health that have come.
func (r *running) heard() []string {
	var all []string
	for {
		select {
		case err := <-r.states:
			all = append(all, fmt.Sprint(err))
		default:
			return all
		}
	}
}

var errAway = status.Error(codes.Unavailable, "the server is being replaced")

func slow(d time.Duration) func(context.Context, watcher.Message) watcher.Verdict {
	return func(ctx context.Context, _ watcher.Message) watcher.Verdict {
		if !sleep(ctx, d) {
			return watcher.Again
		}
		return watcher.Done
	}
}
