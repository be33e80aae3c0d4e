package observe

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long something may take that has to come. It decides about
// nothing but when a test that hangs is given up.
const patience = 90 * time.Second

const pollEvery = 50 * time.Millisecond

// build makes the real program, as make build does but for its size.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rotatord")
	command := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/rotatord")
	command.Dir = filepath.Join("..", "..")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("build rotatord: %v\n%s", err, out)
	}
	return program
}

// process is a rotatord that runs as another process.
type process struct {
	t       *testing.T
	command *exec.Cmd
	gone    chan struct{}

	mu  sync.Mutex
	out strings.Builder
}

// start runs a program until the test ends or stop.
func start(t *testing.T, program string, arguments ...string) *process {
	t.Helper()
	return startWith(t, nil, program, arguments...)
}

// environment is what a process of rotatord's has to begin with.
func environment(t *testing.T) []string {
	t.Helper()
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"AWS_ACCESS_KEY_ID=AKIANOBODY", "AWS_SECRET_ACCESS_KEY=canarySecretOfNobody", "AWS_EC2_METADATA_DISABLED=true"}
}

func startWith(t *testing.T, env []string, program string, arguments ...string) *process {
	t.Helper()
	p := &process{t: t, gone: make(chan struct{})}
	// t.Context ends before the clean-up, which wants a good end.
	p.command = exec.CommandContext(context.Background(), program, arguments...)
	p.command.Env = append(environment(t), env...)
	reader, writer := io.Pipe()
	p.command.Stdout, p.command.Stderr = writer, writer
	must(t, p.command.Start())
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(reader)
		for lines.Scan() {
			p.mu.Lock()
			p.out.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
		}
	}()
	go func() {
		_ = p.command.Wait() // its log tells
		_ = writer.Close()
		<-read
		close(p.gone)
	}()
	t.Cleanup(p.stop)
	return p
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// stop is the first signal, and waits for the end.
func (p *process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	<-p.gone
}

// await waits until the process says something, and gives the first group.
func (p *process) await(pattern string) string {
	p.t.Helper()
	want := regexp.MustCompile(pattern)
	var found []string
	until(p.t, pattern, func() bool {
		found = want.FindStringSubmatch(p.said())
		if found == nil {
			select {
			case <-p.gone:
				p.t.Fatalf("it has ended before it said %s:\n%s", pattern, p.said())
			default:
			}
		}
		return found != nil
	})
	return found[1]
}

// until asks until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for end := time.Now().Add(patience); !so(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until: %s", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
