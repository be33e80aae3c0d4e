package planettest

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errAbandoned ends a request that nobody waits for any more.
var errAbandoned = errors.New("abandoned")

// group owns goroutines: it can end them and waits for them. A Server has one
// for its own requests, a Simulator one for all others.
//
// It is not a sync.WaitGroup because new requests may arrive while somebody
// waits, which a WaitGroup at zero forbids.
type group struct {
	life   context.Context //nolint:containedctx // the life of the goroutines it owns, not of a call
	cancel context.CancelFunc
	mu     sync.Mutex
	idle   *sync.Cond
	count  int
}

func newGroup() *group {
	g := &group{}
	g.life, g.cancel = context.WithCancel(context.WithValue(context.Background(), groupKey{}, g))
	g.idle = sync.NewCond(&g.mu)
	return g
}

// enter counts the calling goroutine in until leave.
func (g *group) enter() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count++
}

func (g *group) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count--
	g.idle.Broadcast()
}

// run calls f in a goroutine of the group with the group's life.
func (g *group) run(f func(life context.Context)) {
	g.enter()
	go func() {
		defer g.leave()
		f(g.life)
	}()
}

// wait returns when the group has no goroutine.
func (g *group) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.count > 0 {
		g.idle.Wait()
	}
}

type groupKey struct{}

// groupOf finds the group that a request's context belongs to.
func groupOf(ctx context.Context, fallback *group) *group {
	if g, ok := ctx.Value(groupKey{}).(*group); ok {
		return g
	}
	return fallback
}

// pause waits with a timer, so that it costs nothing in virtual time.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errAbandoned
	}
}
