// Command footprint measures what an idle rotatord takes: it starts the binary
// that it is given with fifty destinations and every kind of source that runs
// on one machine, lets everything settle, and then looks at the process for a
// while. It prints a table for docs/performance.md and judges nothing: what a
// shared machine measures is no pass or fail.
//
//	go run ./footprint [-for 1m] BINARY     # in integration/, see scripts/footprint
//
// The servers are those of the tests and run in this process, or in Node.js
// beside it: Planet's simulator, a bucket, Secrets Manager, SQS, Pub/Sub, Vault,
// Azurite and a Service Bus.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	measured := flag.Duration("for", time.Minute, "how long to look")
	// Idle connections are closed after a minute and a half.
	settle := flag.Duration("settle", 100*time.Second, "how long to wait once all destinations are in sync")
	restart := flag.Bool("restart", true, "measure a second start, too")
	repository := flag.String("repository", "..", "the repository's own folder")
	keep := flag.Bool("log", false, "show the daemon's log at the end")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: footprint [flags] BINARY")
		os.Exit(2)
	}
	err := run(flag.Arg(0), *repository, *measured, *settle, *keep, *restart)
	if err != nil {
		fmt.Fprintln(os.Stderr, "footprint:", err)
		os.Exit(1)
	}
}

func run(binary, repository string, measured, settle time.Duration, keep, restart bool) (err error) {
	binary, err = filepath.Abs(binary)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "footprint")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	s, err := newStage(repository, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var table []row
	// The second start finds a store with everything in it: that is what a
	// restart of a settled daemon takes.
	for _, what := range []string{"first start", "restart"} {
		d, err := start(binary, s)
		if err != nil {
			return err
		}
		r, err := d.measure(what, measured, settle)
		err = errors.Join(err, d.stop())
		if err != nil || keep {
			_, _ = io.Copy(os.Stderr, strings.NewReader(d.log.String()))
		}
		if err != nil {
			return err
		}
		table = append(table, r)
		if !restart {
			break
		}
	}
	show(table)
	return nil
}

// daemon is the process that is measured.
type daemon struct {
	cmd   *exec.Cmd
	admin string
	ready time.Duration
	log   strings.Builder
	gone  chan error
}

// freePort gives an address that nobody listens on.
func freePort() (string, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func start(binary string, s *stage) (*daemon, error) {
	admin, err := freePort()
	if err != nil {
		return nil, err
	}
	hooks, err := freePort()
	if err != nil {
		return nil, err
	}
	file, err := s.configure(admin, hooks)
	if err != nil {
		return nil, err
	}
	d := &daemon{admin: "http://" + admin, gone: make(chan error, 1)}
	d.cmd = exec.CommandContext(context.Background(), binary, "run", "--config", file, "--log-format", "text") //nolint:gosec // the binary to measure
	d.cmd.Env = s.environment()
	d.cmd.Stderr = &d.log
	begun := time.Now()
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { d.gone <- d.cmd.Wait() }()
	for {
		if code, _, _ := get(d.admin + "/readyz"); code == http.StatusOK {
			break
		}
		select {
		case err := <-d.gone:
			return nil, fmt.Errorf("the daemon ended: %w\n%s", err, &d.log)
		case <-time.After(time.Millisecond):
		}
		if time.Since(begun) > time.Minute {
			return nil, errors.Join(fmt.Errorf("not ready after a minute\n%s", &d.log), d.stop())
		}
	}
	d.ready = time.Since(begun)
	return d, nil
}

func (d *daemon) stop() error {
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case err := <-d.gone:
		return err
	case <-time.After(time.Minute):
		return errors.Join(errors.New("the daemon does not stop"), d.cmd.Process.Kill())
	}
}

// row is one measurement.
type row struct {
	what                     string
	ready                    time.Duration
	rss, anon, file, peak    int // kB
	cpu                      float64
	goroutines, threads      string
	heap, stacks, gcs, inuse string
}

func (d *daemon) measure(what string, measured, settle time.Duration) (row, error) {
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Second) {
		_, body, err := get(d.admin + "/metrics")
		if n := strings.Count(body, `state="in_sync"} 1`); n >= destinations {
			break
		} else if time.Now().After(end) {
			return row{}, fmt.Errorf("%d of %d destinations are in sync: %w", n, destinations, err)
		}
	}
	time.Sleep(settle)
	before, err := d.cpu()
	if err != nil {
		return row{}, err
	}
	begun := time.Now()
	time.Sleep(measured)
	took := time.Since(begun)
	after, err := d.cpu()
	if err != nil {
		return row{}, err
	}
	r := row{what: what, ready: d.ready, cpu: (after - before).Seconds() / took.Seconds()}
	// What is asked of the daemon costs it something, so it is asked last.
	if r.rss, r.anon, r.file, r.peak, err = d.memory(); err != nil {
		return row{}, err
	}
	_, body, err := get(d.admin + "/metrics")
	if err != nil {
		return row{}, err
	}
	r.goroutines, r.threads = series(body, "go_goroutines"), series(body, "go_threads")
	r.heap, r.inuse, r.stacks = mega(series(body, "go_memstats_heap_sys_bytes")), mega(series(body, "go_memstats_heap_inuse_bytes")), mega(series(body, "go_memstats_stack_sys_bytes"))
	r.gcs = series(body, "go_gc_duration_seconds_count")
	return r, nil
}

// memory reads what the kernel says of the process, in kB.
func (d *daemon) memory() (rss, anon, file, peak int, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.cmd.Process.Pid))
	if err != nil {
		return 0, 0, 0, 0, err
	}
	for name, to := range map[string]*int{"VmRSS": &rss, "RssAnon": &anon, "RssFile": &file, "VmHWM": &peak} {
		_, rest, ok := strings.Cut(string(b), name+":")
		fields := strings.Fields(rest)
		if !ok || len(fields) == 0 {
			return 0, 0, 0, 0, fmt.Errorf("the kernel says no %s", name)
		}
		if *to, err = strconv.Atoi(fields[0]); err != nil {
			return 0, 0, 0, 0, err
		}
	}
	return rss, anon, file, peak, nil
}

// cpu is the time that all threads have taken since the start. The kernel's own
// sum of nanoseconds is finer than the ticks of /proc/PID/stat.
func (d *daemon) cpu() (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", d.cmd.Process.Pid))
	if err != nil || len(tasks) == 0 {
		return 0, errors.Join(err, errors.New("the kernel keeps no schedstat"))
	}
	var sum time.Duration
	for _, t := range tasks {
		b, err := os.ReadFile(t)
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(n)
	}
	return sum, nil
}

func get(url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func series(body, name string) string {
	lines := bufio.NewScanner(strings.NewReader(body))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value
		}
	}
	return "?"
}

func mega(bytes string) string {
	f, err := strconv.ParseFloat(bytes, 64)
	if err != nil {
		return bytes
	}
	return fmt.Sprintf("%.1f MB", f/1e6)
}

func show(table []row) {
	fmt.Print("| |")
	for _, r := range table {
		fmt.Print(" " + r.what + " |")
	}
	fmt.Print("\n|---|" + strings.Repeat("---|", len(table)) + "\n")
	for _, line := range []struct {
		what string
		of   func(row) string
	}{
		{"exec to `/readyz` 200", func(r row) string { return fmt.Sprintf("%d ms", r.ready.Milliseconds()) }},
		{"resident (`VmRSS`)", func(r row) string { return kilo(r.rss) }},
		{"of that our own (`RssAnon`)", func(r row) string { return kilo(r.anon) }},
		{"of that pages of the binary (`RssFile`)", func(r row) string { return kilo(r.file) }},
		{"resident at most (`VmHWM`)", func(r row) string { return kilo(r.peak) }},
		{"heap from the system, in use", func(r row) string { return r.heap + ", " + r.inuse }},
		{"stacks", func(r row) string { return r.stacks }},
		{"of one core", func(r row) string { return fmt.Sprintf("%.2f %%", 100*r.cpu) }},
		{"goroutines, threads", func(r row) string { return r.goroutines + ", " + r.threads }},
		{"collections since the start", func(r row) string { return r.gcs }},
	} {
		fmt.Print("| " + line.what + " |")
		for _, r := range table {
			fmt.Print(" " + line.of(r) + " |")
		}
		fmt.Println()
	}
}

func kilo(n int) string { return fmt.Sprintf("%.1f MB", float64(n)*1024/1e6) }
