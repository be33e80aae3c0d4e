package app_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// canary is part of every secret, so that one search tells whether any of them
// got where it does not belong.
const canary = "CANARYsecretCANARY"

const apiKey = "PLAK" + canary

// world is everything around a rotatord, on loopback: the simulator of Planet,
// a bucket server with access control, and secrets in files.
type world struct {
	t      testing.TB
	dir    string
	sim    *planettest.Simulator
	s3     *buckettest.Server
	planet *httptest.Server
	bucket *httptest.Server
	// Times that the servers themselves took, for what comes over TCP. The
	// simulator's own way to the bucket is in memory and part of its time.
	planetTime, bucketTime atomic.Int64
	// traced counts requests that tell of a trace.
	traced atomic.Int64
	// onEvent, if set, is called at every step that can be seen from outside: a
	// request that comes in, a line of a log.
	onEvent atomic.Pointer[func()]
	// onPatch, if set, is called when a PATCH was answered, with how long Planet
	// took over it.
	onPatch atomic.Pointer[func(took time.Duration)]

	account      string   // more lines of [[account]]
	defaults     string   // more lines of [defaults]
	top          string   // lines before everything
	env          []string // more of the children's environment
	destinations []*destination

	mu   sync.Mutex
	logs []*buffer
}

type option func(*planettest.Options)

func newWorld(t testing.TB, opts ...option) *world {
	t.Helper()
	// Not t.TempDir: a socket's path has to be short.
	dir, err := os.MkdirTemp("", "rotatord") //nolint:usetesting // see above
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	w := &world{t: t, dir: dir, s3: buckettest.NewServer()}
	o := planettest.Options{
		Users:    []planettest.User{{Name: "owner", Key: apiKey, ID: 7}},
		Verifier: app.Verifier(app.BucketKinds(w.s3.RoundTripper()), ""), Seed: 1, Quota: 100,
	}
	for _, opt := range opts {
		opt(&o)
	}
	w.sim, err = planettest.New(o)
	must(t, err)
	w.planet, w.bucket = w.serve(w.sim, &w.planetTime), w.serve(w.s3, &w.bucketTime)
	t.Cleanup(func() {
		w.planet.Close()
		w.bucket.Close()
		w.sim.Close()
	})
	w.write("key", []byte(apiKey+"\n"))
	return w
}

// serve listens on loopback, notes each request as an event and how long it took.
func (w *world) serve(h http.Handler, took *atomic.Int64) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.event()
		if r.Header.Get("Traceparent") != "" || r.Header.Get("Tracestate") != "" {
			w.traced.Add(1)
		}
		begun := time.Now()
		defer func() {
			own := time.Since(begun)
			took.Add(int64(own))
			if f := w.onPatch.Load(); f != nil && r.Method == http.MethodPatch {
				(*f)(own)
			}
		}()
		h.ServeHTTP(rw, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Start()
	return s
}

func (w *world) event() {
	if f := w.onEvent.Load(); f != nil {
		(*f)()
	}
}

func (w *world) path(name string) string     { return filepath.Join(w.dir, name) }
func (w *world) storeDir() string            { return w.path("store") }
func (w *world) configFile() string          { return w.path("rotatord.toml") }
func (w *world) write(name string, b []byte) { must(w.t, os.WriteFile(w.path(name), b, 0o600)) }

func (w *world) options() app.Options {
	return app.Options{Config: w.config(), Version: "test", Logger: slog.New(slog.DiscardHandler)}
}

// configure writes the configuration.
func (w *world) configure() {
	w.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `%s
[store]
dir = %q
[admin]
listen = "127.0.0.1:0"
[files]
settle = "50ms"
[[account]]
name = "acct"
api_key_file = %q
base_url = "%s/destinations/v1"
%s
[defaults]
schedule = "off"
probe_schedule = "off"
%s
`, w.top, w.storeDir(), w.path("key"), w.planet.URL, w.account, w.defaults)
	for _, d := range w.destinations {
		secret := d.secret
		if secret == "" {
			secret = "file://" + d.path
		}
		fmt.Fprintf(&b, "[[destination]]\nname = %q\nsecret = %q\n%s\n", d.id, secret, d.settings)
	}
	w.write("rotatord.toml", []byte(b.String()))
}

// destination is one destination with the secret behind it.
type destination struct {
	w        *world
	id       string // in Planet, and so its name in the configuration
	bucket   string
	path     string // of the secret
	secret   string // its name, where it is no file
	version  string // of the newest value, where the secret is no file
	settings string // more lines of its configuration
	put      func(d *destination, k key)

	mu   sync.Mutex
	keys []key // all that the secret ever held, newest last
	dirs int
}

// key is one access key, and so one version of a secret.
type key struct{ id, secret string }

var allowed = []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}

var serial atomic.Int64

// add makes a destination that Planet holds a good key for; the secret holds
// the same one.
func (w *world) add(name string, put func(*destination, key), settings ...string) *destination {
	w.t.Helper()
	d := &destination{w: w, bucket: name, path: w.path("secret-" + name), put: put, settings: strings.Join(settings, "\n")}
	w.s3.CreateBucket(name)
	k := d.newKey()
	d.id = w.sim.Seed("owner", planettest.Destination{Name: name, Type: "s3_compatible", Parameters: map[string]any{
		"bucket": name, "region": "us-east-1", "endpoint": w.bucket.URL, "use_path_style": true,
		"access_key_id": k.id, "secret_access_key": k.secret,
	}})
	w.destinations = append(w.destinations, d)
	d.give(k)
	return d
}

// newKey makes a key that works at once, for put, get and delete.
func (d *destination) newKey() key { return d.makeKey(time.Time{}, allowed...) }

func (d *destination) makeKey(from time.Time, allow ...buckettest.Action) key {
	n := serial.Add(1)
	k := key{id: fmt.Sprintf("AKIA%016d", n), secret: fmt.Sprintf("%s%022d", canary, n)}
	d.w.s3.AddKey(buckettest.Key{ID: k.id, Secret: k.secret, Buckets: []string{d.bucket}, Allow: allow, From: from})
	return k
}

// give puts a key into the secret.
func (d *destination) give(k key) {
	d.w.t.Helper()
	d.mu.Lock()
	d.keys = append(d.keys, k)
	d.mu.Unlock()
	d.put(d, k)
}

func (d *destination) rotate() key {
	d.w.t.Helper()
	k := d.newKey()
	d.give(k)
	return k
}

func (d *destination) newest() key {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keys[len(d.keys)-1]
}

// held tells whether Planet holds a key.
func (d *destination) held(k key) bool {
	s, ok := d.w.sim.Stored(d.id)
	return ok && string(s.Credentials.Get("access_key_id").Bytes()) == k.id &&
		string(s.Credentials.Get("secret_access_key").Bytes()) == k.secret
}

func (k key) json() []byte {
	return fmt.Appendf(nil, `{"access_key_id":%q,"secret_access_key":%q}`, k.id, k.secret)
}

// renamed replaces the file by another.
func renamed(d *destination, k key) {
	must(d.w.t, os.WriteFile(d.path+".new", k.json(), 0o600))
	must(d.w.t, os.Rename(d.path+".new", d.path))
}

// inPlace writes into the file.
func inPlace(d *destination, k key) { must(d.w.t, os.WriteFile(d.path, k.json(), 0o600)) }

// keyByKey writes a plain directory's files one after the other.
func keyByKey(d *destination, k key) {
	must(d.w.t, os.MkdirAll(d.path, 0o700))
	must(d.w.t, os.WriteFile(filepath.Join(d.path, "access_key_id"), []byte(k.id+"\n"), 0o600))
	must(d.w.t, os.WriteFile(filepath.Join(d.path, "secret_access_key"), []byte(k.secret+"\n"), 0o600))
}

// mounted swaps the ..data link, as the kubelet does.
func mounted(d *destination, k key) {
	t := d.w.t
	first := d.dirs == 0
	d.dirs++
	data := fmt.Sprintf("..data-%d", d.dirs)
	dir := filepath.Join(d.path, data)
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "access_key_id"), []byte(k.id), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "secret_access_key"), []byte(k.secret), 0o600))
	must(t, os.Symlink(data, filepath.Join(d.path, "..data_tmp")))
	must(t, os.Rename(filepath.Join(d.path, "..data_tmp"), filepath.Join(d.path, "..data")))
	if first {
		for _, name := range []string{"access_key_id", "secret_access_key"} {
			must(t, os.Symlink(filepath.Join("..data", name), filepath.Join(d.path, name)))
		}
		return
	}
	must(t, os.RemoveAll(filepath.Join(d.path, fmt.Sprintf("..data-%d", d.dirs-1))))
}

// patches are the PATCHes that Planet saw, of one destination or of all.
func (w *world) patches(of ...*destination) (all []planettest.Request) {
	for _, r := range w.sim.Requests() {
		ours := len(of) == 0
		for _, d := range of {
			ours = ours || strings.HasSuffix(r.Path, "/"+d.id)
		}
		if r.Method == http.MethodPatch && ours {
			all = append(all, r)
		}
	}
	return all
}

// checkRequests holds the simulator's record against what is promised of
// requests: the rate, the fields, and that each credential is one whole key
// that its secret held.
func (w *world) checkRequests(perSecond int) {
	w.t.Helper()
	if most := w.sim.MaxInWindow(time.Second); most > perSecond {
		w.t.Errorf("%d requests within one second", most)
	}
	for _, r := range w.sim.Requests() {
		if r.Status == http.StatusTooManyRequests && r.Fault == "" {
			w.t.Errorf("request %d was throttled", r.Number)
		}
	}
	fields := []string{"access_key_id", "secret_access_key"}
	for _, d := range w.destinations {
		whole := map[string]string{}
		for _, k := range d.keys {
			whole[w.sim.Fingerprint([]byte(k.id))] = w.sim.Fingerprint([]byte(k.secret))
		}
		for _, r := range w.patches(d) {
			if len(r.Keys) == 0 && r.Effect.IsZero() && r.Status/100 != 2 {
				continue // its sender was killed before the body was through
			}
			if !slices.Equal(r.Keys, []string{"parameters"}) || !slices.Equal(r.ParameterKeys, fields) {
				w.t.Errorf("request %d holds %v with parameters %v", r.Number, r.Keys, r.ParameterKeys)
			}
			if want := whole[r.Fingerprints["access_key_id"]]; want == "" || want != r.Fingerprints["secret_access_key"] {
				w.t.Errorf("request %d gives %s what is no key of its secret", r.Number, d.id)
			}
		}
	}
}

// checkNoSecret searches what rotatord leaves behind and says for secrets.
func (w *world) checkNoSecret(daemon *process, c *app.Connection) {
	w.t.Helper()
	if found := search(w.t, w.path("")); !slices.Contains(found, "key") {
		w.t.Errorf("the search for secrets does not find the API key's file, only %v", found)
	}
	for _, f := range search(w.t, w.storeDir()) {
		w.t.Errorf("a secret got into the store's %s", f)
	}
	w.mu.Lock()
	for _, l := range w.logs {
		if strings.Contains(l.String(), canary) {
			w.t.Error("a secret got into the log")
		}
	}
	w.mu.Unlock()
	if daemon != nil {
		for _, path := range []string{"/", "/metrics", "/readyz", "/healthz"} {
			if _, body := daemon.get(path); strings.Contains(body, canary) {
				w.t.Errorf("a secret is shown on %s", path)
			}
		}
	}
	if c != nil {
		for _, path := range []string{"/v1/status", "/v1/history?limit=10000"} {
			r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://rotatord"+path, http.NoBody)
			must(w.t, err)
			res, err := c.Transport.RoundTrip(r)
			must(w.t, err)
			body, err := io.ReadAll(res.Body)
			must(w.t, errors.Join(err, res.Body.Close()))
			if res.StatusCode != http.StatusOK || bytes.Contains(body, []byte(canary)) {
				w.t.Errorf("%s: status %d, or it shows a secret", path, res.StatusCode)
			}
		}
	}
}

// search gives the files below a directory that hold a secret.
func search(t testing.TB, dir string) (found []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(canary)) {
			name, _ := filepath.Rel(dir, path)
			found = append(found, name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}))
	return found
}

// settled tells whether a destination is in sync on its newest key.
func (d *destination) settled(c *app.Connection) bool {
	if !d.held(d.newest()) {
		return false
	}
	s := status(d.w.t, c, d)
	return s.State == store.StateInSync && !s.Due && s.Inflight == nil
}
