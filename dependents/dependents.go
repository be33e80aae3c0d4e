// Package dependents keeps an eye on who would notice. A Destination whose
// credential has stopped to work is an annoyance; one that four subscriptions
// deliver to is an outage. So for each account an [Asker] asks Planet again and
// again which orders and subscriptions use the account's destinations and how
// their deliveries have gone since the last rotation, and hands the answers to
// whoever keeps them.
//
// How to ask is the business of [planet.Gatherer]; this package knows when, and
// what an answer is worth:
//
//   - Once soon after the start, then at an interval. [Asker.Poke] asks sooner,
//     after a rotation or when something goes wrong, so that an alert shows fresh
//     numbers, but never twice within half a minute.
//   - One list of everything serves all destinations. Only where that does not
//     tell (Planet may leave the references out of its lists, or there may be
//     more pages than are read) are destinations asked for one by one: a few in
//     each round, poked ones first, then those that have waited for longest.
//   - What is known is not replaced by less. An API that does not answer, a page
//     that was not read: the older, better answer stays, and its time says how
//     old it is. An answer that is as good as can be had replaces it, and says
//     itself whether there may be more ([planet.Dependents.Incomplete]).
//   - Who can't be asked is asked less and less often.
//
// What would break: an Asker that wrote down each answer as it came would, on
// the day on which Planet's Orders API has a bad hour, show "nobody uses it" for
// everything. Somebody would revoke a key on that day.
package dependents

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/rotatord/rotatord/planet"
)

const (
	// Floor is the least time between the end of one round and the begin of the
	// next, whoever pokes.
	Floor = 30 * time.Second

	// soon is how long after the start the first round begins at the latest: not
	// all accounts at once, and not before the engine has had its first look.
	soon = 10 * time.Second
	// untold is how soon is asked again while no destination has been seen yet.
	untold = time.Minute
	// longest bounds the wait while asking fails, unless the interval is longer.
	longest = time.Hour

	defaultSingles = 6
)

// Gatherer asks Planet; [planet.Gatherer] is one. It bounds the requests of each
// call.
type Gatherer interface {
	GatherAll(ctx context.Context, targets []planet.Target) (map[string]planet.Dependents, error)
	Gather(ctx context.Context, t planet.Target) (planet.Dependents, error)
}

// Target is a destination to ask for.
type Target struct {
	// Name is the configured name, which Save is told.
	Name string
	// Target is the destination as Planet shows it: its id, its reference and
	// whether it is the organization's default. Where the last is nil, nobody
	// could tell, and each answer is marked as incomplete: what was ordered for
	// the default may belong to it.
	planet.Target
	// Known is what was saved last; nil if nothing was.
	Known *planet.Dependents
}

// Options are what an [Asker] is made of. Gatherer, Targets, Save and Every must
// be given.
type Options struct {
	// Account is the account's name, for the log.
	Account string
	// Gatherer is the account's.
	Gatherer Gatherer
	// Targets gives the destinations that are to be asked for, at the begin of
	// each round. Those that Planet has not shown yet are left out.
	Targets func(context.Context) ([]Target, error)
	// Save keeps an answer.
	Save func(ctx context.Context, name string, d planet.Dependents) error
	// Every is the time between two rounds, give or take a tenth.
	Every time.Duration
	// Singles is how many destinations are asked for one by one in a round,
	// where lists do not tell; 0 means 6. A round is so many calls of the
	// Gatherer and one more.
	Singles int
	// Logger hears when asking begins to fail, fails in another way, and
	// succeeds again; nil is silence.
	Logger *slog.Logger
}

// Asker asks for one account. Make one with [New].
type Asker struct {
	o    Options
	wake chan struct{}

	mu    sync.Mutex
	poked map[string]bool

	// What follows belongs to Run.
	asked    map[string]time.Time // by id, when it was last asked for alone
	failures int                  // rounds in a row
	trouble  string               // what was last said of them
}

// New makes an Asker; it starts nothing. The errors name every problem of the
// options.
func New(o Options) (*Asker, error) {
	var problems []error
	if o.Gatherer == nil || o.Targets == nil || o.Save == nil {
		problems = append(problems, errors.New("gatherer, targets and save must be given"))
	}
	if o.Every <= 0 {
		problems = append(problems, errors.New("the interval must be positive: leave the asker out to ask never"))
	}
	if o.Singles < 0 {
		problems = append(problems, errors.New("the number of destinations that are asked for alone must not be negative"))
	}
	if len(problems) > 0 {
		return nil, errors.Join(append([]error{errors.New("make an asker for dependents")}, problems...)...)
	}
	if o.Singles == 0 {
		o.Singles = defaultSingles
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Asker{o: o, wake: make(chan struct{}, 1), poked: map[string]bool{}, asked: map[string]time.Time{}}, nil
}

// Poke asks for a round soon, because something has happened to the destinations
// of these names; without a name, to any. It returns at once and may be called at
// any time, as often as one likes, from any goroutine.
func (a *Asker) Poke(names ...string) {
	a.mu.Lock()
	for _, n := range names {
		a.poked[n] = true
	}
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default: // somebody has poked already
	}
}

// takePoked gives the names that were poked since the last round.
func (a *Asker) takePoked() map[string]bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	poked := a.poked
	a.poked = map[string]bool{}
	return poked
}

// Run asks until ctx ends, which is no error. It is called once.
func (a *Asker) Run(ctx context.Context) error {
	next := time.Now().Add(within(min(soon, a.o.Every)))
	earliest := next
	for a.wait(ctx, next, earliest) {
		seen, err := a.round(ctx)
		if ctx.Err() == nil {
			a.judge(ctx, err)
		}
		every := a.o.Every
		if !seen && err == nil {
			every = min(every, untold)
		}
		now := time.Now()
		next, earliest = now.Add(spread(a.backoff(every, longest))), now.Add(a.backoff(Floor, a.o.Every))
		if next.Before(earliest) {
			next = earliest
		}
	}
	return nil
}

// wait returns when next has come, or earliest once somebody has poked; false
// when ctx has ended.
func (a *Asker) wait(ctx context.Context, next, earliest time.Time) bool {
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	wake := a.wake
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return ctx.Err() == nil
		case <-wake:
			wake = nil // once is enough: who pokes again meanwhile is served too
			timer.Reset(time.Until(earliest))
		}
	}
}
