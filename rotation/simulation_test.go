package rotation_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

var (
	seeds     = flag.Int("seeds", 24, "how many seeds to simulate")
	firstSeed = flag.Int64("seed", 1, "the first seed")
)

// TestSimulation drives the engine through faults that a seed chooses: every
// switch of the simulator, lost and late answers, outages of source and
// bucket, bad, slow and revoked keys, rollbacks, refusals, and kills at random
// durable steps. When the faults end, each promise of the design is held
// against what really happened.
func TestSimulation(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+int64(*seeds); seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			found, trace := simulate(t, seed, rotation.Quirks{})
			for _, v := range found {
				t.Error(v)
			}
			if t.Failed() {
				t.Logf("run again with: go test ./rotation -run TestSimulation -seeds 1 -seed %d\n%s", seed, trace)
			}
		})
	}
}

// TestPlantedBugsAreFound makes sure that the simulation can fail: each of
// these mistakes must break a promise under some seed.
func TestPlantedBugsAreFound(t *testing.T) {
	if raceDetector {
		t.Skip("scripts/test runs it without the race detector: the search takes ten times as long with it, and finds nothing more")
	}
	bugs := []struct {
		name   string
		quirks rotation.Quirks
	}{
		{"another version does not wait for a lost PATCH", rotation.Quirks{NoFence: true}},
		{"the intent is not journalled before the PATCH", rotation.Quirks{NoJournal: true}},
		{"a refusal is taken to have changed nothing", rotation.Quirks{TrustRefusal: true}},
		{"a lost answer is taken for success", rotation.Quirks{TrustLost: true}},
		{"credentials are not tried on the bucket", rotation.Quirks{SkipPreflight: true}},
		{"an event that comes during a look wakes nobody", rotation.Quirks{DropBusy: true}},
		{"a hold is not recorded", rotation.Quirks{ForgetHeld: true}},
		{"a version is put back untried", rotation.Quirks{BlindRestore: true}},
		{"a read that lags behind its event is believed", rotation.Quirks{IgnoreHint: true}},
	}
	const most = 150
	for _, bug := range bugs {
		t.Run(bug.name, func(t *testing.T) {
			t.Parallel()
			for seed := int64(1); seed <= most; seed++ {
				if found, _ := simulate(t, seed, bug.quirks); len(found) > 0 {
					t.Logf("found by seed %d: %s", seed, found[0])
					return
				}
			}
			t.Errorf("not found by %d seeds", most)
		})
	}
}

// story is one run of the simulation.
type story struct {
	*world
	rand       *rand.Rand
	quiet      time.Time // when the faults end
	keys       map[string]*key
	order      [][]string // per destination: the keys in the order the source got them
	rolledBack []bool
	revoked    map[string]time.Time
	renamed    map[int][]string
	trace      []string
	found      []string
	gates      int // how often one was open
}

func (s *story) note(format string, args ...any) {
	s.trace = append(s.trace, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

func (s *story) violation(format string, args ...any) {
	s.found = append(s.found, fmt.Sprintf(format, args...))
}

// chance is true with probability p.
func (s *story) chance(p float64) bool { return s.rand.Float64() < p }

// upTo is a random duration, odd enough that no two wake-ups fall together.
func (s *story) upTo(d time.Duration) time.Duration {
	return time.Duration(s.rand.Int64N(int64(d))) + time.Duration(s.rand.Int64N(1000))*time.Nanosecond
}

func simulate(t *testing.T, seed int64, quirks rotation.Quirks) (found []string, trace string) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(uint64(seed), 99))
		s := &story{rand: r, keys: map[string]*key{}, revoked: map[string]time.Time{}, renamed: map[int][]string{}}
		behaviour := s.drawBehaviour()
		s.world = newWorld(t, seed, 3, behave(behaviour), func(w *world, o *planettest.Options) {
			if r.IntN(2) == 0 {
				o.Window = planettest.Fixed
			}
			if r.IntN(2) == 0 {
				w.schedule = 0
			}
			w.src.forgets = r.IntN(3) == 0
			w.quirks = quirks
		})
		s.note("behaviour %+v, schedule %v, source forgets %v", behaviour, s.schedule, s.src.forgets)
		s.rolledBack = make([]bool, len(s.destinations))
		for i, d := range s.destinations {
			k := s.src.now(d.Secret)
			s.keys[k.id] = &k
			s.order = append(s.order, []string{k.id})
			_ = i
		}
		s.play()
		s.judge()
		if s.gates == 0 && quirks == (rotation.Quirks{}) && s.allInSync() {
			s.violation("no gate was ever open")
		}
		s.stop()
		s.sim.Close()
		s.checkLeaks()
		found, trace = s.found, strings.Join(s.trace, "\n")
	})
	return found, trace
}

func (s *story) drawBehaviour() planettest.Behaviour {
	b := planettest.Behaviour{
		RefuseStatus: []int{400, 409, 422}[s.rand.IntN(3)], NonOwnerStatus: []int{401, 403}[s.rand.IntN(2)],
		ModifyStatus: []int{200, 202, 204}[s.rand.IntN(3)], RetryAfter: planettest.RetryAfter(s.rand.IntN(3)),
		ModifyEmptyBody: s.chance(.3), LoseOnRefusal: s.chance(.5), UpdatedMovesOnRefusal: s.chance(.5),
		ResetOptional: s.chance(.3), RenameChangesID: s.chance(.3), DeleteFailureRefuses: s.chance(.5),
		RepeatSkipsVerify: s.chance(.3), OmitDefault: s.chance(.5), OmitFalseOptional: s.chance(.5),
		ArchivedTrueMeansOnly: s.chance(.5), RefuseArchivedModify: s.chance(.3), AbandonOnDisconnect: s.chance(.3), TellStepApart: s.chance(.5),
		CountRejected: s.chance(.5), ETags: s.chance(.3), VerifyOnCreateOnly: s.chance(.1),
		Network: planettest.Network{Max: s.upTo(100 * time.Millisecond)},
	}
	if s.chance(.4) {
		b.VerifyDelay = s.upTo(50 * time.Second)
	}
	if s.chance(.3) {
		b.LeftoverLinger = s.upTo(20 * time.Second)
	}
	return b
}

// TestTheSimulationThrowsEverySwitch keeps a new switch of the simulator from
// being forgotten here.
func TestTheSimulationThrowsEverySwitch(t *testing.T) {
	concernCreates := []string{"CreateStatus", "QuotaStatus", "OwnerSetsDefault"}
	seen := map[string]map[string]bool{}
	for seed := range uint64(200) {
		s := &story{rand: rand.New(rand.NewPCG(seed, 99))}
		b := reflect.ValueOf(s.drawBehaviour())
		for i := range b.NumField() {
			name := b.Type().Field(i).Name
			if seen[name] == nil {
				seen[name] = map[string]bool{}
			}
			seen[name][fmt.Sprint(b.Field(i))] = true
		}
	}
	for name, values := range seen {
		if len(values) < 2 && !slices.Contains(concernCreates, name) {
			t.Errorf("no seed throws %s", name)
		}
	}
}

// play is the fault phase and the quiet one after it.
func (s *story) play() {
	s.s3.SetLatency(s.upTo(300 * time.Millisecond))
	s.start()
	time.Sleep(30 * time.Second)
	scale := s.rand.Float64()
	s.sim.SetFaults(planettest.FaultRates{TooMany: .05 * scale, ServerError: .15 * scale, CutBefore: .1 * scale,
		CutAfter: .1 * scale, CutLate: .2 * scale, Slow: .1 * scale, Junk: .05 * scale, MaxDelay: 80 * time.Second})
	for range 14 {
		s.watchGates(s.upTo(90*time.Second), 20*time.Second)
		s.act()
	}
	// The last word is a rotation that overtakes another.
	i := s.rand.IntN(len(s.destinations))
	s.rotateSomehow(i)
	time.Sleep(s.upTo(4 * time.Second))
	s.rotateSomehow(i)
	s.sim.ClearFaults()
	s.sim.SetFaults(planettest.FaultRates{})
	s.src.setDown(false)
	s.s3.SetDown(false)
	for i := range s.destinations {
		s.sim.SetCanWrite(s.idOf(i), "owner", true)
	}
	if s.current() == nil {
		s.start()
	}
	s.quiet = time.Now()
	s.note("quiet")
	time.Sleep(4 * time.Minute) // what persons began has ended
	for i := range s.destinations {
		if s.record(i).Paused != nil { // to resume the others would wake them
			s.resume(i)
		}
	}
	s.watchGates(2*time.Hour+7*time.Minute, 20*time.Minute) // between two schedules
}

// watchGates lets time go by and asks again and again whether the old
// credential of each secret may be revoked. A gate that says so before Planet
// holds the new one would break deliveries.
func (s *story) watchGates(d, every time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		time.Sleep(min(every-time.Duration(s.rand.Int64N(int64(every)/2)), time.Until(end)))
		r := s.current()
		if r == nil {
			continue
		}
		for i, d := range s.destinations {
			g, err := r.Gate(context.Background(), d.Secret, "")
			if err != nil || g.Verdict != rotation.VerdictSafe {
				continue // down, dead, or not safe
			}
			s.gates++
			held, known := s.sim.Stored(s.idOf(i))
			if !known {
				continue
			}
			id := string(held.Credentials.Get("aws_access_key_id").Bytes())
			if k := s.keys[id]; k == nil || k.version != g.Version {
				s.violation("the gate of %d says that what came before %s may be revoked, and planet holds %s", i, g.Version, id)
			}
		}
	}
}

// act lets one thing happen.
func (s *story) act() {
	i := s.rand.IntN(len(s.destinations))
	switch p := s.rand.Float64(); {
	case p < .5:
		s.rotateSomehow(i)
	case p < .55 && len(s.order[i]) > 1:
		s.rolledBack[i] = true
		to := s.rand.IntN(len(s.order[i]))
		s.note("%d rolls back to %s", i, s.order[i][to])
		s.src.rollBack(s.destinations[i].Secret, to)
		s.announce(i)
	case p < .65:
		d := s.upTo(3 * time.Minute)
		s.note("source down for %v", d)
		s.src.setDown(true)
		time.AfterFunc(d, func() { s.src.setDown(false) })
	case p < .7:
		d := s.upTo(4 * time.Minute)
		s.note("bucket down for %v", d)
		s.s3.SetDown(true)
		time.AfterFunc(d, func() { s.s3.SetDown(false) })
	case p < .78:
		s.meddle(i)
	case p < .84:
		s.command(i)
	default:
		s.killSoon(i)
	}
}

// meddle does to a destination what somebody else in the organization may do.
func (s *story) meddle(i int) {
	id := s.idOf(i)
	switch s.rand.IntN(3) {
	case 0:
		s.note("%d is renamed", i)
		now := s.sim.Rename(id, fmt.Sprintf("renamed-%d-%d", i, len(s.trace)))
		s.mu.Lock()
		s.renamed[i] = append(s.renamed[i], now)
		s.mu.Unlock()
	case 1:
		archived := s.chance(.5)
		s.note("%d is archived: %v", i, archived)
		s.sim.Archive(id, archived)
	default:
		d := s.upTo(3 * time.Minute)
		s.note("%d is not ours for %v", i, d)
		s.sim.SetCanWrite(id, "owner", false)
		time.AfterFunc(d, func() { s.sim.SetCanWrite(s.idOf(i), "owner", true) })
	}
}

// command is a person at the keyboard: the word goes to whatever process runs
// by then, and may die with it.
func (s *story) command(i int) {
	r, name, ctx := s.current(), s.destinations[i].Name, context.Background()
	switch s.rand.IntN(3) {
	case 0:
		s.note("%d: retry", i)
		go func() { _ = r.Retry(ctx, name) }()
	case 1:
		s.note("%d: pause for a while", i)
		go func() {
			_ = r.Pause(ctx, name, "a person")
			time.Sleep(3 * time.Minute)
			s.resume(i)
		}()
	default:
		// A person may put an older version over a newer one.
		s.rolledBack[i] = true
		version := s.keys[s.order[i][s.rand.IntN(len(s.order[i]))]].version
		s.note("%d: push %s", i, version)
		go func() { _, _ = r.PushVersion(ctx, name, version, 0) }()
	}
}

func (s *story) resume(i int) {
	if r := s.current(); r != nil {
		_ = r.Resume(context.Background(), s.destinations[i].Name)
	}
}

// idOf finds the id that a destination has now: a rename keeps the suffix.
func (s *story) idOf(i int) string {
	name := s.destinations[i].Name
	suffix := name[strings.LastIndexByte(name, '-'):]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range append([]string{name}, s.renamed[i]...) {
		if _, ok := s.sim.Stored(id); ok && strings.HasSuffix(id, suffix) {
			name = id
		}
	}
	return name
}

// rotateSomehow puts a key of some quality into a secret, now and then refused
// by Planet, now and then with the old key revoked too early.
func (s *story) rotateSomehow(i int) {
	var k key
	switch p := s.rand.Float64(); {
	case p < .6:
		k = s.makeKey("", all, 0)
	case p < .75:
		k = s.makeKey("", all, s.upTo(3*time.Minute))
	case p < .9:
		k = s.makeKey("", []buckettest.Action{buckettest.Put, buckettest.Get}, 0)
	default:
		k = s.wrongKey("")
	}
	old := s.src.now(s.destinations[i].Secret)
	s.keys[k.id] = &k
	s.order[i] = append(s.order[i], k.id)
	s.note("%d rotates to %s (%s good=%v from %v)", i, k.version, k.id, k.good, k.from.UTC().Format("15:04:05"))
	if k.good && s.chance(.25) {
		effect := planettest.EffectNone
		if s.chance(.5) {
			effect = planettest.EffectNow // the refused credential replaces the old one
		}
		times := 1 + s.rand.IntN(12)
		s.note("planet refuses %d PATCHes of %d, effect %v", times, i, effect)
		s.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + s.idOf(i), Times: times,
			Kind: planettest.Status, Status: 400, Effect: effect})
	}
	if s.chance(.25) && old.id != k.id {
		wait := s.upTo(4 * time.Minute)
		time.AfterFunc(wait, func() {
			s.s3.Revoke(old.id)
			s.mu.Lock()
			s.revoked[old.id] = time.Now()
			s.mu.Unlock()
		})
		s.note("%s will be revoked in %v", old.id, wait)
	}
	if s.chance(.3) {
		lag := s.upTo(6 * time.Second)
		s.note("reads of %d are behind for %v", i, lag)
		s.src.lag(s.destinations[i].Secret, lag)
	}
	s.rotate(i, k)
}

// killSoon lets the process die, at one of its next durable steps or in the
// middle of a PATCH, mostly while it rotates; starts it again a little later,
// and often has the source move on meanwhile.
func (s *story) killSoon(i int) {
	if s.chance(.5) {
		// One verification takes longer than those after it.
		s.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + s.idOf(i), Kind: planettest.Slow, Delay: s.upTo(80 * time.Second)})
	}
	if s.chance(.7) {
		s.rotateSomehow(i)
	}
	if s.chance(.5) {
		s.dieAtAStep()
	} else {
		s.waitForAPatch()
		time.Sleep(s.upTo(time.Second))
		s.note("killed")
	}
	s.kill()
	if s.chance(.5) {
		s.rotateSomehow(i)
	}
	time.Sleep(s.upTo(20 * time.Second))
	s.start()
}

// dieAtAStep lets the process die just before one of its next saves.
func (s *story) dieAtAStep() {
	died := make(chan struct{})
	l := s.current().life
	l.mu.Lock()
	l.dieAt = l.saves + 1 + s.rand.IntN(4)
	l.onDeath = func() { close(died) }
	l.mu.Unlock()
	select {
	case <-died:
		s.note("killed at a durable step")
	case <-time.After(time.Minute):
		s.note("killed while idle")
	}
}

// waitForAPatch returns while a PATCH is under way, or after a minute without.
func (s *story) waitForAPatch() {
	for range 300 {
		all := s.sim.Requests()
		for _, r := range all[max(0, len(all)-3):] {
			if r.Method == http.MethodPatch && r.Status == 0 && r.Result == 0 {
				return
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// judge holds what happened against the promises.
func (s *story) judge() {
	s.sim.Wait()
	for i := range s.destinations {
		s.judgeEnd(i)
		s.judgeOrder(i)
	}
	if most := s.sim.MaxInWindow(time.Second); most > 3 {
		s.violation("promise 4: %d requests within one second", most)
	}
	for _, r := range s.sim.Requests() {
		s.judgeRequest(r)
	}
}

// judgeEnd is promises 1 and 7: in sync means that Planet holds the current
// version; everything else is a state with a reason that somebody hears of.
func (s *story) judgeEnd(i int) {
	rec := s.record(i)
	cur := s.src.now(s.destinations[i].Secret)
	holds := s.storedNow(i)
	st := rec.Status
	s.note("%d ends %s/%s (%s), source %s, planet %s", i, st.State, st.Reason, st.Detail, cur.id, holds)
	_, revoked := s.revoked[cur.id]
	usable := cur.good && !revoked
	switch st.State {
	case store.StateInSync:
		if holds != cur.id {
			s.violation("promise 1: destination %d says it is in sync, planet holds %s and the source %s", i, holds, cur.id)
		}
	case store.StateHeld:
		if st.Reason == "" || st.Detail == "" {
			s.violation("promise 7: destination %d is held without reason or detail", i)
		}
		if usable && st.Reason != store.ReasonPlanetRefused && st.Reason != store.ReasonRestoreFailed {
			s.violation("promise 1: destination %d holds a version that works, for %s (%s)", i, st.Reason, st.Detail)
		}
		if acc := s.keyOf(rec.Accepted); acc != "" && !rec.Uncertain && holds != acc {
			s.violation("promise 1: destination %d says that planet holds %s, and it holds %s", i, acc, holds)
		}
	default:
		s.violation("promise 1: two hours after the last fault destination %d is %s/%s (%s)", i, st.State, st.Reason, st.Detail)
	}
	if rec.IsDue() {
		s.violation("promise 6: destination %d is marked and was not looked at", i)
	}
}

func (s *story) storedNow(i int) string {
	st, ok := s.sim.Stored(s.idOf(i))
	if !ok {
		return "nothing"
	}
	return string(st.Credentials.Get("aws_access_key_id").Bytes())
}

func (s *story) keyOf(a *store.Accepted) string {
	if a == nil {
		return ""
	}
	for id, k := range s.keys {
		if k.version == a.Version {
			return id
		}
	}
	return ""
}

// judgeOrder is promise 2, by the order in which PATCHes took effect.
func (s *story) judgeOrder(i int) {
	type effect struct {
		planettest.Request
		key string
	}
	var effects []effect
	for _, r := range s.sim.Requests() {
		if r.Method != http.MethodPatch || r.Effect.IsZero() {
			continue
		}
		// By the key, for a rename may have changed the path.
		if key := s.keyWith(r.Fingerprints["aws_access_key_id"]); slices.Contains(s.order[i], key) {
			effects = append(effects, effect{r, key})
		}
	}
	slices.SortStableFunc(effects, func(a, b effect) int { return a.Effect.Compare(b.Effect) })
	for _, e := range effects {
		s.note("%d: request %d at %s with %s took effect at %s, answered %d", i, e.Number,
			e.At.UTC().Format("15:04:05.000"), e.key, e.Effect.UTC().Format("15:04:05.000"), e.Status)
	}
	restored := s.restored(i)
	for j := 1; j < len(effects); j++ {
		was, is := effects[j-1], effects[j]
		if was.key == is.key {
			continue
		}
		if is.Number < was.Number {
			s.violation("promise 2: request %d of destination %d (%s) took effect after request %d (%s) which was sent later",
				is.Number, i, is.key, was.Number, was.key)
		}
		older := slices.Index(s.order[i], is.key) < slices.Index(s.order[i], was.key)
		if older && !s.rolledBack[i] && !restored[is.key] {
			s.violation("promise 2: %s replaced the newer %s of destination %d", is.key, was.key, i)
		}
	}
}

// restored are the keys that the history says were put back.
func (s *story) restored(i int) map[string]bool {
	entries, err := s.current().store.History(context.Background(), store.HistoryQuery{Destination: s.destinations[i].Name, Limit: 1000})
	must(s.t, err)
	keys := map[string]bool{}
	for _, e := range entries {
		// A process that died after its PATCH did not come to say so.
		if strings.Contains(e.Detail, "previous version") || e.Detail == "rotatord stopped before the answer came" {
			keys[s.keyOf(&store.Accepted{Version: e.Version})] = true
		}
	}
	return keys
}

func (s *story) keyWith(fingerprint string) string {
	for id := range s.keys {
		if s.sim.Fingerprint([]byte(id)) == fingerprint {
			return id
		}
	}
	return ""
}

// judgeRequest is promises 3, 4 and 8.
func (s *story) judgeRequest(r planettest.Request) {
	if r.Status == http.StatusTooManyRequests && r.Fault == "" {
		s.violation("promise 4: request %d was throttled", r.Number)
	}
	if r.Method != http.MethodPatch {
		return
	}
	if !slices.Equal(r.Keys, []string{"parameters"}) || !slices.Equal(r.ParameterKeys, []string{"aws_access_key_id", "aws_secret_access_key"}) {
		s.violation("promise 3: request %d holds %v with parameters %v", r.Number, r.Keys, r.ParameterKeys)
	}
	id := s.keyWith(r.Fingerprints["aws_access_key_id"])
	k := s.keys[id]
	if k == nil {
		s.violation("promise 2: request %d holds a key that no source ever had", r.Number)
		return
	}
	// Preflight passed before the turn was waited for.
	const before = 20 * time.Second
	revoked, gone := s.revoked[id]
	if !k.good || r.At.Before(k.from) || gone && r.At.After(revoked.Add(before)) {
		s.violation("promise 8: request %d gives planet %s, which preflight must have refused", r.Number, id)
	}
}

// checkLeaks is promise 5.
func (s *story) checkLeaks() {
	if strings.Contains(s.logs.String(), canary) {
		s.violation("promise 5: a secret got into the log")
	}
}

func (s *story) allInSync() bool {
	for i := range s.destinations {
		if s.record(i).Status.State != store.StateInSync {
			return false
		}
	}
	return true
}
