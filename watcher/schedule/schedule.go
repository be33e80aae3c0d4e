// Package schedule makes destinations due at fixed times, so that an event
// that was lost costs minutes and not a delivery.
//
// Times are written as cron writes them, five fields or a descriptor:
//
//	*/15 * * * *                        every quarter of an hour
//	30 2 * * 1-5                        at half past two on working days
//	CRON_TZ=Europe/Berlin 0 6 * * *     at six in Berlin, whatever the machine's zone
//	@hourly, @daily, @weekly            as they say
//	@every 20m                          each 20 minutes from the start
//
// Parsing and reckoning are robfig/cron's; the loop is our own, since it has
// to spread what is due at one time, try again what the store could not take,
// and stay calm when the clock jumps.
//
// # Clocks
//
// A clock set forward, or a machine that slept, makes each entry fire once and
// not once for every time that it missed. A clock set back makes everything be
// reckoned anew, or "@every 15m" would wait until the old time comes round.
// When summer time begins, an entry inside the hour that doesn't exist fires
// as that hour would have come (02:30 at 03:30); when it ends, an entry
// inside the hour that comes twice may fire twice, which is harmless.
package schedule

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

const (
	// firstRetry and lastRetry bound the pauses after an event that could not
	// be handed over; they double in between.
	firstRetry = time.Second
	lastRetry  = time.Minute
	// longestNap is how long the loop sleeps without a look at the clock on the
	// wall: timers don't notice that it was set.
	longestNap = 30 * time.Second
	// setBack is how far a clock has to go back to be taken for set; time servers
	// correct it by less all the time.
	setBack = time.Minute
	// sameComplaint is how long a problem is not logged again.
	sameComplaint = time.Minute
)

// Entry makes one destination due at the times of one spec. A destination may
// have several.
type Entry struct {
	Destination string // the configured name
	Spec        string // see Parse
	// Jitter is the longest delay added to each firing, a random part of it each
	// time, so that fifty destinations of one spec don't come at once. A delay
	// never reaches the entry's next time. 0 adds none.
	Jitter time.Duration
}

// Options say what a Watcher does.
type Options struct {
	// Entries are the destinations and their times.
	Entries []Entry
	// Rand is where the delays come from; Run has it to itself. Nil means a
	// random seed.
	Rand *rand.Rand
	// Logger hears when the store can't take an event, and when it can again.
	// Nil means slog.Default().
	Logger *slog.Logger
}

// Watcher emits an event whenever an entry is due. It implements
// watcher.Watcher.
type Watcher struct {
	entries []entry
	rand    *rand.Rand
	log     *slog.Logger
	now     func() time.Time // the clock on the wall
}

type entry struct {
	destination string
	spec        times
	jitter      time.Duration
}

var _ watcher.Watcher = (*Watcher)(nil)

// New makes a Watcher. The error names every entry that is wrong.
func New(o Options) (*Watcher, error) {
	w := &Watcher{rand: o.Rand, log: o.Logger, now: time.Now}
	var problems []error
	for i, e := range o.Entries {
		spec, err := parse(e.Spec)
		if e.Destination == "" {
			err = errors.Join(errors.New("the destination is missing"), err)
		}
		if e.Jitter < 0 {
			err = errors.Join(errors.New("the jitter is negative"), err)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("make schedule: entry %d, destination %q: %w", i+1, e.Destination, err))
			continue
		}
		w.entries = append(w.entries, entry{e.Destination, spec, e.Jitter})
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if w.rand == nil {
		w.rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // only spreads load
	}
	if w.log == nil {
		w.log = slog.Default()
	}
	return w, nil
}

// Name implements watcher.Watcher.
func (w *Watcher) Name() string { return "schedule" }

// Run implements watcher.Watcher. It starts no goroutine.
func (w *Watcher) Run(ctx context.Context, emit watcher.Emit) error {
	r := &run{w: w, emit: emit, before: w.wall()}
	for _, e := range w.entries {
		heap.Push(&r.queue, r.next(e, r.before))
	}
	timer := time.NewTimer(r.nap(r.before))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := w.wall()
		if r.before.Sub(now) > setBack {
			r.reckon(now)
		}
		r.before = now
		r.fire(ctx, now)
		timer.Reset(r.nap(w.wall()))
	}
}

// wall is the time without its monotonic part, which a set clock doesn't move.
func (w *Watcher) wall() time.Time { return w.now().Round(0) }

// run is the state of one Run.
type run struct {
	w      *Watcher
	emit   watcher.Emit
	before time.Time // the clock at the last look
	queue  queue

	refused    int       // events refused since one was last taken
	complained time.Time // when that was last logged
}

// pending is an entry with the time of its next event.
type pending struct {
	entry
	due   time.Time     // by the spec
	at    time.Time     // due and the delay, or the next try
	pause time.Duration // before the next try, 0 while none has failed
}

// reckon sets the next time of every entry anew, but forgets no event that
// still has to be taken.
func (r *run) reckon(now time.Time) {
	for i, p := range r.queue {
		if p.pause > 0 {
			p.due, p.at = now, now.Add(p.pause)
		} else {
			r.queue[i] = r.next(p.entry, now)
		}
	}
	heap.Init(&r.queue)
}

// next is the pending event of an entry for its first time after t.
func (r *run) next(e entry, t time.Time) *pending {
	due := e.spec.after(t)
	p := &pending{entry: e, due: due, at: due}
	if spread := min(e.jitter, e.spec.after(due).Sub(due)); spread > 0 {
		p.at = due.Add(time.Duration(r.w.rand.Int64N(int64(spread))))
	}
	return p
}

// nap is how long nothing has to be done, and no longer than the clock may be
// trusted.
func (r *run) nap(now time.Time) time.Duration {
	if len(r.queue) == 0 {
		return longestNap
	}
	return max(0, min(longestNap, r.queue[0].at.Sub(now)))
}

// fire emits what is due.
func (r *run) fire(ctx context.Context, now time.Time) {
	for len(r.queue) > 0 && !r.queue[0].at.After(now) && ctx.Err() == nil {
		p := r.queue[0]
		err := r.emit(ctx, credential.Event{Destination: p.destination, Source: r.w.Name()})
		r.note(ctx, p.destination, err, now)
		if err == nil {
			// From the time it was due, so that delays don't add up, but never
			// into the past: what was missed is missed.
			r.queue[0] = r.next(p.entry, p.due)
			if r.queue[0].due.Before(now) {
				r.queue[0] = r.next(p.entry, now)
			}
		} else {
			p.pause = min(max(firstRetry, 2*p.pause), lastRetry)
			p.at = now.Add(p.pause)
		}
		heap.Fix(&r.queue, 0)
	}
}

// note logs the first refusal, then one a minute, then the recovery.
func (r *run) note(ctx context.Context, destination string, err error, now time.Time) {
	switch {
	case ctx.Err() != nil:
	case err == nil && r.refused > 0:
		r.w.log.InfoContext(ctx, "scheduled events are taken again", "refused", r.refused)
		r.refused, r.complained = 0, time.Time{}
	case err != nil:
		r.refused++
		if now.Sub(r.complained) >= sameComplaint || now.Before(r.complained) {
			r.w.log.WarnContext(ctx, "scheduled event not taken, will try again", "destination", destination, "refused", r.refused, "error", err)
			r.complained = now
		}
	}
}

// queue is a heap of pending events by the time at which to act.
type queue []*pending

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*pending)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	*q = (*q)[:last]
	return p
}
