package rotation_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

func (w *world) push(i int, version string, wait time.Duration) rotation.Pushed {
	w.t.Helper()
	p, err := w.current().PushVersion(context.Background(), w.destinations[i].Name, version, wait)
	must(w.t, err)
	return p
}

func (w *world) wantAccepted(p rotation.Pushed, k key, current bool) {
	w.t.Helper()
	if !p.Accepted || p.Version != k.version || p.Current != current || p.Reason != "" || p.Record.Accepted == nil || p.Record.Accepted.Version != k.version {
		w.t.Errorf("version %s: accepted %t, current %t, %s (%s)", p.Version, p.Accepted, p.Current, p.Reason, p.Detail)
	}
}

func (w *world) wantNotPushed(p rotation.Pushed, reason store.Reason) {
	w.t.Helper()
	if p.Accepted || p.Reason != reason || p.Detail == "" {
		w.t.Errorf("accepted %t, %s (%s), want %s", p.Accepted, p.Reason, p.Detail, reason)
	}
}

// rotated is a world in sync on the second of two versions.
func rotated(w *world) (first, second key) {
	w.t.Helper()
	w.start()
	time.Sleep(time.Minute)
	first = w.src.now(w.destinations[0].Secret)
	second = w.newKey("dest-00")
	w.rotate(0, second)
	time.Sleep(time.Minute)
	w.wantStored(0, second)
	return first, second
}

func refuses(times int) planettest.Fault {
	return planettest.Fault{Method: http.MethodPatch, Times: times, Kind: planettest.Status, Status: http.StatusBadRequest}
}

func TestTheCurrentVersionIsPushedByHandThoughPlanetHoldsIt(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		_, second := rotated(w)
		before := w.patches()
		w.wantAccepted(w.push(0, "", 0), second, true)
		w.wantAccepted(w.push(0, second.version, 0), second, true)
		if got := w.patches() - before; got != 2 {
			t.Errorf("%d PATCHes for two pushes by hand", got)
		}
		if rec := w.wantState(0, store.StateInSync, ""); rec.Paused != nil {
			t.Error("a push of the current version has paused the destination")
		}
		w.checkRequests()
	})
}

func TestAHeldVersionIsPushedByHand(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		rotated(w)
		w.sim.Inject(refuses(-1))
		third := w.newKey("dest-00")
		w.rotate(0, third)
		time.Sleep(time.Hour)
		w.sim.ClearFaults()
		w.wantState(0, store.StateHeld, store.ReasonRestoreFailed)
		w.wantAccepted(w.push(0, "", 0), third, true)
		if rec := w.wantState(0, store.StateInSync, ""); rec.Hold != nil || rec.Uncertain {
			t.Error("the hold is still there")
		}
	})
}

func TestAnotherVersionStaysUntilResume(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first, second := rotated(w)
		w.wantAccepted(w.push(0, first.version, 0), first, false)
		rec := w.wantState(0, store.StatePaused, "")
		if rec.Paused == nil {
			t.Fatal("it is not paused")
		}
		if !strings.Contains(rec.Paused.Note, first.version) || !strings.Contains(rec.Paused.Note, "resume") {
			t.Errorf("the note %q does not say what was done and how it ends", rec.Paused.Note)
		}
		w.announce(0)
		time.Sleep(time.Hour)
		w.stop()
		w.start()
		time.Sleep(time.Hour)
		w.wantStored(0, first)
		must(t, w.current().Resume(context.Background(), w.destinations[0].Name))
		time.Sleep(time.Minute)
		w.wantStored(0, second)
		w.wantState(0, store.StateInSync, "")
		w.checkRequests()
	})
}

func TestAPauseOfAPersonOutlivesAPushByHand(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first, second := rotated(w)
		name := w.destinations[0].Name
		must(t, w.current().Pause(context.Background(), name, "moves on Friday"))
		w.wantAccepted(w.push(0, "", 0), second, true)
		if rec := w.wantState(0, store.StatePaused, ""); rec.Paused.Note != "moves on Friday" {
			t.Errorf("the note became %q", rec.Paused.Note)
		}
		w.push(0, first.version, 0)
		if rec := w.wantState(0, store.StatePaused, ""); !strings.HasSuffix(rec.Paused.Note, "Paused before: moves on Friday") {
			t.Errorf("the note %q forgets why it was paused", rec.Paused.Note)
		}
		w.wantAccepted(w.push(0, "", 0), second, true)
		if rec := w.record(0); !strings.Contains(rec.Paused.Note, second.version) {
			t.Errorf("the note %q is about the version before", rec.Paused.Note)
		}
	})
}

func TestWhatPreflightRefusesIsNotPushedByHandEither(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		bad := w.makeKey("dest-00", []buckettest.Action{buckettest.Put, buckettest.Get}, 0)
		w.rotate(0, bad)
		good := w.newKey("dest-00")
		time.Sleep(30 * time.Minute)
		held := w.wantState(0, store.StateHeld, store.ReasonPreflightRefused)
		before := w.patches()
		w.wantNotPushed(w.push(0, "", 0), store.ReasonPreflightRefused)
		w.rotate(0, good)
		time.Sleep(time.Minute)
		w.wantState(0, store.StateInSync, "")
		// Of a version that is not current, within its window.
		w.wantNotPushed(w.push(0, bad.version, 0), store.ReasonPropagation)
		w.wantState(0, store.StateInSync, "")
		if got := w.patches() - before; got != 1 {
			t.Errorf("%d PATCHes, want the one of the good key", got)
		}
		if held.Hold == nil || w.record(0).Paused != nil {
			t.Error("not held before, or paused for what was not sent")
		}
		w.wantStored(0, good)
	})
}

func TestAPushByHandKeepsTheHoldOfTheCurrentVersion(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		first := w.src.now(w.destinations[0].Secret)
		refused := w.makeKey("dest-00", []buckettest.Action{buckettest.Put, buckettest.Get}, 0)
		w.rotate(0, refused)
		time.Sleep(12 * time.Minute)
		held := w.record(0)
		if held.Hold == nil || held.Hold.Version != refused.version {
			t.Fatalf("the current version is not held: %s/%s", held.Status.State, held.Status.Reason)
		}
		w.wantAccepted(w.push(0, first.version, 0), first, false)
		must(t, w.current().Resume(context.Background(), w.destinations[0].Name))
		time.Sleep(time.Minute)
		if rec := w.wantState(0, store.StateHeld, held.Status.Reason); rec.Hold == nil || !rec.Hold.Since.Equal(held.Hold.Since) {
			t.Error("the held version was tried again, which nobody asked for")
		}
		w.wantStored(0, first)
	})
}

func TestAVersionThatIsGoneChangesNothing(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first, second := rotated(w)
		w.src.forgets = true
		before := w.patches()
		p := w.push(0, first.version, 0)
		w.wantNotPushed(p, store.ReasonVersionGone)
		begun := time.Now()
		w.wantNotPushed(w.push(0, "no-such-version", time.Hour), store.ReasonVersionGone)
		if !p.Until.IsZero() || time.Since(begun) > time.Minute {
			t.Error("it waits for a version to come back")
		}
		if rec := w.wantState(0, store.StateInSync, ""); rec.Paused != nil || rec.Hold != nil || w.patches() != before {
			t.Error("something was sent, held or paused")
		}
		w.wantStored(0, second)
	})
}

func TestAPushByHandWaitsForTheFence(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first, second := rotated(w)
		w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Times: -1, Kind: planettest.Cut, Effect: planettest.EffectLate, Delay: 100 * time.Second})
		third := w.newKey("dest-00")
		w.rotate(0, third)
		time.Sleep(3 * time.Second)
		w.sim.ClearFaults()
		fence := w.record(0).Fence
		if fence == nil || fence.Version != third.version {
			t.Fatal("a lost answer has left no fence")
		}
		for _, version := range []string{first.version, second.version} {
			p := w.push(0, version, 0)
			w.wantNotPushed(p, store.ReasonFence)
			if p.Until.IsZero() {
				t.Error("it does not say until when to wait")
			}
		}
		w.wantAccepted(w.push(0, first.version, 10*time.Minute), first, false)
		if fence := w.record(0).Fence; time.Now().Before(fence.Until) {
			t.Errorf("pushed %s before the fence's end", time.Until(fence.Until))
		}
		time.Sleep(time.Hour)
		w.wantStored(0, first)
	})
}

func TestAPushByHandThatPlanetRefusesIsUndoneAtOnce(t *testing.T) {
	in(t, 1, []option{behave(planettest.Behaviour{LoseOnRefusal: true})}, func(t *testing.T, w *world) {
		first, second := rotated(w)
		w.sim.Inject(refuses(1))
		w.wantNotPushed(w.push(0, first.version, 0), store.ReasonPlanetRefused)
		rec := w.wantState(0, store.StateInSync, "")
		if rec.Paused != nil || rec.Uncertain || rec.Accepted.Version != second.version {
			t.Error("paused, uncertain or on another version after a refusal")
		}
		w.wantStored(0, second)
	})
}

func TestAPushByHandWhoseAnswerIsLostStaysPausedAndIsTriedAgain(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first, _ := rotated(w)
		w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Times: 1, Kind: planettest.Cut, Effect: planettest.EffectNow})
		w.wantNotPushed(w.push(0, first.version, 0), store.ReasonOutcomeUnknown)
		if rec := w.wantState(0, store.StatePaused, ""); !rec.Uncertain || rec.Fence == nil {
			t.Error("it is not said that the outcome is unknown")
		}
		w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Times: 1, Kind: planettest.Cut, Effect: planettest.EffectNow})
		w.wantAccepted(w.push(0, first.version, time.Minute), first, false)
		w.wantState(0, store.StatePaused, "")
		w.wantStored(0, first)
		w.checkRequests()
	})
}

func TestACrashDuringAPushByHandLetsNoLookComeInBetween(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first, second := rotated(w)
		r := w.current()
		r.life.mu.Lock()
		r.life.dieAt = r.life.saves + 2 // the journal is written, the answer is not
		r.life.mu.Unlock()
		if _, err := r.PushVersion(context.Background(), w.destinations[0].Name, first.version, 0); err == nil {
			t.Fatal("it did not die")
		}
		w.kill()
		w.start()
		time.Sleep(time.Hour)
		w.wantStored(0, first)
		if rec := w.record(0); rec.Paused == nil || rec.Inflight == nil {
			t.Error("the pause or the intent is lost")
		}
		must(t, w.current().Resume(context.Background(), w.destinations[0].Name))
		time.Sleep(time.Hour)
		w.wantStored(0, second)
		w.wantState(0, store.StateInSync, "")
	})
}

func TestWhatMayNotBeWrittenIsNotPushedByHand(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first, second := rotated(w)
		w.sim.SetCanWrite(w.destinations[0].Name, "owner", false)
		time.Sleep(2 * time.Minute) // the list is a minute old at most
		before := w.patches()
		w.wantNotPushed(w.push(0, first.version, 0), store.ReasonNotWritable)
		if w.patches() != before {
			t.Error("something was sent")
		}
		w.wantStored(0, second)
	})
}

func TestAPushByHandNeedsADestinationThatIsConfigured(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		if _, err := w.current().PushVersion(context.Background(), "nobody", "", 0); err == nil {
			t.Error("it has pushed to nobody")
		}
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := w.current().PushVersion(ended, w.destinations[0].Name, "", 0); err == nil {
			t.Error("it has pushed though nobody waits for it")
		}
	})
}
