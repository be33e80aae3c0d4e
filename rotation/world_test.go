package rotation_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/bucket/s3"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// canary is part of every secret access key, so that one search tells whether
// any of them got where it does not belong.
const canary = "CANARYsecretCANARY"

// world is everything around an engine, in one process and in virtual time:
// the simulator of Planet, a bucket server with access control, a secret
// manager, and a store on disk. The engine in it can be killed at any of its
// durable steps and started again on what the store holds.
type world struct {
	t    *testing.T
	rand *rand.Rand
	sim  *planettest.Simulator
	s3   *buckettest.Server
	src  *source
	// provider is asked in place of src, if there is one.
	provider providers.Provider
	dir      string
	logs     *logBuffer

	settings     rotation.Settings
	destinations []rotation.Destination
	ids          map[string]string // configured name → id in the simulator
	keys         map[string]string // account → its API key
	quirks       rotation.Quirks
	schedule     time.Duration // 0: no schedule, only events

	missedAfter time.Duration
	listEvery   time.Duration
	grace       time.Duration
	mark        func(context.Context, credential.Secret, string) error
	marks       func(credential.Secret) bool
	trace       func(rotation.Trace)

	mu     sync.Mutex
	run    *running
	starts int
	missed []string // events that were missed
}

// running is one process' life.
type running struct {
	*rotation.Engine
	store  *store.Store
	life   *life
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	apiKey   = "PLAK" + canary
	adminKey = "PLAKadmin" + canary
)

type option func(*world, *planettest.Options)

func behave(b planettest.Behaviour) option {
	return func(_ *world, o *planettest.Options) { o.Behaviour = b }
}

// newWorld makes a world of n destinations, each with a secret of its own
// that has one good version which Planet holds already.
func newWorld(t *testing.T, seed int64, n int, opts ...option) *world {
	t.Helper()
	w := &world{
		t: t, rand: rand.New(rand.NewPCG(uint64(seed), 17)), s3: buckettest.NewServer(), src: newSource(),
		dir: t.TempDir(), logs: &logBuffer{}, ids: map[string]string{}, keys: map[string]string{"acct": apiKey}, schedule: 15 * time.Minute,
	}
	kinds := bucket.Kinds{bucket.TypeAmazonS3: s3.Opener(s3.Options{Transport: w.s3.RoundTripper()})}
	w.settings = rotation.Settings{
		FirstSight: rotation.FirstSightPush, Preflight: rotation.PreflightRequired,
		Propagation: 10 * time.Minute, Verification: 150 * time.Second, RestorePrevious: true,
		VerifyObject: "planetverify.txt", LeftoverConfirm: time.Minute, Open: kinds.Open, Hash: "h",
		Endpoint:  "http://s3.test",
		NextProbe: func(after time.Time) time.Time { return after.Add(6 * time.Hour) },
	}
	o := planettest.Options{
		Users: []planettest.User{
			{Name: "owner", Key: apiKey, ID: 7, Organization: "org"},
			{Name: "admin", Key: adminKey, ID: 9, Organization: "org", Admin: true},
			{Name: "stranger", Key: "PLAKstranger" + canary, ID: 8, Organization: "org"},
		},
		Verifier: verifier(kinds), Seed: seed, Quota: 100,
	}
	for _, opt := range opts {
		opt(w, &o)
	}
	sim, err := planettest.New(o)
	must(t, err)
	w.sim = sim
	w.s3.CreateBucket("bucket")
	for i := range n {
		w.add(fmt.Sprintf("dest-%02d", i))
	}
	return w
}

func (w *world) add(name string) {
	secret := credential.Secret("mem://" + name)
	first := w.newKey(name)
	w.src.put(secret, first)
	id := w.sim.Seed("owner", planettest.Destination{Name: name, Type: "amazon_s3", Parameters: map[string]any{
		"bucket": "bucket", "aws_region": "us-west-2", "explicit_sse": true,
		"aws_access_key_id": first.id, "aws_secret_access_key": first.secret,
	}})
	w.ids[id] = id
	w.destinations = append(w.destinations, rotation.Destination{Name: id, Account: "acct", Secret: secret, Settings: w.settings})
}

// key is one access key, and so one version of a secret.
type key struct {
	version    string // as the source names it
	id, secret string
	good       bool      // may put, get and delete
	from       time.Time // when it begins to work
}

var all = []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}

var keySerial int
var keySerialMu sync.Mutex

// newKey makes a key that works at once.
func (w *world) newKey(name string) key { return w.makeKey(name, all, 0) }

func (w *world) makeKey(name string, allow []buckettest.Action, after time.Duration) key {
	keySerialMu.Lock()
	keySerial++
	serial := keySerial
	keySerialMu.Unlock()
	k := key{version: fmt.Sprintf("v%d", serial), id: fmt.Sprintf("AKIA%016d", serial), secret: fmt.Sprintf("%s%022d", canary, serial),
		good: len(allow) == len(all), from: time.Now().Add(after)}
	w.s3.AddKey(buckettest.Key{ID: k.id, Secret: k.secret, Buckets: []string{"bucket"}, Allow: allow, From: k.from})
	return k
}

// wrongKey is one that no server knows.
func (w *world) wrongKey(name string) key {
	k := w.makeKey(name, all, 0)
	w.s3.Revoke(k.id)
	k.good = false
	return k
}

// rotate puts a new version into the secret of a destination and announces it.
func (w *world) rotate(i int, k key) {
	w.src.put(w.destinations[i].Secret, k)
	w.announce(i)
}

// announce sends the event, to the engine if one runs. An event that nobody
// took stays with its source and is repeated, as a queue would do.
func (w *world) announce(i int) {
	s := w.destinations[i].Secret
	e := credential.Event{Secret: s, Source: "mem", Version: w.src.now(s).version, Time: time.Now()}
	go func() {
		for range 1000 {
			if r := w.current(); r != nil && r.Emit(context.Background(), e) == nil {
				return
			}
			time.Sleep(time.Second)
		}
	}()
}

func (w *world) current() *running {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.run
}

// start begins a process' life on the store.
func (w *world) start() *running {
	w.t.Helper()
	st, err := store.Open(context.Background(), store.Options{Dir: w.dir})
	must(w.t, err)
	l := &life{}
	w.starts++
	var accounts []rotation.Account
	for _, name := range slices.Sorted(maps.Keys(w.keys)) {
		limiter, err := planet.NewLimiter(planet.LimiterOptions{Ledger: st.Ledger(name)})
		must(w.t, err)
		client, err := planet.New(planet.Options{
			BaseURL: "http://planet.test/destinations/v1", Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte(w.keys[name])))),
			Limiter: limiter, Transport: mortalTransport{l, w.sim.RoundTripper()}, Logger: w.logger(),
		})
		must(w.t, err)
		accounts = append(accounts, rotation.Account{Name: name, API: client, Turns: limiter, KeySecret: "mem://planet-key", ListEvery: w.listEvery})
	}
	var records []store.Record
	for _, d := range w.destinations {
		records = append(records, store.Record{Destination: d.Name, Account: d.Account, Secret: d.Secret})
	}
	must(w.t, st.Ensure(context.Background(), records))
	e, err := rotation.New(rotation.Options{
		Store: mortalStore{l, st}, Source: w.sourceOf(l), Logger: w.logger(),
		Accounts: accounts, Destinations: w.destinations,
		Rand: rand.New(rand.NewPCG(w.rand.Uint64(), 3)), MissedAfter: w.missedAfter,
		Grace: w.grace, Mark: w.mark, Marks: w.marks, Trace: w.trace,
		Missed: func(name string, sources []string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.missed = append(w.missed, fmt.Sprint(name, sources))
		},
	})
	must(w.t, err)
	rotation.SetQuirks(e, w.quirks)
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{Engine: e, store: st, life: l, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		if err := e.Run(ctx); err != nil && !errors.Is(err, errDead) {
			w.t.Errorf("engine: %v", err)
		}
	}()
	if w.schedule > 0 {
		for i := range w.destinations {
			go w.tick(ctx, r, i)
		}
	}
	w.mu.Lock()
	w.run = r
	w.mu.Unlock()
	return r
}

func (w *world) sourceOf(l *life) providers.Provider {
	if w.provider != nil {
		return w.provider
	}
	return mortalSource{l, w.src}
}

func (w *world) tick(ctx context.Context, r *running, i int) {
	for {
		select {
		case <-time.After(w.schedule + time.Duration(i)*time.Second):
			_ = r.Emit(ctx, credential.Event{Destination: w.destinations[i].Name, Source: "schedule"})
		case <-ctx.Done():
			return
		}
	}
}

// stop ends a life in order.
func (w *world) stop() {
	r := w.current()
	if r == nil {
		return
	}
	w.mu.Lock()
	w.run = nil
	w.mu.Unlock()
	r.cancel()
	<-r.done
	must(w.t, r.store.Close())
}

// kill ends a life as kill -9 does: from now on nothing of the process reaches
// the store, the bucket or Planet. What it has sent goes its way.
func (w *world) kill() {
	if r := w.current(); r != nil {
		r.life.end()
		w.stop()
	}
}

// record gives what the store holds of a destination.
func (w *world) record(i int) store.Record {
	w.t.Helper()
	r, err := w.current().store.Load(context.Background(), w.destinations[i].Name)
	must(w.t, err)
	return r
}

// stored is the access key that Planet holds for a destination.
func (w *world) stored(i int) string {
	s, ok := w.sim.Stored(w.destinations[i].Name)
	if !ok {
		w.t.Fatalf("%s is gone", w.destinations[i].Name)
	}
	return string(s.Credentials.Get("aws_access_key_id").Bytes())
}

func (w *world) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// verifier checks credentials as Planet does.
func verifier(kinds bucket.Kinds) planettest.Verifier {
	return planettest.VerifierFunc(func(ctx context.Context, v planettest.Verification) error {
		at, err := bucket.ParseLocation(v.Type, v.Parameters)
		if err != nil {
			return err
		}
		b, err := kinds.Open(at.WithEndpoint("http://s3.test"), planetCredentials(v))
		if err != nil {
			return err
		}
		if err := b.Put(ctx, v.Object, []byte("planet")); err != nil {
			return &planettest.VerifyError{Step: planettest.StepWrite, Message: "refused"}
		}
		v.Written(ctx)
		if err := b.Delete(ctx, v.Object); err != nil {
			return &planettest.VerifyError{Step: planettest.StepDelete, Message: "refused"}
		}
		return nil
	})
}

// source is a secret manager in memory that keeps its old versions.
type source struct {
	mu       sync.Mutex
	secrets  map[credential.Secret]*entry
	down     bool
	forgets  bool // old versions can't be read
	current  int  // calls
	hinted   int  // calls after an event with a version
	reads    int
	onLooked func(credential.Secret)
}

type entry struct {
	versions []key
	current  int
	// Until then reads show what was current before.
	behind int
	until  time.Time
}

func (e *entry) shown() key {
	if time.Now().Before(e.until) {
		return e.versions[e.behind]
	}
	return e.versions[e.current]
}

func newSource() *source { return &source{secrets: map[credential.Secret]*entry{}} }

func (s *source) put(name credential.Secret, k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.secrets[name]
	if e == nil {
		e = &entry{}
		s.secrets[name] = e
	}
	e.versions = append(e.versions, k)
	e.current = len(e.versions) - 1
}

// lag lets reads show what is current now for a while, whatever comes.
func (s *source) lag(name credential.Secret, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.secrets[name]; time.Now().After(e.until) { // never further back than it was
		e.behind, e.until = e.current, time.Now().Add(d)
	}
}

// rollBack makes an older version the current one.
func (s *source) rollBack(name credential.Secret, to int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[name].current = to
}

func (s *source) setForgets(forgets bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgets = forgets
}

func (s *source) setDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *source) now(name credential.Secret) key {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.secrets[name]
	return e.versions[e.current]
}

func (s *source) Current(ctx context.Context, name credential.Secret) (credential.Version, error) {
	s.mu.Lock()
	s.current++
	looked := s.onLooked
	e, ok := s.secrets[name]
	down := s.down
	s.mu.Unlock()
	if looked != nil {
		looked(name)
	}
	if down || !ok {
		return credential.Version{}, &providers.Error{Op: "read current version of", Secret: name, Reason: providers.ReasonUnavailable}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return credential.Version{ID: e.shown().version}, nil
}

// CurrentAfter asks again until the version shows up, as those of the clouds do.
func (s *source) CurrentAfter(ctx context.Context, name credential.Secret, hint providers.Hint) (credential.Version, error) {
	s.mu.Lock()
	s.hinted++
	s.mu.Unlock()
	for begun := time.Now(); ; time.Sleep(500 * time.Millisecond) {
		v, err := s.Current(ctx, name)
		if err != nil || v.ID == hint.Version || hint.Known != "" && v.ID != hint.Known || time.Since(begun) > 8*time.Second || ctx.Err() != nil {
			return v, err
		}
	}
}

func (s *source) Read(ctx context.Context, name credential.Secret, version string) (credential.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	e, ok := s.secrets[name]
	if s.down || !ok {
		return credential.Value{}, &providers.Error{Op: "read", Secret: name, Reason: providers.ReasonUnavailable}
	}
	for i, k := range e.versions {
		if k.version == version && (!s.forgets || i == e.current) {
			return credential.NewValue(fmt.Appendf(nil, `{"aws_access_key_id":%q,"aws_secret_access_key":%q}`, k.id, k.secret)), nil
		}
	}
	return credential.Value{}, &providers.Error{Op: "read", Secret: name, Reason: providers.ReasonGone}
}

// life is one process' life: once it has ended nothing of it has an effect.
type life struct {
	mu      sync.Mutex
	dead    bool
	saves   int
	dieAt   int // the save at which to die; 0 for none
	onDeath func()
}

var errDead = errors.New("the process is dead")

func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.dead = true
}

func (l *life) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		return errDead
	}
	return nil
}

// saving counts a durable step and may end the life just before it.
func (l *life) saving() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.saves++
	if l.dieAt > 0 && l.saves >= l.dieAt && !l.dead {
		l.dead = true
		if l.onDeath != nil {
			go l.onDeath()
		}
	}
	if l.dead {
		return errDead
	}
	return nil
}

type mortalStore struct {
	life *life
	*store.Store
}

func (s mortalStore) Save(ctx context.Context, r *store.Record, entries ...store.Entry) error {
	if err := s.life.saving(); err != nil {
		return err
	}
	return s.Store.Save(ctx, r, entries...)
}

func (s mortalStore) MarkDue(ctx context.Context, source string, at time.Time, names ...string) error {
	if err := s.life.check(); err != nil {
		return err
	}
	return s.Store.MarkDue(ctx, source, at, names...)
}

func (s mortalStore) MarkHeard(ctx context.Context, h store.Heard, names ...string) error {
	if err := s.life.check(); err != nil {
		return err
	}
	return s.Store.MarkHeard(ctx, h, names...)
}

func (s mortalStore) SaveAccount(ctx context.Context, a store.Account) error {
	if err := s.life.check(); err != nil {
		return err
	}
	return s.Store.SaveAccount(ctx, a)
}

func (s mortalStore) SaveReceipt(ctx context.Context, r store.Receipt) error {
	if err := s.life.check(); err != nil {
		return err
	}
	return s.Store.SaveReceipt(ctx, r)
}

type mortalTransport struct {
	life *life
	http.RoundTripper
}

func (t mortalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := t.life.check(); err != nil {
		return nil, err
	}
	return t.RoundTripper.RoundTrip(r)
}

type mortalSource struct {
	life *life
	*source
}

func (s mortalSource) Current(ctx context.Context, name credential.Secret) (credential.Version, error) {
	if err := s.life.check(); err != nil {
		return credential.Version{}, err
	}
	return s.source.Current(ctx, name)
}

func (s mortalSource) CurrentAfter(ctx context.Context, name credential.Secret, hint providers.Hint) (credential.Version, error) {
	if err := s.life.check(); err != nil {
		return credential.Version{}, err
	}
	return s.source.CurrentAfter(ctx, name, hint)
}

// logBuffer takes log lines from all goroutines.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// checkNoSecret searches everything that the engine leaves behind.
func (w *world) checkNoSecret() {
	w.t.Helper()
	if strings.Contains(w.logs.String(), canary) {
		w.t.Error("a secret got into the log")
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	must(w.t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil && bytes.Contains(b, []byte(canary)) {
			w.t.Errorf("a secret got into %s", filepath.Base(f))
		}
	}
}

// checkRequests holds the simulator's record against promises 3 and 4.
func (w *world) checkRequests() {
	w.t.Helper()
	if most := w.sim.MaxInWindow(time.Second); most > 3 {
		w.t.Errorf("%d requests within one second", most)
	}
	for _, r := range w.sim.Requests() {
		if r.Status == http.StatusTooManyRequests && r.Fault == "" {
			w.t.Errorf("request %d was throttled", r.Number)
		}
		if r.Method != http.MethodPatch {
			continue
		}
		want := []string{"aws_access_key_id", "aws_secret_access_key"}
		if !slices.Equal(r.Keys, []string{"parameters"}) || !slices.Equal(r.ParameterKeys, want) {
			w.t.Errorf("request %d holds %v with parameters %v", r.Number, r.Keys, r.ParameterKeys)
		}
	}
}

func planetCredentials(v planettest.Verification) (p credential.Parameters) {
	for _, f := range []string{"aws_access_key_id", "aws_secret_access_key"} {
		p.Set(f, credential.NewValue([]byte(stringField(v.Parameters, f))))
	}
	return p
}
