package pubsub

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/watcher"
)

// Whoever wakes an idle process more often than that is found here.
func TestAnIdleSubscriptionSaysNothingButKeepAlives(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		r := run(t, p.transport(), done)
		after(10*time.Minute + time.Second)
		first := p.seen().pulls[0]
		if first.GetSubscription() != testSubscription || first.GetStreamAckDeadlineSeconds() != 20 || first.GetClientId() == "" ||
			first.GetMaxOutstandingMessages() != mostMessages || first.GetMaxOutstandingBytes() != mostBytes || first.GetProtocolVersion() != 1 {
			t.Errorf("the first request is %v", first)
		}
		// One behind the first request, and one each half minute.
		var want, got []time.Duration
		for i := range 21 {
			want = append(want, time.Duration(i)*30*time.Second)
		}
		for _, q := range p.seen().pulls[1:] {
			got = append(got, q.at.Truncate(time.Second))
			if q.GetSubscription() != "" || q.GetProtocolVersion() != 0 || q.GetMaxOutstandingMessages() != 0 || q.GetStreamAckDeadlineSeconds() != 0 {
				t.Errorf("a keep-alive says %v; Pub/Sub ends a stream for that", q)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("keep-alives (-want +got):\n%s", diff)
		}
		if len(p.seen().opened) != 1 || len(p.seen().acks)+len(p.seen().modacks) != 0 {
			t.Errorf("%d streams and %d calls, want one and none", len(p.seen().opened), len(p.seen().acks)+len(p.seen().modacks))
		}
		if diff := cmp.Diff([]string{"<nil>"}, r.heard()); diff != "" {
			t.Errorf("it was (-want +got):\n%s", diff)
		}
	})
}

func TestAStreamIsClosedEachHalfHourAndOpenedAgain(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		r := run(t, p.transport(), done)
		for i := range 6 {
			after(30 * time.Minute)
			before := p.now()
			if i%2 == 0 {
				p.ends <- nil
			} else {
				p.ends <- errAway
			}
			after(time.Second)
			if len(p.seen().opened) != i+2 || p.seen().opened[i+1]-before > 300*time.Millisecond || p.seen().opened[i+1]-before < 100*time.Millisecond {
				t.Fatalf("streams were opened at %v; one was closed at %v", p.seen().opened, before)
			}
		}
		if diff := cmp.Diff([]string{"<nil>"}, r.heard()); diff != "" {
			t.Errorf("it was (-want +got):\n%s", diff)
		}
		for _, q := range p.seen().pulls {
			if id := q.GetClientId(); id != "" && id != p.seen().pulls[0].GetClientId() {
				t.Errorf("a stream is of client %q, and another of %q", id, p.seen().pulls[0].GetClientId())
			}
		}
		p.send("one")
		if m := r.next(); m.ID != "one" {
			t.Errorf("%q came", m.ID)
		}
	})
}

func TestAStreamThatFallsSilentIsReplaced(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		r := run(t, p.transport(), done)
		after(65 * time.Second) // the last answer came after 60
		p.set(func() { p.mute = true })
		after(69 * time.Second) // 134
		if diff := cmp.Diff([]string{"<nil>"}, r.heard()); diff != "" || len(p.seen().opened) != 1 {
			t.Errorf("%d streams; it was (-want +got):\n%s", len(p.seen().opened), diff)
		}
		p.set(func() { p.mute = false })
		after(3 * time.Second)
		want := []string{"receive from " + testSubscription + ": unavailable: nothing was heard for 1m15s", "<nil>"}
		if diff := cmp.Diff(want, r.heard()); diff != "" || len(p.seen().opened) != 2 {
			t.Errorf("%d streams; it became (-want +got):\n%s", len(p.seen().opened), diff)
		}
	})
}

func TestPausesGrowUpToHalfAMinute(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		p.refuse = errAway
		r := run(t, p.transport(), done)
		after(10 * time.Minute)
		if got := r.heard(); len(got) != 1 || !strings.Contains(got[0], "the server is being replaced") {
			t.Errorf("it became %q", got)
		}
		for i := range p.seen().opened[1:] {
			pause, most := p.seen().opened[i+1]-p.seen().opened[i], min(500*time.Millisecond<<i, 30*time.Second)
			if pause < most*3/4-time.Millisecond || pause > most+time.Millisecond {
				t.Errorf("pause %d is %v, want at most a quarter less than %v", i+1, pause, most)
			}
		}
		if n := len(p.seen().opened); n < 20 || n > 35 {
			t.Errorf("it was tried %d times", n)
		}
		p.set(func() { p.refuse = nil })
		after(31 * time.Second)
		if diff := cmp.Diff([]string{"<nil>"}, r.heard()); diff != "" {
			t.Errorf("it became (-want +got):\n%s", diff)
		}
	})
}

// An emulator does not count, and sends all that it has.
func TestNoMoreIsTakenThanWasAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T, p *puppet) {
		leave := make(chan struct{})
		r := run(t, p.transport(), func(context.Context, watcher.Message) watcher.Verdict { <-leave; return watcher.Done })
		for i := range 3 * mostMessages {
			p.send(string(rune('a'+i%26)) + strings.Repeat("x", i/26))
		}
		after(4 * time.Minute)
		if n := len(r.messages); n != mostMessages {
			t.Errorf("%d are under way, want %d", n, mostMessages)
		}
		if diff := cmp.Diff([]string{"<nil>"}, r.heard()); diff != "" {
			t.Errorf("a stream that we don't read counts as dead: it was (-want +got):\n%s", diff)
		}
		close(leave)
		after(time.Second)
		if n := len(r.messages); n != 3*mostMessages {
			t.Errorf("%d came, want all %d", n, 3*mostMessages)
		}
		var acked []string
		for _, a := range p.seen().acks {
			acked = append(acked, a.ids...)
		}
		slices.Sort(acked)
		if n := len(slices.Compact(acked)); n != 3*mostMessages {
			t.Errorf("%d are acknowledged, want all %d", n, 3*mostMessages)
		}
	})
}
