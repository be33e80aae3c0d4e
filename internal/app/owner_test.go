package app_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

func TestASecondDaemonOnOneStoreIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add("owned", renamed)
	w.configure()
	first := w.run()
	second := w.launch("run", nil)
	<-second.gone
	if second.err == nil {
		t.Fatal("two daemons run on one store")
	}
	for _, want := range []string{w.storeDir(), fmt.Sprint(first.cmd.Process.Pid), "another process"} {
		if !strings.Contains(second.log.String(), want) {
			t.Errorf("the message does not say %q:\n%s", want, second.log)
		}
	}
	// The first one did not notice.
	c := w.reach()
	d.rotate()
	until(t, "the first one works on", func() bool { return d.settled(c) })
	first.stop()
}

func TestCommandsGoThroughTheDaemonOrTakeTheLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add("reached", renamed)
	w.configure()

	alone, err := app.Reach(t.Context(), w.options())
	must(t, err)
	if alone.Daemon {
		t.Error("a daemon answers where none runs")
	}
	if _, err := alone.Sync(t.Context(), web.Request{}); err != nil || !d.settled(alone) {
		t.Errorf("sync without a daemon: %v", err)
	}
	_, err = app.Reach(t.Context(), w.options())
	var open *store.OpenError
	if !errors.As(err, &open) || open.Problem != store.ProblemLocked {
		t.Errorf("two commands have the store at once: %v", err)
	}
	must(t, alone.Close())

	daemon := w.run()
	c := w.reach()
	k := d.rotate()
	after, err := c.Sync(t.Context(), web.Request{Destinations: []string{d.id}})
	must(t, err)
	if len(after) != 1 || after[0].State != store.StateInSync || !d.held(k) {
		t.Errorf("sync through the daemon: %+v", after)
	}
	_, err = c.Sync(t.Context(), web.Request{Destinations: []string{"nobody"}})
	var remote *web.RemoteError
	if !errors.As(err, &remote) || !remote.Usage || !strings.Contains(remote.Text, "nobody") {
		t.Errorf("sync of what is not configured: %v", err)
	}
	info, err := os.Stat(app.SocketPath(w.storeDir()))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	daemon.stop()
	if _, err := os.Stat(app.SocketPath(w.storeDir())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays behind: %v", err)
	}
}

func TestASocketThatADeadProcessLeftIsNoDaemon(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.add("dead", renamed)
	w.configure()
	w.run().kill()
	if _, err := os.Stat(app.SocketPath(w.storeDir())); err != nil {
		t.Fatalf("the killed daemon left no socket, so nothing is tested: %v", err)
	}
	c, err := app.Reach(t.Context(), w.options())
	must(t, err)
	if c.Daemon {
		t.Error("a dead daemon answers")
	}
	must(t, c.Close())
	w.run().stop() // and the next one takes its place
}

func TestASocketPathIsNeverTooLong(t *testing.T) {
	long := filepath.Join("/", strings.Repeat("a", 60), strings.Repeat("b", 60))
	one, other := app.SocketPath(long), app.SocketPath(long+"c")
	if len(one) > 103 || one == other || one != app.SocketPath(long) {
		t.Errorf("%q and %q", one, other)
	}
	if got, want := app.SocketPath("/srv/rotatord"), "/srv/rotatord/rotatord.sock"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheFirstSignalWaitsForThePatchUnderWay(t *testing.T) {
	t.Parallel()
	g := newGate()
	defer g.release()
	w := newWorld(t, g.verify)
	d := w.add("drained", renamed)
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	g.armed.Store(true)
	k := d.rotate()
	<-g.entered
	must(t, daemon.cmd.Process.Signal(syscall.SIGTERM))
	// Everything else is down when the socket is closed, and the PATCH stays.
	until(t, "it stops", func() bool {
		_, err := os.Stat(app.SocketPath(w.storeDir()))
		return strings.Contains(daemon.log.String(), `"msg":"stopping"`) && errors.Is(err, os.ErrNotExist)
	})
	if daemon.dead() {
		t.Error("it did not wait for the PATCH")
	}
	g.release()
	<-daemon.gone
	if daemon.err != nil {
		t.Errorf("it ended with %v\n%s", daemon.err, daemon.log)
	}
	if !d.held(k) {
		t.Error("the PATCH was not finished")
	}
	st, err := store.Open(t.Context(), store.Options{Dir: w.storeDir()})
	must(t, err)
	r, err := st.Load(t.Context(), d.id)
	must(t, errors.Join(err, st.Close()))
	if r.Inflight != nil || r.Fence != nil || r.Accepted == nil || r.Source == nil || r.Accepted.Version != r.Source.Version {
		t.Errorf("its answer was not recorded: accepted %+v, in flight %+v, fence %+v", r.Accepted, r.Inflight, r.Fence)
	}
	daemon = w.run()
	c = w.reach()
	wait(t, c, d, store.StateInSync, "")
	if n := len(w.patches(d)); n != 2 {
		t.Errorf("%d PATCHes, want 2: what was answered is not sent again", n)
	}
	daemon.stop()
}

func TestTheAdminListenerTellsWhatIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add("watched", renamed)
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	for path, want := range map[string]string{"/healthz": "alive\n", "/readyz": "ready\n"} {
		if code, body := daemon.get(path); code != 200 || body != want {
			t.Errorf("%s: %d %q", path, code, body)
		}
	}
	d.rotate()
	until(t, "the rotation is done", func() bool { return d.settled(c) })
	for series, want := range map[string]string{
		`rotatord_destination_state{destination="` + d.id + `",state="in_sync"}`: "1",
		`rotatord_store_up`: "1",
		`rotatord_planet_requests_total{account="acct",code="200",kind="none",method="PATCH",route="/destinations/v1/{id}"}`: "2",
	} {
		if got := daemon.metric(series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	daemon.stop()
}

func TestAPortInUseIsAClearErrorBeforeAnythingStarts(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { must(t, l.Close()) }()
	w := newWorld(t)
	w.add("port", renamed)
	w.configure()
	o := w.options()
	o.Config.Admin.Listen = l.Addr().String()
	a, err := app.Open(t.Context(), o)
	must(t, err)
	err = a.Run(t.Context())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "[admin] listen") || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Errorf("the error does not say what is wrong and what to do: %v", err)
	}
	must(t, a.Close())
	if n := len(w.sim.Requests()); n != 0 {
		t.Errorf("%d requests were sent all the same", n)
	}
	if _, err := os.Stat(app.SocketPath(w.storeDir())); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the local socket was left behind: %v", err)
	}
}

func TestALocalSocketThatCannotBeOpenedLeavesNoListenerBehind(t *testing.T) {
	w := newWorld(t)
	w.add("socket", renamed)
	w.configure()
	a, err := app.Open(t.Context(), w.options())
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(app.SocketPath(w.storeDir()), "in-the-way"), 0o700))
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "local socket") {
		t.Errorf("the error does not say what could not be opened: %v", err)
	}
	must(t, a.Close())
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", strings.TrimPrefix(a.AdminURL(), "http://"))
	if err != nil {
		t.Fatalf("the admin listener is still open: %v", err)
	}
	must(t, l.Close())
}

func TestNothingRunsOnAfterRunHasReturned(t *testing.T) {
	w := newWorld(t)
	d := w.add("leak", renamed)
	w.configure()
	before := goleak.IgnoreCurrent()
	for range 2 {
		a, err := app.Open(t.Context(), w.options())
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.Run(ctx) }()
		<-a.Ready()
		k := d.rotate()
		until(t, "the rotation is done", func() bool { return d.held(k) })
		stop()
		must(t, <-done)
		must(t, a.Close())
		if err := goleak.Find(before); err != nil {
			t.Error(err)
		}
	}
}

func TestFiftyDestinationsCostOneListAndFiftyPatches(t *testing.T) {
	t.Parallel()
	const n, rate = 50, 15 // Planet's 3 a second would take 17 s: see the benchmark
	w := newWorld(t, perSecond(rate), func(o *planettest.Options) { o.Quota = n })
	w.account = fmt.Sprintf("requests_per_second = %d\njitter_allowance = \"600ms\"\ndependents_interval = \"0s\"", rate)
	for i := range n {
		w.add(fmt.Sprintf("quota-%02d", i), renamed)
	}
	w.configure()
	daemon := w.run()
	c := w.reach()
	until(t, "all are in sync", func() bool {
		all, err := c.Status(t.Context())
		must(t, err)
		for _, s := range all {
			if s.State != store.StateInSync {
				return false
			}
		}
		return true
	})
	count := map[string]int{}
	for _, r := range w.sim.Requests() {
		count[r.Method]++
	}
	if count["GET"] != 1 || count["PATCH"] != n || len(count) != 2 {
		t.Errorf("requests: %v, want 1 GET and %d PATCH", count, n)
	}
	w.checkRequests(rate)
	daemon.stop()
}
