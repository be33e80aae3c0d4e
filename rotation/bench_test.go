package rotation_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/bucket/s3"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// TestFiftyDestinationsAtOnceKeepThePaceThatPlanetAllows: three requests a
// second are the floor, and little is lost above it, however long Planet takes
// over each.
func TestFiftyDestinationsAtOnceKeepThePaceThatPlanetAllows(t *testing.T) {
	const n = 50
	floor := time.Duration((n+2)/3-1) * time.Second
	for _, c := range []struct {
		name      string
		behaviour planettest.Behaviour
		most      float64
	}{
		{"a network and a Planet that take no time", planettest.Behaviour{}, 1.05},
		{"a second for each PATCH, and up to 100 ms of jitter each way",
			planettest.Behaviour{VerifyDelay: time.Second, Network: planettest.Network{Max: 100 * time.Millisecond}}, 1.3},
	} {
		for _, window := range []planettest.Window{planettest.Sliding, planettest.Fixed} {
			t.Run(fmt.Sprintf("%s, window %d", c.name, window), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t, 1, n, behave(c.behaviour), func(w *world, o *planettest.Options) {
						o.Window, w.schedule = window, 0
					})
					w.start()
					time.Sleep(10 * time.Minute)
					before := len(w.sim.Requests())
					for i := range w.destinations {
						w.rotate(i, w.newKey(""))
					}
					time.Sleep(time.Minute)
					for i := range w.destinations {
						w.wantStored(i, w.src.now(w.destinations[i].Secret))
					}
					took, patches, gets := spread(w.sim.Requests()[before:])
					if patches != n || gets > 1 {
						t.Errorf("%d PATCHes and %d other requests, want %d and at most 1", patches, gets, n)
					}
					if ratio := took.Seconds() / floor.Seconds(); ratio > c.most {
						t.Errorf("first to last PATCH took %v, which is %.3f of the floor %v, want at most %.2f", took, ratio, floor, c.most)
					} else {
						t.Logf("first to last PATCH: %v, %.3f of the floor", took, ratio)
					}
					w.checkRequests()
					w.stop()
					w.sim.Close()
				})
			})
		}
	}
}

// spread is the time from the first to the last arrival of a PATCH.
func spread(requests []planettest.Request) (took time.Duration, patches, others int) {
	var first, last time.Time
	for _, r := range requests {
		if r.Method != http.MethodPatch {
			others++
			continue
		}
		if patches == 0 {
			first = r.At
		}
		last = r.At
		patches++
	}
	return last.Sub(first), patches, others
}

// bench is an engine in real time: its store on disk, source, Planet and
// bucket in memory.
type bench struct {
	b      *testing.B
	engine *rotation.Engine
	src    *source
	sim    *planettest.Simulator
	s3     *buckettest.Server
	names  []string
}

func newBench(b *testing.B, n int, first rotation.FirstSight) *bench {
	b.Helper()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	s := &bench{b: b, src: newSource(), s3: buckettest.NewServer()}
	s.s3.CreateBucket("bucket")
	kinds := bucket.Kinds{bucket.TypeAmazonS3: s3.Opener(s3.Options{Transport: s.s3.RoundTripper()})}
	var err error
	s.sim, err = planettest.New(planettest.Options{Users: []planettest.User{{Name: "owner", Key: apiKey}}, PerSecond: 1000, Quota: n})
	check(err)
	b.Cleanup(s.sim.Close)
	st, err := store.Open(context.Background(), store.Options{Dir: b.TempDir()})
	check(err)
	b.Cleanup(func() { check(st.Close()) })
	limiter, err := planet.NewLimiter(planet.LimiterOptions{PerSecond: 1000, Ledger: st.Ledger("acct")})
	check(err)
	client, err := planet.New(planet.Options{BaseURL: "http://planet.test/destinations/v1", Limiter: limiter, Transport: s.sim.RoundTripper(),
		Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte(apiKey))))})
	check(err)
	o := rotation.Options{Store: st, Source: s.src, Accounts: []rotation.Account{{Name: "acct", API: client, Turns: limiter}},
		Logger: slog.New(slog.DiscardHandler)}
	var records []store.Record
	for i := range n {
		k := s.newKey()
		name := fmt.Sprintf("bench-%04d", i)
		id := s.sim.Seed("owner", planettest.Destination{Name: name, Type: "amazon_s3", Parameters: map[string]any{
			"bucket": "bucket", "aws_region": "us-west-2", "aws_access_key_id": k.id, "aws_secret_access_key": k.secret}})
		d := rotation.Destination{Name: id, Account: "acct", Secret: credential.Secret("mem://" + name), Settings: rotation.Settings{
			FirstSight: first, Preflight: rotation.PreflightRequired, Propagation: time.Minute, Verification: 150 * time.Second,
			VerifyObject: "planetverify.txt", LeftoverConfirm: time.Minute, Open: kinds.Open, Hash: "h", Endpoint: "http://s3.test"}}
		s.src.put(d.Secret, k)
		s.names = append(s.names, id)
		o.Destinations = append(o.Destinations, d)
		records = append(records, store.Record{Destination: id, Account: "acct", Secret: d.Secret})
	}
	check(st.Ensure(context.Background(), records))
	s.engine, err = rotation.New(o)
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.engine.Run(ctx) }()
	b.Cleanup(func() { cancel(); check(<-done) })
	if _, err := s.engine.Sync(context.Background(), time.Minute); err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *bench) newKey() key {
	keySerialMu.Lock()
	keySerial++
	serial := keySerial
	keySerialMu.Unlock()
	k := key{version: fmt.Sprintf("v%d", serial), id: fmt.Sprintf("AKIA%016d", serial), secret: fmt.Sprintf("%s%022d", canary, serial)}
	s.s3.AddKey(buckettest.Key{ID: k.id, Secret: k.secret, Buckets: []string{"bucket"}, Allow: all})
	return k
}

// reads is how many values were read so far.
func (s *bench) reads() int {
	s.src.mu.Lock()
	defer s.src.mu.Unlock()
	return s.src.reads
}

// BenchmarkEventToRunningWorker is the time from an event's Emit to the first
// thing that a worker does for it which can be seen from outside: asking the
// source for the current version. Between them lie the mark's transaction with
// its fsync, the queue, and the reading of the record.
func BenchmarkEventToRunningWorker(b *testing.B) {
	for _, burst := range []int{1, 100} {
		b.Run(fmt.Sprintf("events at once %d", burst), func(b *testing.B) {
			const n = 1000
			s := newBench(b, n, rotation.FirstSightAdopt)
			seen := make(chan credential.Secret, 10*n)
			s.src.mu.Lock()
			s.src.onLooked = func(name credential.Secret) { seen <- name }
			s.src.mu.Unlock()
			var took []time.Duration
			next := 0
			for b.Loop() {
				// At least a thousand events, however few iterations are asked for.
				for begun := len(took); len(took)-begun < 1000; {
					sent := map[credential.Secret]time.Time{}
					for range burst {
						secret := credential.Secret(fmt.Sprintf("mem://bench-%04d", next%n))
						next++
						sent[secret] = time.Now()
						go func() {
							if err := s.engine.Emit(context.Background(), credential.Event{Secret: secret, Source: "bench"}); err != nil {
								b.Error(err)
							}
						}()
					}
					for len(sent) > 0 {
						name := <-seen
						if at, ours := sent[name]; ours {
							took = append(took, time.Since(at))
							delete(sent, name)
						}
					}
				}
			}
			report(b, took)
		})
	}
}

// report gives median and 99th percentile in milliseconds.
func report(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), "p99-ms")
	b.ReportMetric(float64(len(took)), "samples")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkRotation is one rotation from the source's new version to the end of
// the look, with everything outside in memory and the store on disk. Allocations
// are those of the servers too.
func BenchmarkRotation(b *testing.B) {
	s := newBench(b, 1, rotation.FirstSightPush)
	reads, requests := s.reads(), len(s.sim.Requests())
	b.ReportAllocs()
	rotations := 0
	for b.Loop() {
		s.src.put("mem://bench-0000", s.newKey())
		records, err := s.engine.Sync(context.Background(), time.Minute, s.names[0])
		if err != nil || records[0].Status.State != store.StateInSync {
			b.Fatalf("%+v: %v", records, err)
		}
		rotations++
	}
	_, patches, others := spread(s.sim.Requests()[requests:])
	b.ReportMetric(float64(s.reads()-reads)/float64(rotations), "value-reads/op")
	b.ReportMetric(float64(patches)/float64(rotations), "PATCHes/op")
	b.ReportMetric(float64(others), "lists")
}
