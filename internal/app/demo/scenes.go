package demo

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// scene is one part of the demo.
type scene struct {
	title string
	play  func(context.Context, *stage) error
}

func scenes() []scene {
	return []scene{
		{"1. The daemon starts and sees its destinations for the first time", firstSight},
		{"2. A key is rotated", plainRotation},
		{"3. All keys are rotated at once, while Planet throttles, fails and hangs up", storm},
		{"4. Three bad keys: one may not delete, one is wrong, one takes a while to work", badKeys},
		{"5. The same bad key where preflight is switched off", leftover},
		{"6. What Prometheus sees", prometheus},
		{"7. Somebody repairs the keys", repair},
	}
}

// patience is how long a scene waits for what must happen; it is far more
// than it takes.
const patience = 20 * time.Second

var everything = []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}

func inSync(st web.Status) bool { return st.State == store.StateInSync && !st.Due }

// accepted waits until Planet holds the key that is in a destination's secret.
func (s *stage) accepted(ctx context.Context, name string) (web.Status, error) {
	return s.until(ctx, name, patience, func(st web.Status) bool { return s.holds(name, s.keys[name]) && inSync(st) })
}

func firstSight(ctx context.Context, s *stage) error {
	for _, name := range names {
		if _, err := s.until(ctx, name, patience, inSync); err != nil {
			return err
		}
	}
	all, err := s.client.Status(ctx)
	if err != nil {
		return err
	}
	synced := !slices.ContainsFunc(all, func(st web.Status) bool { return !inSync(st) })
	s.check(synced && s.patches() == len(names), "%d destinations were tried on the bucket, sent to Planet once, and are in sync", len(names))
	return nil
}

func (s *stage) patches() (n int) {
	for _, r := range s.sim.Requests() {
		if r.Method == http.MethodPatch {
			n++
		}
	}
	return n
}

func plainRotation(ctx context.Context, s *stage) error {
	// Planet's limit counts the requests of the last second; without them the
	// time below is rotatord's own.
	rest(ctx, 1300*time.Millisecond)
	before := s.patches()
	k := s.newKey(0, everything...)
	begun := time.Now()
	if err := s.putSecret("imagery", k); err != nil {
		return err
	}
	s.say("  imagery: a new key is renamed into %s", "secrets/imagery.json")
	if _, err := s.accepted(ctx, "imagery"); err != nil {
		return err
	}
	var took time.Duration
	for _, r := range s.sim.Requests() {
		if r.Method == http.MethodPatch && !r.Effect.IsZero() && r.Effect.After(begun) {
			took = r.Effect.Sub(begun)
		}
	}
	s.check(s.holds("imagery", k) && s.patches() == before+1,
		"Planet holds the new key %d ms after the file changed: noticed, tried on the bucket, sent in one PATCH", took.Milliseconds())
	return nil
}

func rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func storm(ctx context.Context, s *stage) error {
	for _, f := range []planettest.Fault{
		{Method: http.MethodPatch, Path: "/" + s.ids["basemaps"], Kind: planettest.Status, Status: 429, RetryAfter: "1"},
		{Method: http.MethodPatch, Path: "/" + s.ids["alerts"], Kind: planettest.Status, Status: 503},
		{Method: http.MethodPatch, Path: "/" + s.ids["archive"], Kind: planettest.Cut, Effect: planettest.EffectLate, Delay: 2 * time.Second},
	} {
		s.sim.Inject(f)
	}
	for _, name := range names {
		if err := s.putSecret(name, s.newKey(0, everything...)); err != nil {
			return err
		}
	}
	s.say("  %d secrets change", len(names))
	ok := true
	for _, name := range names {
		if _, err := s.accepted(ctx, name); err != nil {
			return err
		}
		ok = ok && s.holds(name, s.keys[name])
	}
	s.check(ok, "Planet holds all %d new keys", len(names))
	s.check(s.sim.MaxInWindow(time.Second) <= 3, "never more than 3 requests in any second")
	return nil
}

func badKeys(ctx context.Context, s *stage) error {
	before := map[string]key{"imagery": s.keys["imagery"], "elevation": s.keys["elevation"]}
	noDelete := s.newKey(0, buckettest.Put, buckettest.Get)
	wrong := s.newKey(0, everything...)
	s.buckets.Revoke(wrong.id)
	slow := s.newKey(3*time.Second, everything...)
	for _, c := range []struct {
		name, what string
		key        key
	}{
		{"imagery", "a key that may put and get but not delete", noDelete},
		{"elevation", "a key that the bucket does not know", wrong},
		{"basemaps", "a key that begins to work in 3 seconds, as new cloud keys do", slow},
	} {
		s.say("  %-9s %s", c.name, c.what)
		if err := s.putSecret(c.name, c.key); err != nil {
			return err
		}
	}
	held := func(st web.Status) bool { return st.State == store.StateHeld }
	if _, err := s.accepted(ctx, "basemaps"); err != nil {
		return err
	}
	s.check(s.holds("basemaps", slow), "basemaps: the slow key was waited for, and Planet holds it")
	st, err := s.until(ctx, "imagery", patience, held)
	if err != nil {
		return err
	}
	if _, err = s.until(ctx, "elevation", patience, held); err != nil {
		return err
	}
	s.check(held(st) && strings.Contains(st.Detail, "s3:DeleteObject") && s.holds("imagery", before["imagery"]) && s.delivers("imagery"),
		"imagery: held, s3:DeleteObject is missing; Planet keeps the old key, which works")
	if st, err = s.status(ctx, "elevation"); err != nil {
		return err
	}
	s.check(held(st) && s.holds("elevation", before["elevation"]) && s.delivers("elevation"),
		"elevation: held, the bucket does not know the key; Planet keeps the old key, which works")
	return nil
}

func leftover(ctx context.Context, s *stage) error {
	s.say(`  unguarded: a key that may not delete; preflight = "off", so Planet gets it`)
	if err := s.putSecret("unguarded", s.newKey(0, buckettest.Put, buckettest.Get)); err != nil {
		return err
	}
	present := func(st web.Status) bool { return st.Leftover.State == "present" }
	st, err := s.until(ctx, "unguarded", patience, present)
	if err != nil {
		return err
	}
	s.check(present(st) && slices.Contains(s.buckets.Objects(bucketName), planettest.Object),
		"unguarded: Planet accepted it and could not delete its %s; rotatord found it there", planettest.Object)
	return nil
}

func prometheus(ctx context.Context, s *stage) error {
	text, err := s.metrics(ctx)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		for _, want := range []string{
			`rotatord_destination_state{destination="` + s.ids["imagery"] + `",state="held"} 1`,
			`rotatord_destination_state{destination="` + s.ids["basemaps"] + `",state="in_sync"} 1`,
			`rotatord_destination_state_reason{destination="` + s.ids["elevation"] + `",reason="preflight_refused"} 1`,
			`rotatord_leftover{destination="` + s.ids["unguarded"] + `",state="present"} 1`,
		} {
			if line == want {
				found[want] = true
				s.line("           " + s.paint(cyan, line))
			}
		}
	}
	s.check(len(found) == 4, "/metrics says so before any delivery has failed")
	s.check(!strings.Contains(text, "demo-secret-") && !strings.Contains(text, apiKey), "and holds no secret")
	return nil
}

func repair(ctx context.Context, s *stage) error {
	for _, name := range []string{"imagery", "elevation", "unguarded"} {
		if err := s.putSecret(name, s.newKey(0, everything...)); err != nil {
			return err
		}
	}
	s.say("  imagery, elevation and unguarded get keys that work")
	ok := true
	for _, name := range names {
		if _, err := s.accepted(ctx, name); err != nil {
			return err
		}
		ok = ok && s.holds(name, s.keys[name]) && s.delivers(name)
	}
	s.check(ok, "every destination is in sync, and Planet can deliver to each")
	return nil
}
