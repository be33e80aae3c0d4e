//go:build unix

package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 20 * time.Second // no measure of speed
	never    = time.Hour        // for a poll or a settling that a test must not need
)

// rig is a running Watcher over secrets in a directory. The last secret is a
// marker: since events keep their order, its event tells that everything
// before it was heard.
type rig struct {
	t      testing.TB
	dir    string
	events chan heard
	log    *lockedBuffer
	refuse atomic.Int64 // how many events are refused from now on
}

// heard is an event and what its secret held when it came, which is what
// rotatord would have read.
type heard struct {
	credential.Event
	content string
}

// start runs a Watcher for secrets at paths relative to a new directory, which
// prepare may fill, and consumes the events of the start.
func start(t testing.TB, o Options, prepare func(dir string), change func(*Watcher), paths ...string) *rig {
	t.Helper()
	r := &rig{t: t, dir: resolved(t, t.TempDir()), events: make(chan heard, 100), log: &lockedBuffer{}}
	if prepare != nil {
		prepare(r.dir)
	}
	r.replace("marker/m", "0")
	for _, p := range append(paths, "marker/m") {
		o.Secrets = append(o.Secrets, r.secret(p))
	}
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- w.Run(ctx, func(_ context.Context, e credential.Event) error {
			if r.refuse.Add(-1) >= 0 {
				return errors.New("the store is busy")
			}
			r.events <- heard{e, contentOf(e.Secret)}
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	for _, s := range o.Secrets {
		if e := r.next(); e.Secret != s || e.Source != "file" {
			t.Fatalf("at the start: %+v, want an event of %s", e, s)
		}
	}
	return r
}

func resolved(t testing.TB, dir string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (r *rig) secret(path string) credential.Secret {
	return credential.Secret("file://" + filepath.Join(r.dir, path))
}

func (r *rig) next() heard {
	r.t.Helper()
	select {
	case e := <-r.events:
		return e
	case <-time.After(patience):
		r.t.Fatalf("no event; the log says:\n%s", r.log)
		panic("unreachable")
	}
}

// hears holds that the next event is of path.
func (r *rig) hears(path string) {
	r.t.Helper()
	if e := r.next(); e.Secret != r.secret(path) {
		r.t.Fatalf("event of %s, want %s", e.Secret, r.secret(path))
	}
}

// sees holds that there is an event at which the secret holds this content.
// It is for changes of several steps, which may be one event or several.
func (r *rig) sees(path, content string) {
	r.t.Helper()
	for {
		if e := r.next(); e.Secret == r.secret(path) && e.content == content {
			return
		}
	}
}

const absent = "(absent)"

// contentOf is the content of a file, or of the key "k" in a directory.
func contentOf(s credential.Secret) string {
	path := strings.TrimPrefix(string(s), "file://")
	for _, p := range []string{path, filepath.Join(path, "k")} {
		if b, err := os.ReadFile(p); err == nil {
			return string(b)
		}
	}
	return absent
}

// hearsNothing holds that no event comes before that of the marker.
func (r *rig) hearsNothing() {
	r.t.Helper()
	r.replace("marker/m", fmt.Sprint(generation.Add(1)))
	r.hears("marker/m")
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) write(path, content string) {
	r.t.Helper()
	full := filepath.Join(r.dir, path)
	r.must(os.MkdirAll(filepath.Dir(full), 0o755))
	r.must(os.WriteFile(full, []byte(content), 0o600))
}

// replace writes elsewhere and renames into place.
func (r *rig) replace(path, content string) {
	r.t.Helper()
	r.write("elsewhere/new", content)
	full := filepath.Join(r.dir, path)
	r.must(os.MkdirAll(filepath.Dir(full), 0o755))
	r.must(os.Rename(filepath.Join(r.dir, "elsewhere/new"), full))
}

func (r *rig) link(target, path string) {
	r.t.Helper()
	full := filepath.Join(r.dir, path)
	r.must(os.MkdirAll(filepath.Dir(full), 0o755))
	r.must(os.Symlink(target, full+".tmp"))
	r.must(os.Rename(full+".tmp", full))
}

// mounted is what the keys of a mount hold.
func (r *rig) mounted(path string) string {
	r.t.Helper()
	link, err := os.Readlink(filepath.Join(r.dir, path, "..data"))
	r.must(err)
	return link
}

var generation atomic.Int64

// mount publishes keys as the kubelet does: a new directory, links in the
// keys' names, the swap of ..data by a rename, the old directory removed.
func (r *rig) mount(path string, keys ...string) {
	r.t.Helper()
	dir := fmt.Sprintf("..2026_01_02.%d", generation.Add(1))
	for _, k := range keys {
		r.write(filepath.Join(path, dir, k), dir)
	}
	full := filepath.Join(r.dir, path)
	old, _ := os.Readlink(filepath.Join(full, "..data"))
	r.must(os.Symlink(dir, filepath.Join(full, "..data_tmp")))
	r.must(os.Rename(filepath.Join(full, "..data_tmp"), filepath.Join(full, "..data")))
	for _, k := range keys {
		if _, err := os.Lstat(filepath.Join(full, k)); err != nil {
			r.must(os.Symlink(filepath.Join("..data", k), filepath.Join(full, k)))
		}
	}
	if old != "" {
		r.must(os.RemoveAll(filepath.Join(full, old)))
	}
}

// patient never polls and never lets anything settle, so that an event that
// comes has come at once.
var patient = Options{Poll: never, Settle: never}

// brisk settles soon and never polls.
var brisk = Options{Poll: never, Settle: 20 * time.Millisecond}

func TestAFileRenamedIntoPlaceIsReportedAtOnce(t *testing.T) {
	r := start(t, patient, func(dir string) { (&rig{t: t, dir: dir}).write("d/s", "old") }, nil, "d/s")
	for i := range 5 {
		r.replace("d/s", fmt.Sprint(i))
		r.hears("d/s")
	}
	r.hearsNothing()
}

func TestASwapOfMountedKeysIsReportedOnceAndAtOnce(t *testing.T) {
	r := start(t, brisk, func(dir string) { (&rig{t: t, dir: dir}).mount("mnt", "a", "b") }, nil, "mnt", "mnt/a")
	for range 4 {
		r.mount("mnt", "a", "b")
		got := []string{string(r.next().Secret), string(r.next().Secret)}
		slices.Sort(got)
		if want := []string{string(r.secret("mnt")), string(r.secret("mnt/a"))}; !slices.Equal(got, want) {
			t.Fatalf("events of %q, want %q", got, want)
		}
		// What the removal of the old keys brings has settled before this has.
		r.write("marker/m", fmt.Sprint(generation.Add(1)))
		r.hears("marker/m")
	}
	r.mount("mnt", "a", "b", "c")
	r.next()
	r.next()
}

func TestASwapIsNotLeftToSettle(t *testing.T) {
	r := start(t, patient, func(dir string) { (&rig{t: t, dir: dir}).mount("mnt", "a") }, nil, "mnt")
	r.mount("mnt", "a")
	r.hears("mnt")
}

func TestLinksAreFollowed(t *testing.T) {
	r := start(t, patient, func(dir string) {
		b := &rig{t: t, dir: dir}
		b.mount("mnt", "key")
		b.link(filepath.Join(dir, "mnt/key"), "etc/absolute")
		b.link("../etc/absolute", "app/relative")
		b.write("v1/key", "1")
		b.write("v2/key", "2")
		b.link("v1", "current")
	}, nil, "app/relative", "current/key")
	r.mount("mnt", "key")
	r.hears("app/relative")
	r.link("v2", "current")
	r.hears("current/key")
	r.replace("v2/key", "3")
	r.hears("current/key")
	r.replace("v1/key", "nobody's any more")
	r.hearsNothing()
	r.replace("plain", "1")
	r.link("../plain", "etc/absolute")
	r.hears("app/relative")
	r.replace("plain", "2")
	r.hears("app/relative")
}

func TestWhatIsWrittenInPlaceSettles(t *testing.T) {
	setup := func(dir string) {
		b := &rig{t: t, dir: dir}
		b.write("d/s", "old")
		b.write("keys/a", "old")
	}
	changes := map[string]func(r *rig) string{
		"a file":                        func(r *rig) string { r.write("d/s", "new"); return "d/s" },
		"a file created empty":          func(r *rig) string { r.write("d/later", ""); return "d/later" },
		"a file removed":                func(r *rig) string { r.must(os.Remove(r.dir + "/d/s")); return "d/s" },
		"a key written":                 func(r *rig) string { r.write("keys/a", "new"); return "keys" },
		"a key renamed into place":      func(r *rig) string { r.replace("keys/a", "new"); return "keys" },
		"a key added":                   func(r *rig) string { r.replace("keys/b", "new"); return "keys" },
		"a key removed with one to add": func(r *rig) string { r.must(os.Remove(r.dir + "/keys/a")); return "keys" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			r := start(t, patient, setup, nil, "d/s", "d/later", "keys")
			change(r)
			r.hearsNothing()
			r = start(t, brisk, setup, nil, "d/s", "d/later", "keys")
			r.hears(change(r))
			// Written on and on: the bound counts, not the last write.
			r = start(t, patient, setup, func(w *Watcher) { w.timing.longest = 20 * time.Millisecond }, "d/s", "d/later", "keys")
			r.hears(change(r))
		})
	}
}

func TestSettling(t *testing.T) {
	how := timing{settle: 250 * time.Millisecond, longest: time.Second}
	zero := time.Unix(0, 0)
	ms := func(n int) time.Time { return zero.Add(time.Duration(n) * time.Millisecond) }
	for _, c := range []struct {
		name   string
		writes []int
		due    int
	}{
		{"one write", []int{0}, 250},
		{"each write starts anew", []int{0, 200, 400}, 650},
		{"on and on", []int{0, 200, 400, 600, 800, 990}, 1000},
		{"the bound itself", []int{0, 750}, 1000},
	} {
		t.Run(c.name, func(t *testing.T) {
			var x target
			for _, at := range c.writes {
				x.settling(ms(at), how)
			}
			if !x.due.Equal(ms(c.due)) {
				t.Errorf("due at %v, want %d ms", x.due.Sub(zero), c.due)
			}
			x.at(ms(c.due - 10))
			if !x.due.Equal(ms(c.due - 10)) {
				t.Error("what came whole waits for what is being written")
			}
			x.refused(ms(c.due))
			for range 20 {
				before := x.due
				x.at(ms(c.due))
				x.settling(ms(c.due), how)
				if !x.due.Equal(before) {
					t.Fatal("an event shortens the pause after a refusal")
				}
				x.refused(x.due)
				if wait := x.due.Sub(before); wait < 2*firstRetry || wait > lastRetry {
					t.Fatalf("a pause of %v", wait)
				}
			}
		})
	}
}

func TestWhatIsNotASecretIsNotReported(t *testing.T) {
	r := start(t, brisk, func(dir string) {
		b := &rig{t: t, dir: dir}
		b.write("d/s", "x")
		b.write("keys/a", "x")
		b.link("../d/s", "etc/l")
	}, nil, "d/s", "keys", "etc/l")
	r.write("d/other", "x")
	r.replace("d/other2", "x")
	r.write("keys/.a.swp", "x")
	r.write("etc/other", "x")
	r.must(os.Remove(r.dir + "/d/other"))
	r.write("marker/m", "settles later")
	r.hears("marker/m")
}

func TestADirectoryThatComesLate(t *testing.T) {
	r := start(t, patient, nil, nil, "a/b/c/s", "x/keys")
	r.must(os.MkdirAll(filepath.Join(r.dir, "a"), 0o755))
	r.hearsNothing()
	r.replace("a/b/c/s", "x")
	r.sees("a/b/c/s", "x")
	r.replace("a/b/c/s", "y")
	r.sees("a/b/c/s", "y")
	r.mount("y", "k")
	r.must(os.Mkdir(filepath.Join(r.dir, "x"), 0o755))
	r.must(os.Rename(filepath.Join(r.dir, "y"), filepath.Join(r.dir, "x/keys")))
	r.sees("x/keys", r.mounted("x/keys"))
	r.mount("x/keys", "k")
	r.sees("x/keys", r.mounted("x/keys"))
	if n := strings.Count(r.log.String(), "can't be seen"); n != 2 {
		t.Errorf("%d words of two missing secrets:\n%s", n, r.log)
	}
	if n := strings.Count(r.log.String(), "there again"); n != 2 {
		t.Errorf("%d words of two secrets that came:\n%s", n, r.log)
	}
}

func TestADirectoryThatGoesAndComes(t *testing.T) {
	r := start(t, brisk, func(dir string) { (&rig{t: t, dir: dir}).write("a/b/s", "x") }, nil, "a/b/s")
	for i := range 3 {
		r.must(os.RemoveAll(filepath.Join(r.dir, "a")))
		r.sees("a/b/s", absent)
		r.replace("a/b/s", fmt.Sprint("new ", i))
		r.sees("a/b/s", fmt.Sprint("new ", i))
		r.must(os.Rename(filepath.Join(r.dir, "a/b"), filepath.Join(r.dir, fmt.Sprint("away", i))))
		r.sees("a/b/s", absent)
		r.replace("a/b/s", fmt.Sprint("again ", i))
		r.sees("a/b/s", fmt.Sprint("again ", i))
		r.replace("a/b/s", fmt.Sprint("and again ", i))
		r.sees("a/b/s", fmt.Sprint("and again ", i))
	}
}

func TestThePollFindsWhatNoWatchSees(t *testing.T) {
	o := Options{Poll: 5 * time.Millisecond, Settle: time.Millisecond}
	deaf := func(w *Watcher) {
		w.notify = func() (*fsnotify.Watcher, error) { return nil, errors.New("no watches left") }
	}
	r := start(t, o, func(dir string) {
		b := &rig{t: t, dir: dir}
		b.write("d/s", "old")
		b.write("keys/k", "old")
		b.mount("mnt", "k")
	}, deaf, "d/s", "keys", "mnt")
	r.replace("d/s", "new")
	r.sees("d/s", "new")
	r.write("d/s", "NEW")
	r.sees("d/s", "NEW")
	r.must(os.Remove(r.dir + "/d/s"))
	r.sees("d/s", absent)
	r.replace("d/s", "back")
	r.sees("d/s", "back")
	r.replace("keys/k", "new")
	r.sees("keys", "new")
	r.mount("mnt", "k")
	r.sees("mnt", r.mounted("mnt"))
	if n := strings.Count(r.log.String(), "only polled"); n != 1 {
		t.Errorf("%d words about the missing watches:\n%s", n, r.log)
	}
}

// TestLostWatchesAreSetUpAgain closes the notifier under the Watcher, which has
// to make another and to watch with it what comes later.
func TestLostWatchesAreSetUpAgain(t *testing.T) {
	made := make(chan *fsnotify.Watcher, 10)
	r := start(t, Options{Poll: 5 * time.Millisecond, Settle: time.Millisecond}, nil, func(w *Watcher) {
		w.notify = func() (*fsnotify.Watcher, error) {
			n, err := fsnotify.NewWatcher()
			made <- n
			return n, err
		}
	}, "d/s")
	r.must((<-made).Close())
	second := <-made
	r.replace("d/s", "x")
	r.sees("d/s", "x")
	for i := 0; !slices.Contains(second.WatchList(), filepath.Join(r.dir, "d")); i++ {
		if i == 1000 {
			t.Fatalf("watched are %q", second.WatchList())
		}
		r.replace("d/s", fmt.Sprint(i))
		r.sees("d/s", fmt.Sprint(i))
	}
}

func TestARefusedEventStaysPending(t *testing.T) {
	r := start(t, patient, func(dir string) { (&rig{t: t, dir: dir}).write("d/s", "old") }, nil, "d/s")
	r.refuse.Store(2)
	r.replace("d/s", "x")
	r.hears("d/s") // after 100 and 200 ms
	// The recovery is logged after the event was handed over, so let one more
	// event pass before reading the log.
	r.hearsNothing()
	for _, want := range []string{"not taken", "taken again"} {
		if n := strings.Count(r.log.String(), want); n != 1 {
			t.Errorf("the log says %q %d times, want once:\n%s", want, n, r.log)
		}
	}
}

func TestNewChecksItsOptions(t *testing.T) {
	_, err := New(Options{Poll: -1, Secrets: []credential.Secret{"file:///good", "file://bad", "vault://x/y"}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"negative", `"file://bad"`, `"vault://x/y"`, "three slashes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s: %v", want, err)
		}
	}
	w, err := New(Options{Secrets: []credential.Secret{"file:///a", "file:///a"}})
	if err != nil || len(w.secrets) != 1 || w.poll != DefaultPoll || w.timing.settle != DefaultSettle || w.Name() != "file" {
		t.Errorf("defaults: %+v, %v", w, err)
	}
}

// TestAnotherDirectoryOfTheNameIsWatchedAnew, also when no event told of it.
func TestAnotherDirectoryOfTheNameIsWatchedAnew(t *testing.T) {
	w, err := New(Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r := &run{w: w, failing: map[string]bool{}}
	r.connect(t.Context())
	defer r.disconnect()
	dir := filepath.Join(t.TempDir(), "d")
	for range 2 {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if !r.watchDir(t.Context(), dir) || r.watchDir(t.Context(), dir) {
			t.Fatal("a new directory is news, and only once")
		}
		if err := os.Rename(dir, fmt.Sprint(dir, generation.Add(1))); err != nil {
			t.Fatal(err)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// BenchmarkRenameToEmit measures from before the rename to inside emit.
func BenchmarkRenameToEmit(b *testing.B) {
	for name, publish := range map[string]func(r *rig) string{
		"file":  func(r *rig) string { r.replace("d/s", "x"); return "d/s" },
		"mount": func(r *rig) string { r.mount("mnt", "a", "b"); return "mnt" },
	} {
		b.Run(name, func(b *testing.B) {
			r := start(b, patient, func(dir string) { (&rig{t: b, dir: dir}).mount("mnt", "a", "b") }, nil, "d/s", "mnt")
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				path := publish(r)
				r.hears(path)
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
