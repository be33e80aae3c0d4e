package integration

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var rotations = flag.Int("rotations", 200, "how many keys TestEveryKeyIsRevokedAndPlanetNeverHoldsADeadOne rotates")

// The rotations go on in some destinations at once, each with its own user,
// since no user has more than two keys.
const lanes = 4

// A key that Planet holds has to work at every moment: Planet does not look
// again before it delivers. So while the keys of several users are rotated and
// each old one is deleted the moment that rotatord says the new one is accepted,
// deliveries are made with whatever key Planet holds just then.
func TestEveryKeyIsRevokedAndPlanetNeverHoldsADeadOne(t *testing.T) {
	const perSecond = 100 // Planet allows 3: see below
	c := newChain(t, perSecond)
	w, taken := c.rotateAll(*rotations)
	if w.made < *rotations {
		t.Errorf("only %d deliveries were made beside %d rotations: nothing is proved", w.made, *rotations)
	}
	asked := c.judge(*rotations)
	slices.Sort(taken)
	t.Logf("%d rotations over %d destinations, from AWSCURRENT to accepted %s in the middle, %s at most; %d deliveries meanwhile, "+
		"%d more while the key was changed; at most %d requests to Planet in a second; of rotatord: %v",
		len(taken), lanes, taken[len(taken)/2].Round(time.Millisecond), taken[len(taken)-1].Round(time.Millisecond),
		w.made, w.met, c.sim.MaxInWindow(time.Second), asked)
}

// The same at the pace that Planet allows.
func TestKeysAreRotatedAtPlanetsPace(t *testing.T) {
	t.Parallel()
	c := newChain(t, 3)
	c.rotateAll(3 * lanes)
	c.judge(3 * lanes)
}

// rotateAll adds destinations, runs rotatord and rotates that many keys,
// deliveries being made all the while.
func (c *chain) rotateAll(rotations int) (w *watch, taken []time.Duration) {
	c.t.Helper()
	for i := range lanes {
		c.add(fmt.Sprintf("lane-%d", i), planetNeeds)
	}
	c.run()
	ctx, stop := context.WithCancel(c.t.Context())
	w = new(watch)
	var watching, rotating sync.WaitGroup
	var mu sync.Mutex
	watching.Go(func() { w.run(ctx, c.places) })
	for i, p := range c.places {
		rotating.Go(func() {
			old := p.first
			for n := i; n < rotations; n += lanes {
				k, took, err := p.handOver(ctx, old)
				if err != nil {
					c.t.Errorf("rotation %d: %v", n, err)
					return
				}
				old = k
				mu.Lock()
				taken = append(taken, took)
				mu.Unlock()
			}
		})
	}
	rotating.Wait()
	stop()
	watching.Wait()
	for _, f := range w.failed {
		c.t.Error(f)
	}
	if len(taken) != rotations {
		c.t.Fatalf("%d of %d rotations ended well", len(taken), rotations)
	}
	return w, taken
}

// judge looks back on what Planet and the Secrets Manager saw of rotatord
// during that many rotations beside each destination's first push, and counts
// the requests to the latter.
func (c *chain) judge(rotations int) map[string]int {
	c.t.Helper()
	pushes := rotations + len(c.places)
	patches := 0
	for _, r := range c.sim.Requests() {
		if r.Method == http.MethodPatch {
			patches++
		}
		// That no destination is the default is an answer, too.
		noDefault := r.Status == http.StatusNotFound && strings.HasSuffix(r.Path, "/default")
		if (r.Status >= 300 || r.Status == 0) && !noDefault {
			c.t.Errorf("Planet answered %d: %+v", r.Status, r)
		}
	}
	if patches != pushes {
		c.t.Errorf("Planet saw %d PATCHes, want %d", patches, pushes)
	}
	if most := c.sim.MaxInWindow(time.Second); most > c.perSecond {
		c.t.Errorf("%d requests in one second, %d are allowed", most, c.perSecond)
	}
	asked := map[string]int{}
	for _, r := range c.vault.Requests() {
		if r.KeyID != readerKey.ID {
			continue
		}
		asked[r.Action]++
		if r.Status != http.StatusOK || (r.Action == "GetSecretValue" && (r.Version == "" || r.Stage != "")) {
			c.t.Errorf("the Secrets Manager was asked: %+v", r)
		}
	}
	// Whoever asks rotatord to look costs a question more, for its queue looks
	// too; and so does a wait of more than a second for Planet's turn.
	if asked["GetSecretValue"] != pushes || asked["DescribeSecret"] > 3*pushes || len(asked) != 2 {
		c.t.Errorf("the Secrets Manager was asked for %v in %d pushes", asked, pushes)
	}
	return asked
}

// handOver is one rotation from a new key to the deletion of the old one. What
// Planet holds is tried at every step.
func (p *place) handOver(ctx context.Context, old key) (key, time.Duration, error) {
	step := func(when string, want key) error {
		if got := p.held(); got != want {
			return fmt.Errorf("%s: Planet holds key %s, not %s", when, got.id, want.id)
		}
		if err := p.delivers(ctx, want); err != nil {
			return fmt.Errorf("%s: what Planet holds does not work: %w", when, err)
		}
		return nil
	}
	k, version, err := p.create(ctx)
	if err != nil {
		return key{}, 0, err
	}
	if err := step("with a new key in AWSPENDING", old); err != nil {
		return key{}, 0, err
	}
	begun := time.Now()
	if err := p.finish(ctx, version); err != nil {
		return key{}, 0, err
	}
	s, err := p.sync(ctx, patience)
	if err != nil {
		return key{}, 0, err
	}
	took := time.Since(begun)
	if !accepted(version)(s) {
		return key{}, 0, fmt.Errorf("version %s is not accepted: %+v", version, s)
	}
	if err := step("accepted", k); err != nil {
		return key{}, 0, err
	}
	if err := p.user.revoke(ctx, old); err != nil {
		return key{}, 0, fmt.Errorf("delete the old key: %w", err)
	}
	if p.delivers(ctx, old) == nil {
		return key{}, 0, fmt.Errorf("key %s was deleted and still works", old.id)
	}
	if litter, err := p.litter(ctx); err != nil || len(litter) > 0 || s.Leftover.State != "absent_inferred" {
		return key{}, 0, fmt.Errorf("left in the bucket: %q, by rotatord's own look: %s (%w)", litter, s.Leftover.State, err)
	}
	return k, took, step("with the old key deleted", k)
}

// watch makes deliveries all the time. It is read once run has returned.
type watch struct {
	made, met int
	failed    []string
}

// run delivers to one place after the other with the key that Planet holds. A
// delivery that fails while Planet holds the same key before and after it is
// what must not be; keys never come back here.
func (w *watch) run(ctx context.Context, places []*place) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for n := 0; len(w.failed) == 0; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p := places[n%len(places)]
		before := p.held()
		err := p.delivers(context.WithoutCancel(ctx), before)
		switch {
		case err == nil:
			w.made++
		case p.held() != before:
			w.met++ // the key was replaced meanwhile, and then deleted
		default:
			w.failed = append(w.failed, fmt.Sprintf("%s: Planet holds %s, which does not work: %v", p.bucket, before.id, err))
		}
	}
}

// The watch is worth something only if it notices.
func TestTheWatchNoticesADeadKey(t *testing.T) {
	t.Parallel()
	c := newChain(t, 100)
	p := c.add("dead", planetNeeds)
	must(t, p.user.setActive(t.Context(), p.first, false))
	w := new(watch)
	w.run(t.Context(), c.places)
	if len(w.failed) != 1 || !strings.Contains(w.failed[0], p.first.id) || slices.ContainsFunc(w.failed, func(f string) bool { return strings.Contains(f, p.first.secret) }) {
		t.Errorf("noticed: %q", w.failed)
	}
}
