package pubsub

import (
	"context"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/watcher"
)

func TestTheEndTakesAtMostFiveSeconds(t *testing.T) {
	t.Parallel()
	endless := func(ctx context.Context, _ watcher.Message) watcher.Verdict { <-ctx.Done(); return watcher.Again }
	again := func(context.Context, watcher.Message) watcher.Verdict { return watcher.Again }
	for name, c := range map[string]struct {
		deliver      watcher.Deliver
		prepare      func(*puppet)
		least, most  time.Duration
		acks, leases int // calls
	}{
		"nothing is under way":            {deliver: done, prepare: func(*puppet) {}, most: 200 * time.Millisecond, acks: 1},
		"a delivery is under way":         {deliver: slow(4 * time.Second), prepare: func(*puppet) {}, least: 2900 * time.Millisecond, most: 3200 * time.Millisecond, acks: 1},
		"a delivery does not end":         {deliver: endless, prepare: func(*puppet) {}, least: 2 * time.Second, most: 5 * time.Second, leases: 1},
		"a message is held":               {deliver: again, prepare: func(*puppet) {}, most: 200 * time.Millisecond, leases: 1},
		"acknowledgements are not taken":  {deliver: done, prepare: func(p *puppet) { p.answer = func([]string) error { p.hang(); return nil } }, least: time.Second, most: 5 * time.Second, acks: 1},
		"the server does not say goodbye": {deliver: done, prepare: func(p *puppet) { p.deaf = true }, least: time.Second, most: 1200 * time.Millisecond, acks: 1},
		"nothing goes right": {deliver: endless, prepare: func(p *puppet) {
			p.deaf = true
			p.lease = func(*pubsubpb.ModifyAckDeadlineRequest) error { p.hang(); return nil }
		}, least: 4 * time.Second, most: 5 * time.Second, leases: 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, p *puppet) {
				c.prepare(p)
				tr := p.transport()
				tr.timing.hold = bounds{time.Hour, time.Hour}
				r := run(t, tr, c.deliver)
				after(time.Second)
				p.send("one")
				after(time.Second)
				before := p.now()
				r.stop()
				if took := p.now() - before; took > c.most || took < c.least {
					t.Errorf("it took %v, want between %v and %v", took, c.least, c.most)
				}
				if len(p.seen().acks) != c.acks || len(p.seen().modacks) != c.leases {
					t.Errorf("acknowledged: %v, given back: %v", p.seen().acks, p.seen().modacks)
				}
				for _, m := range p.seen().modacks {
					if m.seconds != 0 {
						t.Errorf("leases: %v, want it given back", p.seen().modacks)
					}
				}
			})
		})
	}
}

// What was on its way when we said goodbye would be nobody's until its lease is
// over.
func TestWhatComesTooLateIsGivenBack(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.deaf = true
		r := run(t, p.transport(), done)
		after(time.Second)
		go r.stop()
		after(100 * time.Millisecond)
		p.send("late")
		after(10 * time.Second)
		if len(r.messages) != 0 || len(p.seen().acks) != 0 || len(p.seen().modacks) != 1 {
			t.Fatalf("%d came; acknowledged: %v, given back: %v", len(r.messages), p.seen().acks, p.seen().modacks)
		}
		if diff := cmp.Diff([]string{"ack-late"}, p.seen().modacks[0].ids); diff != "" || p.seen().modacks[0].seconds != 0 {
			t.Errorf("given back for %d (-want +got):\n%s", p.seen().modacks[0].seconds, diff)
		}
	})
}

// A delivery that was under way when its stream failed is still acknowledged, and
// does not keep the next connection for long.
func TestAFailedStreamLosesNoAcknowledgement(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		r := run(t, p.transport(), slow(2*time.Second))
		after(time.Second)
		p.send("one")
		after(time.Second)
		p.ends <- errAway // after two seconds that is not usual
		after(4 * time.Second)
		if len(p.seen().acks) != 1 || len(p.seen().opened) != 2 || len(r.messages) != 1 {
			t.Errorf("acknowledged: %v, streams: %v, %d came", p.seen().acks, p.seen().opened, len(r.messages))
		}
	})
}

// What is held would keep the next connection for up to half a minute.
func TestAFailedStreamGivesBackWhatIsHeld(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		tr := p.transport()
		tr.timing.hold = bounds{time.Hour, time.Hour}
		run(t, tr, func(context.Context, watcher.Message) watcher.Verdict { return watcher.Again })
		after(time.Second)
		p.send("one")
		after(time.Second)
		p.ends <- errAway
		after(2 * time.Second)
		if all := p.seen(); len(all.opened) != 2 || len(all.modacks) != 1 || all.modacks[0].seconds != 0 {
			t.Errorf("streams: %v, leases: %v", all.opened, all.modacks)
		}
	})
}
