package app_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// TestKilledAtAnyPointEverythingConverges kills the daemon with kill -9 while
// secrets rotate and Planet throttles, fails and cuts, and starts it again at
// once. A process is killed at one of its next steps that can be seen from
// outside (a request comes in, a line is logged), counted from its start, which
// spreads the kills over all parts of a life: start, list, preflight, PATCH,
// leftover.
func TestKilledAtAnyPointEverythingConverges(t *testing.T) {
	t.Parallel()
	kills := 6
	if testing.Short() {
		kills = 3
	}
	r := rand.New(rand.NewPCG(11, 7))
	w := newWorld(t, func(o *planettest.Options) {
		o.Behaviour = planettest.Behaviour{VerifyDelay: 30 * time.Millisecond}
		o.Faults = planettest.FaultRates{TooMany: .04, ServerError: .06, CutBefore: .04, CutAfter: .04, CutLate: .06, Slow: .06,
			MaxDelay: 500 * time.Millisecond}
	})
	// Two cores that are shared delay a request more than a network does.
	w.account = `jitter_allowance = "600ms"`
	w.defaults = `verification_max = "2s"`
	w.top = "[log]\nlevel = \"debug\""
	for _, name := range []string{"kill-a", "kill-b"} {
		w.add(name, renamed)
	}
	w.add("kill-c", mounted)
	w.configure()
	for range kills {
		w.killed(1+r.IntN(60), func() { w.destinations[r.IntN(len(w.destinations))].rotate() })
	}
	w.sim.SetFaults(planettest.FaultRates{})
	daemon := w.run()
	c := w.reach()
	for _, d := range w.destinations {
		d.rotate()
	}
	until(t, "everything is in sync on its newest key", func() bool {
		for _, d := range w.destinations {
			if !d.settled(c) {
				return false
			}
		}
		return true
	})
	w.sim.Wait()
	for _, d := range w.destinations {
		if !d.held(d.newest()) {
			t.Errorf("%s: a late PATCH took effect over the newest key", d.id)
		}
		if left := w.s3.Objects(d.bucket); len(left) != 0 {
			t.Errorf("objects stayed in the bucket of %s: %v", d.id, left)
		}
	}
	w.checkHistory(c.History)
	w.checkRequests(3)
	w.checkNoSecret(daemon, c)
	daemon.stop()
	w.checkNoSecret(nil, nil)
}

// TestKilledDuringAPatchALaterVersionWaits: the PATCH of a dead process may
// still take effect, and must not do so after a later version's.
func TestKilledDuringAPatchALaterVersionWaits(t *testing.T) {
	t.Parallel()
	g := newGate()
	defer g.release()
	w := newWorld(t, g.verify)
	d := w.add("fenced", renamed, `verification_max = "8s"`)
	w.configure()
	daemon := w.run()
	wait(t, w.reach(), d, store.StateInSync, "")
	g.armed.Store(true)
	lost := d.rotate()
	<-g.entered
	daemon.kill()
	later := d.rotate()

	daemon = w.run()
	c := w.reach()
	until(t, "the later version waits or is sent", func() bool {
		s := status(t, c, d)
		return len(w.patches(d)) > 2 || s.State == store.StateWaiting && s.Reason == store.ReasonFence
	})
	if len(w.patches(d)) > 2 {
		t.Fatal("the later version was sent while the earlier one was under way")
	}
	g.release()
	until(t, "the lost PATCH takes effect", func() bool { return d.held(lost) })
	until(t, "the later version is there", func() bool { return d.held(later) && d.settled(c) })
	entries, err := c.History(t.Context(), d.id, 100)
	must(t, err)
	if !slices.ContainsFunc(entries, func(e store.Entry) bool { return e.Reason == store.ReasonOutcomeUnknown }) {
		t.Error("the history does not tell of the PATCH whose answer nobody heard")
	}
	w.checkRequests(3)
	daemon.stop()
}

// gate holds up one verification, and so one PATCH, once it is armed.
type gate struct {
	armed   atomic.Bool
	entered chan struct{}
	closed  chan struct{}
	release func()
}

func newGate() *gate {
	g := &gate{entered: make(chan struct{}, 1), closed: make(chan struct{})}
	g.release = sync.OnceFunc(func() { close(g.closed) })
	return g
}

// verify is an option that puts the gate before the simulator's verifier.
func (g *gate) verify(o *planettest.Options) {
	verifier := o.Verifier
	o.Verifier = planettest.VerifierFunc(func(ctx context.Context, v planettest.Verification) error {
		if g.armed.CompareAndSwap(true, false) {
			g.entered <- struct{}{}
			<-g.closed
		}
		return verifier.Verify(ctx, v)
	})
}

// killed runs a daemon until the n-th event of its life kills it, and lets
// things happen meanwhile.
func (w *world) killed(n int, happen func()) {
	w.t.Helper()
	die := make(chan struct{})
	var events atomic.Int64
	count := func() {
		if events.Add(1) == int64(n) {
			close(die)
		}
	}
	w.onEvent.Store(&count)
	defer w.onEvent.Store(nil)
	p := w.launch("run", nil)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-die:
			p.kill()
			return
		case <-p.gone:
			w.t.Fatalf("the daemon ended by itself: %v\n%s", p.err, p.log)
		case <-tick.C:
			happen()
		}
	}
}

// checkHistory: what was accepted is in the history once for each time that
// Planet answered so, and nothing is in it that no PATCH stands for.
func (w *world) checkHistory(history func(context.Context, string, int) ([]store.Entry, error)) {
	w.t.Helper()
	for _, d := range w.destinations {
		entries, err := history(context.Background(), d.id, 10000)
		must(w.t, err)
		accepted := 0
		for _, e := range entries {
			if e.Kind == store.EntryAttempt && e.Outcome == "accepted" {
				accepted++
			}
		}
		answered := 0
		for _, p := range w.patches(d) {
			if p.Status/100 == 2 {
				answered++
			}
		}
		if accepted == 0 || accepted > answered {
			w.t.Errorf("%s: %d accepted in the history, %d answered so", d.id, accepted, answered)
		}
	}
}
