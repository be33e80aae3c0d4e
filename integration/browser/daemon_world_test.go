package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket/azureblob/azureblobtest"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/planet/planettest"
)

// canary is in each secret of this world, and on no page.
const canary = "canary"

// actionToken is what somebody signs in with.
const actionToken = canary + "TokenForActions"

// fleet is the program as it is shipped, with everything around it on loopback:
// Planet's simulator, buckets, and files as secrets.
type fleet struct {
	t       *testing.T
	dir     string
	sim     *planettest.Simulator
	planet  *planettest.Server
	s3      *buckettest.Server
	lone    *buckettest.Server // the bucket that goes away
	program string
	config  strings.Builder
	ids     map[string]string // of destinations, by our names
	want    map[string]string // the reason or condition that each has, by id; "" is none
	keys    int
	admin   string // "http://127.0.0.1:1234"
	log     syncBuffer

	mu      sync.Mutex
	refused map[string]bool // what Planet thinks of the credential of an id
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	// Not t.TempDir: a socket's path has to be short.
	dir, err := os.MkdirTemp("", "fleet") //nolint:usetesting // see above
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	f := &fleet{t: t, dir: dir, s3: buckettest.NewServer(), lone: buckettest.NewServer(), ids: map[string]string{}, want: map[string]string{},
		program: filepath.Join(dir, "rotatord"), refused: map[string]bool{}}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", f.program, "./cmd/rotatord") //nolint:gosec // into the folder above
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build rotatord: %v\n%s", err, out)
	}
	for _, s := range []*buckettest.Server{f.s3, f.lone} {
		must(t, s.Start())
		t.Cleanup(s.Close)
	}
	own := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(own.CloseIdleConnections)
	buckets := app.Verifier(app.BucketKinds(own), "")
	f.sim, err = planettest.New(planettest.Options{PerSecond: 100, Seed: 3,
		Users: []planettest.User{{Name: "north", Key: canary + "KeyOfNorth", ID: 7, Organization: "north"}, {Name: "south", Key: canary + "KeyOfSouth", ID: 8, Organization: "south"}},
		Verifier: planettest.VerifierFunc(func(ctx context.Context, v planettest.Verification) error {
			f.mu.Lock()
			refused := f.refused[v.DestinationID]
			f.mu.Unlock()
			switch {
			case refused:
				return &planettest.VerifyError{Step: planettest.StepWrite, Message: "AccessDenied: the bucket's policy does not let these addresses write"}
			case v.Type == "azure_blob_storage":
				return nil
			}
			return buckets.Verify(ctx, v)
		}),
		Deliveries: planettest.DeliveryOptions{PerSecond: 100, Queue: time.Hour, Deliverer: planettest.DelivererFunc(func(_ context.Context, file planettest.File) error {
			if file.DestinationID == f.ids["floods"] {
				return &planettest.DeliveryError{Code: "AccessDenied"}
			}
			return nil
		})}})
	must(t, err)
	f.planet = f.sim.Start()
	t.Cleanup(func() { f.planet.Close(); f.sim.Close() })
	return f
}

var everything = []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete, buckettest.List}

// add makes a destination with its bucket, its key and its secret.
func (f *fleet) add(name string, lines ...string) (id string) {
	return f.addAt(f.s3, "north", name, lines)
}

func (f *fleet) addAt(s *buckettest.Server, user, name string, lines []string) (id string) {
	f.t.Helper()
	s.CreateBucket(name)
	key, secret := f.key(s, []string{name}, everything...)
	id = f.sim.Seed(user, planettest.Destination{Name: name, Type: "s3_compatible", Parameters: map[string]any{"bucket": name, "region": "eu-central-1",
		"endpoint": s.URL(), "use_path_style": true, "access_key_id": key, "secret_access_key": secret}})
	f.write(name+".json", keyText(key, secret))
	f.entry(id, name, user, name+".json", lines...)
	return id
}

// addSAS is a destination with a token that ends. Its file looks two days old.
func (f *fleet) addSAS(name string, left time.Duration, problem string) {
	f.t.Helper()
	sas := azureblobtest.SAS([]byte(canary), azureblobtest.Values{Account: "deliveries", Container: "c", Permissions: "rcwdl", Start: time.Now().Add(-48 * time.Hour), End: time.Now().Add(left)})
	id := f.sim.Seed("north", planettest.Destination{Name: name, Type: "azure_blob_storage", Parameters: map[string]any{"account": "deliveries", "container": name, "sas_token": sas}})
	f.write(name+".json", `{"sas_token":"`+sas+`"}`)
	old := time.Now().Add(-48 * time.Hour)
	must(f.t, os.Chtimes(filepath.Join(f.dir, name+".json"), old, old))
	f.entry(id, name, "north", name+".json", `preflight = "off"`, `check = "off"`, `probe_schedule = "off"`)
	f.want[id] = problem
}

func (f *fleet) entry(id, name, account, file string, lines ...string) {
	f.ids[name] = id
	f.want[id] = ""
	fmt.Fprintf(&f.config, "[[destination]]\nname = %q\naccount = %q\nsecret = %q\n%s\n", id, account, "file://"+filepath.Join(f.dir, file), strings.Join(lines, "\n"))
}

func (f *fleet) key(s *buckettest.Server, buckets []string, allow ...buckettest.Action) (id, secret string) {
	f.keys++
	id, secret = fmt.Sprintf("AKIA%016d", f.keys), fmt.Sprintf("%sOfTheStatusPage%017d", canary, f.keys)
	s.AddKey(buckettest.Key{ID: id, Secret: secret, Buckets: buckets, Allow: allow})
	return id, secret
}

func keyText(key, secret string) string {
	return fmt.Sprintf(`{"access_key_id":%q,"secret_access_key":%q}`, key, secret)
}

// give puts a new key into the secret that may do these things; none is a key
// that the bucket does not know.
func (f *fleet) give(name string, allow ...buckettest.Action) (key string) {
	f.t.Helper()
	key, secret := f.key(f.s3, []string{name}, allow...)
	if len(allow) == 0 {
		f.s3.Revoke(key)
	}
	f.write(name+".json", keyText(key, secret))
	return key
}

// write replaces a file at once.
func (f *fleet) write(name, text string) {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	must(f.t, os.WriteFile(path+".new", []byte(text), 0o600))
	must(f.t, os.Rename(path+".new", path))
}

// run starts the daemon and waits until it is ready.
func (f *fleet) run() {
	f.t.Helper()
	f.write("token", actionToken+"\n")
	f.write("north", canary+"KeyOfNorth\n")
	f.write("south", canary+"KeyOfSouth\n")
	head := fmt.Sprintf("[store]\ndir = %q\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"token\"\n[log]\nformat = \"json\"\n[files]\nsettle = \"50ms\"\n", filepath.Join(f.dir, "store"))
	for _, account := range []string{"north", "south"} {
		head += fmt.Sprintf("[[account]]\nname = %q\napi_key_file = %q\nbase_url = %q\nrequests_per_second = 50\nlist_interval = \"10s\"\ndependents_interval = \"1m\"\n", account, account, f.planet.BaseURL)
	}
	head += "[defaults]\nschedule = \"@every 3s\"\nschedule_jitter = \"0s\"\nprobe_schedule = \"@every 5s\"\nleftover_confirm = \"1s\"\ncheck_schedule = \"@every 3s\"\npropagation_window = \"1s\"\n"
	f.write("rotatord.toml", head+f.config.String())
	// The test's own end comes by a clean-up, so that it is waited for.
	cmd := exec.CommandContext(context.Background(), f.program, "run", "--config", filepath.Join(f.dir, "rotatord.toml")) //nolint:gosec // built by the test
	cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true")
	cmd.Stderr = &f.log
	must(f.t, cmd.Start())
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log says why
		close(gone)
	}()
	f.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-gone
		if f.t.Failed() {
			f.t.Logf("the daemon's log:\n%.6000s", f.log.String())
		}
	})
	open := regexp.MustCompile(`"msg":"listeners are open","admin":"([^"]+)"`)
	f.until("it is ready", func() bool {
		select {
		case <-gone:
			f.t.Fatalf("the daemon has ended:\n%s", f.log.String())
		default:
		}
		if found := open.FindStringSubmatch(f.log.String()); f.admin == "" && found != nil {
			f.admin = found[1]
		}
		if f.admin == "" {
			return false
		}
		status, _ := f.get("/readyz")
		return status == http.StatusOK
	})
}

// do runs another command with the daemon's configuration.
func (f *fleet) do(arguments ...string) {
	f.t.Helper()
	cmd := exec.CommandContext(f.t.Context(), f.program, append(arguments, "--config", filepath.Join(f.dir, "rotatord.toml"))...) //nolint:gosec // built by the test
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Errorf("rotatord %v: %v\n%s", arguments, err, out)
	}
}

func (f *fleet) get(path string) (status int, body string) {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), http.MethodGet, f.admin+path, http.NoBody)
	must(f.t, err)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	must(f.t, err)
	text, err := io.ReadAll(res.Body)
	must(f.t, errors.Join(err, res.Body.Close()))
	return res.StatusCode, string(text)
}

// standing is what the API says of a destination.
type standing struct {
	Destination, State, Reason string
	Conditions                 []string
	Accepted                   *struct{ Version string }
	Paused                     any
	Standing                   struct{ State string }
}

func (s standing) is(word string) bool {
	if word == "" {
		return s.State == "in_sync" && s.Reason == "" && len(s.Conditions) == 0 && s.Paused == nil
	}
	if word == "paused" {
		return s.Paused != nil
	}
	if word == "doubtful" {
		return s.Standing.State == word || s.Standing.State == "cannot_tell"
	}
	for _, c := range s.Conditions {
		if c == word {
			return true
		}
	}
	return s.Reason == word
}

func (f *fleet) standings() map[string]standing {
	f.t.Helper()
	_, body := f.get("/api/v1/status")
	var all []standing
	must(f.t, json.Unmarshal([]byte(body), &all))
	out := map[string]standing{}
	for _, s := range all {
		out[s.Destination] = s
	}
	return out
}

// settled waits until each destination is as it has to be.
func (f *fleet) settled() {
	f.t.Helper()
	var missing []string
	defer func() {
		if f.t.Failed() {
			f.t.Logf("not as they have to be: %s", strings.Join(missing, ", "))
		}
	}()
	f.until("all are as they have to be", func() bool {
		missing = nil
		for id, s := range f.standings() {
			if !s.is(f.want[id]) {
				missing = append(missing, fmt.Sprintf("%s is %s %s %v and not %q", id, s.State, s.Reason, s.Conditions, f.want[id]))
			}
		}
		return len(missing) == 0
	})
}

func (f *fleet) until(what string, so func() bool) {
	f.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); !so(); <-tick.C {
		if time.Now().After(end) {
			f.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// foreign is a site of somebody else, with a form that posts itself.
func foreign(t *testing.T, action, destination string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><form method="post" action=%q><input name="destination" value=%q><input name="csrf" value="guessed"><button>win</button></form>`, action, destination)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

// syncBuffer is a buffer for a process and a test.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
