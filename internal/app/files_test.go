package app_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// fast lets a test not wait for the rate limit where that is not its subject.
func fast(w *world) { w.account = "requests_per_second = 50" }

func perSecond(n int) option { return func(o *planettest.Options) { o.PerSecond = n } }

// story is a test of one destination among many of one daemon.
type story struct {
	name     string
	put      func(*destination, key)
	settings string
	tell     func(t *testing.T, w *world, c *app.Connection, d *destination)
}

// wait waits for a state and its reason.
func wait(t testing.TB, c *app.Connection, d *destination, state store.State, reason store.Reason) web.Status {
	t.Helper()
	var s web.Status
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if s = status(t, c, d); s.State == state && s.Reason == reason && !s.Due {
			return s
		}
	}
	t.Fatalf("%s is %s/%s (%s), want %s/%s", d.id, s.State, s.Reason, s.Detail, state, reason)
	return s
}

func person(t testing.TB, c *app.Connection, verb string, d *destination) {
	t.Helper()
	_, err := c.Person(context.Background(), verb, web.Request{Destinations: []string{d.id}, Note: "test"})
	must(t, err)
}

// rotated changes the secret and waits until Planet has the new key.
func rotated(t *testing.T, _ *world, c *app.Connection, d *destination) {
	for range 2 {
		k := d.rotate()
		until(t, "planet holds the new key of "+d.id, func() bool { return d.held(k) })
	}
	until(t, d.id+" is in sync", func() bool { return d.settled(c) })
	s := wait(t, c, d, store.StateInSync, "")
	if s.Leftover.State != "absent_inferred" || s.Accepted == nil || s.Source == nil || s.Accepted.Version != s.Source.Version {
		t.Errorf("%s: leftover %q, accepted %v, source %v", d.id, s.Leftover.State, s.Accepted, s.Source)
	}
	if got := len(d.w.patches(d)); got != 3 {
		t.Errorf("%d PATCHes for first sight and two rotations", got)
	}
}

func TestWhatHappensToASecretReachesPlanetOrIsAState(t *testing.T) {
	t.Parallel()
	stories := []story{
		{"a file that is renamed into place", renamed, "", rotated},
		{"a file that is written in place", inPlace, "", rotated},
		{"a directory whose ..data is swapped", mounted, "", rotated},
		{"a directory of keys", keyByKey, "", rotated},
		{"a key that takes a while to work", renamed, "", tellSlowKey},
		{"a key that lacks a permission", renamed, `propagation_window = "0s"`, tellRefused},
		{"a key that leaves a file behind", renamed, "preflight = \"off\"\nleftover_confirm = \"1s\"", tellLeftover},
		{"a secret that is no credential", renamed, "", tellInvalid},
		{"a secret that goes missing", renamed, "", tellMissing},
		{"a destination that is somebody else's", renamed, "", tellForeign},
		{"a destination that is paused", renamed, "", tellPaused},
		{"a PATCH whose answer is lost", renamed, `verification_max = "3s"`, tellLostAnswer},
		{"a version that planet refuses", renamed, `propagation_window = "0s"`, tellRefusedByPlanet},
	}
	w := newWorld(t, perSecond(50))
	fast(w)
	var all []*destination
	for i, s := range stories {
		all = append(all, w.add(fmt.Sprintf("dest-%02d", i), s.put, s.settings))
	}
	w.configure()
	daemon := w.run()
	c := w.reach()
	for _, d := range all {
		wait(t, c, d, store.StateInSync, "")
	}
	t.Run("each", func(t *testing.T) {
		for i, s := range stories {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(t, w, c, all[i])
			})
		}
	})
	w.checkRequests(50)
	w.checkNoSecret(daemon, c)
	daemon.stop()
}

func tellSlowKey(t *testing.T, w *world, c *app.Connection, d *destination) {
	k := d.makeKey(time.Now().Add(time.Hour), allowed...)
	d.give(k)
	wait(t, c, d, store.StateWaiting, store.ReasonPropagation)
	w.s3.AddKey(buckettest.Key{ID: k.id, Secret: k.secret, Buckets: []string{d.bucket}, Allow: allowed})
	wait(t, c, d, store.StateInSync, "")
	if !d.held(k) {
		t.Error("planet does not hold the key that took a while")
	}
}

func tellRefused(t *testing.T, w *world, c *app.Connection, d *destination) {
	first := d.newest()
	k := d.makeKey(time.Time{}, buckettest.Put, buckettest.Get)
	d.give(k)
	s := wait(t, c, d, store.StateHeld, store.ReasonPreflightRefused)
	if !strings.Contains(s.Detail, "s3:DeleteObject") {
		t.Errorf("the detail %q does not name the missing permission", s.Detail)
	}
	if !d.held(first) {
		t.Error("planet was given what preflight refused")
	}
	w.s3.Allow(k.id, allowed...)
	person(t, c, "retry", d)
	wait(t, c, d, store.StateInSync, "")
	if !d.held(k) {
		t.Error("planet does not hold the key that was mended")
	}
}

func tellLeftover(t *testing.T, _ *world, c *app.Connection, d *destination) {
	d.give(d.makeKey(time.Time{}, buckettest.Put, buckettest.Get))
	until(t, "the leftover is confirmed", func() bool { return status(t, c, d).Leftover.State == "present" })
}

func tellInvalid(t *testing.T, _ *world, c *app.Connection, d *destination) {
	first := d.newest()
	must(t, os.WriteFile(d.path+".new", []byte(`{"access_key_id": "`+canary+`"}`), 0o600))
	must(t, os.Rename(d.path+".new", d.path))
	wait(t, c, d, store.StateHeld, store.ReasonValueInvalid)
	if !d.held(first) {
		t.Error("planet does not hold the last good key")
	}
	d.rotate()
	until(t, "a good value mends it", func() bool { return d.settled(c) })
}

func tellMissing(t *testing.T, _ *world, c *app.Connection, d *destination) {
	must(t, os.Remove(d.path))
	until(t, "the missing file is a state", func() bool { return status(t, c, d).State == store.StateFailing })
	if s := status(t, c, d); s.Reason == "" || s.Detail == "" {
		t.Errorf("a missing file is %s/%s (%s)", s.State, s.Reason, s.Detail)
	}
	d.rotate()
	until(t, "the file is back", func() bool { return d.settled(c) })
}

func tellForeign(t *testing.T, w *world, c *app.Connection, d *destination) {
	w.sim.SetCanWrite(d.id, "owner", false)
	d.rotate()
	wait(t, c, d, store.StateBlocked, store.ReasonNotWritable)
	// All destinations of the account share one list. Where another one has
	// just had it asked anew, this one is known to be foreign without a PATCH.
	if n := len(w.patches(d)); n != 1 && n != 2 {
		t.Errorf("%d PATCHes, want one at first sight and at most one that is refused", n)
	}
}

// Retry is a person's word that the cause is gone: what Planet said of the
// destination before does not count any more.
func TestRetryAsksPlanetAnewWhetherADestinationMayBeWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add("foreign", renamed)
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	tellForeign(t, w, c, d)
	if n := len(w.patches(d)); n != 2 {
		t.Errorf("%d PATCHes, want one at first sight and one that is refused: nobody else has renewed the list", n)
	}
	w.sim.SetCanWrite(d.id, "owner", true)
	person(t, c, "retry", d)
	after, err := c.Sync(context.Background(), web.Request{Destinations: []string{d.id}})
	must(t, err)
	if after[0].State != store.StateInSync || !d.held(d.newest()) {
		t.Errorf("after the retry it is %s/%s (%s)", after[0].State, after[0].Reason, after[0].Detail)
	}
	daemon.stop()
}

func tellPaused(t *testing.T, w *world, c *app.Connection, d *destination) {
	person(t, c, "pause", d)
	before := len(w.patches(d))
	wait(t, c, d, store.StatePaused, "")
	d.rotate()
	// Asked for by hand it is looked at, and left alone all the same.
	_, err := c.Sync(context.Background(), web.Request{Destinations: []string{d.id}})
	must(t, err)
	if s := status(t, c, d); s.State != store.StatePaused || len(w.patches(d)) != before {
		t.Errorf("while paused it is %s and has had %d more PATCHes", s.State, len(w.patches(d))-before)
	}
	person(t, c, "resume", d)
	until(t, "the key is accepted", func() bool { return d.settled(c) })
}

func tellLostAnswer(t *testing.T, w *world, c *app.Connection, d *destination) {
	w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + d.id, Kind: planettest.Cut, Effect: planettest.EffectNow})
	d.rotate()
	wait(t, c, d, store.StateUnknown, store.ReasonOutcomeUnknown)
	until(t, "it was sent again", func() bool { return d.settled(c) })
}

func tellRefusedByPlanet(t *testing.T, w *world, c *app.Connection, d *destination) {
	w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + d.id, Kind: planettest.Status, Status: http.StatusBadRequest})
	d.rotate()
	// A file keeps no old versions, so that the last one can't be put back.
	until(t, "the refused version is held", func() bool { return status(t, c, d).State == store.StateHeld })
	if s := status(t, c, d); !s.Uncertain || s.Detail == "" || s.Reason != store.ReasonRestoreFailed {
		t.Errorf("refused: %s/%s (%s), uncertain %v", s.State, s.Reason, s.Detail, s.Uncertain)
	}
	person(t, c, "retry", d)
	until(t, "it was sent again", func() bool { return d.settled(c) })
}
