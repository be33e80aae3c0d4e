package planet

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// DefaultPerSecond is Planet's documented limit: three requests a second a
	// user, over all endpoints of the Destinations API together.
	DefaultPerSecond = 3
	// DefaultAllowance is how much later than its writing a request may be
	// counted by Planet without the limit being overstepped.
	DefaultAllowance = 200 * time.Millisecond

	window = time.Second
	// guard keeps two arrivals that share a token from being exactly one
	// second apart, which a server with a closed window would count together.
	guard = time.Millisecond
	// noteSlack is how much older than the write a ledger's note may be.
	noteSlack = 25 * time.Millisecond
	// maxPause bounds what a Retry-After can do to us.
	maxPause = 5 * time.Minute
)

// Ledger is the durable memory of a limiter: with it, a process that was
// killed and started again within a second still keeps to the rate. Both
// methods must be safe for concurrent use.
type Ledger interface {
	// Sent notes that a request is about to be written. The request goes out
	// only after Sent has returned nil: what is noted must survive a kill. One
	// request may be noted twice, the second time because connecting took long.
	Sent(ctx context.Context, at time.Time) error
	// Recent gives the moments of the last sends in any order; at least those
	// of the last two seconds, or the last PerSecond ones.
	Recent(ctx context.Context) ([]time.Time, error)
}

// LimiterOptions configure a [Limiter]. The zero LimiterOptions are Planet's
// documented limit.
type LimiterOptions struct {
	// PerSecond is how many requests the account may make in any second;
	// 0 means DefaultPerSecond.
	PerSecond int
	// Allowance is the longest time that the network may hold a written
	// request back before Planet counts it; 0 means DefaultAllowance. Larger is
	// safer and, where answers take longer than this, slower.
	Allowance time.Duration
	// Ledger remembers sends across restarts; nil means that nothing does.
	Ledger Ledger
	// OnWait, if set, is told how long each caller of Acquire waited and
	// whether it was given a turn. It must be quick and safe for concurrent use.
	OnWait func(wait time.Duration, interactive, granted bool)
}

// Limiter holds an account to its requests a second, exactly and as the server
// sees them. All clients of one account share one Limiter. It is safe for
// concurrent use, starts no goroutine and needs no closing.
//
// It has PerSecond tokens. A request takes one, and the token comes back at
// the earlier of one second after the answer and one second plus the allowance
// after the request was written. The server counted the request somewhere
// between writing and answer, and no later than the allowance after writing,
// so both moments are at least one second after the count. Two requests on one
// token are therefore counted more than a second apart, and no window of one
// second, sliding or fixed, wherever it begins, holds more than PerSecond. A
// token bucket filled by the clock cannot promise that: it counts sends, and
// the network moves them together.
//
// Where an exchange fails, its error does not prove when the request arrived,
// or that it won't still: then only the moment of writing counts, or that of
// the error if the writing was never seen.
type Limiter struct {
	allowance time.Duration
	ledger    Ledger
	onWait    func(time.Duration, bool, bool)
	quirks    quirks

	loading chan struct{} // holds one value: the right to read the ledger
	mu      sync.Mutex
	loaded  bool
	tokens  []*token
	waiting [2]list.List // of *waiter; interactive first
	paused  time.Time
	timer   *time.Timer
}

// token is one of the requests of a second. It is out while nobody can say
// when it comes back; else it is free from ready on. owner is the last turn
// that had it, and the only one that may still move ready.
type token struct {
	out   bool
	ready time.Time
	owner *Turn
}

type waiter struct {
	granted chan struct{}
	turn    *Turn
}

// quirks are deliberate mistakes that tests plant, to see that they are found.
type quirks struct {
	noAllowance   bool // a token is back one second after writing
	backAtWrite   bool // a token is back as soon as the request was written
	ignoreLedger  bool // sends of an earlier process are forgotten
	ignorePause   bool // a 429 stops nobody
	trustFailures bool // an error is taken for an answer
}

// NewLimiter makes a limiter. It reads the ledger at the first Acquire.
func NewLimiter(o LimiterOptions) (*Limiter, error) {
	if o.PerSecond == 0 {
		o.PerSecond = DefaultPerSecond
	}
	if o.Allowance == 0 {
		o.Allowance = DefaultAllowance
	}
	if o.PerSecond < 0 || o.PerSecond > 1000 {
		return nil, fmt.Errorf("make a limiter: %d requests a second is out of range: use 1 to 1000", o.PerSecond)
	}
	if o.Allowance < 0 || o.Allowance > time.Minute {
		return nil, fmt.Errorf("make a limiter: an allowance of %v is out of range: use 1ms to 1m", o.Allowance)
	}
	l := &Limiter{
		allowance: o.Allowance,
		ledger:    o.Ledger,
		onWait:    o.OnWait,
		loading:   make(chan struct{}, 1),
		loaded:    o.Ledger == nil,
		tokens:    make([]*token, o.PerSecond),
	}
	for i := range l.tokens {
		l.tokens[i] = &token{}
	}
	return l, nil
}

// Acquire waits for a turn to make one request, in the order of asking, and
// people before background work (see [Interactive]). The caller uses the turn
// through [WithTurn] or gives it back. An error is ctx's, or that of a ledger
// which could not be read; neither takes a turn away from anybody.
func (l *Limiter) Acquire(ctx context.Context) (*Turn, error) {
	began, interactive := time.Now(), isInteractive(ctx)
	turn, err := l.acquire(ctx, interactive)
	if l.onWait != nil {
		l.onWait(time.Since(began), interactive, err == nil)
	}
	return turn, err
}

func (l *Limiter) acquire(ctx context.Context, interactive bool) (*Turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	queue := &l.waiting[1]
	if interactive {
		queue = &l.waiting[0]
	}
	w := &waiter{granted: make(chan struct{})}
	l.mu.Lock()
	place := queue.PushBack(w)
	l.dispatch()
	l.mu.Unlock()

	select {
	case <-w.granted:
		return w.turn, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	turn := w.turn
	if turn == nil {
		queue.Remove(place)
		l.dispatch() // nobody may be left to wake up for
	}
	l.mu.Unlock()
	if turn != nil { // granted at the very moment that ctx ended
		turn.GiveBack()
	}
	return nil, context.Cause(ctx)
}

// load reads the ledger once, by whoever comes first; after an error, by
// whoever comes next.
func (l *Limiter) load(ctx context.Context) error {
	l.mu.Lock()
	loaded := l.loaded
	l.mu.Unlock()
	if loaded {
		return nil
	}
	select {
	case l.loading <- struct{}{}:
		defer func() { <-l.loading }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	l.mu.Lock()
	loaded = l.loaded
	l.mu.Unlock()
	if loaded {
		return nil
	}
	recent, err := l.ledger.Recent(ctx)
	if err != nil {
		return fmt.Errorf("read the limiter's ledger of recent requests: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remember(recent)
	l.loaded = true
	return nil
}

// remember takes a token for each of the latest sends of an earlier process:
// nothing is known of their answers, so the moment of writing alone counts.
func (l *Limiter) remember(recent []time.Time) {
	if l.quirks.ignoreLedger {
		return
	}
	now := time.Now()
	for _, at := range recent {
		if at.After(now) {
			at = now // the clock was set back since
		}
		oldest := l.tokens[0]
		for _, t := range l.tokens {
			if t.ready.Before(oldest.ready) {
				oldest = t
			}
		}
		if ready := at.Add(noteSlack + l.hold()); ready.After(oldest.ready) {
			oldest.ready = ready
		}
	}
}

// hold is how long a token stays away after its request was written.
func (l *Limiter) hold() time.Duration {
	switch {
	case l.quirks.backAtWrite:
		return 0
	case l.quirks.noAllowance:
		return window + guard
	}
	return window + guard + l.allowance
}

// Pause stops every caller for d, at most five minutes, from now; it never
// shortens a pause. A client calls it when Planet answers 429.
func (l *Limiter) Pause(d time.Duration) {
	if l.quirks.ignorePause || d <= 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(min(d, maxPause)); until.After(l.paused) {
		l.paused = until
	}
	l.dispatch()
}

// Paused tells until when nobody gets a turn; a time past means no pause.
func (l *Limiter) Paused() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.paused
}

// Waiting counts who waits for a turn now.
func (l *Limiter) Waiting() (interactive, background int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting[0].Len(), l.waiting[1].Len()
}

// dispatch gives every free token to the one who waits first, and if somebody
// still waits, sees to it that it is called again when that can change.
func (l *Limiter) dispatch() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	now := time.Now()
	for {
		queue := &l.waiting[0]
		if queue.Len() == 0 {
			queue = &l.waiting[1]
		}
		if queue.Len() == 0 {
			return
		}
		var next *token
		for _, t := range l.tokens {
			if !t.out && (next == nil || t.ready.Before(next.ready)) {
				next = t
			}
		}
		if next == nil {
			return // all are out: their turns' ends call dispatch
		}
		wake := next.ready
		if l.paused.After(wake) {
			wake = l.paused
		}
		if wake.After(now) {
			l.timer = time.AfterFunc(wake.Sub(now), func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				l.dispatch()
			})
			return
		}
		w := queue.Remove(queue.Front()).(*waiter)
		w.turn = &Turn{limiter: l, token: next}
		next.out, next.owner = true, w.turn
		close(w.granted)
	}
}

// settle says when a token comes back; the earliest moment said stands. A turn
// whose token another turn has by now has no say any more.
func (l *Limiter) settle(t *Turn, ready time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := t.token
	if k.owner != t || (!k.out && !ready.Before(k.ready)) {
		return
	}
	k.out, k.ready = false, ready
	l.dispatch()
}

var errForeignTurn = errors.New("the turn belongs to the limiter of another account")
