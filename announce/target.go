package announce

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// post is one request, made anew for each try.
type post struct {
	to     *url.URL
	header http.Header
	body   []byte
}

// target is what both kinds of targets have in common. The worker is the only
// one that sends; everybody may put something in.
type target struct {
	name, sort string
	host       string // of a webhook, for errors
	kinds      []Kind
	every      time.Duration
	transport  http.RoundTripper // its own, if it has one
	client     *http.Client
	idle       func() // closes connections that nobody uses
	compose    func(a Announcement, now time.Time) (post, error)
	hint       func(answer []byte) string // explains an answer that is known; may be nil
	wake       chan struct{}

	mu     sync.Mutex
	queue  *queue
	window *window
	closed bool // nothing is taken any more
	lost   int  // dropped, and not logged yet
	state  TargetState
}

func newTarget(name, sort string, kinds []Kind, every time.Duration) *target {
	return &target{
		name: name, sort: sort, kinds: slices.Clone(kinds), every: every, wake: make(chan struct{}, 1),
		state: TargetState{Name: name, Type: sort, Failed: map[Reason]uint64{}},
	}
}

func (t *target) wants(k Kind) bool { return len(t.kinds) == 0 || slices.Contains(t.kinds, k) }

func (t *target) invalid() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Failed[ReasonInvalid]++
}

// take puts an announcement into the queue, if it is new, and says what that
// did.
func (t *target) take(a Announcement, now time.Time) []Observation {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		t.state.Dropped++
		return []Observation{{Target: t.name, Kind: a.Kind, Event: EventDropped}}
	}
	if !t.window.add(a.ID, now) {
		t.state.Repeated++
		return []Observation{{Target: t.name, Kind: a.Kind, Event: EventRepeated}}
	}
	var seen []Observation
	if out := t.queue.put(&item{Announcement: a, taken: now}); out != nil {
		// Should the engine say it again, it is news.
		t.window.forget(out.ID)
		t.state.Dropped++
		t.lost++
		seen = append(seen, Observation{Target: t.name, Kind: out.Kind, Event: EventDropped})
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
	return seen
}

// next is queue.next, and how many were dropped since it was last asked.
func (t *target) next(now time.Time) (it *item, at time.Time, lost int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	lost, t.lost = t.lost, 0
	it, at = t.queue.next(now)
	return it, at, lost
}

func (t *target) hurry() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.hurry()
}

// begin marks an item as being on its way; false if it was dropped meanwhile.
func (t *target) begin(it *item) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	it.busy = t.queue.has(it)
	return it.busy
}

// sent tells whether the target had not been working before.
func (t *target) sent(it *item, now time.Time) (recovered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue.remove(it)
	recovered = t.state.LastError != ""
	t.state.Sent++
	t.state.LastSent, t.state.LastError, t.state.LastErrorAt = now, "", time.Time{}
	return recovered
}

// retry keeps an item for later; first tells whether the target worked before.
func (t *target) retry(it *item, err *Error, now, notBefore time.Time) (first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	it.notBefore, it.busy = notBefore, false
	t.state.Retried++
	first = t.state.LastError == ""
	t.state.LastError, t.state.LastErrorAt = err.Error(), now
	return first
}

// fail gives an item up. What might have passed is news when it is said again;
// what the target does not want is not.
func (t *target) fail(it *item, err *Error, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.LastError, t.state.LastErrorAt = err.Error(), now
	t.queue.remove(it)
	if err.Reason.passes() {
		t.window.forget(it.ID)
	}
	t.state.Failed[err.Reason]++
}

// end closes the target and gives up what waits, for one reason.
func (t *target) end(why Reason) []*item {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if why == ReasonGone {
		t.state.Stopped = true
	}
	rest := t.queue.items
	t.queue.items = nil
	if len(rest) > 0 {
		t.state.Failed[why] += uint64(len(rest))
	}
	return rest
}

func (t *target) show() TargetState {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state
	s.Failed, s.Waiting = maps.Clone(s.Failed), len(t.queue.items)
	return s
}
