package rotation_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// listing has the accounts' lists asked for every minute.
func listing(w *world, _ *planettest.Options) { w.listEvery = time.Minute }

// onDrift sets what follows a drift.
func onDrift(m rotation.DriftMode) option {
	return func(w *world, _ *planettest.Options) { w.settings.OnDrift = m }
}

// overwrite is somebody else who puts another credential into a destination.
func (w *world) overwrite(i int) key {
	w.t.Helper()
	k := w.newKey("")
	body := fmt.Sprintf(`{"parameters":{"aws_access_key_id":%q,"aws_secret_access_key":%q}}`, k.id, k.secret)
	r, err := http.NewRequest(http.MethodPatch, "http://planet.test/destinations/v1/"+w.destinations[i].Name, strings.NewReader(body))
	must(w.t, err)
	r.Header.Set("Authorization", "api-key "+adminKey)
	r.Header.Set("Content-Type", "application/json")
	answer, err := w.sim.RoundTripper().RoundTrip(r)
	must(w.t, err)
	must(w.t, answer.Body.Close())
	if answer.StatusCode >= 300 {
		w.t.Fatalf("somebody else's PATCH was answered %d", answer.StatusCode)
	}
	return k
}

func TestWhatSomebodyElseChangedIsFoundWithinMinutes(t *testing.T) {
	in(t, 2, []option{listing, onDrift(rotation.DriftReport)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(5 * time.Minute)
		if r := w.record(0); r.Seen == nil || r.Drift != nil {
			t.Fatalf("before: seen %+v, drift %+v", r.Seen, r.Drift)
		}
		theirs, patches := w.overwrite(0), w.patches()
		time.Sleep(2 * time.Minute)
		r := w.wantState(0, store.StateInSync, "")
		if r.Drift == nil || r.Drift.Pushing || !r.Drift.Updated.After(r.Drift.Was) {
			t.Errorf("drift is %+v", r.Drift)
		}
		if w.record(1).Drift != nil {
			t.Error("the other one drifted too")
		}
		if g, err := w.current().Gate(t.Context(), w.destinations[0].Secret, ""); err != nil || g.Verdict != rotation.VerdictStuck {
			t.Errorf("the gate is %s, %v", g.Verdict, err)
		}
		time.Sleep(3 * time.Hour)
		w.wantStored(0, theirs)
		if w.patches() != patches {
			t.Error("something was sent")
		}
		// A rotation ends it.
		k := w.newKey("")
		w.rotate(0, k)
		time.Sleep(5 * time.Minute)
		w.wantStored(0, k)
		if w.record(0).Drift != nil {
			t.Error("the drift outlived a rotation")
		}
	})
}

func TestWhatSomebodyElseChangedIsPushedAgainOnce(t *testing.T) {
	in(t, 1, []option{listing, onDrift(rotation.DriftPush)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(5 * time.Minute)
		ours := w.src.now(w.destinations[0].Secret)
		for round := range 3 {
			w.overwrite(0)
			patches := w.patches()
			time.Sleep(30 * time.Minute)
			w.wantStored(0, ours)
			w.wantState(0, store.StateInSync, "")
			if n := w.patches() - patches; n != 1 {
				t.Errorf("round %d: %d PATCHes, want one", round, n)
			}
			if w.record(0).Drift != nil {
				t.Error("the drift is still there")
			}
		}
	})
}

func TestADriftIsFoundAcrossARestart(t *testing.T) {
	in(t, 1, []option{listing, onDrift(rotation.DriftReport)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(5 * time.Minute)
		w.kill()
		w.overwrite(0)
		time.Sleep(time.Hour)
		w.start()
		time.Sleep(time.Minute)
		if w.record(0).Drift == nil {
			t.Error("no drift")
		}
	})
}

func TestARenameByOthersIsToldAsOne(t *testing.T) {
	in(t, 1, []option{listing, onDrift(rotation.DriftReport)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(5 * time.Minute)
		w.sim.Rename(w.destinations[0].Name, "their-name")
		time.Sleep(2 * time.Minute)
		if d := w.record(0).Drift; d == nil || d.Renamed != "their-name" {
			t.Errorf("drift is %+v", d)
		}
		// A person has looked at it.
		must(t, w.current().Retry(t.Context(), w.destinations[0].Name))
		time.Sleep(20 * time.Minute)
		if d := w.record(0).Drift; d != nil {
			t.Errorf("after an acknowledgement it is %+v", d)
		}
	})
}

func TestWhatWeDidOurselvesIsNoDrift(t *testing.T) {
	for name, b := range map[string]planettest.Behaviour{
		"a kind one":               {},
		"one that answers nothing": {ModifyStatus: 204, ModifyEmptyBody: true},
		"one that refuses":         {UpdatedMovesOnRefusal: true, LoseOnRefusal: true},
		"one that takes long":      {VerifyDelay: 45 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 2, []option{listing, onDrift(rotation.DriftReport), behave(b)}, func(t *testing.T, w *world) {
				w.start()
				time.Sleep(3 * time.Minute)
				w.sim.SetFaults(planettest.FaultRates{ServerError: .2, CutAfter: .2, CutLate: .2, MaxDelay: 80 * time.Second})
				for range 10 {
					w.rotate(0, w.newKey(""))
					time.Sleep(3 * time.Minute)
					if d := w.record(0).Drift; d != nil {
						t.Fatalf("drift %+v", d)
					}
				}
				w.sim.SetFaults(planettest.FaultRates{})
				time.Sleep(10 * time.Minute)
				// What goes through rotatord itself is told to the engine.
				id := w.destinations[1].Name
				now := w.sim.Rename(id, "ours")
				must(t, w.current().Touched(t.Context(), now))
				must(t, w.current().Touched(t.Context(), id))
				time.Sleep(10 * time.Minute)
				for i := range w.destinations {
					if d := w.record(i).Drift; d != nil {
						t.Errorf("%d: drift %+v", i, d)
					}
				}
			})
		})
	}
}

// TestWatchingCostsOneListAMinute counts what drift and standing checks cost
// while nothing happens, and holds the pace while everything rotates at once.
func TestWatchingCostsOneListAMinute(t *testing.T) {
	in(t, 50, []option{listing, onDrift(rotation.DriftReport), func(w *world, _ *planettest.Options) {
		w.settings.Check = rotation.CheckRead
		w.settings.NextCheck = func(after time.Time) time.Time { return after.Add(10 * time.Minute) }
	}}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(30 * time.Minute)
		from := time.Now()
		time.Sleep(time.Hour)
		lists := 0
		for _, r := range w.sim.Requests() {
			if r.At.After(from) {
				lists++
				if r.Method != http.MethodGet {
					t.Errorf("an idle hour has a %s", r.Method)
				}
			}
		}
		if lists < 55 || lists > 61 {
			t.Errorf("%d lists an hour, want one a minute", lists)
		}
		t.Logf("%d lists in an idle hour of 50 destinations", lists)
		storm := time.Now()
		for range 3 {
			for i := range w.destinations {
				w.rotate(i, w.newKey(""))
			}
			time.Sleep(5 * time.Second)
		}
		time.Sleep(10 * time.Minute)
		lists = 0
		for _, r := range w.sim.Requests() {
			if r.At.After(storm) && r.Method == http.MethodGet {
				lists++
			}
		}
		if lists > 12 {
			t.Errorf("%d lists in eleven minutes of a storm", lists)
		}
		for i := range w.destinations {
			w.wantState(i, store.StateInSync, "")
			w.wantStored(i, w.src.now(w.destinations[i].Secret))
		}
		w.checkRequests()
	})
}

func TestALateEffectOfOursIsNoDrift(t *testing.T) {
	in(t, 1, []option{listing, onDrift(rotation.DriftReport)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(5 * time.Minute)
		w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/*", Kind: planettest.Cut,
			Effect: planettest.EffectLate, Delay: 140 * time.Second})
		k := w.newKey("")
		w.rotate(0, k)
		time.Sleep(15 * time.Minute)
		w.wantStored(0, k)
		if r := w.wantState(0, store.StateInSync, ""); r.Drift != nil || r.Seen == nil {
			t.Errorf("drift %+v, seen %+v", r.Drift, r.Seen)
		}
	})
}
