package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// manager listens as a service manager does.
func manager(t *testing.T, name string) (env func(string) string, heard func() string) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	env = func(v string) string { return map[string]string{"NOTIFY_SOCKET": name}[v] }
	return env, func() string {
		b := make([]byte, 4096)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	names := map[string]string{"a path": filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names["an abstract name"] = "@rotatord-" + filepath.Base(t.TempDir()) + t.Name()
	}
	for what, name := range names {
		t.Run(what, func(t *testing.T) {
			env, heard := manager(t, name)
			ctx, cancel := context.WithCancel(t.Context())
			ready := make(chan struct{})
			done := tellManager(ctx, env, ready, func(err error) { t.Error(err) })
			close(ready)
			told := []string{heard()}
			cancel()
			told = append(told, heard())
			done()
			want := []string{"READY=1\nSTATUS=running", "STOPPING=1\nSTATUS=finishing what is under way"}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADaemonThatDiesIsNotCalledReady(t *testing.T) {
	env, heard := manager(t, filepath.Join(t.TempDir(), "notify"))
	tellManager(t.Context(), env, make(chan struct{}), func(err error) { t.Error(err) })()
	if err := notify(t.Context(), env, "marker"); err != nil {
		t.Fatal(err)
	}
	if got := heard(); got != "marker" {
		t.Errorf("was told %q", got)
	}
}

func TestWhoeverCannotBeToldIsNoReasonToStop(t *testing.T) {
	for name, path := range map[string]string{"nobody listens": filepath.Join(t.TempDir(), "gone"), "no path": "notify"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ready, complaints := make(chan struct{}), make(chan error, 2)
			close(ready)
			done := tellManager(ctx, func(string) string { return path }, ready, func(err error) { complaints <- err })
			if err := <-complaints; err == nil {
				t.Error(errors.New("no complaint"))
			}
			done()
		})
	}
}

func TestWithoutAServiceManagerNobodyIsTold(t *testing.T) {
	if err := notify(t.Context(), noEnv, notifyReady); err != nil {
		t.Error(err)
	}
	tellManager(t.Context(), noEnv, nil, func(err error) { t.Error(err) })()
}

func TestTheDaemonTellsItsServiceManager(t *testing.T) {
	env, heard := manager(t, filepath.Join(t.TempDir(), "notify"))
	config := healthConfig(t, "", t.TempDir())
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write := func(more string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(string(good)+more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[reload]\nwatch = \"100ms\"\n")
	ctx, cancel := context.WithCancel(t.Context())
	c := newCLI(func(name string) string {
		if name == "PL_API_KEY" {
			return "k"
		}
		return env(name)
	}, nil, io.Discard, io.Discard)
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx, []string{"run", "--config", config}) }()
	hears := func(want string) {
		t.Helper()
		if got := heard(); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("was told %q, want %q", got, want)
		}
	}
	hears("READY=1\nSTATUS=running")
	// One that is taken over, and one that is not: it is ready after each.
	for _, more := range []string{"[reload]\nwatch = \"50ms\"\n", "nonsense"} {
		before := monotonic()
		write(more)
		told := heard()
		var at int64
		if n, err := fmt.Sscanf(told, "RELOADING=1\nMONOTONIC_USEC=%d\nSTATUS=reading the configuration anew", &at); n != 1 {
			t.Errorf("was told %q: %v", told, err)
		}
		if now := monotonic(); at < before.Microseconds() || at > now.Microseconds() {
			t.Errorf("the reload began at %d, want between %d and %d", at, before.Microseconds(), now.Microseconds())
		}
		hears("READY=1\nSTATUS=running")
	}
	cancel()
	hears("STOPPING=1\nSTATUS=finishing what is under way")
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
