package azure

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/inbox/inboxtest"
	"github.com/rotatord/rotatord/watcher/servicebus"
)

func TestServiceBusHoldsWhatCannotBeRecordedWithoutUsingUpDeliveries(t *testing.T) {
	t.Parallel()
	// The lock is over after two seconds; the third delivery comes after three.
	q := newQueue(t, map[string]any{"lock": 2000, "maxDeliveries": 2})
	tries := 0
	r := newRun(t).start(q.open(q.options()), func(watcher.Message) watcher.Verdict {
		if tries++; tries < 3 {
			return watcher.Again
		}
		return watcher.Done
	})
	q.send([]byte("patience"), nil)
	for want := 1; want <= 3; want++ {
		if m := r.next(); m.Deliveries != want {
			t.Errorf("delivery %d is counted as %d", want, m.Deliveries)
		}
	}
	until(t, "the queue is empty", func() bool { return q.left() == 0 })
	if s := q.state(); s.Dead != 0 || s.Peak != 1 || s.Renewed == 0 {
		t.Errorf("got %+v, want one delivery, a renewed lock, and nothing dead", s)
	}
}

func TestServiceBusGivesBackWhatItHoldsWhenItStops(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	r := newRun(t).start(q.open(q.options()), func(watcher.Message) watcher.Verdict { return watcher.Again })
	q.send([]byte("held"), nil)
	r.next()
	r.stop()
	if s := q.state(); s.Waiting != 1 || s.Locked != 0 {
		t.Errorf("got %+v, want the message to wait for the next process", s)
	}
}

func TestServiceBusMessagesInEveryForm(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	r := newRun(t).start(q.open(q.options()), done)
	before := time.Now().Add(-time.Minute)
	for _, kind := range []string{"data", "value", "binary", "sections"} {
		q.send([]byte(`{"a": "ä"}`), map[string]any{"kind": kind, "attributes": map[string]any{"text": "t", "number": 7, "truth": true}})
		m := r.next()
		if string(m.Body) != `{"a": "ä"}` {
			t.Errorf("%s: the body is %q", kind, m.Body)
		}
		if m.Attributes["text"] != "t" || m.Attributes["number"] != "7" || m.Attributes["truth"] != "true" {
			t.Errorf("%s: the attributes are %q", kind, m.Attributes)
		}
		if m.ID == "" || m.Deliveries != 1 || m.Sent.Before(before) {
			t.Errorf("%s: got %+v", kind, m)
		}
	}
}

// The library takes it for granted that this property is a text, and panics.
func TestServiceBusSurvivesAMessageThatTheLibraryCannotRead(t *testing.T) {
	t.Parallel()
	q := newQueue(t, map[string]any{"maxDeliveries": 5})
	q.send([]byte("poison"), map[string]any{"attributes": map[string]any{"DeadLetterReason": 5}})
	q.send([]byte("good"), nil)
	r := newRun(t).start(q.open(q.options()), done)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for s := q.state(); s.Dead == 0; s = q.state() {
		<-tick.C
		if s.Waiting == 0 && s.Locked > 0 {
			q.do("expire", nil)
		}
	}
	if m := r.next(); string(m.Body) != "good" {
		t.Errorf("%q was delivered", m.Body)
	}
	until(t, "only the one is left, among the dead", func() bool { s := q.state(); return s.Waiting+s.Locked == 0 && s.Dead == 1 })
	checkError(t, r.down(), watcher.ReasonInvalid, "can't read")
}

func TestServiceBusLinksThatAreClosedForIdlenessAreNoTrouble(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	r := newRun(t).start(q.open(q.options()), done)
	q.send([]byte("one"), nil)
	r.next()
	q.do("detach", nil)
	q.send([]byte("two"), nil)
	if m := r.next(); string(m.Body) != "two" {
		t.Errorf("%q was delivered", m.Body)
	}
	if _, errs := r.health(); len(errs) > 0 {
		t.Errorf("it was down: %v", errs)
	}
}

func TestServiceBusEndsOverANetworkThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	inside, leave := make(chan struct{}), make(chan struct{})
	r := newRun(t).start(q.open(q.options()), func(watcher.Message) watcher.Verdict {
		close(inside)
		<-leave
		return watcher.Done
	})
	q.send([]byte("unheard"), nil)
	<-inside
	q.wire.Hush()
	r.cancel()
	close(leave)
	r.stop() // the time-out of the test bounds it; the SDK alone waits for a minute
	if s := q.state(); s.Locked != 1 {
		t.Errorf("got %+v, want the message locked", s)
	}
}

type fakeEntra struct {
	token string
	err   error
}

func (f fakeEntra) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: f.token, ExpiresOn: time.Now().Add(time.Hour)}, f.err
}

func TestServiceBusRefusals(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		fields  map[string]any
		change  func(*queue, *servicebus.Options)
		reason  watcher.Reason
		message string
	}{
		{"a key that is not accepted", nil, func(q *queue, o *servicebus.Options) {
			o.ConnectionString = q.connection("canaryWrongKey")
		}, watcher.ReasonDenied, "was the key rotated"},
		{"no claim to listen", nil, func(q *queue, _ *servicebus.Options) { q.deny("listen", true) }, watcher.ReasonDenied, "Azure Service Bus Data Receiver"},
		{"no such queue", nil, func(_ *queue, o *servicebus.Options) { o.Queue = "none" }, watcher.ReasonNotFound, "check the names"},
		{"a queue that is disabled", map[string]any{"disabled": true}, nil, watcher.ReasonInvalid, "enable"},
		{"a queue with sessions", map[string]any{"sessions": true}, nil, watcher.ReasonInvalid, "sessions"},
		{"nobody there", nil, func(q *queue, _ *servicebus.Options) { q.wire.Cut() }, watcher.ReasonUnavailable, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			q := newQueue(t, tc.fields)
			r := newRun(t)
			o := q.options()
			o.Logger = r.logger()
			if tc.change != nil {
				tc.change(q, &o)
			}
			checkError(t, r.start(q.open(o), done).down(), tc.reason, tc.message)
			r.stop()
			noCanary(t, r.log.text())
		})
	}
}

func TestServiceBusTokensOfEntraOverTLS(t *testing.T) {
	t.Parallel()
	const namespace = "planet.servicebus.windows.net"
	q := newQueue(t, nil)
	tls := tlsFront(t, q.wire.address(), namespace)
	options := func(entra fakeEntra) servicebus.Options {
		return servicebus.Options{Name: "events", Namespace: namespace, Queue: q.path, Credential: entra, Dial: tls.dial, Roots: tls.roots}
	}
	for _, tc := range []struct {
		name    string
		entra   fakeEntra
		reason  watcher.Reason
		message string
	}{
		{"one that is not accepted", fakeEntra{token: "canaryOther"}, watcher.ReasonDenied, "is not accepted"},
		{"none to be had", fakeEntra{err: errors.New("canary AADSTS700016: Application canary was not found")}, watcher.ReasonDenied, "AADSTS700016"},
		{"nowhere to ask", fakeEntra{err: errors.New("canary")}, watcher.ReasonDenied, "workload identity"},
		{"no answer", fakeEntra{err: context.DeadlineExceeded}, watcher.ReasonUnavailable, "no answer in time"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			checkError(t, newRun(t).start(q.open(options(tc.entra)), done).down(), tc.reason, tc.message)
		})
	}
	t.Run("a certificate that nobody trusts", func(t *testing.T) {
		o := options(fakeEntra{token: busToken})
		o.Roots = nil
		checkError(t, newRun(t).start(q.open(o), done).down(), watcher.ReasonUnavailable, "certificate")
	})
	t.Run("one that is accepted", func(t *testing.T) {
		r := newRun(t).start(q.open(options(fakeEntra{token: busToken})), done)
		q.send([]byte("x"), nil)
		r.next()
		if _, errs := r.health(); len(errs) > 0 {
			t.Errorf("it was down: %v", errs)
		}
	})
}

func TestServiceBusSends(t *testing.T) {
	t.Parallel()
	q := newQueue(t, nil)
	s := q.open(q.options())
	must(t, s.Send(t.Context(), []byte("hello")))
	r := newRun(t).start(s, done)
	if m := r.next(); string(m.Body) != "hello" {
		t.Errorf("%q was delivered", m.Body)
	}
	q.deny("send", true)
	checkError(t, s.Send(t.Context(), []byte("hello")), watcher.ReasonDenied, "send to", "Azure Service Bus Data Sender")
	q.wire.Cut()
	checkError(t, s.Send(t.Context(), []byte("hello")), watcher.ReasonUnavailable)
	if got := s.Name(); got != "events" || strings.Contains(got, q.path) {
		t.Errorf("the name is %q", got)
	}
}

// BenchmarkServiceBus is the time from a message in the queue to its delivery.
func BenchmarkServiceBus(b *testing.B) {
	q := newQueue(b, nil)
	d := inboxtest.New(b)
	r := newRun(b)
	r.deliver = d.Deliver
	r.start(q.open(q.options()), done)
	for b.Loop() {
		d.Time(func() { q.send(inboxtest.Message, nil) })
	}
	d.Report(b)
}
