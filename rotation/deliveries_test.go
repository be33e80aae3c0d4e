package rotation_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/rotation"
)

var rotations = flag.Int("rotations", 160, "how many rotations to deliver through")

// aYear is how many rotations one bubble plays: so many for each job.
const aYear, perJob = 40, 10

// notUnderRace leaves a test to scripts/test, which runs it without the race
// detector: it takes ten times as long with it, and finds nothing more.
func notUnderRace(t *testing.T) {
	if raceDetector {
		t.Skip("scripts/test runs it without the race detector")
	}
}

// TestNoDeliveryFails is the promise in one figure: whatever Planet is like and
// whatever goes wrong, a job that revokes the old key as soon as the gate says
// so breaks no delivery, and Planet never gets a key that may not delete.
func TestNoDeliveryFails(t *testing.T) {
	if raceDetector { // one short year is enough to see races
		came := liveAYear(t, *firstSeed, 3, plan{})
		promised(t, came)
		noFailure(t, came)
		return
	}
	sum := live(t, *rotations, plan{}, noFailure)
	t.Log(sum)
	if sum.opened == 0 || sum.revoked == 0 || sum.restarts == 0 {
		t.Errorf("nothing happened: %s", sum)
	}
}

// TestDeliveriesWherePlanetLosesTheOldCredential counts, for there a refusal
// itself breaks deliveries. With preflight what is refused had passed on the
// bucket a moment ago, so that it goes on delivering.
func TestDeliveriesWherePlanetLosesTheOldCredential(t *testing.T) {
	notUnderRace(t)
	for _, mode := range []rotation.PreflightMode{rotation.PreflightRequired, rotation.PreflightAdvisory, rotation.PreflightOff} {
		t.Run(string(mode), func(t *testing.T) {
			t.Log(live(t, *rotations/4, plan{lose: true, preflight: mode}, nil))
		})
	}
}

// TestDeliveriesFailWithoutTheGate shows that the figure can move: the same
// seeds, with a job that does not ask.
func TestDeliveriesFailWithoutTheGate(t *testing.T) {
	notUnderRace(t)
	for _, after := range []time.Duration{0, 5 * time.Minute, 15 * time.Minute} {
		t.Run(fmt.Sprint("revoked after ", after), func(t *testing.T) {
			sum := live(t, *rotations/4, plan{early: func(*rand.Rand) time.Duration { return after }}, nil)
			t.Log(sum)
			if sum.failed == 0 {
				t.Errorf("no delivery failed: %s", sum)
			}
		})
	}
}

// TestBugsInTheGateBreakDeliveries makes sure that the figure moves for each of
// these mistakes too, or that the gate is caught.
func TestBugsInTheGateBreakDeliveries(t *testing.T) {
	notUnderRace(t)
	for _, bug := range []struct {
		name   string
		quirks rotation.Quirks
		first  int64 // the seed to begin with, where others find nothing
	}{
		{"the gate does not wait for deliveries that began before", rotation.Quirks{IgnoreGrace: true}, 1},
		{"the gate takes what is uncertain for certain", rotation.Quirks{BlindGate: true}, 21},
		{"another version does not wait for a lost PATCH", rotation.Quirks{NoFence: true}, 4},
		{"a lost answer is taken for success", rotation.Quirks{TrustLost: true}, 4},
		{"a refusal is taken to have changed nothing", rotation.Quirks{TrustRefusal: true}, 1},
		{"credentials are not tried on the bucket", rotation.Quirks{SkipPreflight: true}, 1},
	} {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			const most = 60
			for seed := bug.first; seed < bug.first+most; seed++ {
				came := liveAYear(t, seed, 4, plan{quirks: bug.quirks, restless: true})
				if came.failed > 0 || len(came.found) > 0 {
					t.Logf("found by seed %d: %d failed deliveries, %q", seed, came.failed, append(came.found, came.failures...)[0])
					return
				}
			}
			t.Errorf("not found by %d seeds", most)
		})
	}
}

// promised has everything but the deliveries.
func promised(t *testing.T, came tally) {
	for _, v := range came.found {
		t.Error(v)
	}
}

func noFailure(t *testing.T, came tally) {
	for _, f := range came.failures {
		t.Error(f)
	}
}

// live plays as many years as the rotations take and lets judge, if there is
// one, look at each; that no other promise was broken is seen to here.
func live(t *testing.T, rotations int, p plan, judge func(*testing.T, tally)) *tally {
	var mu sync.Mutex
	sum := &tally{}
	begun := time.Now()
	t.Run("years", func(t *testing.T) {
		for i := range int64((rotations + aYear - 1) / aYear) {
			seed := *firstSeed + i
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				came := liveAYear(t, seed, perJob, p)
				promised(t, came)
				if judge != nil {
					judge(t, came)
				}
				if t.Failed() {
					t.Logf("run again with: go test ./rotation -run '%s' -rotations %d -seed %d", t.Name(), aYear, seed)
					for _, line := range came.trace {
						t.Log(line)
					}
				}
				if testing.Verbose() {
					t.Log(&came) // a long run can be watched
				}
				mu.Lock()
				defer mu.Unlock()
				sum.add(came)
			})
		}
	})
	t.Logf("took %v", time.Since(begun).Round(time.Second))
	return sum
}
