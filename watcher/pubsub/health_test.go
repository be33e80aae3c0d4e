package pubsub

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/watcher"
)

func TestASubscriptionWithoutTrafficIsKnownToBeUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tr := s.transport(t)
	tr.timing.patience = time.Minute
	run(t, tr, done).becomesUp()
	if n := s.streams.Load(); n != 1 {
		t.Errorf("%d streams were opened, want 1", n)
	}
}

func TestWhatIsNotThereYetIsAState(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.refuse.Store(status.New(codes.NotFound, "Resource not found (resource=rotatord)."))
	r := run(t, s.transport(t), done)
	err := r.becomesDown()
	want := "receive from " + testSubscription + ": not found: NotFound: Resource not found (resource=rotatord)."
	if watcher.ReasonOf(err) != watcher.ReasonNotFound || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("it is down for %v, want %s", err, want)
	}
	s.allow()
	r.becomesUp()
}

func TestADeniedSubscriptionNamesThePermission(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.deny()
	r := run(t, s.transport(t), done)
	if err := r.becomesDown(); !strings.Contains(err.Error(), "pubsub.subscriptions.consume") {
		t.Errorf("it is down for %v, want the permission in it", err)
	}
}

// A stream that answers and ends at once, for ever, is not well.
func TestAStreamThatKeepsEndingIsDown(t *testing.T) {
	t.Parallel()
	for _, code := range []codes.Code{codes.Unavailable, codes.Internal} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			tr := s.transport(t)
			tr.timing.patience = time.Minute
			s.end.Store(status.New(code, "the backend has a bad day"))
			r := run(t, tr, done)
			if err := r.becomesDown(); watcher.ReasonOf(err) != watcher.ReasonUnavailable {
				t.Errorf("it is down for %v", err)
			}
			s.end.Store(nil)
			r.becomesUp()
		})
	}
}

// Pub/Sub ends each stream now and then. Nobody wants to be told.
func TestAStreamThatEndsAfterALongTimeIsNotWorthAnAlarm(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.fake.SetStreamTimeout(20 * time.Millisecond)
	tr := s.transport(t)
	tr.timing.settled = 0 // each stream counts as old
	tr.timing.patience = time.Minute
	r := run(t, tr, done)
	r.becomesUp()
	until(t, "several streams are opened", func() bool { return s.streams.Load() >= 3 })
	s.send([]byte("message"), nil)
	r.next()
	select {
	case err := <-r.states:
		t.Errorf("it became %v meanwhile", err)
	default:
	}
}

func TestAStreamWithoutAnyAnswerIsDownAndThenReplaced(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.unready.Store(true)
	tr := s.transport(t)
	tr.timing.patience, tr.timing.silence = 20*time.Millisecond, 40*time.Millisecond
	r := run(t, tr, done)
	err := r.becomesDown()
	if watcher.ReasonOf(err) != watcher.ReasonUnavailable || !strings.Contains(err.Error(), "no answer for") {
		t.Errorf("first it is down for %v", err)
	}
	r.becomes("dead", func(err error) bool { return err != nil && strings.Contains(err.Error(), "nothing was heard for") })
	until(t, "another stream is opened", func() bool { return s.streams.Load() > 1 })
	s.unready.Store(false)
	r.becomesUp()
}

func TestAServerThatGoesAwayAndComesBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := run(t, s.transport(t), done)
	for i := range 3 {
		s.send(fmt.Append(nil, i), nil)
		if m := r.next(); string(m.Body) != fmt.Sprint(i) {
			t.Errorf("message %q came", m.Body)
		}
		until(t, "it is acknowledged", func() bool { return s.left() == 0 })
		s.net.cut()
		r.becomesDown()
		s.net.mend()
		r.becomesUp()
	}
}

// The client's lock on its stream would keep the process from stopping.
func TestAProcessStopsDuringAnOutage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tr := s.transport(t)
	tr.timing.drain = time.Hour // so that nothing but the end of the stream ends it
	r := run(t, tr, done)
	r.becomesUp()
	s.net.cut()
	r.becomesDown()
	r.stop()
}

// A firewall that drops packets: connections are neither made nor refused.
func TestAnEndpointThatSaysNothingIsDownAndDoesNotKeepTheProcess(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mute.Close() }()
	tr := s.transport(t, func(o *Options) {
		o.Endpoint = mute.Addr().String()
		o.ClientOptions = append(o.ClientOptions, option.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.DefaultConfig, MinConnectTimeout: time.Hour})))
	})
	tr.timing.patience, tr.timing.drain = 20*time.Millisecond, time.Hour
	r := run(t, tr, done)
	if err := r.becomesDown(); watcher.ReasonOf(err) != watcher.ReasonUnavailable || !strings.Contains(err.Error(), "no answer for") {
		t.Errorf("it is down for %v", err)
	}
	r.stop()
}
