package rotation_test

import (
	"context"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
)

func (w *world) gate(secret credential.Secret, version string) rotation.Gate {
	w.t.Helper()
	g, err := w.current().Gate(context.Background(), secret, version)
	must(w.t, err)
	return g
}

func (w *world) wantGate(g rotation.Gate, v rotation.Verdict) {
	w.t.Helper()
	if g.Verdict != v {
		w.t.Errorf("the gate says %s (%s), want %s: %+v", g.Verdict, g.Detail, v, g.Destinations)
	}
}

// sharing makes all destinations use the secret of the first, which fits them.
func sharing(w *world) {
	for i := range w.destinations {
		w.destinations[i].Secret = w.destinations[0].Secret
	}
}

func TestAGateOpensWhenAllDestinationsHaveAcceptedAndTheGraceIsOver(t *testing.T) {
	in(t, 3, []option{func(w *world, _ *planettest.Options) { w.grace = time.Hour }}, func(t *testing.T, w *world) {
		sharing(w)
		secret := w.destinations[0].Secret
		w.start()
		time.Sleep(time.Minute)
		old := w.src.now(secret)
		next := w.newKey("shared")
		// One of them takes a while.
		w.sim.Inject(planettest.Fault{Method: "PATCH", Path: "/" + w.destinations[2].Name, Kind: planettest.Slow, Delay: 20 * time.Second})
		w.rotate(0, next)
		rotated := time.Now()
		time.Sleep(5 * time.Second)
		w.wantGate(w.gate(secret, next.version), rotation.VerdictPending)
		w.wantGate(w.gate(secret, old.version), rotation.VerdictSuperseded)
		time.Sleep(3 * time.Minute)
		g := w.gate(secret, next.version)
		w.wantGate(g, rotation.VerdictGrace)
		if g.Receipt.Sub(rotated) < 20*time.Second || g.Opens.Sub(g.Receipt) != time.Hour || len(g.Destinations) != 3 {
			t.Errorf("receipt %v after the rotation, opens %v after that, %d destinations", g.Receipt.Sub(rotated), g.Opens.Sub(g.Receipt), len(g.Destinations))
		}
		// A new engine goes by its own grace, as after a reload of the configuration.
		w.stop()
		w.grace = 0
		w.start()
		w.wantGate(w.gate(secret, ""), rotation.VerdictSafe)
		// What was said survives a restart, and looks since.
		w.stop()
		w.grace = time.Hour
		w.start()
		time.Sleep(time.Hour + time.Minute)
		again := w.gate(secret, next.version)
		w.wantGate(again, rotation.VerdictSafe)
		if !again.Receipt.Equal(g.Receipt) {
			t.Errorf("the receipt has moved from %v to %v", g.Receipt, again.Receipt)
		}
	})
}

func TestWhatWasSafeIsWithdrawn(t *testing.T) {
	for name, c := range map[string]struct {
		happen func(*world)
		want   rotation.Verdict
	}{
		"by a rollback at the source":      {func(w *world) { w.src.rollBack(w.destinations[0].Secret, 0); w.announce(0) }, rotation.VerdictSuperseded},
		"by a newer version":               {func(w *world) { w.rotate(0, w.newKey("shared")) }, rotation.VerdictSuperseded},
		"by a destination that is blocked": {func(w *world) { w.sim.SetCanWrite(w.destinations[1].Name, "owner", false) }, rotation.VerdictStuck},
		"by a secret that nobody uses anymore": {func(w *world) {
			w.stop()
			w.destinations[0].Secret, w.destinations[1].Secret = "mem://other", "mem://other"
			w.start()
		}, rotation.VerdictUnmapped},
		"not by an outage of the bucket": {func(w *world) { w.s3.SetDown(true) }, rotation.VerdictSafe},
		"not by a pause":                 {func(w *world) { must(w.t, w.current().Pause(context.Background(), w.destinations[1].Name, "")) }, rotation.VerdictSafe},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 2, nil, func(t *testing.T, w *world) {
				sharing(w)
				secret := w.destinations[0].Secret
				w.start()
				time.Sleep(time.Minute)
				next := w.newKey("shared")
				w.rotate(0, next)
				time.Sleep(3 * time.Minute) // Planet's object may have to be looked for twice
				w.wantGate(w.gate(secret, next.version), rotation.VerdictSafe)
				c.happen(w)
				time.Sleep(20 * time.Minute) // the schedule has looked
				w.wantGate(w.gate(secret, next.version), c.want)
			})
		})
	}
}

func TestAGateStaysShutWhileAnythingIsUncertain(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		secret := w.destinations[0].Secret
		w.start()
		time.Sleep(time.Minute)
		// The answer is lost, and the PATCH takes effect.
		w.sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Cut, Effect: planettest.EffectNow})
		next := w.newKey("dest-00")
		w.rotate(0, next)
		time.Sleep(2 * time.Second)
		w.wantGate(w.gate(secret, next.version), rotation.VerdictPending)
		time.Sleep(5 * time.Minute)
		w.wantGate(w.gate(secret, next.version), rotation.VerdictSafe)

		refused := w.wrongKey("dest-00")
		w.rotate(0, refused)
		time.Sleep(30 * time.Minute)
		w.wantGate(w.gate(secret, refused.version), rotation.VerdictStuck)
	})
}

// Planet has refused a version and lost the one before, which the source then
// goes back to: it was accepted once, and is not what Planet holds.
func TestAVersionThatPlanetMayHaveLostIsNoReceipt(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.schedule = 0
		secret := w.destinations[0].Secret
		w.start()
		time.Sleep(time.Minute)
		good := w.src.now(secret)
		time.Sleep(2 * time.Minute)
		w.wantGate(w.gate(secret, good.version), rotation.VerdictSafe)
		w.sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Status, Status: 400, Effect: planettest.EffectNow})
		w.sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Status, Status: 503, Times: -1, Until: time.Now().Add(time.Hour)})
		w.rotate(0, w.newKey("dest-00"))
		time.Sleep(2 * time.Second)
		w.src.rollBack(secret, 0)
		if w.stored(0) == good.id {
			t.Fatal("planet holds the good version, so that nothing can be told apart")
		}
		w.wantGate(w.gate(secret, good.version), rotation.VerdictPending)
	})
}

func TestAnAdoptedVersionIsNoReceipt(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.destinations[0].FirstSight = rotation.FirstSightAdopt
		w.start()
		time.Sleep(time.Minute)
		w.wantGate(w.gate(w.destinations[0].Secret, ""), rotation.VerdictStuck)
	})
}
