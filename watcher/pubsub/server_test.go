package pubsub

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/v2/pstest"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	testTopic        = "projects/p/topics/planet-secrets"
	testSubscription = "projects/p/subscriptions/rotatord"
	// maxAttempts is the dead-letter policy of the tests' subscriptions.
	maxAttempts = 5
)

// hasty is the timing of tests. None of it decides what passes.
var hasty = timing{
	patience: time.Second, settled: time.Second, keepAlive: 30 * time.Second, silence: time.Minute, goodbye: 200 * time.Millisecond,
	drain: 200 * time.Millisecond, gather: 10 * time.Millisecond, call: 10 * time.Second, confirm: 10 * time.Second, send: 10 * time.Second,
	hold:   bounds{10 * time.Millisecond, 40 * time.Millisecond},
	repeat: bounds{10 * time.Millisecond, 100 * time.Millisecond},
	reopen: bounds{10 * time.Millisecond, 10 * time.Millisecond},
	retry:  bounds{10 * time.Millisecond, 100 * time.Millisecond},
}

// server is Google's fake of Pub/Sub behind gRPC of our own and a network that
// can be cut. The fake has no permissions, blocks for good when a keep-alive
// meets an end of its stream, never removes what it dead-letters, and changes a
// message that it is still sending; the server makes up for these.
type server struct {
	fake *pstest.Server
	net  *network
	once bool // exactly-once delivery

	refuse  atomic.Pointer[status.Status] // of streams, while it is set
	end     atomic.Pointer[status.Status] // of a stream right after its first answer
	refused atomic.Pointer[status.Status] // of acknowledgements
	unready atomic.Bool                   // answers nothing on streams
	streams atomic.Int64
	acks    atomic.Int64
	nacks   atomic.Int64
	headers atomic.Pointer[metadata.MD]
	// hook is called before an acknowledgement is carried out.
	hook func()

	mu   sync.Mutex
	dead map[string]bool
	sent map[string]bool // deliveries that the fake has done with
	news *sync.Cond      // of sent
}

type serverOption func(*server, *pubsubpb.Subscription)

func exactlyOnce(s *server, sub *pubsubpb.Subscription) {
	sub.EnableExactlyOnceDelivery, s.once = true, true
}

func deadLetters(_ *server, sub *pubsubpb.Subscription) {
	sub.DeadLetterPolicy = &pubsubpb.DeadLetterPolicy{DeadLetterTopic: testTopic + "-dead", MaxDeliveryAttempts: 1 << 20}
}

func ordered(_ *server, sub *pubsubpb.Subscription) { sub.EnableMessageOrdering = true }

func newServer(t testing.TB, options ...serverOption) *server {
	t.Helper()
	s := &server{fake: pstest.NewServerWithAddress("127.0.0.1:0"), dead: map[string]bool{}, sent: map[string]bool{}}
	s.news = sync.NewCond(&s.mu)
	t.Cleanup(func() { _ = s.fake.Close() })
	ctx := context.Background()
	for _, topic := range []string{testTopic, testTopic + "-dead"} {
		if _, err := s.fake.GServer.CreateTopic(ctx, &pubsubpb.Topic{Name: topic}); err != nil {
			t.Fatal(err)
		}
	}
	sub := &pubsubpb.Subscription{Name: testSubscription, Topic: testTopic, AckDeadlineSeconds: 10}
	for _, o := range options {
		o(s, sub)
	}
	if _, err := s.fake.GServer.CreateSubscription(ctx, sub); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	return s
}

func (s *server) start(t testing.TB, more ...grpc.ServerOption) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	network := &network{Listener: listener, open: map[net.Conn]bool{}}
	g := grpc.NewServer(append(more, grpc.StreamInterceptor(s.stream), grpc.UnaryInterceptor(s.unary))...)
	pubsubpb.RegisterSubscriberServer(g, &s.fake.GServer)
	pubsubpb.RegisterPublisherServer(g, &s.fake.GServer)
	served := make(chan struct{})
	go func() { defer close(served); _ = g.Serve(network) }()
	t.Cleanup(func() { g.Stop(); <-served })
	s.net = network // of the last start
}

func (s *server) address() string { return s.net.Addr().String() }

func (s *server) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if md, ok := metadata.FromIncomingContext(ss.Context()); ok {
		s.headers.Store(&md)
	}
	s.streams.Add(1)
	if st := s.refuse.Load(); st != nil {
		return st.Err()
	}
	if s.unready.Load() {
		<-ss.Context().Done()
		return nil
	}
	return handler(srv, &answering{ServerStream: ss, server: s})
}

// answering answers keep-alives itself.
type answering struct {
	grpc.ServerStream
	server *server
	begun  bool
	mu     sync.Mutex
}

func (a *answering) SendMsg(m any) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	response, _ := m.(*pubsubpb.StreamingPullResponse)
	var ids []string
	for _, r := range response.GetReceivedMessages() {
		ids = append(ids, r.GetAckId())
	}
	err := a.ServerStream.SendMsg(m)
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	for _, id := range ids {
		a.server.sent[id] = true
	}
	a.server.news.Broadcast()
	return err
}

func (a *answering) RecvMsg(m any) error {
	for {
		if err := a.ServerStream.RecvMsg(m); err != nil {
			return err
		}
		request, ok := m.(*pubsubpb.StreamingPullRequest)
		if !ok || !a.begun || len(request.GetAckIds())+len(request.GetModifyDeadlineAckIds()) > 0 {
			a.begun = true
			return nil
		}
		answer := &pubsubpb.StreamingPullResponse{SubscriptionProperties: &pubsubpb.StreamingPullResponse_SubscriptionProperties{
			ExactlyOnceDeliveryEnabled: a.server.once}}
		if err := a.SendMsg(answer); err != nil {
			return err
		}
		if st := a.server.end.Load(); st != nil {
			return st.Err()
		}
	}
}

func (s *server) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		s.headers.Store(&md)
	}
	switch r := req.(type) {
	case *pubsubpb.AcknowledgeRequest:
		s.acks.Add(1)
		if s.hook != nil {
			s.hook()
		}
		if st := s.refused.Load(); st != nil {
			return nil, st.Err()
		}
	case *pubsubpb.ModifyAckDeadlineRequest:
		if r.GetAckDeadlineSeconds() == 0 {
			s.nacks.Add(int64(len(r.GetAckIds())))
			for _, id := range r.GetAckIds() {
				s.mu.Lock()
				for !s.sent[id] {
					s.news.Wait()
				}
				s.mu.Unlock()
				s.giveBack(id)
			}
			return handler(ctx, &pubsubpb.ModifyAckDeadlineRequest{Subscription: r.GetSubscription(), AckDeadlineSeconds: 10})
		}
	case *pubsubpb.PublishRequest:
		if st := s.refuse.Load(); st != nil {
			return nil, st.Err()
		}
	}
	return handler(ctx, req)
}

// giveBack makes a message available again, or dead-letters it.
func (s *server) giveBack(ackID string) {
	ctx := context.Background()
	id, n, _ := strings.Cut(ackID, ":")
	attempt, _ := strconv.Atoi(n)
	if sub, err := s.fake.GServer.GetSubscription(ctx, &pubsubpb.GetSubscriptionRequest{Subscription: testSubscription}); err == nil &&
		sub.GetDeadLetterPolicy() != nil && attempt >= maxAttempts {
		_, _ = s.fake.GServer.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: testSubscription, AckIds: []string{ackID}})
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fake.Message(id).Acks > 0 {
			s.dead[id] = true
		}
		return
	}
	_, _ = s.fake.GServer.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{Subscription: testSubscription, AckIds: []string{ackID}})
}

func (s *server) send(body []byte, attributes map[string]string) string {
	return s.fake.Publish(testTopic, body, attributes)
}

func (s *server) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := 0
	for _, m := range s.fake.Messages() {
		if m.Acks == 0 {
			left++
		}
	}
	return left
}

func (s *server) buried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.dead)
}

// expire ends the leases of all messages.
func (s *server) expire() {
	s.mu.Lock()
	var out []string
	for _, m := range s.fake.Messages() {
		if id := fmt.Sprintf("%s:%d", m.ID, m.Deliveries); m.Acks == 0 && s.sent[id] {
			out = append(out, id)
		}
	}
	s.mu.Unlock()
	for _, id := range out {
		s.giveBack(id)
	}
}

func (s *server) deny() {
	s.refuse.Store(status.New(codes.PermissionDenied, "User not authorized to perform this action."))
}

func (s *server) allow() { s.refuse.Store(nil) }

func (s *server) transport(t testing.TB, change ...func(*Options)) *Transport {
	t.Helper()
	o := Options{
		Name: "google", Subscription: testSubscription, Topic: testTopic, Endpoint: s.address(),
		ClientOptions: []option.ClientOption{option.WithoutAuthentication(),
			option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials()))},
	}
	for _, c := range change {
		c(&o)
	}
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	tr.timing = hasty
	return tr
}

// network is a listener whose connections can be cut.
type network struct {
	net.Listener
	mu   sync.Mutex
	down bool
	open map[net.Conn]bool
}

func (n *network) Accept() (net.Conn, error) {
	for {
		c, err := n.Listener.Accept()
		if err != nil {
			return nil, err
		}
		n.mu.Lock()
		if !n.down {
			n.open[c] = true
			n.mu.Unlock()
			return c, nil
		}
		n.mu.Unlock()
		_ = c.Close()
	}
}

func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = true
	for c := range n.open {
		_ = c.Close()
	}
	clear(n.open)
}

func (n *network) mend() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down = false
}
