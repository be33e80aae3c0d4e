package rotation_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

func stringField(raw json.RawMessage, name string) string {
	var all map[string]any
	if json.Unmarshal(raw, &all) != nil {
		return ""
	}
	s, _ := all[name].(string)
	return s
}

// in runs a test in a bubble of virtual time with a world that is taken down
// in order.
func in(t *testing.T, n int, opts []option, body func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, n, opts...)
		defer func() {
			w.stop()
			w.sim.Close()
			w.checkNoSecret()
		}()
		body(t, w)
	})
}

func (w *world) wantState(i int, s store.State, r store.Reason) store.Record {
	w.t.Helper()
	rec := w.record(i)
	if rec.Status.State != s || rec.Status.Reason != r {
		w.t.Errorf("state is %s/%s (%s), want %s/%s", rec.Status.State, rec.Status.Reason, rec.Status.Detail, s, r)
	}
	return rec
}

func (w *world) wantStored(i int, k key) {
	w.t.Helper()
	if got := w.stored(i); got != k.id {
		w.t.Errorf("planet holds %s, want %s", got, k.id)
	}
}

func (w *world) patches() (n int) {
	for _, r := range w.sim.Requests() {
		if r.Method == http.MethodPatch {
			n++
		}
	}
	return n
}

func TestARotationCostsOneValueReadAndOnePatch(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		w.wantState(0, store.StateInSync, "")
		reads, patches := w.src.reads, w.patches()
		next := w.newKey("dest-00")
		w.rotate(0, next)
		time.Sleep(time.Minute)
		rec := w.wantState(0, store.StateInSync, "")
		w.wantStored(0, next)
		if got := w.src.reads - reads; got != 1 {
			t.Errorf("%d value reads for one rotation", got)
		}
		if got := w.patches() - patches; got != 1 {
			t.Errorf("%d PATCHes for one rotation", got)
		}
		if rec.Leftover.State != "absent_inferred" {
			t.Errorf("leftover is %q after a push that left none", rec.Leftover.State)
		}
		w.checkRequests()
	})
}

func TestFirstSightPushesOnceOrAdopts(t *testing.T) {
	for _, adopt := range []bool{false, true} {
		in(t, 2, nil, func(t *testing.T, w *world) {
			if adopt {
				for i := range w.destinations {
					w.destinations[i].FirstSight = "adopt"
				}
			}
			w.start()
			time.Sleep(time.Minute)
			want := 2
			if adopt {
				want = 0
			}
			if got := w.patches(); got != want {
				t.Errorf("adopt=%v: %d PATCHes at first sight, want %d", adopt, got, want)
			}
			w.wantState(0, store.StateInSync, "")
		})
	}
}

func TestAKeyThatTakesAWhileIsWaitedFor(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		slow := w.makeKey("dest-00", all, 40*time.Second)
		w.rotate(0, slow)
		time.Sleep(20 * time.Second)
		w.wantState(0, store.StateWaiting, store.ReasonPropagation)
		time.Sleep(2 * time.Minute)
		w.wantState(0, store.StateInSync, "")
		w.wantStored(0, slow)
	})
}

func TestACredentialThatPreflightRefusesIsHeldAndNeverSent(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		first := w.src.now(w.destinations[0].Secret)
		noDelete := w.makeKey("dest-00", []buckettest.Action{buckettest.Put, buckettest.Get}, 0)
		patches := w.patches()
		w.rotate(0, noDelete)
		time.Sleep(30 * time.Minute)
		rec := w.wantState(0, store.StateHeld, store.ReasonPreflightRefused)
		if !strings.Contains(rec.Status.Detail, "s3:DeleteObject") {
			t.Errorf("the detail %q does not name the missing permission", rec.Status.Detail)
		}
		w.wantStored(0, first)
		if got := w.patches() - patches; got != 0 {
			t.Errorf("%d PATCHes of a refused credential", got)
		}
		puts := 0
		for _, r := range w.s3.Requests() {
			if r.KeyID == noDelete.id && r.Method == http.MethodPut {
				puts++
			}
		}
		if puts != 1 {
			t.Errorf("%d objects written with a key that may not delete, want 1", puts)
		}

		// Somebody grants the permission: found by itself.
		w.s3.Allow(noDelete.id, all...)
		time.Sleep(time.Hour)
		w.wantState(0, store.StateInSync, "")
		w.wantStored(0, noDelete)
		if left := w.s3.Objects("bucket"); len(left) != 0 {
			t.Errorf("objects stayed behind: %v", left)
		}
	})
}

func TestALeftoverIsConfirmedAMinuteLater(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.destinations[0].Preflight = "off"
		w.start()
		time.Sleep(time.Minute)
		w.rotate(0, w.makeKey("dest-00", []buckettest.Action{buckettest.Put, buckettest.Get}, 0))
		time.Sleep(10 * time.Second)
		if got := w.record(0).Leftover.State; got != "seen" {
			t.Errorf("right after the push the leftover is %q, want seen", got)
		}
		time.Sleep(2 * time.Minute)
		if got := w.record(0).Leftover.State; got != "present" {
			t.Errorf("two minutes later the leftover is %q, want present", got)
		}
	})
}

func TestPlanetsOwnFileThatLingersIsNoLeftover(t *testing.T) {
	in(t, 1, []option{behave(planettest.Behaviour{LeftoverLinger: 20 * time.Second})}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(5 * time.Minute)
		rec := w.wantState(0, store.StateInSync, "")
		if got := rec.Leftover.State; got != "absent_inferred" {
			t.Errorf("leftover is %q, want absent_inferred", got)
		}
	})
}

func TestARefusedVersionIsHeldAndThePreviousOnePutBack(t *testing.T) {
	for _, status := range []int{400, 409, 422} {
		in(t, 1, []option{behave(planettest.Behaviour{RefuseStatus: status, LoseOnRefusal: true, UpdatedMovesOnRefusal: true})},
			func(t *testing.T, w *world) {
				w.start()
				time.Sleep(time.Minute)
				first := w.src.now(w.destinations[0].Secret)
				// It works for us and not for Planet: a bucket policy on addresses, say.
				w.sim.Inject(planettest.Fault{Method: "PATCH", Nth: 1, Kind: planettest.Status, Status: status, Effect: planettest.EffectNow})
				w.destinations[0].Propagation = 0
				w.stop()
				w.start()
				second := w.newKey("dest-00")
				w.rotate(0, second)
				time.Sleep(time.Minute)
				w.wantState(0, store.StateHeld, store.ReasonPlanetRefused)
				w.wantStored(0, first)
				n := w.patches()
				time.Sleep(3 * time.Hour)
				if got := w.patches(); got != n {
					t.Errorf("%d more PATCHes while the version is held", got-n)
				}
				must(t, w.current().Retry(context.Background(), w.destinations[0].Name))
				time.Sleep(time.Minute)
				w.wantState(0, store.StateInSync, "")
				w.wantStored(0, second)
			})
	}
}

func TestALaterVersionWaitsUntilALostPatchCannotTakeEffectAnyMore(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		second, third := w.newKey("dest-00"), w.newKey("dest-00")
		w.sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Cut, Effect: planettest.EffectLate, Delay: 100 * time.Second})
		w.rotate(0, second)
		time.Sleep(time.Second)
		w.wantState(0, store.StateUnknown, store.ReasonOutcomeUnknown)
		time.Sleep(20 * time.Second)
		w.wantState(0, store.StateInSync, "") // sent again, accepted
		w.rotate(0, third)
		time.Sleep(10 * time.Second)
		w.wantState(0, store.StateWaiting, store.ReasonFence)
		w.wantStored(0, second)
		time.Sleep(3 * time.Minute)
		w.wantState(0, store.StateInSync, "")
		w.wantStored(0, third)
	})
}

func TestABadKeyBlocksTheAccountAndAForeignDestinationOnlyItself(t *testing.T) {
	for _, status := range []int{401, 403} {
		in(t, 2, []option{behave(planettest.Behaviour{NonOwnerStatus: status})}, func(t *testing.T, w *world) {
			w.start()
			time.Sleep(time.Minute)
			// One PATCH is answered as for somebody else's destination.
			// A 401 is tried once more, since the key may have been fetched anew.
			w.sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Status, Status: status, Times: map[int]int{401: 2, 403: 1}[status]})
			w.rotate(0, w.newKey("dest-00"))
			time.Sleep(time.Minute)
			w.wantState(0, store.StateBlocked, store.ReasonNotWritable)
			w.wantState(1, store.StateInSync, "")

			// Everything is answered so: the key itself.
			w.sim.Inject(planettest.Fault{Kind: planettest.Status, Status: status, Times: -1, Until: time.Now().Add(time.Hour)})
			w.rotate(1, w.newKey("dest-01"))
			time.Sleep(5 * time.Minute)
			w.wantState(1, store.StateBlocked, store.ReasonAccountBlocked)
			n := len(w.sim.Requests())
			time.Sleep(30 * time.Minute)
			if got := len(w.sim.Requests()) - n; got > 10 {
				t.Errorf("%d requests in half an hour with a key that is refused", got)
			}
			time.Sleep(90 * time.Minute)
			w.wantState(0, store.StateInSync, "")
			w.wantState(1, store.StateInSync, "")
		})
	}
}

func TestANewAPIKeyEndsABlockAtOnce(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		w.sim.Inject(planettest.Fault{Kind: planettest.Status, Status: 401, Times: -1})
		next := w.newKey("dest-00")
		w.rotate(0, next)
		time.Sleep(40 * time.Minute)
		w.wantState(0, store.StateBlocked, store.ReasonAccountBlocked)
		w.sim.ClearFaults()
		must(t, w.current().Emit(context.Background(), credential.Event{Secret: "mem://planet-key", Source: "mem"}))
		time.Sleep(5 * time.Second)
		w.wantState(0, store.StateInSync, "")
		w.wantStored(0, next)
	})
}

func TestADestinationIsFollowedThroughARenameAndMissedWhenGone(t *testing.T) {
	in(t, 2, []option{behave(planettest.Behaviour{RenameChangesID: true})}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		renamed := w.sim.Rename(w.destinations[0].Name, "another-name")
		w.sim.Remove(w.destinations[1].Name)
		next := w.newKey("dest-00")
		w.rotate(0, next)
		w.rotate(1, w.newKey("dest-01"))
		time.Sleep(20 * time.Minute)
		rec := w.wantState(0, store.StateInSync, "")
		if rec.Pin.ID != renamed {
			t.Errorf("the record still says %s, want %s", rec.Pin.ID, renamed)
		}
		w.wantState(1, store.StateBlocked, store.ReasonVanished)
	})
}

func TestArchivedDestinationsAreStillRotated(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		w.sim.Archive(w.destinations[0].Name, true)
		next := w.newKey("dest-00")
		time.Sleep(2 * time.Minute)
		w.rotate(0, next)
		time.Sleep(time.Minute)
		rec := w.wantState(0, store.StateInSync, "")
		w.wantStored(0, next)
		if rec.Archived == nil {
			t.Error("the record does not say that the destination is archived")
		}
	})
}

func TestAnOptionalParameterThatOurPatchResetIsReportedOrPutBack(t *testing.T) {
	for _, restore := range []bool{false, true} {
		for _, empty := range []bool{false, true} {
			in(t, 1, []option{behave(planettest.Behaviour{ResetOptional: true, ModifyEmptyBody: empty})}, func(t *testing.T, w *world) {
				w.destinations[0].RestoreOptional = restore
				w.start()
				time.Sleep(20 * time.Minute)
				rec := w.record(0)
				s, _ := w.sim.Stored(w.destinations[0].Name)
				switch {
				case restore && !empty:
					if len(rec.Changed) != 0 || !s.Optional["explicit_sse"] {
						t.Errorf("explicit_sse was not put back: %v, %v", rec.Changed, s.Optional)
					}
					if got := w.patches(); got != 2 {
						t.Errorf("%d PATCHes, want 2", got)
					}
				default:
					if len(rec.Changed) != 1 || rec.Changed[0].Parameter != "explicit_sse" {
						t.Errorf("restore=%v empty=%v: changed is %v, want explicit_sse", restore, empty, rec.Changed)
					}
				}
			})
		}
	}
}

func TestTwoEntriesForOneDestinationAreBothStopped(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		d := w.destinations[0]
		d.Name = "pl:destinations/" + d.Name
		w.destinations = append(w.destinations, d)
		w.start()
		time.Sleep(time.Minute)
		w.wantState(0, store.StateBlocked, store.ReasonDuplicate)
		w.wantState(1, store.StateBlocked, store.ReasonDuplicate)
		if w.patches() != 0 {
			t.Error("one of the two was pushed")
		}
	})
}

func TestADestinationThatBecameAnotherIsNotWritten(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		n := w.patches()
		w.sim.SetParameter(w.destinations[0].Name, "bucket", "someone-elses")
		time.Sleep(2 * time.Minute)
		w.rotate(0, w.newKey("dest-00"))
		time.Sleep(time.Hour)
		w.wantState(0, store.StateBlocked, store.ReasonPinMismatch)
		if got := w.patches(); got != n {
			t.Errorf("%d PATCHes after the bucket changed", got-n)
		}
	})
}

func TestARollbackAtTheSourceIsFollowed(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		first := w.src.now(w.destinations[0].Secret)
		w.start()
		time.Sleep(time.Minute)
		w.rotate(0, w.newKey("dest-00"))
		time.Sleep(time.Minute)
		w.src.rollBack(w.destinations[0].Secret, 0)
		w.announce(0)
		time.Sleep(time.Minute)
		w.wantStored(0, first)
		w.wantState(0, store.StateInSync, "")
	})
}

func TestASourceThatMovesWhileATurnIsWaitedForIsAskedAgain(t *testing.T) {
	in(t, 12, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		n := w.patches()
		last := w.destinations[11]
		for i := range w.destinations {
			w.rotate(i, w.newKey("x"))
		}
		time.Sleep(2 * time.Second) // the burst needs four
		var waiting int
		for i := range w.destinations {
			if w.stored(i) != w.src.now(w.destinations[i].Secret).id {
				waiting = i
			}
		}
		newest := w.newKey("x")
		w.src.put(w.destinations[waiting].Secret, newest)
		time.Sleep(time.Minute)
		w.wantStored(waiting, newest)
		if got := w.patches() - n; got != 12 {
			t.Errorf("%d PATCHes for 12 destinations, one of which moved on while waiting", got)
		}
		_ = last
	})
}

func TestPausedDestinationsAreLeftAloneUntilResumed(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		ctx, name, n := context.Background(), w.destinations[0].Name, w.patches()
		must(t, w.current().Pause(ctx, name, "bucket is being moved"))
		next := w.newKey("dest-00")
		w.rotate(0, next)
		time.Sleep(time.Hour)
		w.wantState(0, store.StatePaused, "")
		if got := w.patches(); got != n {
			t.Errorf("%d PATCHes while paused", got-n)
		}
		must(t, w.current().Resume(ctx, name))
		time.Sleep(time.Minute)
		w.wantState(0, store.StateInSync, "")
		w.wantStored(0, next)
	})
}

func TestASecretWhoseValueDoesNotFitIsHeldWithTheFieldNamed(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		n := w.patches()
		k := w.newKey("dest-00")
		k.id, k.secret = k.secret, k.id // swapped
		w.rotate(0, k)
		time.Sleep(time.Hour)
		rec := w.wantState(0, store.StateHeld, store.ReasonValueInvalid)
		if !strings.Contains(rec.Status.Detail, "swapped") || strings.Contains(rec.Status.Detail, canary) {
			t.Errorf("the detail names no field or quotes the value: %q", rec.Status.Detail)
		}
		if got := w.patches(); got != n {
			t.Errorf("%d PATCHes of a value that does not fit", got-n)
		}
	})
}

func TestASourceOutageIsAStateAndHealsByItself(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		w.src.setDown(true)
		next := w.newKey("dest-00")
		w.rotate(0, next)
		time.Sleep(20 * time.Minute)
		w.wantState(0, store.StateFailing, store.ReasonSourceUnavailable)
		w.src.setDown(false)
		time.Sleep(20 * time.Minute)
		w.wantState(0, store.StateInSync, "")
		w.wantStored(0, next)
	})
}

func TestAnEventForNobodyIsDoneWith(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		r := w.start()
		if r.Matches(credential.Event{Secret: "mem://other"}) {
			t.Error("an event of another secret matches")
		}
		must(t, r.Emit(context.Background(), credential.Event{Secret: "mem://other", Source: "mem"}))
	})
}
