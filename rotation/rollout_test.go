package rotation_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// shared makes a world in which n destinations use one secret, rolled out by a
// canary.
func shared(t *testing.T, n int, opts ...option) *world {
	t.Helper()
	w := newWorld(t, 1, n, opts...)
	for i := range w.destinations {
		w.destinations[i].Secret = w.destinations[0].Secret
		w.destinations[i].Rollout = rotation.RolloutCanary
	}
	return w
}

// sentTo are the destinations that were sent something since a request, in
// order.
func (w *world) sentTo(since int) (paths []string) {
	for _, r := range w.sim.Requests() {
		if r.Method == http.MethodPatch && r.Number > since {
			paths = append(paths, r.Path)
		}
	}
	return paths
}

// end takes a world down.
func (w *world) end() {
	w.stop()
	w.sim.Close()
	w.checkNoSecret()
}

func (w *world) lastRequest() int {
	all := w.sim.Requests()
	return all[len(all)-1].Number
}

func TestOneGoesFirstAndTheOthersFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, 5, behave(planettest.Behaviour{VerifyDelay: 20 * time.Second}))
		w.start()
		time.Sleep(5 * time.Minute)
		since := w.lastRequest()
		w.rotate(0, w.newKey(""))
		time.Sleep(15 * time.Second)
		if sent := w.sentTo(since); len(sent) != 1 || !strings.HasSuffix(sent[0], "/"+w.destinations[0].Name) {
			t.Errorf("after 15 s %v were sent it, want the first alone", sent)
		}
		if r := w.record(3); r.Status.State != store.StateWaiting || r.Status.Reason != store.ReasonRollout {
			t.Errorf("another one is %s/%s", r.Status.State, r.Status.Reason)
		}
		time.Sleep(45 * time.Second)
		if sent := w.sentTo(since); len(sent) != 5 {
			t.Errorf("after a minute %v were sent it", sent)
		}
		for i := range w.destinations {
			if r := w.record(i); r.Status.State != store.StateInSync {
				t.Errorf("%d is %s/%s", i, r.Status.State, r.Status.Reason)
			}
		}
		w.end()
	})
}

func TestARefusalByPlanetStopsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, 4, func(w *world, _ *planettest.Options) { w.settings.Propagation = 0 })
		w.start()
		time.Sleep(time.Minute)
		first := w.destinations[0].Name
		w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + first, Times: 1, Kind: planettest.Status, Status: 400})
		since, good := w.lastRequest(), w.stored(1)
		w.rotate(0, w.newKey(""))
		time.Sleep(time.Hour)
		for _, path := range w.sentTo(since) {
			if !strings.HasSuffix(path, "/"+first) {
				t.Errorf("%s was sent something", path)
			}
		}
		for i := range w.destinations {
			r := w.record(i)
			want := store.ReasonRolloutStopped
			if i == 0 {
				want = store.ReasonPlanetRefused
			}
			if r.Status.State != store.StateHeld || r.Status.Reason != want || r.Status.Detail == "" {
				t.Errorf("%d is %s/%s (%s)", i, r.Status.State, r.Status.Reason, r.Status.Detail)
			}
		}
		if w.stored(1) != good || w.stored(0) != good {
			t.Error("the previous credential is not in force any more")
		}
		// A person has seen to it.
		must(t, w.current().Retry(t.Context(), first))
		time.Sleep(time.Minute)
		for i := range w.destinations {
			if r := w.record(i); r.Status.State != store.StateInSync {
				t.Errorf("after a retry %d is %s/%s", i, r.Status.State, r.Status.Reason)
			}
		}
		w.end()
	})
}

// The one that was refused is tried again inside the propagation window, and
// the others wait for it and not it for them.
func TestOneThatIsRefusedForAWhileStillGoesFirst(t *testing.T) {
	for name, times := range map[string]int{"refused three times": 3, "refused for good": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := shared(t, 3, func(w *world, _ *planettest.Options) { w.settings.Propagation = 5 * time.Minute })
				w.start()
				time.Sleep(time.Minute)
				w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + w.destinations[0].Name, Times: times, Kind: planettest.Status, Status: 400})
				w.rotate(0, w.newKey(""))
				time.Sleep(2 * time.Hour)
				for i := range w.destinations {
					r := w.record(i)
					switch {
					case times > 0 && r.Status.State != store.StateInSync,
						times < 0 && i == 0 && (r.Status.State != store.StateHeld || r.Status.Reason != store.ReasonRestoreFailed),
						times < 0 && i > 0 && (r.Status.State != store.StateHeld || r.Status.Reason != store.ReasonRolloutStopped):
						t.Errorf("%d is %s/%s (%s)", i, r.Status.State, r.Status.Reason, r.Status.Detail)
					}
				}
				w.end()
			})
		})
	}
}

func TestOneThatCanNotGoFirstPassesItsTurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shared(t, 3)
		w.start()
		time.Sleep(time.Minute)
		w.sim.SetCanWrite(w.destinations[0].Name, "owner", false)
		must(t, w.current().Pause(t.Context(), w.destinations[1].Name, "not now"))
		time.Sleep(time.Minute)
		w.rotate(0, w.newKey(""))
		time.Sleep(5 * time.Minute)
		if r := w.record(2); r.Status.State != store.StateInSync || r.Accepted.Version != w.src.now(w.destinations[0].Secret).version {
			t.Errorf("the third is %s/%s", r.Status.State, r.Status.Reason)
		}
		must(t, w.current().Resume(t.Context(), w.destinations[1].Name))
		time.Sleep(time.Minute)
		if r := w.record(1); r.Status.State != store.StateInSync {
			t.Errorf("the second is %s/%s", r.Status.State, r.Status.Reason)
		}
		w.end()
	})
}

// TestRollOutsThroughFaults holds the promises where all destinations share a
// secret, under faults and kills; and that never two of them tried a version
// at Planet before one had proved it.
func TestRollOutsThroughFaults(t *testing.T) {
	for seed := range int64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(uint64(seed), 7))
				w := shared(t, 4, behave(planettest.Behaviour{VerifyDelay: time.Duration(r.IntN(20)) * time.Second}))
				w.start()
				time.Sleep(5 * time.Minute)
				w.sim.SetFaults(planettest.FaultRates{TooMany: .05, ServerError: .15, CutBefore: .1, CutAfter: .1, CutLate: .1, MaxDelay: 60 * time.Second})
				for range 8 {
					allow := all
					if r.IntN(4) == 0 {
						allow = []buckettest.Action{buckettest.Put, buckettest.Get}
					}
					w.rotate(0, w.makeKey("", allow, time.Duration(r.IntN(120))*time.Second))
					time.Sleep(time.Duration(r.IntN(400)) * time.Second)
					if r.IntN(3) == 0 {
						w.kill()
						time.Sleep(time.Duration(r.IntN(30)) * time.Second)
						w.start()
					}
				}
				w.sim.ClearFaults()
				w.sim.SetFaults(planettest.FaultRates{})
				w.rotate(0, w.newKey(""))
				time.Sleep(90 * time.Minute)
				cur := w.src.now(w.destinations[0].Secret)
				for i := range w.destinations {
					if rec := w.record(i); rec.Status.State != store.StateInSync || w.stored(i) != cur.id {
						t.Errorf("%d is %s/%s (%s), planet holds %s, want %s", i, rec.Status.State, rec.Status.Reason, rec.Status.Detail, w.stored(i), cur.id)
					}
				}
				w.checkRequests()
				w.end()
			})
		})
	}
}

func TestWhoMayBeSentAVersionOfASharedSecret(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	peer := func(name string, f store.Facts) store.Record { return store.Record{Destination: name, Facts: f} }
	proved := store.Facts{Accepted: &store.Accepted{Version: "v2"}}
	unchecked := store.Facts{Accepted: &store.Accepted{Version: "v2", Unchecked: true}}
	left := store.Facts{Accepted: &store.Accepted{Version: "v2"}, Leftover: store.Leftover{State: "present", NoDelete: true}}
	refused := store.Facts{Hold: &store.Hold{Version: "v2", Reason: store.ReasonPlanetRefused}}
	inBucket := store.Facts{Hold: &store.Hold{Version: "v2", Reason: store.ReasonPreflightRefused}}
	underWay := store.Facts{Inflight: &store.Inflight{Version: "v2"}}
	lost := store.Facts{Uncertain: true, Fence: &store.Fence{Version: "v2", Until: now.Add(time.Minute)}}
	adopted := store.Facts{Accepted: &store.Accepted{Version: "v2", Adopted: true}}
	for name, tc := range map[string]struct {
		own    store.Facts
		peers  []store.Record
		action rotation.Action
		reason store.Reason
	}{
		"first by name":                        {peers: []store.Record{peer("n", store.Facts{}), peer("z", store.Facts{})}, action: rotation.ActionPush},
		"another is first by name":             {peers: []store.Record{peer("a", store.Facts{})}, action: rotation.ActionWait, reason: store.ReasonRollout},
		"one has proved it":                    {peers: []store.Record{peer("a", proved), peer("b", store.Facts{})}, action: rotation.ActionPush},
		"its parameters are to be compared":    {peers: []store.Record{peer("z", unchecked)}, action: rotation.ActionWait, reason: store.ReasonRollout},
		"it left an object":                    {peers: []store.Record{peer("z", left)}, action: rotation.ActionNothing, reason: store.ReasonRolloutStopped},
		"planet refused it there":              {peers: []store.Record{peer("z", refused)}, action: rotation.ActionNothing, reason: store.ReasonRolloutStopped},
		"refused here, proved there":           {peers: []store.Record{peer("a", refused), peer("b", proved)}, action: rotation.ActionPush},
		"its own bucket refused it there":      {peers: []store.Record{peer("a", inBucket)}, action: rotation.ActionPush},
		"one is under way":                     {peers: []store.Record{peer("z", underWay)}, action: rotation.ActionWait, reason: store.ReasonRollout},
		"one got no answer":                    {peers: []store.Record{peer("z", lost)}, action: rotation.ActionWait, reason: store.ReasonRollout},
		"ours got no answer":                   {own: lost, peers: []store.Record{peer("a", store.Facts{})}, action: rotation.ActionPush},
		"one was never sent it, nor will be":   {peers: []store.Record{peer("a", adopted)}, action: rotation.ActionPush},
		"the other is paused":                  {peers: []store.Record{peer("a", store.Facts{Paused: &store.Paused{}})}, action: rotation.ActionPush},
		"ours failed in its bucket":            {own: store.Facts{Trial: &store.Trial{Version: "v2", Reason: store.ReasonPropagation}}, peers: []store.Record{peer("z", store.Facts{})}, action: rotation.ActionWait, reason: store.ReasonRollout},
		"planet refused it here":               {own: store.Facts{Trial: &store.Trial{Version: "v2", Reason: store.ReasonPlanetRefused}}, peers: []store.Record{peer("a", store.Facts{})}, action: rotation.ActionPush},
		"all failed in their buckets":          {own: store.Facts{Trial: &store.Trial{Version: "v2", Reason: store.ReasonPropagation}}, peers: []store.Record{peer("a", inBucket)}, action: rotation.ActionPush},
		"stopped, and planet may hold another": {own: store.Facts{Accepted: &store.Accepted{Version: "v1"}, Uncertain: true}, peers: []store.Record{peer("z", refused)}, action: rotation.ActionRestore},
	} {
		t.Run(name, func(t *testing.T) {
			s := rotation.Snapshot{Now: now, Settings: rotation.Settings{Rollout: rotation.RolloutCanary, RestorePrevious: true}, Facts: tc.own,
				Current: credential.Version{ID: "v2"}}
			d := rotation.RollOut(s, rotation.Decision{Action: rotation.ActionPush, Version: "v2"}, "m", tc.peers)
			if d.Action != tc.action || d.Reason != tc.reason {
				t.Errorf("%s %s (%s)", d.Action, d.Reason, d.Detail)
			}
		})
	}
}
