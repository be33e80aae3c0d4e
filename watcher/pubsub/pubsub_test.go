package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/watcher"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := Options{Name: "google", Subscription: testSubscription}
	for name, c := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"all is well":            {func(*Options) {}, ""},
		"a project's number":     {func(o *Options) { o.Subscription = "projects/123456789012/subscriptions/s-1" }, ""},
		"a project of a domain":  {func(o *Options) { o.Subscription = "projects/example.com:p/subscriptions/sub" }, ""},
		"no name":                {func(o *Options) { o.Name = "" }, "it has no name"},
		"no subscription":        {func(o *Options) { o.Subscription = "" }, "does not look like projects/PROJECT/subscriptions/NAME"},
		"only its id":            {func(o *Options) { o.Subscription = "rotatord" }, "does not look like projects/PROJECT/subscriptions/NAME"},
		"a topic in its place":   {func(o *Options) { o.Subscription = testTopic }, "does not look like projects/PROJECT/subscriptions/NAME"},
		"a subscription for it":  {func(o *Options) { o.Topic = testSubscription }, "does not look like projects/PROJECT/topics/NAME"},
		"an endpoint with https": {func(o *Options) { o.Endpoint = "https://pubsub.googleapis.com" }, "the endpoint"},
		"an endpoint, no port":   {func(o *Options) { o.Endpoint = "pubsub.googleapis.com" }, "the endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := good
			c.change(&o)
			_, err := New(o)
			if c.want == "" {
				if err != nil {
					t.Errorf("New: %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New: %v, want something with %q", err, c.want)
			}
		})
	}
}

func TestAMessageKeepsAllThatPubSubSays(t *testing.T) {
	t.Parallel()
	s := newServer(t, deadLetters)
	id := s.send([]byte("body"), map[string]string{"eventType": "SECRET_VERSION_ADD"})
	sent := s.fake.Message(id).PublishTime
	r := run(t, s.transport(t), func(_ context.Context, m watcher.Message) watcher.Verdict {
		if m.Deliveries < 2 {
			return watcher.Again
		}
		return watcher.Done
	})
	for attempt := 1; attempt <= 2; attempt++ {
		m := r.next()
		want := watcher.Message{ID: id, Body: []byte("body"), Attributes: map[string]string{"eventType": "SECRET_VERSION_ADD"}, Deliveries: attempt}
		if !m.Sent.Equal(sent) {
			t.Errorf("it was sent at %v, want %v", m.Sent, sent)
		}
		m.Sent = time.Time{}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("delivery %d (-want +got):\n%s", attempt, diff)
		}
	}
}

func TestTheNetworkEndsBetweenDoneAndTheAcknowledgement(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var once sync.Once
	cut := make(chan struct{})
	s.refused.Store(status.New(codes.Unavailable, "cut"))
	s.hook = func() { once.Do(func() { s.net.cut(); close(cut) }) }
	s.send([]byte("precious"), nil)
	first := run(t, s.transport(t), done)
	first.next()
	<-cut
	first.stop()
	if s.left() != 1 {
		t.Fatalf("%d messages are left, want the one whose acknowledgement was lost", s.left())
	}
	s.refused.Store(nil)
	s.net.mend()
	s.expire()
	if m := run(t, s.transport(t), done).next(); string(m.Body) != "precious" {
		t.Errorf("%q came", m.Body)
	}
	until(t, "it is acknowledged", func() bool { return s.left() == 0 })
}

func TestARefusedAcknowledgementIsLogged(t *testing.T) {
	t.Parallel()
	lost, err := status.New(codes.FailedPrecondition, "some ids are invalid").WithDetails(&errdetails.ErrorInfo{
		Reason: "EXACTLY_ONCE_ACKID_FAILURE", Domain: "pubsub.googleapis.com",
		Metadata: map[string]string{"m0:1": "PERMANENT_FAILURE_INVALID_ACK_ID"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options []serverOption
		with    *status.Status
		want    string
	}{
		"exactly once": {[]serverOption{exactlyOnce}, lost, "an acknowledgement was refused"},
		"at least once": {nil, status.New(codes.PermissionDenied, "no"),
			"acknowledgements don't get through; the messages come again"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, c.options...)
			s.refused.Store(c.with)
			var log journal
			r := run(t, s.transport(t, func(o *Options) { o.Logger = log.logger() }), done)
			s.send([]byte("confidential"), nil)
			r.next()
			until(t, "it is logged", func() bool { return strings.Contains(log.String(), c.want) })
			s.refused.Store(nil)
			s.expire()
			r.next()
			until(t, "it is acknowledged", func() bool { return s.left() == 0 })
			until(t, "that is logged", func() bool { return strings.Contains(log.String(), "get through again") })
			if strings.Contains(log.String(), "confidential") {
				t.Errorf("the log quotes a message:\n%s", log.String())
			}
		})
	}
}

func TestWhatIsWantedAgainIsHeldForLongerAndLonger(t *testing.T) {
	t.Parallel()
	b := usual.hold
	for n, want := range map[int]time.Duration{0: 500 * time.Millisecond, 1: 500 * time.Millisecond, 2: time.Second,
		5: 8 * time.Second, 7: 30 * time.Second, 100: 30 * time.Second} {
		for range 100 {
			if got := b.after(n); got > want || got < want*3/4 {
				t.Errorf("pause %d is %v, want at most a quarter less than %v", n, got, want)
			}
		}
	}
	var c tries
	for i := 1; i <= 3; i++ {
		if n := c.count("m"); n != i {
			t.Errorf("try %d counts as %d", i, n)
		}
	}
	c.forget("m")
	if n := c.count("m"); n != 1 {
		t.Errorf("after it was recorded its next failure counts as %d", n)
	}
	for i := range 3 * mostTries {
		c.count(fmt.Sprint(i))
	}
	if len(c.of) > mostTries {
		t.Errorf("%d messages are remembered, want at most %d", len(c.of), mostTries)
	}
}

// A message that is held must not keep the process, and is given back.
func TestTheEndDoesNotWaitForWhatIsHeld(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tr := s.transport(t)
	tr.timing.hold = bounds{time.Hour, time.Hour}
	tr.timing.drain = time.Hour
	r := run(t, tr, func(context.Context, watcher.Message) watcher.Verdict { return watcher.Again })
	s.send([]byte("later"), nil)
	r.next()
	if n := s.nacks.Load(); n != 0 {
		t.Errorf("%d messages were given back before their time", n)
	}
	r.stop()
	if n := s.nacks.Load(); n != 1 {
		t.Errorf("%d messages were given back at the end, want 1", n)
	}
}

// Deliver may write to the store while the process is asked to stop.
func TestADeliveryUnderWayKeepsItsContext(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	inside, leave, left := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	r := run(t, s.transport(t), func(ctx context.Context, _ watcher.Message) watcher.Verdict {
		close(inside)
		<-leave
		left <- ctx.Err()
		return watcher.Done
	})
	s.send([]byte("slow"), nil)
	<-inside
	go r.stop()
	until(t, "the end has begun", func() bool { return r.ctx.Err() != nil })
	close(leave)
	if err := <-left; err != nil {
		t.Errorf("its context has ended: %v", err)
	}
	r.stop()
	if n := s.left(); n != 0 {
		t.Errorf("%d messages are left, want none", n)
	}
}

// And no delivery keeps the process for ever.
func TestADeliveryThatNeverEndsIsAbandoned(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	inside := make(chan struct{})
	var once sync.Once
	r := run(t, s.transport(t), func(ctx context.Context, _ watcher.Message) watcher.Verdict {
		once.Do(func() { close(inside) })
		<-ctx.Done()
		return watcher.Again
	})
	s.send([]byte("endless"), nil)
	<-inside
	r.stop()
	if n := s.left(); n != 1 {
		t.Errorf("%d messages are left, want the one that was not recorded", n)
	}
}

// A server that takes an acknowledgement and never answers must not keep the
// process either.
func TestTheEndDoesNotWaitForASilentServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, exactlyOnce)
	asked, leave := make(chan struct{}, 100), make(chan struct{})
	t.Cleanup(func() { close(leave) })
	s.hook = func() { asked <- struct{}{}; <-leave }
	tr := s.transport(t)
	tr.timing.confirm = time.Hour
	r := run(t, tr, done)
	s.send([]byte("message"), nil)
	<-asked
	r.stop()
}

func TestJunkIsRemovedWhereNoPolicyWouldTakeIt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var log journal
	r := run(t, s.transport(t, func(o *Options) { o.DeadLetter, o.Logger = true, log.logger() }),
		func(context.Context, watcher.Message) watcher.Verdict { return watcher.Never })
	s.send([]byte("junk"), nil)
	r.next()
	until(t, "it is removed", func() bool { return s.left() == 0 })
	if !strings.Contains(log.String(), "no dead-letter policy") || strings.Contains(log.String(), "junk") {
		t.Errorf("the log says:\n%s", log.String())
	}
}

func TestMessagesWithOneKeyComeInOrder(t *testing.T) {
	t.Parallel()
	s := newServer(t, ordered)
	const count = 10
	for i := range count {
		s.fake.PublishOrdered(testTopic, fmt.Append(nil, i), nil, "key")
	}
	var once atomic.Bool
	r := run(t, s.transport(t), func(_ context.Context, m watcher.Message) watcher.Verdict {
		if string(m.Body) == "3" && !once.Swap(true) {
			return watcher.Again
		}
		return watcher.Done
	})
	last := 0
	for seen := 0; seen < count; seen++ {
		m := r.next()
		var n int
		if _, err := fmt.Sscan(string(m.Body), &n); err != nil {
			t.Fatal(err)
		}
		if n < last {
			t.Errorf("message %d came after %d", n, last)
		}
		last = n
	}
	until(t, "all are acknowledged", func() bool { return s.left() == 0 })
}

func TestSendTakesTheWayOfRealMessages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tr := s.transport(t)
	r := run(t, tr, done)
	if err := tr.Send(t.Context(), []byte(`{"secret":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if m := r.next(); string(m.Body) != `{"secret":"x"}` {
		t.Errorf("%q came", m.Body)
	}
}

func TestSendSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*server)
		change  func(*Options)
		reason  watcher.Reason
		want    string
	}{
		"no topic":   {func(*server) {}, func(o *Options) { o.Topic = "" }, watcher.ReasonInvalid, `add topic = "projects/PROJECT/topics/NAME"`},
		"denied":     {(*server).deny, func(*Options) {}, watcher.ReasonDenied, "pubsub.topics.publish"},
		"not there":  {func(*server) {}, func(o *Options) { o.Topic = "projects/p/topics/other" }, watcher.ReasonNotFound, "check project and name of the topic"},
		"no network": {func(s *server) { s.net.cut() }, func(*Options) {}, watcher.ReasonUnavailable, "send to " + testTopic},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			c.prepare(s)
			tr := s.transport(t, c.change)
			if c.reason == watcher.ReasonUnavailable {
				tr.timing.send = 500 * time.Millisecond // its time runs out
			}
			err := tr.Send(t.Context(), []byte("body"))
			var e *watcher.Error
			if !errors.As(err, &e) || e.Reason != c.reason || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Send: %v, want %s and %q", err, c.reason, c.want)
			}
		})
	}
}
