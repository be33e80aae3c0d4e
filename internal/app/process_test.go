package app_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
)

// patience is no measure of speed: what has not happened by then never will.
const patience = 90 * time.Second

// until waits for a condition by looking again and again.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// process is rotatord as another process.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	stdin io.Writer
	log   *buffer
	admin string        // URL of the admin listener
	said  chan string   // lines of stdout but the first
	gone  chan struct{} // closed when it has ended, with err set
	err   error
}

// buffer takes a process' log, and tells of each write.
type buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	onWrite func()
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	n, err := b.b.Write(p)
	b.mu.Unlock()
	if b.onWrite != nil {
		b.onWrite()
	}
	return n, err
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// launch starts a process and does not wait for anything. prepare may change
// the command.
func (w *world) launch(mode string, prepare func(*exec.Cmd)) *process {
	w.t.Helper()
	exe, err := os.Executable()
	must(w.t, err)
	p := &process{t: w.t, cmd: exec.Command(exe), log: &buffer{onWrite: w.event}, said: make(chan string, 100), gone: make(chan struct{})}
	p.cmd.Env = append(append(os.Environ(), w.env...), childEnv+"="+mode, childConfigEnv+"="+w.configFile())
	p.cmd.Stderr = p.log
	p.stdin, err = p.cmd.StdinPipe()
	must(w.t, err)
	out, err := p.cmd.StdoutPipe()
	must(w.t, err)
	if prepare != nil {
		prepare(p.cmd)
	}
	if err := p.cmd.Start(); err != nil {
		p.err = err
		close(p.said)
		close(p.gone)
		return p
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.said <- lines.Text()
		}
		close(p.said)
		p.err = p.cmd.Wait()
		close(p.gone)
	}()
	w.t.Cleanup(func() { p.kill() })
	w.mu.Lock()
	w.logs = append(w.logs, p.log)
	w.mu.Unlock()
	return p
}

// run starts the daemon and waits until it works.
func (w *world) run() *process {
	w.t.Helper()
	p := w.launch("run", nil)
	p.awaitReady()
	return p
}

func (p *process) awaitReady() {
	p.t.Helper()
	line, ok := <-p.said
	if !ok {
		<-p.gone
		p.t.Fatalf("the daemon did not start: %v\n%s", p.err, p.log)
	}
	p.admin = strings.TrimPrefix(line, "admin ")
}

// order has a child do something and waits until it is done.
func (p *process) order(what string) {
	p.t.Helper()
	_, err := io.WriteString(p.stdin, what+"\n")
	must(p.t, err)
	if got := <-p.said; got != "done "+what {
		p.t.Fatalf("told to %s it said %q\n%s", what, got, p.log)
	}
}

func (p *process) dead() bool {
	select {
	case <-p.gone:
		return true
	default:
		return false
	}
}

// kill is kill -9.
func (p *process) kill() {
	if p.cmd.Process != nil {
		_ = p.cmd.Process.Kill()
	}
	<-p.gone
}

// stop is the first signal, and waits for a good end.
func (p *process) stop() {
	p.t.Helper()
	must(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.gone
	if p.err != nil {
		p.t.Fatalf("the daemon ended with %v\n%s", p.err, p.log)
	}
}

// get asks the admin listener.
func (p *process) get(path string) (status int, body string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.admin+path, http.NoBody)
	must(p.t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(r)
	must(p.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	must(p.t, err)
	return res.StatusCode, string(b)
}

// metric gives the value of one series as it is written in /metrics, or "".
func (p *process) metric(series string) string {
	p.t.Helper()
	_, body := p.get("/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return value
		}
	}
	return ""
}

// config reads the configuration as the daemon does.
func (w *world) config() *config.Config {
	w.t.Helper()
	cfg, err := config.Load(w.configFile(), os.Getenv, app.SecretShapes()...)
	must(w.t, err)
	return cfg
}

// reach speaks to the daemon until the test ends.
func (w *world) reach() *app.Connection {
	w.t.Helper()
	c, err := app.Reach(context.Background(), w.options())
	must(w.t, err)
	if !c.Daemon {
		must(w.t, errors.Join(errors.New("no daemon answers"), c.Close()))
	}
	w.t.Cleanup(func() { must(w.t, c.Close()) })
	return c
}

// status asks the daemon how one destination stands.
func status(t testing.TB, c *app.Connection, d *destination) web.Status {
	t.Helper()
	all, err := c.Status(context.Background())
	must(t, err)
	for _, s := range all {
		if s.Destination == d.id {
			return s
		}
	}
	t.Fatalf("no destination %s", d.id)
	return web.Status{}
}
