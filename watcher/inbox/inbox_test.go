package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/inbox"
)

// desk is what stands behind an inbox.
type desk struct {
	mu      sync.Mutex
	events  []credential.Event
	fail    func(credential.Event) error
	counted []string
	logs    strings.Builder
	tests   inbox.Tests
}

func (d *desk) emit(_ context.Context, e credential.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if err := d.fail(e); err != nil {
			return err
		}
	}
	d.events = append(d.events, e)
	return nil
}

func (d *desk) Message(source string, v watcher.Verdict) {
	d.count("message %s %s", source, v)
}
func (d *desk) Part(source, what string)                { d.count("part %s %s", source, what) }
func (d *desk) Trouble(source string, r watcher.Reason) { d.count("trouble %s %s", source, r) }

func (d *desk) count(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counted = append(d.counted, fmt.Sprintf(format, args...))
}

func open(t *testing.T, d *desk) *inbox.Inbox {
	t.Helper()
	b, err := inbox.New(inbox.Options{Source: "queue", Emit: d.emit, Counter: d, Tests: &d.tests,
		Matches: func(e credential.Event) bool { return e.Secret == "file:///a" },
		Logger:  slog.New(slog.NewTextHandler(&d.logs, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func plain(secret string) string { return `{"secret":"` + secret + `","version":"v2"}` }

func TestAMessageIsDoneWhenAllThatItSaysIsRecorded(t *testing.T) {
	down := func(credential.Event) error { return errors.New("the disk is full") }
	second := func(e credential.Event) error {
		if e.Secret == "file:///b" {
			return errors.New("the disk is full")
		}
		return nil
	}
	both := "[" + plain("file:///a") + "," + plain("file:///b") + "]"
	for name, c := range map[string]struct {
		body    string
		fail    func(credential.Event) error
		verdict watcher.Verdict
		events  int
		counted []string
	}{
		"one event":                      {plain("file:///a"), nil, watcher.Done, 1, []string{"part queue plain", "message queue done"}},
		"two events":                     {both, nil, watcher.Done, 2, []string{"part queue plain", "part queue plain", "message queue done"}},
		"one that can't be recorded":     {plain("file:///a"), down, watcher.Again, 0, []string{"part queue plain", "message queue again"}},
		"two of which the second can't":  {both, second, watcher.Again, 1, []string{"part queue plain", "part queue plain", "message queue again"}},
		"junk":                           {"\x00\x01", nil, watcher.Never, 0, []string{"part queue not_json", "message queue never"}},
		"junk while nothing is recorded": {"{}", down, watcher.Never, 0, []string{"part queue no_shape", "message queue never"}},
		"junk beside an event":           {"[{}," + plain("file:///a") + "]", nil, watcher.Done, 1, []string{"part queue no_shape", "part queue plain", "message queue done"}},
		"of no interest": {`{"Type":"SubscriptionConfirmation"}`, down, watcher.Done, 0,
			[]string{"part queue sns_confirmation", "message queue done"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{fail: c.fail}
			b := open(t, d)
			if v := b.Deliver(t.Context(), watcher.Message{ID: "1", Body: []byte(c.body)}); v != c.verdict || len(d.events) != c.events {
				t.Errorf("%s with %d events, want %s with %d", v, len(d.events), c.verdict, c.events)
			}
			if diff := cmp.Diff(c.counted, d.counted); diff != "" {
				t.Errorf("counted (-want +got):\n%s", diff)
			}
			for _, e := range d.events {
				if e.Source != "queue" || e.Version != "v2" {
					t.Errorf("the event is %+v", e)
				}
			}
			if b.State().LastMessage.IsZero() {
				t.Error("no message has come, it says")
			}
		})
	}
}

func TestJunkIsLoggedOnceAMinuteAndWithoutItsContent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		b := open(t, d)
		for range 120 {
			b.Deliver(t.Context(), watcher.Message{ID: "id-1", Body: []byte(`{"password":"hunter2"}`)})
			time.Sleep(time.Second)
		}
		if n := strings.Count(d.logs.String(), "message is not understood"); n != 2 {
			t.Errorf("logged %d times in two minutes", n)
		}
		if strings.Contains(d.logs.String(), "hunter2") || strings.Contains(d.logs.String(), "password") {
			t.Errorf("the log shows what a stranger sent: %s", d.logs.String())
		}
	})
}

func TestAnInboxRemembersHowItsSourceStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		b := open(t, d)
		begun := time.Now()
		if s := b.State(); s.Up || !s.Since.Equal(begun) {
			t.Errorf("at first: %+v", s)
		}
		time.Sleep(time.Second)
		b.Up()
		since := time.Now()
		time.Sleep(time.Second)
		b.Up()
		if s := b.State(); !s.Up || !s.Since.Equal(since) || s.LastError != "" {
			t.Errorf("up: %+v", s)
		}
		denied := &watcher.Error{Op: "receive from", Source: "q", Reason: watcher.ReasonDenied, Hint: "sqs:ReceiveMessage"}
		b.Down(denied)
		down := time.Now()
		time.Sleep(time.Second)
		b.Down(denied)
		if s := b.State(); s.Up || !s.Since.Equal(down) || s.LastReason != watcher.ReasonDenied || s.LastError != denied.Error() || s.LastErrorAt.Equal(down) {
			t.Errorf("down: %+v", s)
		}
		b.Down(errors.New("anything"))
		if s := b.State(); !s.Since.Equal(down) || s.LastReason != watcher.ReasonUnavailable {
			t.Errorf("down for another reason: %+v", s)
		}
		b.Up()
		if s := b.State(); !s.Up || s.LastError == "" {
			t.Errorf("up again: %+v", s)
		}
		if got := strings.Count(d.logs.String(), "source of events is"); got != 4 {
			t.Errorf("logged %d changes, want up, down, down for another reason, up:\n%s", got, d.logs.String())
		}
		if got := len(d.counted); got != 3 {
			t.Errorf("%d troubles are counted", got)
		}
	})
}

func TestATestMessageIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		b := open(t, d)
		forget := d.tests.Expect("n1")
		defer forget()
		go func() {
			time.Sleep(time.Second)
			b.Deliver(context.Background(), watcher.Message{ID: "7", Body: []byte(`{"secret":"file:///a","test":"n1"}`)})
			time.Sleep(time.Second)
			b.Settled("another")
			b.Settled("7")
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		trace := d.tests.Await(ctx, "n1")
		if !trace.Matched || trace.Source != "queue" || trace.Received.Sub(begun) != time.Second || trace.Recorded.IsZero() || trace.Acknowledged.Sub(begun) != 2*time.Second {
			t.Errorf("followed: %+v", trace)
		}
		if len(d.events) != 1 || d.events[0].Test != "n1" {
			t.Errorf("recorded: %+v", d.events)
		}
	})
}

func TestATestMessageThatStopsOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{fail: func(credential.Event) error { return errors.New("full") }}
		b := open(t, d)
		forget := d.tests.Expect("n1")
		await := func() inbox.Trace {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return d.tests.Await(ctx, "n1")
		}
		if trace := await(); !trace.Received.IsZero() {
			t.Errorf("nothing came: %+v", trace)
		}
		b.Deliver(t.Context(), watcher.Message{ID: "7", Body: []byte(`{"secret":"file:///other","test":"n1"}`)})
		if trace := await(); trace.Received.IsZero() || trace.Matched || !trace.Recorded.IsZero() || !trace.Acknowledged.IsZero() {
			t.Errorf("it could not be recorded: %+v", trace)
		}
		forget()
		// Nobody waits any more; the message is one like any other.
		d.fail = nil
		if v := b.Deliver(t.Context(), watcher.Message{ID: "8", Body: []byte(`{"secret":"file:///other","test":"n1"}`)}); v != watcher.Done {
			t.Errorf("%s", v)
		}
		b.Settled("8")
		if trace := await(); !trace.Received.IsZero() {
			t.Errorf("of nobody's message: %+v", trace)
		}
	})
}

// A store that is locked keeps a webhook's event until its time is up.
func TestAnEventThatTookTooLongIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		context func(context.Context) (context.Context, context.CancelFunc)
		lines   int
	}{
		"its time was up": {func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, 0) }, 1},
		"it is stopped": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{fail: func(credential.Event) error { return errors.New("the store is locked") }}
			ctx, cancel := c.context(t.Context())
			defer cancel()
			if v := open(t, d).Deliver(ctx, watcher.Message{ID: "1", Body: []byte(plain("file:///a"))}); v != watcher.Again {
				t.Errorf("it is %s", v)
			}
			if n := strings.Count(d.logs.String(), "could not be recorded"); n != c.lines {
				t.Errorf("logged %d times, want %d", n, c.lines)
			}
		})
	}
}
