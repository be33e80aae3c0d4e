package announce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what [New] needs. Nothing but Targets has to be set.
type Options struct {
	// Targets are who is told. Their names differ.
	Targets []Target
	// Source is the CloudEvents source, a URI reference: it tells several
	// rotatords apart where they post to the same receiver; "rotatord" unless set.
	Source string
	// Queue is how many announcements may wait for one target; 256 unless set.
	Queue int
	// Window is how long an id that was announced is not announced again, counted
	// from the first time; 24 h unless set. At most 10,000 ids a target are known.
	Window time.Duration
	// Timeout bounds one post with its answer; 10 s unless set.
	Timeout time.Duration
	// RetryFirst and RetryMost bound the pause before an announcement is tried
	// again, which doubles each time; 2 s and 15 min unless set.
	RetryFirst, RetryMost time.Duration
	// GiveUp is how long after it was announced an announcement is tried for the
	// last time; 6 h unless set.
	GiveUp time.Duration
	// Drain is how long [Announcer.Run] goes on delivering when it shall end; 5 s
	// unless set.
	Drain time.Duration
	// Transport posts for targets that have none; one of our own with the
	// environment's proxy when nil.
	Transport http.RoundTripper
	// Logger hears when a target stops working, works again, and what is lost;
	// nobody when nil.
	Logger *slog.Logger
	// Observe hears of everything that happens, for metrics. It is called from
	// several goroutines, by Announce too, and must be quick. May be nil.
	Observe func(Observation)
}

// Target is a [Webhook] or a [Slack].
type Target interface {
	open(source string) (*target, error)
}

// Event says what happened to an announcement. The set is closed.
type Event string

const (
	EventSent     Event = "sent"     // the target has it
	EventRetry    Event = "retry"    // a post did not arrive and is tried again
	EventFailed   Event = "failed"   // it is given up
	EventDropped  Event = "dropped"  // it made room, or the target is not used any more
	EventRepeated Event = "repeated" // it was announced before, and is not again
)

// Observation is one thing that happened to an announcement at a target.
type Observation struct {
	Target   string
	Kind     Kind
	Event    Event
	Reason   Reason        // of EventRetry and EventFailed
	Duration time.Duration // of the post; 0 without one
}

// Announcer delivers announcements. All its methods may be called at any time
// from any goroutine.
type Announcer struct {
	options Options
	targets []*target
	started atomic.Bool
}

// New checks the options, all at once, and starts nothing. Its error quotes no
// URL.
func New(o Options) (*Announcer, error) {
	var errs []error
	for _, d := range []time.Duration{o.Window, o.Timeout, o.RetryFirst, o.RetryMost, o.GiveUp, o.Drain} {
		if d < 0 {
			errs = append(errs, errors.New("announce: a duration is negative: leave it out for its default"))
			break
		}
	}
	if o.Queue < 0 {
		errs = append(errs, errors.New("announce: the queue can't be negative: leave it out for 256"))
	}
	o = withDefaults(o)
	if _, err := url.Parse(o.Source); err != nil || !isVisible(o.Source) {
		errs = append(errs, errors.New("announce: the source must be a URI reference without spaces, as rotatord/eu"))
	}
	if o.RetryMost < o.RetryFirst {
		errs = append(errs, errors.New("announce: the longest pause is shorter than the first: raise retry_most"))
	}
	a := &Announcer{options: o}
	client, idle := newClient(o.Transport)
	names := map[string]bool{}
	for _, made := range o.Targets {
		if made == nil {
			errs = append(errs, errors.New("announce: a target is nil"))
			continue
		}
		t, err := made.open(o.Source)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if names[t.name] {
			errs = append(errs, fmt.Errorf("announce: two targets are called %s: rename one", t.name))
		}
		names[t.name] = true
		t.queue, t.window = newQueue(o.Queue), newWindow(o.Window)
		t.client, t.idle = client, idle
		if t.transport != nil {
			t.client, t.idle = newClient(t.transport)
		}
		a.targets = append(a.targets, t)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return a, nil
}

func withDefaults(o Options) Options {
	if o.Source == "" {
		o.Source = "rotatord"
	}
	if o.Queue == 0 {
		o.Queue = 256
	}
	o.Window = orDuration(o.Window, 24*time.Hour)
	o.Timeout = orDuration(o.Timeout, 10*time.Second)
	o.RetryFirst = orDuration(o.RetryFirst, 2*time.Second)
	o.RetryMost = orDuration(o.RetryMost, max(15*time.Minute, o.RetryFirst))
	o.GiveUp = orDuration(o.GiveUp, 6*time.Hour)
	o.Drain = orDuration(o.Drain, 5*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observe == nil {
		o.Observe = func(Observation) {}
	}
	return o
}

func orDuration(d, otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return d
}

func isVisible(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(c byte) bool { return c <= ' ' || c > '~' })
}

// newClient makes a client that follows no redirect, and what closes the
// connections of it that nobody uses.
func newClient(transport http.RoundTripper) (*http.Client, func()) {
	idle := func() {}
	if transport == nil {
		own := &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}
		transport = own
	}
	if c, ok := transport.(interface{ CloseIdleConnections() }); ok {
		idle = c.CloseIdleConnections
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, idle
}

func checkCommon(what, name string, kinds []Kind, every time.Duration) error {
	var errs []error
	if name == "" || !isVisible(name) {
		errs = append(errs, fmt.Errorf("%s: give the target a name without spaces", what))
	}
	for _, k := range kinds {
		if !slices.Contains(Kinds(), k) {
			errs = append(errs, fmt.Errorf("%s %s: there is no kind %q: take one of %v", what, name, k, Kinds()))
		}
	}
	if every < 0 || every > time.Hour {
		errs = append(errs, fmt.Errorf("%s %s: the time between two posts must be between 0 and an hour", what, name))
	}
	return errors.Join(errs...)
}

// Announce hands an announcement to every target that wants its kind. It never
// waits for a target. What is announced before Run waits; after Run it is
// dropped and counted.
func (a *Announcer) Announce(one Announcement) {
	now := time.Now()
	one = one.settled(now)
	known := slices.Contains(Kinds(), one.Kind)
	for _, t := range a.targets {
		if !known {
			t.invalid()
			a.options.Observe(Observation{Target: t.name, Kind: "unknown", Event: EventFailed, Reason: ReasonInvalid})
			continue
		}
		if !t.wants(one.Kind) {
			continue
		}
		for _, o := range t.take(one, now) {
			a.options.Observe(o)
		}
	}
}

// Run delivers until ctx ends, then goes on for at most the drain, and returns
// nil. It can be called once.
func (a *Announcer) Run(ctx context.Context) error {
	if a.started.Swap(true) {
		return errors.New("announce: Run was called before: make a new Announcer")
	}
	hard, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var workers sync.WaitGroup
	for _, t := range a.targets {
		w := &worker{target: t, options: a.options}
		workers.Go(func() { w.run(ctx, hard) })
	}
	<-ctx.Done()
	end := time.AfterFunc(a.options.Drain, stop)
	defer end.Stop()
	workers.Wait()
	for _, t := range a.targets {
		t.idle()
	}
	return nil
}

// TargetState is how a target stands.
type TargetState struct {
	Name, Type string // Type is "webhook" or "slack"
	Sent       uint64 // delivered
	Retried    uint64 // posts that did not arrive and were to be tried again
	Dropped    uint64 // made room in a full queue, or came when the target was not used any more
	Repeated   uint64 // announced before
	Failed     map[Reason]uint64
	Waiting    int
	Stopped    bool // after 410; not used until a restart
	LastSent   time.Time
	// LastError is why the latest post did not arrive; "" once one has.
	LastError   string
	LastErrorAt time.Time
}

// State tells how every target stands, in the order of the options.
func (a *Announcer) State() []TargetState {
	states := make([]TargetState, 0, len(a.targets))
	for _, t := range a.targets {
		states = append(states, t.show())
	}
	return states
}
