package azure

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/integration/internal/nodeserver"
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
	modules, err := nodeserver.Modules("../..")
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "azure")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	azurite, address, err := nodeserver.Azurite("../..", "queue", modules, dir, account, accountKey)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, azurite.End()) }()
	servers.azurite = address
	namespace, err := nodeserver.Start(nodeserver.Options{Repository: "../..", Modules: modules, Dir: dir, Program: "servicebus.js",
		Arguments: []string{busKeyName, busKey, busToken}})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, namespace.End()) }()

	var hello struct{ Port int }
	line, err := namespace.Line()
	if err != nil {
		return 0, fmt.Errorf("the service bus did not start: %w", err)
	}
	if err := json.Unmarshal([]byte(line), &hello); err != nil {
		return 0, err
	}
	servers.bus = &bus{node: namespace, address: fmt.Sprintf("127.0.0.1:%d", hello.Port)}
	return run(), nil
}

// bus is the Service Bus namespace with its control line.
type bus struct {
	node    *nodeserver.Server
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
	must(t, b.node.Send(line))
	text, err := b.node.Line()
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
