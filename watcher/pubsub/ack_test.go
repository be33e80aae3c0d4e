package pubsub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/watcher"
)

// refusal is how Pub/Sub answers with exactly-once delivery.
func refusal(t *testing.T, reasons map[string]string) error {
	t.Helper()
	s, err := status.New(codes.FailedPrecondition, "some ids are invalid").WithDetails(&errdetails.ErrorInfo{
		Reason: "EXACTLY_ONCE_ACKID_FAILURE", Domain: "pubsub.googleapis.com", Metadata: reasons})
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

func contains(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// settler hears what was acknowledged.
type settler struct {
	watcher.Health
	mu  sync.Mutex
	ids map[string]bool
}

func (s *settler) Settled(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids[id] = true
}

func TestAcknowledgementsGoTogether(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		run(t, p.transport(), done)
		after(time.Second)
		for i := range 50 {
			p.send(fmt.Sprint(i))
		}
		after(99 * time.Millisecond)
		if len(p.seen().acks) != 0 {
			t.Errorf("acknowledged before there was time for more: %v", p.seen().acks)
		}
		after(time.Millisecond)
		if len(p.seen().acks) != 1 || len(p.seen().acks[0].ids) != 50 {
			t.Errorf("acknowledged: %v, want all at once", p.seen().acks)
		}
		after(time.Hour)
		p.send("late")
		after(100 * time.Millisecond)
		if len(p.seen().acks) != 2 || len(p.seen().acks[1].ids) != 1 {
			t.Errorf("acknowledged: %v", p.seen().acks)
		}
	})
}

func TestNoRequestIsTooLarge(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		count, size int
		want        []int
	}{
		"none":           {0, 1, nil},
		"one":            {1, 200, []int{1}},
		"as many as fit": {1000, 200, []int{1000}},
		"one more":       {1001, 200, []int{1000, 1}},
		"many":           {2500, 200, []int{1000, 1000, 500}},
		"long ones":      {1000, 1000, []int{407, 407, 186}},
		"one huge":       {2, mostIDBytes + 1, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			ids := make([]string, c.count)
			for i := range ids {
				ids[i] = strings.Repeat("x", c.size)
			}
			var got []int
			for _, p := range portions(ids) {
				got = append(got, len(p))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("portions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAcknowledgementIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		tries := 0
		p.answer = func([]string) error {
			if tries++; tries <= 3 {
				return errAway
			}
			return nil
		}
		var log journal
		r := run(t, p.transport(func(o *Options) { o.Logger = log.logger() }), done)
		p.send("one")
		after(time.Minute)
		if len(p.seen().acks) != 4 || len(r.messages) != 1 || log.String() != "" {
			t.Errorf("acknowledged: %v; %d messages came; the log says %q", p.seen().acks, len(r.messages), log.String())
		}
	})
}

func TestAnAcknowledgementWithoutAnAnswerIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.answer = func([]string) error {
			if len(p.seen().acks) == 1 {
				p.hang()
			}
			return nil
		}
		r := run(t, p.transport(), done)
		p.send("one")
		after(20 * time.Second)
		if all := p.seen(); len(all.acks) != 2 || all.acks[1].at < 15*time.Second || len(r.messages) != 1 {
			t.Errorf("acknowledged: %v; %d messages came", all.acks, len(r.messages))
		}
	})
}

func TestAnAcknowledgementIsNotTriedForEver(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.answer = func([]string) error { return errAway }
		var log journal
		run(t, p.transport(func(o *Options) { o.Logger = log.logger() }), done)
		p.send("one")
		after(5 * time.Minute)
		if n, last := len(p.seen().acks), p.seen().acks[len(p.seen().acks)-1].at; n < 10 || n > 25 || last > 61*time.Second {
			t.Errorf("it was tried %d times, until %v", n, last)
		}
		if !contains(log.String(), "acknowledgements don't get through; the messages come again", "the server is being replaced") {
			t.Errorf("the log says %q", log.String())
		}
		// The lease was renewed as long as there was hope.
		if last := p.seen().modacks[len(p.seen().modacks)-1].at; last < 50*time.Second || last > 65*time.Second {
			t.Errorf("leases: %v", p.seen().modacks)
		}
	})
}

func TestRefusalsOfExactlyOnceDelivery(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.once = true
		tries := 0
		p.answer = func([]string) error {
			if tries++; tries == 1 {
				return refusal(t, map[string]string{"ack-lost": "PERMANENT_FAILURE_INVALID_ACK_ID", "ack-slow": "TRANSIENT_FAILURE_UNORDERED_ACK_ID"})
			}
			return nil
		}
		var log journal
		tr := p.transport(func(o *Options) { o.Logger = log.logger() })
		r := &running{t: t, messages: make(chan watcher.Message, 10), states: make(chan error, 10)}
		s := &settler{Health: r, ids: map[string]bool{}}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- tr.Receive(ctx, done, s) }()
		after(time.Second)
		p.send("lost", "slow")
		after(10 * time.Second)
		p.send("good")
		after(time.Second)
		var asked [][]string
		for _, a := range p.seen().acks {
			asked = append(asked, a.ids)
		}
		if diff := cmp.Diff([][]string{{"ack-lost", "ack-slow"}, {"ack-slow"}, {"ack-good"}}, asked); diff != "" {
			t.Errorf("acknowledged (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[string]bool{"slow": true, "good": true}, s.ids); diff != "" {
			t.Errorf("confirmed (-want +got):\n%s", diff)
		}
		if !contains(log.String(), "an acknowledgement was refused", "message=lost", "PERMANENT_FAILURE_INVALID_ACK_ID", "get through again") ||
			contains(log.String(), "message=slow") {
			t.Errorf("the log says:\n%s", log.String())
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestJudgement(t *testing.T) {
	t.Parallel()
	plainly := func(c codes.Code) error { return status.Error(c, "x") }
	for name, c := range map[string]struct {
		err            error
		again, refused []string
	}{
		"nothing is wrong": {nil, nil, nil},
		"unavailable":      {plainly(codes.Unavailable), []string{"a", "b"}, nil},
		"too late":         {plainly(codes.DeadlineExceeded), []string{"a", "b"}, nil},
		"too much":         {plainly(codes.ResourceExhausted), []string{"a", "b"}, nil},
		"aborted":          {plainly(codes.Aborted), []string{"a", "b"}, nil},
		"internal":         {plainly(codes.Internal), []string{"a", "b"}, nil},
		"denied":           {plainly(codes.PermissionDenied), nil, []string{"a", "b"}},
		"not there":        {plainly(codes.NotFound), nil, []string{"a", "b"}},
		"the end":          {plainly(codes.Canceled), nil, []string{"a", "b"}},
		"each by itself":   {refusal(t, map[string]string{"a": "TRANSIENT_X", "b": "PERMANENT_X"}), []string{"a"}, []string{"b"}},
		"what is not spoken of shares the call's fate": {refusal(t, map[string]string{"a": "TRANSIENT_X"}), []string{"a"}, []string{"b"}},
	} {
		t.Run(name, func(t *testing.T) {
			refused := map[string]error{}
			again := judge(c.err, []string{"a", "b"}, refused)
			var lost []string
			for _, id := range []string{"a", "b"} {
				if refused[id] != nil {
					lost = append(lost, id)
				}
			}
			if diff := cmp.Diff([][]string{c.again, c.refused}, [][]string{again, lost}); diff != "" {
				t.Errorf("again and refused (-want +got):\n%s", diff)
			}
		})
	}
}
