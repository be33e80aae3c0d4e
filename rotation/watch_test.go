package rotation_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// checking tries accepted credentials every ten minutes.
func checking(m rotation.CheckMode) option {
	return func(w *world, _ *planettest.Options) {
		w.settings.Check = m
		w.settings.NextCheck = func(after time.Time) time.Time { return after.Add(10 * time.Minute) }
	}
}

// writes counts the objects that were put into the bucket.
func (w *world) writes() (n int) {
	for _, r := range w.s3.Requests() {
		if r.Method == http.MethodPut && r.Status == http.StatusOK {
			n++
		}
	}
	return n
}

func (w *world) has(object string) bool {
	_, ok := w.s3.Object("bucket", object)
	return ok
}

func (w *world) wantStanding(i int, state probe.StandingState, reason probe.Reason) store.Standing {
	w.t.Helper()
	s := w.record(i).Standing
	if s.State != string(state) || s.Reason != string(reason) {
		w.t.Errorf("stands %s for %q (%s), want %s for %q", s.State, s.Reason, s.Detail, state, reason)
	}
	return s
}

func TestARevokedKeyIsFoundWithinMinutes(t *testing.T) {
	in(t, 1, []option{checking(rotation.CheckRead)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Hour)
		w.wantStanding(0, probe.Works, "")
		puts := w.writes()
		w.s3.Revoke(w.stored(0))
		time.Sleep(12 * time.Minute)
		w.wantStanding(0, probe.Rejected, probe.ReasonCredential)
		r := w.wantState(0, store.StateInSync, "") // the rotation has nothing to do
		if c := r.Conditions(time.Now()); len(c) == 0 || c[0] != store.ConditionRejected {
			t.Errorf("conditions are %v", c)
		}
		if g, err := w.current().Gate(t.Context(), w.destinations[0].Secret, ""); err != nil || g.Verdict != rotation.VerdictStuck {
			t.Errorf("the gate is %s, %v", g.Verdict, err)
		}
		if w.writes() != puts {
			t.Error("a read-only check has written")
		}
		// A rotation mends it.
		w.rotate(0, w.newKey(""))
		time.Sleep(time.Minute)
		w.wantStanding(0, probe.Works, "")
		if c := w.record(0).Conditions(time.Now()); len(c) > 0 {
			t.Errorf("conditions are still %v", c)
		}
	})
}

func TestARevokedKeyIsFoundWhateverElseIsWrong(t *testing.T) {
	for name, trouble := range map[string]func(*world){
		"paused":             func(w *world) { must(w.t, w.current().Pause(w.t.Context(), w.destinations[0].Name, "")) },
		"not writable":       func(w *world) { w.sim.SetCanWrite(w.destinations[0].Name, "owner", false) },
		"a held new version": func(w *world) { w.rotate(0, w.wrongKey("")) },
		"gone from Planet's list": func(w *world) {
			w.sim.Inject(planettest.Fault{Times: 1 << 20, Kind: planettest.Status, Status: 503})
		},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, 1, []option{checking(rotation.CheckRead)}, func(t *testing.T, w *world) {
				w.start()
				time.Sleep(15 * time.Minute)
				key := w.stored(0)
				trouble(w)
				time.Sleep(30 * time.Minute)
				w.wantStanding(0, probe.Works, "")
				w.s3.Revoke(key)
				time.Sleep(35 * time.Minute)
				w.wantStanding(0, probe.Rejected, probe.ReasonCredential)
			})
		})
	}
}

func TestALostPermissionIsFoundByWriting(t *testing.T) {
	in(t, 1, []option{checking(rotation.CheckWrite)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Hour)
		s := w.wantStanding(0, probe.Works, "")
		if time.Since(s.Worked) > 11*time.Minute {
			t.Errorf("it worked last %s ago", time.Since(s.Worked))
		}
		cur := w.src.now(w.destinations[0].Secret)
		w.s3.Allow(cur.id, buckettest.Put, buckettest.Get)
		time.Sleep(12 * time.Minute)
		if s := w.wantStanding(0, probe.Rejected, probe.ReasonPermission); s.Detail == "" {
			t.Error("which permission is not said")
		}
		puts := w.writes()
		time.Sleep(3 * time.Hour)
		if n := w.writes() - puts; n > 0 {
			t.Errorf("%d more objects were written over one that can't be deleted", n)
		}
		w.s3.Allow(cur.id, all...)
		time.Sleep(21 * time.Minute)
		w.wantStanding(0, probe.Works, "")
	})
}

func TestWhatCanNotBeReadCanNotBeTold(t *testing.T) {
	in(t, 1, []option{checking(rotation.CheckRead)}, func(t *testing.T, w *world) {
		w.src.forgets = true
		w.start()
		time.Sleep(15 * time.Minute)
		w.rotate(0, w.wrongKey("")) // held: the version in force is not the current one any more
		time.Sleep(25 * time.Minute)
		w.wantStanding(0, probe.NotTold, probe.ReasonUnreadable)
	})
}

// leaving is a bucket in which Planet's check can't delete, and preflight off,
// so that it gets there.
func leaving(w *world, _ *planettest.Options) { w.settings.Preflight = rotation.PreflightOff }

func (w *world) deliveryKeyOnly() key {
	return w.makeKey("", []buckettest.Action{buckettest.Put, buckettest.Get}, 0)
}

func TestALeftoverIsRemovedByACredentialOfOurOwn(t *testing.T) {
	own := func(w *world, _ *planettest.Options) {
		w.src.put("mem://own", w.newKey(""))
		w.settings.CleanupSecret = "mem://own"
	}
	in(t, 1, []option{leaving, own}, func(t *testing.T, w *world) {
		must(t, w.s3.PutObject("bucket", "other.txt", []byte("not ours")))
		w.start()
		time.Sleep(time.Minute)
		w.rotate(0, w.deliveryKeyOnly())
		time.Sleep(5 * time.Minute)
		if w.has("planetverify.txt") {
			t.Error("the leftover is still there")
		}
		if !w.has("other.txt") {
			t.Error("something else was removed")
		}
		r := w.record(0)
		if !r.Leftover.NoDelete || r.Leftover.State == "present" {
			t.Errorf("leftover is %+v", r.Leftover)
		}
		if c := r.Conditions(time.Now()); len(c) == 0 || c[0] != store.ConditionLeftover {
			t.Errorf("that the credential may not delete is not said: %v", c)
		}
		w.rotate(0, w.newKey(""))
		time.Sleep(5 * time.Minute)
		if w.record(0).Leftover.NoDelete {
			t.Error("it is still said of another credential")
		}
	})
}

func TestNothingIsRemovedUnlessAskedFor(t *testing.T) {
	in(t, 1, []option{leaving}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		w.rotate(0, w.deliveryKeyOnly())
		time.Sleep(13 * time.Hour)
		if !w.has("planetverify.txt") {
			t.Error("the leftover was removed")
		}
		if w.record(0).Leftover.State != "present" {
			t.Errorf("leftover is %s", w.record(0).Leftover.State)
		}
	})
}

func TestALeftoverIsLookedForWithTheProbesOwnCredential(t *testing.T) {
	probing := func(w *world, _ *planettest.Options) {
		k := w.makeKey("", []buckettest.Action{buckettest.Get, buckettest.List}, 0)
		w.src.put("mem://probe", k)
		w.settings.ProbeSecret = "mem://probe"
	}
	in(t, 1, []option{leaving, probing, checking(rotation.CheckRead)}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Minute)
		w.rotate(0, w.makeKey("", []buckettest.Action{buckettest.Put}, 0)) // may not even read
		time.Sleep(5 * time.Minute)
		if l := w.record(0).Leftover; l.State != "present" {
			t.Errorf("leftover is %s (%s)", l.State, l.Detail)
		}
	})
}

// marks is a source's place for marks.
type marks struct {
	mu    sync.Mutex
	marks []string
	fail  bool
}

func (m *marks) mark(_ context.Context, _ credential.Secret, version string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail {
		return errors.New("not permitted")
	}
	m.marks = append(m.marks, version)
	return nil
}

func (m *marks) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.marks...)
}

func TestAReceiptIsMadeCarriedOnAndWithdrawn(t *testing.T) {
	const grace = time.Hour + 17*time.Second // no look ends at just that time
	m := &marks{}
	in(t, 3, []option{func(w *world, _ *planettest.Options) { w.grace, w.mark = grace, m.mark }}, func(t *testing.T, w *world) {
		for i := range w.destinations {
			w.destinations[i].Secret = w.destinations[0].Secret
		}
		secret := w.destinations[0].Secret
		receipt := func() store.Receipt {
			t.Helper()
			rs, err := w.current().store.Receipts(t.Context())
			must(t, err)
			if len(rs) != 1 {
				t.Fatalf("%d receipts", len(rs))
			}
			return rs[0]
		}
		w.start()
		time.Sleep(2 * time.Minute)
		first := w.src.now(secret).version
		if r := receipt(); r.Version != first || !r.Safe.IsZero() || !r.Opens.Equal(r.At.Add(grace)) {
			t.Errorf("after the first sight: %+v", r)
		}
		if len(m.all()) > 0 {
			t.Error("marked before the grace was over")
		}
		time.Sleep(61 * time.Minute)
		if r := receipt(); r.Safe.IsZero() || r.Marked.IsZero() || r.Safe.Before(r.Opens) || r.Safe.Sub(r.Opens) > 5*time.Second {
			t.Errorf("after the grace: %+v", r)
		}
		// A crash and a new life change nothing and write nothing.
		w.kill()
		w.start()
		time.Sleep(20 * time.Minute)
		if got := m.all(); len(got) != 1 || got[0] != first {
			t.Errorf("marks written: %v", got)
		}
		// A version that can't be accepted withdraws it.
		w.rotate(0, w.wrongKey(""))
		time.Sleep(5 * time.Minute)
		if r := receipt(); r.Withdrawn.IsZero() || r.Why == "" || r.Version != first {
			t.Errorf("while another version is held: %+v", r)
		}
		if got := m.all(); len(got) != 2 || got[1] != "" {
			t.Errorf("marks written: %v", got)
		}
		w.rotate(0, w.newKey(""))
		m.mu.Lock()
		m.fail = true
		m.mu.Unlock()
		time.Sleep(90 * time.Minute)
		r := receipt()
		if r.Version != w.src.now(secret).version || r.Safe.IsZero() || !r.Marked.IsZero() || !r.Withdrawn.IsZero() {
			t.Errorf("with a source that takes no mark: %+v", r)
		}
		m.mu.Lock()
		m.fail = false
		m.mu.Unlock()
		time.Sleep(20 * time.Minute)
		if r := receipt(); r.Marked.IsZero() {
			t.Errorf("the mark was not tried again: %+v", r)
		}
	})
}

func TestWhatCanNotBeMarkedIsNotTried(t *testing.T) {
	m := &marks{}
	in(t, 1, []option{func(w *world, _ *planettest.Options) {
		w.mark, w.marks = m.mark, func(credential.Secret) bool { return false }
	}}, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(time.Hour)
		rs, err := w.current().store.Receipts(t.Context())
		must(t, err)
		if len(rs) != 1 || rs[0].Safe.IsZero() || !rs[0].Marked.IsZero() || len(m.all()) > 0 {
			t.Errorf("receipts %+v, marks %v", rs, m.all())
		}
	})
}

func TestARecordThatIsGoneIsMadeAnewByAPerson(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.start()
		time.Sleep(5 * time.Minute)
		w.wantState(0, store.StateInSync, "")
		must(t, w.current().store.Forget(t.Context(), w.destinations[0].Name))
		must(t, w.current().Retry(t.Context(), w.destinations[0].Name))
		time.Sleep(5 * time.Minute)
		w.wantState(0, store.StateInSync, "")
	})
}
