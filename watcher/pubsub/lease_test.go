package pubsub

import (
	"context"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/watcher"
)

// plan is what is said about leases: when, and for how many seconds.
type plan struct {
	At      time.Duration
	Seconds int32
}

func (p *puppet) leases(since time.Duration) []plan {
	var all []plan
	for _, m := range p.seen().modacks {
		all = append(all, plan{(m.at - since).Round(time.Second), m.seconds})
	}
	return all
}

func every(step, until time.Duration, seconds int32) []plan {
	var all []plan
	for at := step; at < until; at += step {
		all = append(all, plan{at, seconds})
	}
	return all
}

func TestALeaseIsRenewedWhileAMessageIsInHand(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		once bool
		take time.Duration
		want []plan
	}{
		"not for a quick delivery":        {take: 9 * time.Second},
		"each ten seconds for a slow one": {take: 65 * time.Second, want: every(10*time.Second, 65*time.Second, 20)},
		"but not for ever":                {take: 20 * time.Minute, want: every(10*time.Second, longestLease, 20)},
		"a receipt, and a longer lease, with exactly-once delivery": {once: true, take: 65 * time.Second,
			want: []plan{{0, 60}, {30 * time.Second, 60}, {60 * time.Second, 60}}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *puppet) {
				p.once = c.once
				run(t, p.transport(), slow(c.take))
				after(5 * time.Second)
				p.send("one", "two")
				after(c.take + 10*time.Minute)
				if diff := cmp.Diff(c.want, p.leases(5*time.Second)); diff != "" {
					t.Errorf("leases (-want +got):\n%s", diff)
				}
				for _, m := range p.seen().modacks {
					if diff := cmp.Diff([]string{"ack-one", "ack-two"}, m.ids); diff != "" {
						t.Errorf("not both at once (-want +got):\n%s", diff)
					}
				}
				if len(p.seen().acks) != 1 || p.seen().acks[0].at-5*time.Second-c.take > time.Second {
					t.Errorf("acknowledged: %v", p.seen().acks)
				}
			})
		})
	}
}

func TestWhatIsHeldIsKeptAndThenGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		tr := p.transport()
		for range 10 {
			tr.tries.count("one")
		}
		run(t, tr, func(context.Context, watcher.Message) watcher.Verdict { return watcher.Again })
		after(time.Second)
		p.send("one")
		after(time.Minute)
		got := p.leases(time.Second)
		if last := len(got) - 1; last < 2 || got[last].Seconds != 0 || got[last].At < 22*time.Second || got[last].At > 31*time.Second {
			t.Fatalf("leases: %v, want it to be given back after up to half a minute", got)
		}
		if diff := cmp.Diff(every(10*time.Second, got[len(got)-1].At, 20), got[:len(got)-1]); diff != "" {
			t.Errorf("leases before (-want +got):\n%s", diff)
		}
		if len(p.seen().acks) > 0 {
			t.Errorf("acknowledged: %v", p.seen().acks)
		}
	})
}

// A lease that could not be renewed at once is renewed before it is over.
func TestARenewalIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.lease = func(*pubsubpb.ModifyAckDeadlineRequest) error {
			if p.now() < 13*time.Second {
				return errAway
			}
			return nil
		}
		run(t, p.transport(), slow(15*time.Second))
		p.send("one")
		after(time.Minute)
		first, last := p.seen().modacks[0].at, p.seen().modacks[len(p.seen().modacks)-1].at
		if first != 10*time.Second || last < 13*time.Second || last > 19*time.Second {
			t.Errorf("it was tried from %v to %v", first, last)
		}
		if n := len(p.seen().modacks); n < 4 || n > 20 {
			t.Errorf("it was tried %d times", n)
		}
	})
}

func TestTheServerIsToldOfTheLongerLease(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.once = true
		run(t, p.transport(), done)
		after(2 * time.Minute)
		var got []int32
		for _, q := range p.seen().pulls {
			got = append(got, q.GetStreamAckDeadlineSeconds())
		}
		if diff := cmp.Diff([]int32{20, 0, 60, 0, 0, 0}, got); diff != "" {
			t.Errorf("stream_ack_deadline_seconds (-want +got):\n%s", diff)
		}
	})
}

// With exactly-once delivery a message whose lease was over when it came is
// somebody else's.
func TestOnlyWhatIsOursIsDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.once = true
		tries := 0
		p.lease = func(*pubsubpb.ModifyAckDeadlineRequest) error {
			if tries++; tries == 1 {
				return refusal(t, map[string]string{"ack-lost": "PERMANENT_FAILURE_INVALID_ACK_ID", "ack-late": "TRANSIENT_FAILURE_OTHER"})
			}
			return nil
		}
		var log journal
		r := run(t, p.transport(func(o *Options) { o.Logger = log.logger() }), done)
		after(time.Second)
		p.send("late", "lost")
		after(10 * time.Second)
		if m := r.next(); m.ID != "late" || len(r.messages) != 0 {
			t.Errorf("%q came, and %d more; want only the one that is ours", m.ID, len(r.messages))
		}
		if len(p.seen().modacks) != 2 || len(p.seen().acks) != 1 || p.seen().acks[0].ids[0] != "ack-late" {
			t.Errorf("leases: %v, acknowledged: %v", p.seen().modacks, p.seen().acks)
		}
		if got := log.String(); !contains(got, "not ours any more", "message=lost") {
			t.Errorf("the log says:\n%s", got)
		}
	})
}

// And one that can't be asked about comes again, too.
func TestWithoutAReceiptNothingIsDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.once = true
		p.lease = func(*pubsubpb.ModifyAckDeadlineRequest) error { return status.Error(codes.PermissionDenied, "no") }
		r := run(t, p.transport(), done)
		after(time.Second)
		p.send("one")
		after(5 * time.Minute)
		if len(r.messages) != 0 || len(p.seen().modacks) != 1 {
			t.Errorf("%d came; leases: %v", len(r.messages), p.seen().modacks)
		}
	})
}

func TestLeasesAreRenewedTogether(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		run(t, p.transport(), slow(15*time.Second))
		p.send("one")
		after(2 * time.Second)
		p.send("two")
		after(10 * time.Second)
		all := p.seen().modacks
		if len(all) != 1 {
			t.Fatalf("leases: %v, want one call", all)
		}
		if diff := cmp.Diff([]string{"ack-one", "ack-two"}, all[0].ids); diff != "" {
			t.Errorf("renewed (-want +got):\n%s", diff)
		}
	})
}

func TestAnEmptyHandHasNoTimer(t *testing.T) {
	t.Parallel()
	h := newHand(func() time.Duration { return lease }, func([]string) { t.Error("renewed") })
	for range 3 {
		h.take("one", 1)
		h.take("two", 1)
		h.let("one")
		if h.timer == nil {
			t.Error("no timer is set while there is one in hand")
		}
		h.let("two", "two")
		if h.timer != nil || h.bytes != 0 {
			t.Errorf("a timer is left, or %d bytes", h.bytes)
		}
	}
	h.still()
}
