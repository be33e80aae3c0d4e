package rotation_test

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
)

// probeEvery is how often leftovers are looked for in a year.
const probeEvery = time.Hour

// TestEveryLeftoverIsFoundAtTheNextProbe has no preflight, so that keys that
// may not delete get to Planet, whose check then leaves its object behind; and
// somebody else leaves one now and then.
func TestEveryLeftoverIsFoundAtTheNextProbe(t *testing.T) {
	notUnderRace(t)
	sum := live(t, *rotations/4, plan{preflight: rotation.PreflightOff, leftovers: true}, nil)
	t.Logf("%s; %d leftovers found", sum, sum.leftovers)
	if sum.leftovers == 0 {
		t.Error("there was no leftover to find")
	}
}

// watchLeftovers compares, every other minute until it is stopped, what lies in the
// buckets with what the records say.
func (y *year) watchLeftovers() (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	since := make([]time.Time, len(y.destinations)) // since when an object lies there
	told := make([]bool, len(y.destinations))       // that it does
	go func() {
		defer close(ended)
		for {
			select {
			case <-stopped:
				return
			case <-time.After(2 * time.Minute):
			}
			for i := range y.destinations {
				y.watchLeftover(i, &since[i], &told[i])
			}
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
}

func (y *year) watchLeftover(i int, since *time.Time, told *bool) {
	if !y.lies(i) {
		*since, *told = time.Time{}, false
		return
	}
	if since.IsZero() {
		*since = time.Now()
	}
	r, err := y.record1(i)
	if err != nil || !r.Leftover.CheckedAt.After(*since) {
		return
	}
	switch r.Leftover.State {
	case "present":
		if !*told {
			y.count(&y.tally.leftovers)
		}
		*told = true
	case "absent", "absent_inferred":
		y.violation("a probe of %d at %v says %s, and an object lies there since %v", i, r.Leftover.CheckedAt.UTC(), r.Leftover.State, since.UTC())
	}
}

// lies tells whether the object of Planet's check is in a bucket.
func (y *year) lies(i int) bool {
	_, ok := y.s3.Object(bucketOf(i), planettest.Object)
	return ok
}

// leaveAndLook is a time without faults: half of the secrets get a key that may
// not delete, strangers leave objects in the buckets of the others, and after
// the next probe the records must say what there is.
func (y *year) leaveAndLook() {
	for n, j := range y.jobs {
		if n%2 == 0 {
			j.announceNew(j.makeKey([]buckettest.Action{buckettest.Put, buckettest.Get}, 0))
			continue
		}
		for _, i := range j.uses {
			must(y.t, y.s3.PutObject(bucketOf(i), planettest.Object, []byte("somebody")))
		}
	}
	// A version that is found by the schedule comes up to a quarter of an hour late.
	time.Sleep(20*time.Minute + probeEvery + y.settings.LeftoverConfirm + time.Minute)
	for i := range y.destinations {
		if !y.lies(i) {
			y.violation("nothing was left in the bucket of %d", i)
		}
		if r := y.record(i); r.Leftover.State != "present" {
			y.violation("an object lies in the bucket of %d, and after the next probe the record says %s (%s)", i, r.Leftover.State, r.Leftover.Detail)
		}
	}
}

// The answer to the PATCH whose check left the object is lost, and Planet takes
// the same version again without checking it: the object is older than the push
// that was accepted, and tells of this version all the same.
func TestWhatALostPatchLeftBehindIsNoOldLeftover(t *testing.T) {
	opts := []option{leaving, behave(planettest.Behaviour{RepeatSkipsVerify: true})}
	in(t, 1, opts, func(t *testing.T, w *world) {
		secret := w.destinations[0].Secret
		w.start()
		time.Sleep(time.Minute)
		w.sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Status, Status: 504, Effect: planettest.EffectNow})
		k := w.makeKey("", []buckettest.Action{buckettest.Put, buckettest.Get}, 0)
		w.rotate(0, k)
		time.Sleep(10 * time.Minute)
		w.wantStored(0, k)
		w.wantGate(w.gate(secret, k.version), rotation.VerdictStuck)
		// So it stays when the same version is pushed once more.
		_, err := w.current().PushVersion(t.Context(), w.destinations[0].Name, "", 0)
		must(t, err)
		time.Sleep(10 * time.Minute)
		w.wantGate(w.gate(secret, k.version), rotation.VerdictStuck)
	})
}

// Without preflight nothing but the look after the push tells of a credential:
// a gate must not open before there was one.
func TestWhatWasPushedUntriedWaitsForALookAtItsBucket(t *testing.T) {
	in(t, 1, []option{leaving}, func(t *testing.T, w *world) {
		secret := w.destinations[0].Secret
		way := &gateway{RoundTripper: w.s3.RoundTripper()}
		w.destinations[0].Open = kindsVia(way).Open
		w.start()
		time.Sleep(time.Minute)
		way.set(true)
		k := w.newKey("")
		w.rotate(0, k)
		time.Sleep(10 * time.Minute)
		w.wantStored(0, k)
		w.wantGate(w.gate(secret, k.version), rotation.VerdictPending)
		way.set(false)
		time.Sleep(7 * time.Hour) // the next probe
		w.wantGate(w.gate(secret, k.version), rotation.VerdictSafe)
	})
}

// Planet has lost the old credential to one that it refused, and takes the
// second try of it unseen.
func TestWhatTheBucketDoesNotTakeOpensNoGate(t *testing.T) {
	opts := []option{leaving, behave(planettest.Behaviour{RepeatSkipsVerify: true, LoseOnRefusal: true})}
	in(t, 1, opts, func(t *testing.T, w *world) {
		secret := w.destinations[0].Secret
		w.start()
		time.Sleep(time.Minute)
		w.src.setForgets(true) // so that the old one is not put back
		k := w.wrongKey("")
		w.rotate(0, k)
		time.Sleep(30 * time.Minute)
		if r := w.record(0); r.Accepted == nil || r.Accepted.Version != k.version {
			t.Fatalf("planet has not accepted the wrong key: %+v", r.Status)
		}
		w.wantGate(w.gate(secret, k.version), rotation.VerdictStuck)
	})
}
