package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/bucket/s3"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// plan is what a year of deliveries is like. The zero plan has a rotation job
// that asks the gate, preflight, and a Planet that may do anything but lose the
// old credential when it refuses a new one.
type plan struct {
	lose      bool                   // Planet loses it
	preflight rotation.PreflightMode // empty: required
	quirks    rotation.Quirks
	// early, if given, is how long after a rotation the job revokes the old
	// keys, whatever the gate says.
	early func(*rand.Rand) time.Duration
	// restless has most rotations undone before anybody knows what Planet holds.
	restless bool
	// leftovers has Planet accept what may not delete, strangers leave objects
	// behind, and each of them looked for in rotatord's record.
	leftovers bool
}

// asks tells whether the job asks the gate, and the engine is as it should be.
func (p plan) asks() bool { return p.early == nil && p.quirks == (rotation.Quirks{}) }

// tally is what came of it.
type tally struct {
	rotations, opened, asked, revoked, restarts int
	ok, failed                                  int // deliveries
	leftovers                                   int
	virtual                                     time.Duration
	found                                       []string // broken promises, failed deliveries not among them
	failures                                    []string
	trace                                       []string
}

func (t *tally) add(o tally) {
	t.rotations += o.rotations
	t.opened += o.opened
	t.asked += o.asked
	t.revoked += o.revoked
	t.restarts += o.restarts
	t.ok += o.ok
	t.failed += o.failed
	t.leftovers += o.leftovers
	t.virtual += o.virtual
	t.found = append(t.found, o.found...)
	t.failures = append(t.failures, o.failures...)
}

func (t *tally) String() string {
	return fmt.Sprintf("%d rotations, gate asked %d times and opened %d times, %d keys revoked, %d restarts, deliveries: %d ok, %d failed; %d days",
		t.rotations, t.asked, t.opened, t.revoked, t.restarts, t.ok, t.failed, int(t.virtual.Hours()/24))
}

// year is one run: a world in which subscriptions and orders deliver all the
// time, and a rotation job for each secret.
type year struct {
	*world
	plan
	rand  *rand.Rand // of the goroutine that makes faults
	hold  time.Duration
	grace time.Duration
	// Between the engine and the bucket, and between Planet's check and the
	// bucket; what delivers has a way of its own, which is never down.
	ours, planets *gateway
	jobs          []*job
	subscriptions []string

	mu    sync.Mutex
	now   []string // the id of each destination as it is now
	keys  map[string]*quality
	tally tally
}

// quality is a key and what it is worth.
type quality struct {
	key
	deletes bool
}

// gateway is a way to the bucket that can be down.
type gateway struct {
	http.RoundTripper
	mu   sync.Mutex
	down bool
}

func (g *gateway) set(down bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = down
}

func (g *gateway) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	down := g.down
	g.mu.Unlock()
	if down {
		return nil, syscall.ECONNREFUSED
	}
	return g.RoundTripper.RoundTrip(r)
}

func (y *year) note(format string, args ...any) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.tally.trace = append(y.tally.trace, time.Now().UTC().Format("02 15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (y *year) violation(format string, args ...any) {
	y.note("VIOLATION "+format, args...)
	y.mu.Lock()
	defer y.mu.Unlock()
	y.tally.found = append(y.tally.found, fmt.Sprintf(format, args...))
}

func (y *year) count(what *int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	*what++
}

func (y *year) chance(p float64) bool { return y.rand.Float64() < p }

func (y *year) upTo(d time.Duration) time.Duration { return upTo(y.rand, d) }

// upTo is a random duration, odd enough that no two wake-ups fall together.
func upTo(r *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(d))) + time.Duration(r.Int64N(1000))*time.Nanosecond
}

// shares is how many destinations each secret of a year has.
var shares = []int{1, 2, 1, 3}

// liveAYear plays a seed until each of its jobs has rotated so often.
func liveAYear(t *testing.T, seed int64, rotations int, p plan) (came tally) {
	synctest.Test(t, func(t *testing.T) {
		y := newYear(t, seed, p)
		begun := time.Now()
		y.start()
		y.subscribe()
		if p.leftovers {
			defer y.watchLeftovers()()
		}
		y.play(rotations)
		y.judge()
		y.stop()
		y.sim.Close()
		if strings.Contains(y.logs.String(), canary) {
			y.violation("a secret got into the log")
		}
		came = y.tally
		came.restarts, came.virtual = y.starts-1, time.Since(begun)
	})
	return came
}

func newYear(t *testing.T, seed int64, p plan) *year {
	r := rand.New(rand.NewPCG(uint64(seed), 2026))
	y := &year{plan: p, rand: r, keys: map[string]*quality{}}
	y.hold = []time.Duration{3 * time.Minute, 20 * time.Minute}[r.IntN(2)]
	y.grace = y.hold + time.Minute + y.upTo(5*time.Minute)
	behaviour := (&story{rand: r}).drawBehaviour()
	behaviour.LoseOnRefusal = p.lose
	if p.preflight != "" && p.preflight != rotation.PreflightRequired {
		behaviour.VerifyOnCreateOnly = false // else nobody would try a credential at all
	}
	if p.leftovers {
		behaviour.DeleteFailureRefuses = false
	}
	y.world = newWorld(t, seed, 0, behave(behaviour), func(w *world, o *planettest.Options) {
		if y.chance(.5) {
			o.Window = planettest.Fixed
		}
		if y.chance(.3) {
			w.schedule = 0
		}
		w.src.forgets = y.chance(.3) && !p.leftovers
		w.quirks = p.quirks
		if p.preflight != "" {
			w.settings.Preflight = p.preflight
		}
		w.settings.NextProbe = func(after time.Time) time.Time { return after.Add(probeEvery) }
		w.settings.Rollout = []rotation.RolloutMode{rotation.RolloutCanary, rotation.RolloutAll}[r.IntN(2)]
		w.settings.OnDrift = []rotation.DriftMode{rotation.DriftReport, rotation.DriftPush}[r.IntN(2)]
		w.settings.Check = []rotation.CheckMode{rotation.CheckRead, rotation.CheckWrite, rotation.CheckOff}[r.IntN(3)]
		w.settings.NextCheck = func(after time.Time) time.Time { return after.Add(20 * time.Minute) }
		w.listEvery, w.grace = []time.Duration{0, 0, 5 * time.Minute, time.Minute}[r.IntN(4)], y.grace
		y.ours, y.planets = &gateway{RoundTripper: w.s3.RoundTripper()}, &gateway{RoundTripper: w.s3.RoundTripper()}
		w.settings.Open = kindsVia(y.ours).Open
		o.Verifier = verifier(kindsVia(y.planets))
		o.Deliveries = planettest.DeliveryOptions{Deliverer: deliverer(kindsVia(w.s3.RoundTripper())),
			Interval: 75 * time.Second, Jitter: 30 * time.Second}
	})
	y.s3.SetLatency(y.upTo(300 * time.Millisecond))
	y.note("behaviour %+v, schedule %v, source forgets %v, hold %v, grace %v", behaviour, y.schedule, y.src.forgets, y.hold, y.grace)
	y.note("roll-out %s, drift %s, check %s, list every %v", y.settings.Rollout, y.settings.OnDrift, y.settings.Check, y.listEvery)
	standard := r.IntN(7)
	for i, n := range shares {
		y.addJob(fmt.Sprintf("mem://secret-%d", i), n, standard, rand.New(rand.NewPCG(uint64(seed), uint64(3000+i))))
	}
	return y
}

func kindsVia(t http.RoundTripper) bucket.Kinds {
	return bucket.Kinds{bucket.TypeAmazonS3: s3.Opener(s3.Options{Transport: t})}
}

// addJob makes a secret with so many destinations, each with a bucket of its
// own. The standard one becomes the organization's default.
func (y *year) addJob(secret string, n, standard int, r *rand.Rand) {
	j := &job{year: y, rand: r, secret: credential.Secret(secret)}
	y.jobs = append(y.jobs, j)
	for range n {
		i := len(y.destinations)
		j.uses = append(j.uses, i)
		y.s3.CreateBucket(bucketOf(i))
		y.destinations = append(y.destinations, rotation.Destination{Account: "acct", Secret: j.secret, Settings: y.settings})
	}
	first := j.makeKey(all, 0)
	j.put(first)
	for _, i := range j.uses {
		id := y.sim.Seed("owner", planettest.Destination{Name: fmt.Sprintf("dest-%02d", i), Type: "amazon_s3", Default: i == standard,
			Parameters: map[string]any{"bucket": bucketOf(i), "aws_region": "us-west-2", "explicit_sse": true,
				"aws_access_key_id": first.id, "aws_secret_access_key": first.secret}})
		y.destinations[i].Name = id
		y.now = append(y.now, id)
	}
}

func bucketOf(i int) string { return fmt.Sprintf("bucket-%02d", i) }

// deliverer writes what Planet delivers.
func deliverer(kinds bucket.Kinds) planettest.Deliverer {
	return planettest.DelivererFunc(func(ctx context.Context, f planettest.File) error {
		at, err := bucket.ParseLocation(f.Type, f.Parameters)
		if err != nil {
			return err
		}
		b, err := kinds.Open(at.WithEndpoint("http://s3.test"), planetCredentials(planettest.Verification{Parameters: f.Parameters}))
		if err != nil {
			return err
		}
		if err := b.Put(ctx, f.Object, f.Body); err != nil {
			return &planettest.DeliveryError{Code: string(bucket.KindOf(err))}
		}
		return nil
	})
}

// subscribe makes two subscriptions for each destination: a quick one, and one
// whose deliveries keep the credential that they began with for long. The
// references have all the forms that Planet knows.
func (y *year) subscribe() {
	for i, id := range y.now {
		user := []string{"owner", "stranger"}[i%2]
		forms := y.refs(id)
		quick := forms[y.rand.IntN(len(forms))]
		long := forms[y.rand.IntN(len(forms))]
		y.subscriptions = append(y.subscriptions,
			y.sim.Subscribe(user, quick, planettest.Subscription{Prefix: "quick/"}),
			y.sim.Subscribe(user, long, planettest.Subscription{Prefix: "long/", Hold: y.hold, Files: 3, Interval: 6 * time.Minute}))
	}
	y.subscriptions = append(y.subscriptions, y.sim.Subscribe("owner", "pl:destinations/default", planettest.Subscription{Prefix: "default/"}))
}

// refs are the ways to name a destination.
func (y *year) refs(id string) []string {
	suffix := id[strings.LastIndexByte(id, '-')+1:]
	return []string{"pl:destinations/" + id, "pl:destinations/" + suffix}
}

// order places one, unless nobody may.
func (y *year) order(i int) {
	if s, ok := y.sim.Stored(y.now[i]); !ok || s.Archived {
		return
	}
	forms := y.refs(y.now[i])
	y.sim.Order("owner", forms[y.rand.IntN(len(forms))], planettest.Order{Files: 1 + y.rand.IntN(3), Hold: y.upTo(y.hold), Queue: y.upTo(5 * time.Minute)})
}

// holds is the key that Planet has for a destination now.
func (y *year) holds(i int) string {
	y.mu.Lock()
	id := y.now[i]
	y.mu.Unlock()
	s, ok := y.sim.Stored(id)
	if !ok {
		return ""
	}
	return string(s.Credentials.Get("aws_access_key_id").Bytes())
}

// judge looks at everything that was delivered and at every credential that
// Planet ever held.
func (y *year) judge() {
	y.sim.Wait()
	prints := map[string]*quality{}
	for id, k := range y.keys {
		prints[y.sim.Fingerprint([]byte(id))] = k
	}
	for _, d := range y.sim.Deliveries() {
		if d.OK {
			continue
		}
		with := "nothing"
		if k := prints[d.Fingerprints["aws_access_key_id"]]; k != nil {
			with = k.id
		}
		y.tally.failures = append(y.tally.failures, fmt.Sprintf("the delivery to %s from %s to %s with %s failed: %s, %d of %d files",
			d.Destination, d.Started.UTC().Format("02 15:04:05"), d.At.UTC().Format("15:04:05"), with, d.Error, d.Written, d.Files))
	}
	y.tally.ok, y.tally.failed = y.sim.Delivered()
	if y.tally.ok == 0 {
		y.violation("nothing was delivered")
	}
	for _, r := range y.sim.Requests() {
		if r.Method != http.MethodPatch || r.Effect.IsZero() {
			continue
		}
		k := prints[r.Fingerprints["aws_access_key_id"]]
		y.note("request %d of %s with %s took effect, answered %d, %s", r.Number, r.At.UTC().Format("02 15:04:05.000"), k.id, r.Status, r.Fault)
		if y.settings.Preflight == rotation.PreflightRequired && !k.deletes {
			y.violation("request %d gave Planet %s, which may not delete", r.Number, k.id)
		}
	}
	if most := y.sim.MaxInWindow(time.Second); most > 3 {
		y.violation("%d requests within one second", most)
	}
}

// states are how the destinations stand, for a trace.
func (y *year) states(uses []int) string {
	var all []string
	for _, i := range uses {
		r, err := y.record1(i)
		if err != nil {
			all = append(all, err.Error())
			continue
		}
		all = append(all, fmt.Sprintf("%d %s/%s (%s) leftover %s (%s), planet %s", i,
			r.Status.State, r.Status.Reason, r.Status.Detail, r.Leftover.State, r.Leftover.Reason, y.holds(i)))
	}
	return strings.Join(all, "; ")
}

var errNotRunning = errors.New("no process runs")

// record1 is what the store holds of a destination, from any goroutine.
func (y *year) record1(i int) (store.Record, error) {
	r := y.current()
	if r == nil {
		return store.Record{}, errNotRunning
	}
	return r.store.Load(context.Background(), y.destinations[i].Name)
}

// mayDelete tells what a permission is worth to Planet.
func mayDelete(allow []buckettest.Action) bool { return slices.Contains(allow, buckettest.Delete) }
