package alerts

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// daemon is "rotatord run" as a process of its own.
type daemon struct {
	t       *testing.T
	program string
	config  string
	admin   string // host:port
	env     []string
	log     tail
	cmd     *exec.Cmd
	gone    chan struct{}
}

// start starts it and waits until it is ready.
func (d *daemon) start() {
	d.t.Helper()
	// The test's own end comes by a clean-up, so that it is waited for.
	d.cmd = exec.CommandContext(context.Background(), d.program, "run", "--config", d.config, "--log-format", "text") //nolint:gosec // built by the test
	d.cmd.Env = append(os.Environ(), d.env...)
	d.cmd.Stderr = &d.log
	must(d.t, d.cmd.Start())
	gone := make(chan struct{})
	d.gone = gone
	cmd := d.cmd
	go func() {
		_ = cmd.Wait() // killed, or its log says why it ended
		close(gone)
	}()
	until(d.t, "the daemon is ready", func() bool {
		select {
		case <-gone:
			d.t.Fatalf("the daemon has ended:\n%s", d.log.String())
		default:
		}
		return get(d.t.Context(), "http://"+d.admin+"/readyz") == http.StatusOK
	})
}

// kill is kill -9, and waits for the end. It may be called again.
func (d *daemon) kill() {
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	<-d.gone
}

// reconfigure replaces the configuration and has it read anew.
func (d *daemon) reconfigure(text string) {
	d.t.Helper()
	must(d.t, os.WriteFile(d.config+".new", []byte(text), 0o600))
	must(d.t, os.Rename(d.config+".new", d.config))
	must(d.t, d.cmd.Process.Signal(syscall.SIGHUP))
}

// do runs another command with the daemon's configuration. An exit status of
// its own, such as "is not in sync", is no failure of the test.
func (d *daemon) do(arguments ...string) {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), d.program, append(arguments, "--config", d.config)...) //nolint:gosec // built by the test
	cmd.Env = append(os.Environ(), d.env...)
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 4 {
		d.t.Errorf("rotatord %v: %v\n%s", arguments, err, out)
	}
}

// explain says how everything stands, for a test that has failed.
func (d *daemon) explain() {
	if !d.t.Failed() {
		return
	}
	// The test's own context has ended.
	cmd := exec.CommandContext(context.Background(), d.program, "status", "--config", d.config) //nolint:gosec // built by the test
	cmd.Env = append(os.Environ(), d.env...)
	out, err := cmd.CombinedOutput()
	d.t.Logf("rotatord status: %v\n%s\nits log ends with:\n%s", err, out, d.log.String())
}

// tail keeps the end of a log.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	if cut := len(l.b) - 32<<10; cut > 0 {
		l.b = l.b[cut:]
	}
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(bytes.ToValidUTF8(l.b, nil))
}

// get gives the status of an answer, 0 without one.
func get(ctx context.Context, url string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0
	}
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// free gives an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { must(t, l.Close()) }()
	return l.Addr().String()
}

// until looks again and again, until shortly before go test's own deadline.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	end, bounded := t.Deadline()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; !so(); <-tick.C {
		if bounded && time.Until(end) < 20*time.Second {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
