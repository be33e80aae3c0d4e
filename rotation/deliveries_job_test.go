package rotation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
)

// job is what rotates one secret, as a customer's own job would: it makes a
// key, puts it into the secret, and revokes the old ones when the gate lets it.
type job struct {
	*year
	rand     *rand.Rand
	secret   credential.Secret
	uses     []int // its destinations
	versions []key // every version, in order
	alive    []key // those that were not revoked
}

func (j *job) chance(p float64) bool { return j.rand.Float64() < p }

func (j *job) upTo(d time.Duration) time.Duration { return upTo(j.rand, d) }

// makeKey makes one for the buckets of the job.
func (j *job) makeKey(allow []buckettest.Action, after time.Duration) key {
	k := j.world.makeKey("", allow, after)
	var buckets []string
	for _, i := range j.uses {
		buckets = append(buckets, bucketOf(i))
	}
	j.s3.AddKey(buckettest.Key{ID: k.id, Secret: k.secret, Buckets: buckets, Allow: allow, From: k.from})
	j.mu.Lock()
	defer j.mu.Unlock()
	j.year.keys[k.id] = &quality{key: k, deletes: mayDelete(allow)}
	return k
}

func (j *job) put(k key) {
	j.src.put(j.secret, k)
	j.versions = append(j.versions, k)
	j.alive = append(j.alive, k)
}

// work rotates so many times.
func (j *job) work(rotations int) {
	for range rotations {
		time.Sleep(j.upTo(20 * time.Minute))
		j.rotate()
	}
}

// rotate is one rotation, with a key of some quality. Now and then a person
// undoes it at once.
func (j *job) rotate() {
	var k key
	patience := 3 * time.Hour
	switch p := j.rand.Float64(); {
	case p < .7:
		k = j.makeKey(all, 0)
	case p < .78:
		k = j.makeKey(all, j.upTo(3*time.Minute))
	case p < .8:
		k = j.makeKey(all, j.upTo(20*time.Minute)) // longer than is waited for
	case p < .92:
		k = j.makeKey([]buckettest.Action{buckettest.Put, buckettest.Get}, 0)
		patience = 30*time.Minute + j.upTo(time.Hour)
	default:
		k = j.makeKey(all, 0)
		j.s3.Revoke(k.id) // no server knows it
		k.good = false
		patience = 30*time.Minute + j.upTo(time.Hour)
	}
	if j.leftovers && !k.good {
		patience += 2 * time.Hour // probes come by the hour
	}
	if k.good && j.early == nil && (j.chance(.12) || j.restless && j.chance(.6)) {
		j.trip()
		j.announceNew(k)
		time.Sleep(j.upTo(40 * time.Second))
		j.goBack(k)
		return
	}
	j.announceNew(k)
	if j.early != nil {
		time.Sleep(j.early(j.rand))
		j.revokeAllBut(k)
		return
	}
	if !j.passes(k, patience) && !k.good && j.chance(.3) {
		j.goBack(k)
	}
}

// trip has Planet take the next PATCHes of a destination without saying so:
// what it holds then is not what it said last.
func (j *job) trip() {
	f := planettest.Fault{Method: http.MethodPatch, Path: "/" + j.nowID(j.uses[j.rand.IntN(len(j.uses))]), Effect: planettest.EffectNow,
		Kind: planettest.Status, Status: []int{400, 500}[j.rand.IntN(2)], Times: 1 + j.rand.IntN(3)}
	if j.chance(.4) {
		f.Kind, f.Effect, f.Delay = planettest.Cut, planettest.EffectLate, j.upTo(80*time.Second)
	}
	j.sim.Inject(f)
}

// announceNew puts a key into the secret, mostly with an event.
func (j *job) announceNew(k key) {
	j.count(&j.tally.rotations)
	j.note("%s rotates to %s (%s good=%v from %v)", j.secret, k.version, k.id, k.good, k.from.UTC().Format("15:04:05"))
	if j.chance(.2) {
		j.src.lag(j.secret, j.upTo(6*time.Second))
	}
	j.put(k)
	if j.schedule == 0 || j.chance(.8) {
		j.announce(j.uses[0])
	}
}

// goBack makes the last version that worked before this one current again.
func (j *job) goBack(from key) {
	for i, k := range slices.Backward(j.versions) {
		if k.good && k.id != from.id && slices.Contains(j.alive, k) {
			j.note("%s goes back to %s (%s)", j.secret, k.version, k.id)
			j.src.rollBack(j.secret, i)
			j.announce(j.uses[0])
			j.passes(k, time.Hour)
			return
		}
	}
}

// passes asks the gate again and again and revokes all other keys as soon as
// it opens.
func (j *job) passes(k key, patience time.Duration) bool {
	for end := time.Now().Add(patience); time.Now().Before(end); {
		time.Sleep(10*time.Second + j.upTo(2*time.Minute))
		r := j.current()
		if r == nil {
			continue
		}
		j.count(&j.tally.asked)
		g, err := r.Gate(context.Background(), j.secret, k.version)
		if err != nil || g.Verdict != rotation.VerdictSafe {
			continue // down, dead, or not safe
		}
		j.checkGate(k)
		j.count(&j.tally.opened)
		j.revokeAllBut(k)
		return true
	}
	j.note("%s does not pass the gate with %s: %s", j.secret, k.id, j.states(j.uses))
	return false
}

// checkGate holds a gate that is open against what Planet holds.
func (j *job) checkGate(k key) {
	if !k.good {
		j.violation("the gate of %s is open for %s, which does not do: %s", j.secret, k.id, j.states(j.uses))
	}
	for _, i := range j.uses {
		if held := j.holds(i); held != k.id {
			j.violation("the gate of %s says that all but %s may be revoked, and planet holds %s for %d", j.secret, k.id, held, i)
		}
	}
}

func (j *job) revokeAllBut(k key) {
	for _, old := range j.alive {
		if old.id != k.id {
			j.note("%s is revoked", old.id)
			j.s3.Revoke(old.id)
			j.count(&j.tally.revoked)
		}
	}
	j.alive = []key{k}
}

// play lets the jobs work while faults happen, and then, in quiet, has each of
// them rotate once more: that must succeed.
func (y *year) play(rotations int) {
	time.Sleep(30 * time.Second)
	scale := y.rand.Float64()
	y.sim.SetFaults(planettest.FaultRates{TooMany: .05 * scale, ServerError: .15 * scale, CutBefore: .1 * scale,
		CutAfter: .1 * scale, CutLate: .2 * scale, Slow: .1 * scale, Junk: .05 * scale, MaxDelay: 80 * time.Second})
	y.during(func(j *job) { j.work(rotations - 1) }, y.act)
	y.calm()
	if y.leftovers {
		y.leaveAndLook()
	}
	y.during(func(j *job) {
		k := j.makeKey(all, 0)
		j.announceNew(k)
		if j.early == nil && !j.passes(k, 4*time.Hour) && j.asks() {
			j.violation("after the last fault the gate of %s does not open: %s", j.secret, j.states(j.uses))
		}
	}, func() {})
	for _, id := range y.subscriptions {
		y.sim.Cancel(id)
	}
	time.Sleep(y.hold + 10*time.Minute)
}

// during lets the jobs do something, and something else happen meanwhile.
func (y *year) during(do func(*job), act func()) {
	var all sync.WaitGroup
	for _, j := range y.jobs {
		all.Go(func() { do(j) })
	}
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for {
		select {
		case <-done:
			return
		case <-time.After(y.upTo(10 * time.Minute)):
			act()
		}
	}
}

// calm ends the faults and repairs what persons broke.
func (y *year) calm() {
	y.sim.ClearFaults()
	time.Sleep(15 * time.Minute) // outages end by themselves
	if y.current() == nil {
		y.start()
	}
	for i, id := range y.now {
		y.sim.SetCanWrite(id, "owner", true)
		if s, _ := y.sim.Stored(id); s.Archived {
			y.sim.Archive(id, false)
		}
		if y.record(i).Paused != nil {
			_ = y.current().Resume(context.Background(), y.destinations[i].Name)
		}
	}
	y.note("quiet")
}

// act lets one thing happen.
func (y *year) act() {
	i := y.rand.IntN(len(y.destinations))
	switch p := y.rand.Float64(); {
	case p < .1:
		y.outage("the source", y.upTo(5*time.Minute), y.src.setDown)
	case p < .2:
		y.outage("the way from us to the bucket", y.upTo(15*time.Minute), y.ours.set)
	case p < .25:
		y.outage("the way of Planet's check to the bucket", y.upTo(3*time.Minute), y.planets.set)
	case p < .35:
		effect := planettest.Effect(y.rand.IntN(2)) // refused, and yet in force
		times := 1 + y.rand.IntN(8)
		y.note("planet refuses %d PATCHes of %d, effect %v", times, i, effect)
		y.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + y.now[i], Times: times,
			Kind: planettest.Status, Status: 400, Effect: effect})
	case p < .4:
		y.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + y.now[i], Kind: planettest.Slow, Delay: y.upTo(80 * time.Second)})
	case p < .55:
		y.order(i)
	case p < .68:
		y.meddle(i)
	case p < .74:
		y.command(i)
	default:
		y.killSoon()
	}
}

func (y *year) outage(what string, d time.Duration, set func(bool)) {
	y.note("%s is down for %v", what, d)
	set(true)
	time.AfterFunc(d, func() { set(false) })
}

// meddle is what somebody else in the organization may do.
func (y *year) meddle(i int) {
	switch y.rand.IntN(4) {
	case 0:
		y.mu.Lock()
		y.now[i] = y.sim.Rename(y.now[i], fmt.Sprintf("renamed-%d-%d", i, y.rand.IntN(1_000_000)))
		y.mu.Unlock()
		y.note("%d is renamed", i)
	case 1:
		archived := y.chance(.5)
		y.note("%d is archived: %v", i, archived)
		y.sim.Archive(y.now[i], archived)
		if archived {
			time.AfterFunc(y.upTo(time.Hour), func() { y.sim.Archive(y.nowID(i), false) })
		}
	case 2:
		y.note("%d is not ours for a while", i)
		y.sim.SetCanWrite(y.now[i], "owner", false)
		time.AfterFunc(y.upTo(10*time.Minute), func() { y.sim.SetCanWrite(y.nowID(i), "owner", true) })
	default:
		if y.leftovers {
			y.note("somebody leaves an object in the bucket of %d", i)
			must(y.t, y.s3.PutObject(bucketOf(i), planettest.Object, []byte("somebody")))
		}
	}
}

func (y *year) nowID(i int) string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.now[i]
}

// command is a person at the keyboard.
func (y *year) command(i int) {
	r, name, ctx := y.current(), y.destinations[i].Name, context.Background()
	if y.chance(.5) {
		y.note("%d: retry", i)
		go func() { _ = r.Retry(ctx, name) }()
		return
	}
	y.note("%d: pause for a while", i)
	_ = r.Pause(ctx, name, "a person")
	time.AfterFunc(y.upTo(10*time.Minute), func() {
		if r := y.current(); r != nil {
			_ = r.Resume(ctx, name)
		}
	})
}

// killSoon lets the process die at one of its next durable steps, in the middle
// of a PATCH or at leisure, and starts it again a little later.
func (y *year) killSoon() {
	switch y.rand.IntN(3) {
	case 0:
		died := make(chan struct{})
		l := y.current().life
		l.mu.Lock()
		l.dieAt = l.saves + 1 + y.rand.IntN(5)
		l.onDeath = func() { close(died) }
		l.mu.Unlock()
		select {
		case <-died:
			y.note("killed at a durable step")
		case <-time.After(3 * time.Minute):
			y.note("killed while idle")
		}
	case 1:
		y.waitForAPatch()
		time.Sleep(y.upTo(time.Second))
		y.note("killed with a PATCH under way, or after five minutes without one")
	default:
		y.note("killed")
	}
	y.kill()
	away := 20 * time.Second
	if y.chance(.2) {
		away = 15 * time.Minute
	}
	time.Sleep(y.upTo(away))
	y.start()
}

// waitForAPatch returns while an intent is journalled, or after five minutes.
func (y *year) waitForAPatch() {
	l, saved := y.current().life, 0
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(700 * time.Millisecond) {
		l.mu.Lock()
		saves := l.saves
		l.mu.Unlock()
		if saves == saved {
			continue
		}
		saved = saves
		records, err := y.current().store.List(context.Background())
		must(y.t, err)
		for _, r := range records {
			if r.Inflight != nil {
				return
			}
		}
	}
}
