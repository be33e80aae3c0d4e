package azure

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// servers are those of this process.
var servers struct {
	azurite string // its address
	bus     *bus
}

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait more than they work: more of them at once than there are
	// processors, unless somebody has said how many.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("16"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code, err := withServers(func() int {
		code := m.Run()
		if err := goleak.Find(goleak.IgnoreCurrent()); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		return code
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withServers runs the servers around the tests.
func withServers(run func() int) (code int, err error) {
	install := exec.Command("../../scripts/node-servers")
	var says strings.Builder
	install.Stderr = &says
	home, err := install.Output()
	if err != nil {
		return 0, fmt.Errorf("install the test servers: %w\n%s", err, &says)
	}
	modules := filepath.Join(strings.TrimSpace(string(home)), "node_modules")
	dir, err := os.MkdirTemp("", "azure")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	azurite, err := startNode(modules, dir, "azurite.js", "--queueHost", "127.0.0.1", "--queuePort", "0",
		"--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry", "--silent")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, azurite.end()) }()
	namespace, err := startNode(modules, dir, "servicebus.js", busKeyName, busKey, busToken)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, namespace.end()) }()

	for servers.azurite == "" {
		line, err := azurite.line()
		if err != nil {
			return 0, fmt.Errorf("azurite did not start: %w", err)
		}
		_, servers.azurite, _ = strings.Cut(line, "successfully listens on ")
	}
	var hello struct{ Port int }
	line, err := namespace.line()
	if err != nil {
		return 0, fmt.Errorf("the service bus did not start: %w", err)
	}
	if err := json.Unmarshal([]byte(line), &hello); err != nil {
		return 0, err
	}
	servers.bus = &bus{node: namespace, address: fmt.Sprintf("127.0.0.1:%d", hello.Port)}
	return run(), nil
}

// node is a running program of Node.js, spoken to by lines.
type node struct {
	command *exec.Cmd
	stop    context.CancelFunc
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	stderr  strings.Builder
}

func startNode(modules, dir, program string, arguments ...string) (*node, error) {
	script, err := filepath.Abs(filepath.Join("..", "node", program))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	n := &node{stop: stop}
	n.command = exec.CommandContext(ctx, "node", append([]string{script}, arguments...)...)
	n.command.Dir = dir
	n.command.Env = append(os.Environ(), "NODE_PATH="+modules, "AZURITE_ACCOUNTS="+account+":"+accountKey, "NODE_OPTIONS=")
	n.command.Stderr = &n.stderr
	n.stdin, err = n.command.StdinPipe()
	if err != nil {
		stop()
		return nil, err
	}
	out, err := n.command.StdoutPipe()
	if err != nil {
		stop()
		return nil, err
	}
	n.stdout = bufio.NewReader(out)
	if err := n.command.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return n, nil
}

func (n *node) line() (string, error) {
	line, err := n.stdout.ReadString('\n')
	if err != nil {
		return "", errors.Join(err, errors.New(n.stderr.String()))
	}
	return strings.TrimSpace(line), nil
}

// end kills this one process and waits for it.
func (n *node) end() error {
	n.stop()
	var exit *exec.ExitError
	if err := n.command.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	if text := n.stderr.String(); text != "" {
		return errors.New("a test server complained: " + text)
	}
	return nil
}

// bus is the Service Bus namespace with its control line.
type bus struct {
	node    *node
	address string
	mu      sync.Mutex
}

// state is what the namespace says of a queue.
type state struct {
	// Waiting and Locked are not acknowledged; Dead are in the dead-letter queue.
	Waiting, Locked, Dead int
	// Renewed counts locks renewed; Peak is the highest delivery count of any
	// message that was delivered.
	Renewed, Peak int
	Error         string
}

// do gives a command and waits for the answer.
func (b *bus) do(t testing.TB, op string, fields map[string]any) state {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	command := map[string]any{"op": op}
	for k, v := range fields {
		command[k] = v
	}
	line, err := json.Marshal(command)
	must(t, err)
	_, err = b.node.stdin.Write(append(line, '\n'))
	must(t, err)
	text, err := b.node.line()
	must(t, err)
	var s state
	must(t, json.Unmarshal([]byte(text), &s))
	if s.Error != "" {
		t.Fatalf("%s: %s", op, s.Error)
	}
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for something at a server.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
}
