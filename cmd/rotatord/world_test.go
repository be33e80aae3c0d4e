package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/planet/planettest"
)

// canary is in every secret of a world: API keys and secret access keys. No
// output may hold it.
const canary = "cAnArY"

const planetKey = "PLAK" + canary + "planet"

type worldKey struct{}

// world is what a script's rotatord lives in.
type world struct {
	sim     *planettest.Simulator
	buckets *buckettest.Server
	ids     map[string]string // short name → destination's id

	verifier  planettest.Verifier
	verifying chan struct{} // one for each verification that has begun

	mu      sync.Mutex
	running map[string]*process
	stalled chan struct{} // verifications wait until it is closed; nil does not stall
}

// Verify is Planet's verification, which a script can stall.
func (w *world) Verify(ctx context.Context, v planettest.Verification) error {
	w.mu.Lock()
	stalled := w.stalled
	w.mu.Unlock()
	if stalled != nil {
		w.verifying <- struct{}{}
		select {
		case <-stalled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return w.verifier.Verify(ctx, v)
}

// setup builds a world: the destinations "alpha" and "beta", each with a
// bucket of its name, a key k1 that works, a secret file $WORK/secrets/NAME and
// an entry in $WORK/rotatord.toml. $ALPHA and $BETA are their ids.
func setup(e *testscript.Env) error {
	w := &world{buckets: buckettest.NewServer(), ids: map[string]string{}, running: map[string]*process{},
		verifier: app.Verifier(app.BucketKinds(nil), ""), verifying: make(chan struct{}, 100)}
	if err := w.buckets.Start(); err != nil {
		return err
	}
	e.Defer(w.buckets.Close)
	sim, err := planettest.New(planettest.Options{
		Users:     []planettest.User{{Name: "ada", Key: planetKey, Admin: true}},
		PerSecond: 100,
		Verifier:  w,
	})
	if err != nil {
		return err
	}
	w.sim = sim
	server := sim.Start()
	e.Defer(func() { server.Close(); sim.Close() })
	e.Defer(w.stopAll)
	e.Values[worldKey{}] = w

	cfg := "[store]\ndir = \"state\"\n[admin]\nlisten = \"\"\n[[account]]\nrequests_per_second = 100\nbase_url = \"" + server.BaseURL + "\"\n"
	for _, name := range []string{"alpha", "beta"} {
		w.buckets.CreateBucket(name)
		w.addKey(name, "k1")
		w.ids[name] = sim.Seed("ada", planettest.Destination{Name: "demo-" + name, Type: "s3_compatible", Parameters: map[string]any{
			"bucket": name, "region": "us-east-1", "endpoint": w.buckets.URL(),
			"access_key_id": "AKIA-" + name + "-k0", "secret_access_key": canary + "-k0", "use_path_style": true}})
		e.Setenv(strings.ToUpper(name), w.ids[name])
		cfg += fmt.Sprintf("[[destination]]\nname = %q\nsecret = \"file://%s\"\n", w.ids[name], filepath.Join(e.WorkDir, "secrets", name))
		if err := writeSecret(e.WorkDir, name, "k1"); err != nil {
			return err
		}
	}
	// One that is archived, with a name that would like to be configuration.
	sim.Seed("ada", planettest.Destination{Name: "old\nevil = 1", Type: "amazon_s3", Archived: true, Parameters: map[string]any{
		"bucket": "old", "aws_region": "us-west-2", "aws_access_key_id": "AKIA-old", "aws_secret_access_key": canary + "-old"}})
	w.addKey("foreign", "k1")
	if err := writeSecret(e.WorkDir, "foreign", "k1"); err != nil {
		return err
	}
	e.Setenv("BUCKETS", w.buckets.URL())
	e.Setenv("KEY", planetKey)
	e.Setenv("PLANET", server.BaseURL)
	e.Setenv("PL_API_KEY", planetKey)
	e.Setenv("TMPDIR", e.WorkDir)
	// The race detector would let each process linger for a second at its end.
	e.Setenv("GORACE", "atexit_sleep_ms=0")
	return os.WriteFile(filepath.Join(e.WorkDir, "rotatord.toml"), []byte(cfg), 0o600)
}

func (w *world) addKey(name, key string, but ...buckettest.Action) {
	allow := []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete, buckettest.List}
	allow = slices.DeleteFunc(allow, func(a buckettest.Action) bool { return slices.Contains(but, a) })
	w.buckets.AddKey(buckettest.Key{ID: "AKIA-" + name + "-" + key, Secret: canary + "-" + name + "-" + key, Buckets: []string{name}, Allow: allow})
}

func writeSecret(dir, name, key string) error {
	dir = filepath.Join(dir, "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	value := fmt.Sprintf(`{"access_key_id": "AKIA-%s-%s", "secret_access_key": "%s-%s-%s"}`, name, key, canary, name, key)
	next := filepath.Join(dir, name+".next")
	if err := os.WriteFile(next, []byte(value), 0o600); err != nil {
		return err
	}
	return os.Rename(next, filepath.Join(dir, name))
}

func worldOf(ts *testscript.TestScript) *world { w, _ := ts.Value(worldKey{}).(*world); return w }

func usage(ts *testscript.TestScript, ok bool, text string) {
	if !ok {
		ts.Fatalf("usage: %s", text)
	}
}

// cmdExits runs a command and holds it to an exit status.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 1, "exits STATUS command...")
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// cmdKey adds a key to a destination's bucket, without an action if one is
// named, or revokes one.
func cmdKey(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, len(args) == 2 || len(args) == 3 && !neg, "[!] key NAME KEY [-put|-get|-delete]")
	w := worldOf(ts)
	if neg {
		w.buckets.Revoke("AKIA-" + args[0] + "-" + args[1])
		return
	}
	but := map[string]buckettest.Action{"-put": buckettest.Put, "-get": buckettest.Get, "-delete": buckettest.Delete}
	var without []buckettest.Action
	for _, a := range args[2:] {
		without = append(without, but[a])
	}
	w.addKey(args[0], args[1], without...)
}

// cmdRotate puts a key into a destination's secret, as a secret manager would.
func cmdRotate(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "rotate NAME KEY")
	ts.Check(writeSecret(ts.Getenv("WORK"), args[0], args[1]))
}

// cmdPlanet makes Planet refuse or answer PATCHes, or holds what it has.
func cmdPlanet(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 0, "planet refuses | mends | stalls | verifies | proceeds | archives NAME | holds NAME KEY | loses METHOD | drops METHOD")
	w := worldOf(ts)
	switch args[0] {
	case "refuses":
		w.sim.Inject(planettest.Fault{Method: "PATCH", Times: -1, Status: 400})
	case "mends":
		w.sim.ClearFaults()
	case "stalls":
		w.mu.Lock()
		w.stalled = make(chan struct{})
		w.mu.Unlock()
	case "verifies": // a stalled verification has begun
		<-w.verifying
	case "proceeds":
		w.mu.Lock()
		close(w.stalled)
		w.stalled = nil
		w.mu.Unlock()
	case "loses": // the answer to the next request of a method
		w.sim.Inject(planettest.Fault{Method: args[1], Kind: planettest.Cut, Effect: planettest.EffectNow})
	case "drops": // the next request of a method
		w.sim.Inject(planettest.Fault{Method: args[1], Kind: planettest.Cut})
	case "archives":
		w.sim.Archive(w.ids[args[1]], true)
	case "holds":
		stored, _ := w.sim.Stored(w.ids[args[1]])
		if got := string(stored.Credentials.Get("access_key_id").Bytes()); got != "AKIA-"+args[1]+"-"+args[2] {
			ts.Fatalf("Planet holds %s for %s", got, args[1])
		}
	default:
		ts.Fatalf("planet %s?", args[0])
	}
}

// cmdAsked counts the PATCHes that Planet has seen.
func cmdAsked(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "asked PATCHES")
	n := 0
	for _, r := range worldOf(ts).sim.Requests() {
		if r.Method == "PATCH" {
			n++
		}
	}
	if strconv.Itoa(n) != args[0] {
		ts.Fatalf("Planet has seen %d PATCHes, not %s", n, args[0])
	}
}

// cmdWire compares what Planet was asked since the last time with a file: one
// request a line, with its method, path, query, content type and the keys of
// its body. $VARIABLES in it are replaced. "wire new" forgets what was asked.
func cmdWire(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 1, "wire FILE | wire new")
	w := worldOf(ts)
	defer w.sim.Forget()
	if args[0] == "new" {
		return
	}
	var got []string
	for _, r := range w.sim.Requests() {
		line := r.Method + " " + r.Path
		if r.Query != "" {
			line += "?" + r.Query
		}
		if r.Authorization != "api-key REDACTED" || !strings.HasPrefix(r.UserAgent, "rotatord/") {
			line += " authorization: " + r.Authorization + " user-agent: " + r.UserAgent
		}
		if r.ContentType != "" || len(r.Keys) > 0 {
			line += " " + r.ContentType + " {" + strings.Join(r.Keys, " ") + "}"
		}
		if len(r.ParameterKeys) > 0 {
			line += " parameters {" + strings.Join(r.ParameterKeys, " ") + "}"
		}
		got = append(got, line)
	}
	want := strings.Split(strings.TrimSpace(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), "\n")
	if diff := cmp.Diff(want, strings.Split(strings.Join(got, "\n"), "\n")); diff != "" {
		ts.Fatalf("what Planet was asked (-want +got):\n%s", diff)
	}
}

// cmdTerminal runs a command with a terminal as its stdout and stderr, both of
// which are stdout then.
func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 2, "terminal COLUMNS STATUS program [args...]")
	columns, err := strconv.Atoi(args[0])
	ts.Check(err)
	screen, terminal, err := openTerminal(columns)
	ts.Check(err)
	defer screen.Close()
	cmd := command(ts, args[2:])
	for _, name := range []string{"TERM", "NO_COLOR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdout, cmd.Stderr = terminal, terminal
	err = cmd.Start()
	terminal.Close()
	ts.Check(err)
	shown, _ := io.ReadAll(screen) // Linux ends it with an error, EIO
	_ = cmd.Wait()                 // the status says it
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(string(shown), "\r\n", "\n"))
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[1] {
		ts.Fatalf("exit status %s, not %s:\n%s", got, args[1], shown)
	}
}

// command prepares a program for the script's folder and environment.
func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path, err := exec.LookPath(args[0])
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PL_API_KEY", "GORACE", "XDG_STATE_HOME"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

// cmdEnvFile copies a file with its $VARIABLES replaced.
func cmdEnvFile(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "envfile FROM TO")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
}

// cmdNoSecret looks for secrets in all files below $WORK but the secrets
// themselves; outputs are written there first.
func cmdNoSecret(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg && len(args) == 0, "! secret")
	work := ts.Getenv("WORK")
	ts.Check(filepath.WalkDir(work, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "secrets":
			return filepath.SkipDir
		case !d.Type().IsRegular():
			return nil
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte(canary)) {
			return fmt.Errorf("%s holds a secret", path)
		}
		return err
	}))
}

// process is a program that a script has started and not yet stopped.
type process struct {
	cmd            *exec.Cmd
	stdout, stderr *watched
	status         chan int // one exit status, when it has ended
}

// watched collects what a process writes and tells once a pattern came.
type watched struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	want *regexp.Regexp
	seen chan<- []string
}

func (b *watched) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf.Write(p)
	if b.want == nil {
		return len(p), nil
	}
	if m := b.want.FindStringSubmatch(b.buf.String()); m != nil {
		b.want = nil
		select {
		case b.seen <- m:
		default:
		}
	}
	return len(p), nil
}

// expect tells seen once the output holds what matches.
func (b *watched) expect(want *regexp.Regexp, seen chan<- []string) {
	b.mu.Lock()
	b.want, b.seen = want, seen
	b.mu.Unlock()
	_, _ = b.Write(nil)
}

func (b *watched) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// cmdStart starts a program and waits until it has written what matches the
// pattern; a group of the pattern becomes $FOUND.
func cmdStart(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) > 2, "start NAME PATTERN program [args...]")
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	seen := make(chan []string, 1)
	p := &process{cmd: command(ts, args[2:]), status: make(chan int, 1), stdout: &watched{}, stderr: &watched{}}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	p.stdout.expect(want, seen)
	p.stderr.expect(want, seen)
	ts.Check(p.cmd.Start())
	go func() { p.status <- p.wait() }()
	w := worldOf(ts)
	w.mu.Lock()
	w.running[args[0]] = p
	w.mu.Unlock()
	select {
	case found := <-seen:
		if len(found) > 1 {
			ts.Setenv("FOUND", found[1])
		}
	case status := <-p.status:
		p.status <- status
		ts.Fatalf("%s ended with status %d:\n%s%s", args[0], status, p.stdout, p.stderr)
	}
}

// wait gives the exit status; -1 for the end by a signal.
func (p *process) wait() int {
	_ = p.cmd.Wait() // the status says it
	return p.cmd.ProcessState.ExitCode()
}

// cmdSignal signals a program and waits until its stderr holds what matches.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 3, "signal NAME INT|TERM PATTERN")
	w := worldOf(ts)
	w.mu.Lock()
	p := w.running[args[0]]
	w.mu.Unlock()
	want, err := regexp.Compile(args[2])
	ts.Check(err)
	seen := make(chan []string, 1)
	p.stderr.expect(want, seen)
	ts.Check(p.cmd.Process.Signal(signals[args[1]]))
	select {
	case <-seen:
	case status := <-p.status:
		p.status <- status
		ts.Fatalf("%s ended with status %d:\n%s", args[0], status, p.stderr)
	}
}

var signals = map[string]syscall.Signal{"none": 0, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}

// cmdHalt signals a program, INT unless another signal or none is named, waits for its
// end, holds it to an exit status, and writes NAME.stdout and NAME.stderr.
func cmdHalt(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && (len(args) == 2 || len(args) == 3), "halt NAME STATUS [INT|TERM|KILL|none]")
	signal := syscall.SIGINT
	if len(args) == 3 {
		signal = signals[args[2]]
	}
	w := worldOf(ts)
	w.mu.Lock()
	p := w.running[args[0]]
	delete(w.running, args[0])
	w.mu.Unlock()
	if p == nil {
		ts.Fatalf("%s was not started", args[0])
	}
	if signal != 0 {
		ts.Check(p.cmd.Process.Signal(signal))
	}
	status := <-p.status
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".stdout"), []byte(p.stdout.String()), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".stderr"), []byte(p.stderr.String()), 0o600))
	if strconv.Itoa(status) != args[1] {
		ts.Fatalf("%s ended with status %d, not %s:\n%s", args[0], status, args[1], p.stderr)
	}
}

// stopAll ends what a script that failed has left running.
func (w *world) stopAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.running {
		_ = p.cmd.Process.Kill()
		<-p.status
	}
}
