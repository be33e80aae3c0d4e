// Package promserver runs a real Prometheus for tests: one that scrapes what a
// test says, loads the rules that it is given, and is asked over its own API.
//
// Nothing here measures time. What a test waits for is waited for until it is
// so, or until shortly before the deadline of go test: a slow machine makes a
// slow test and no failure. What is found out to be impossible, by a Prometheus
// that has ended or an expression that does not parse, fails at once.
//
// scripts/prometheus finds the programs or fetches them.
package promserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options say what Prometheus does.
type Options struct {
	// Targets are what is scraped, "127.0.0.1:9090" or a whole URL.
	Targets []string
	// Job is the label job of what is scraped; "rotatord" if empty.
	Job string
	// Rules are files of rules by their names, "rotatord.yaml".
	Rules map[string][]byte
	// Dir is a folder of more files of rules, *.yaml; may be empty.
	Dir string
	// ScrapeEvery is how often targets are scraped; 200 ms if zero.
	ScrapeEvery time.Duration
	// EvaluateEvery is how often rules are evaluated; ScrapeEvery if zero.
	EvaluateEvery time.Duration
}

// Server is a Prometheus that runs until its test ends.
type Server struct {
	// URL is where it answers, "http://127.0.0.1:1234".
	URL string

	t       testing.TB
	targets []string
	log     log
	gone    chan struct{} // closed when the process has ended
}

// Start runs Prometheus until the test ends, and returns once it answers. Where
// there is none the test is skipped, unless CI=true: then it is fetched.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	program := Tool(t, "prometheus")
	if o.Job == "" {
		o.Job = "rotatord"
	}
	if o.ScrapeEvery == 0 {
		o.ScrapeEvery = 200 * time.Millisecond
	}
	if o.EvaluateEvery == 0 {
		o.EvaluateEvery = o.ScrapeEvery
	}
	s := &Server{t: t, gone: make(chan struct{}), log: log{address: make(chan string, 1)}}
	dir := t.TempDir()
	file, err := s.configure(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	// t.Context ends before the clean-up does, so it is not the process'.
	ctx, stop := context.WithCancel(context.Background())
	//nolint:gosec // the program that scripts/prometheus has found
	command := exec.CommandContext(ctx, program, "--config.file="+file, "--web.listen-address=127.0.0.1:0",
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--storage.tsdb.retention.time=1d")
	command.Dir = dir
	out, err := command.StderrPipe()
	if err != nil {
		stop()
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		stop()
		t.Fatal(fmt.Errorf("start %s: %w", program, err))
	}
	go func() {
		s.log.read(bufio.NewScanner(out))
		_ = command.Wait() // killed, or its log says why it ended
		close(s.gone)
	}()
	t.Cleanup(func() {
		stop()
		<-s.gone
	})
	select {
	case address := <-s.log.address:
		s.URL = "http://" + address
	case <-s.gone:
		t.Fatalf("prometheus did not start:\n%s", s.log.String())
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
	s.WaitFor("Prometheus is ready", func(ctx context.Context) (bool, string) {
		err := s.get(ctx, "/-/ready", nil, nil)
		return err == nil, fmt.Sprint(err)
	})
	return s
}

// Tool gives the path of "prometheus" or "promtool". Where there is none the
// test is skipped, unless CI=true: then it is fetched.
func Tool(t testing.TB, name string) string {
	t.Helper()
	script, err := script()
	if err != nil {
		t.Fatal(err)
	}
	ci := os.Getenv("CI") == "true"
	var arguments []string
	if !ci {
		arguments = append(arguments, "find")
	}
	//nolint:gosec // the repository's own script
	find := exec.CommandContext(t.Context(), script, arguments...)
	var says strings.Builder
	find.Stderr = &says
	dir, err := find.Output()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return filepath.Join(strings.TrimSpace(string(dir)), name)
	case !ci && errors.As(err, &exit):
		t.Skip(strings.TrimSpace(says.String()))
	default:
		t.Fatalf("find %s: %v\n%s", name, err, &says)
	}
	return ""
}

// script finds scripts/prometheus above the folder that the test runs in.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, "scripts", "prometheus")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("find scripts/prometheus: not in any folder above this one")
		}
		dir = up
	}
}

// log is what Prometheus says, and where it says that it listens.
type log struct {
	mu      sync.Mutex
	text    strings.Builder
	address chan string
}

// listens is what the log says of the port, in each version's way of logging.
var listens = regexp.MustCompile(`msg="Listening on".* address="?([0-9.]+:[0-9]+)`)

func (l *log) read(lines *bufio.Scanner) {
	told := false
	for lines.Scan() {
		l.mu.Lock()
		l.text.WriteString(lines.Text() + "\n")
		l.mu.Unlock()
		if found := listens.FindStringSubmatch(lines.Text()); found != nil && !told {
			told = true
			l.address <- found[1]
		}
	}
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
