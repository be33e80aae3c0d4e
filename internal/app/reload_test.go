package app_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/store"
)

// hangUp has the daemon read its configuration anew.
func (p *process) hangUp(t testing.TB) {
	t.Helper()
	must(t, p.cmd.Process.Signal(syscall.SIGHUP))
}

// says waits until the daemon's log has a line with all of these.
func (p *process) says(t testing.TB, words ...string) {
	t.Helper()
	until(t, "the log says "+strings.Join(words, ", "), func() bool {
		for line := range strings.Lines(p.log.String()) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return true
			}
		}
		return false
	})
}

func TestAReloadTakesOverWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, gone := w.add("first", renamed), w.add("gone", renamed)
	w.top = "[reload]\nwatch = \"0s\"\n"
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, first, store.StateInSync, "")
	wait(t, c, gone, store.StateInSync, "")
	patches := len(w.patches(first))

	added := w.add("added", renamed)
	w.destinations = []*destination{first, added}
	w.defaults = "leftover_confirm = \"2m\""
	w.configure()
	daemon.hangUp(t)
	daemon.says(t, "configuration is in force")
	wait(t, c, added, store.StateInSync, "")
	for _, change := range []string{`destination \"` + added.id + `\" added`, `destination \"` + gone.id + `\" removed`,
		`destination \"` + first.id + `\": leftover_confirm changed`} {
		daemon.says(t, "configuration changes", change)
	}
	all, err := c.Status(t.Context())
	must(t, err)
	if len(all) != 2 {
		t.Errorf("%d destinations are shown, want 2", len(all))
	}
	// The same ports, the new truth.
	if daemon.metric(`rotatord_destination_state{destination="`+added.id+`",state="in_sync"}`) != "1" {
		t.Error("metrics do not show the new one")
	}
	if _, body := daemon.get("/metrics"); strings.Contains(body, gone.id) {
		t.Error("metrics still show the one that is gone")
	}
	if daemon.metric(`rotatord_config_reloads_total{result="success"}`) != "1" || daemon.metric("rotatord_config_last_reload_successful") != "1" {
		t.Error("the reload was not counted")
	}
	if n := len(w.patches(first)); n != patches {
		t.Errorf("a reload sent %d PATCHes", n-patches)
	}
	// It goes on working, for the old and for the new.
	for _, d := range w.destinations {
		d.rotate()
		until(t, "it is rotated", func() bool { return d.settled(c) })
	}
	w.checkRequests(3)
	w.checkNoSecret(daemon, c)
	daemon.stop()
}

func TestABadConfigurationLeavesTheOldOneInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add("kept", renamed)
	w.top = "[reload]\nwatch = \"0s\"\n"
	w.configure()
	good, err := os.ReadFile(w.configFile())
	must(t, err)
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	for i, bad := range map[string]string{
		"nonsense":            "]" + canary,
		"an unknown key":      string(good) + "\n[gate]\nnonsense = \"" + canary + "\"\n",
		"another store":       strings.Replace(string(good), w.storeDir(), w.path("elsewhere"), 1),
		"a port that's taken": strings.Replace(string(good), "127.0.0.1:0", strings.TrimPrefix(w.bucket.URL, "http://"), 1),
		"a missing file":      strings.Replace(string(good), w.top, w.top+"[aws]\nca_file = \"/nowhere/ca.pem\"\n", 1),
	} {
		w.write("rotatord.toml", []byte(bad))
		before := strings.Count(daemon.log.String(), "configuration not reloaded")
		daemon.hangUp(t)
		until(t, i+" is refused", func() bool {
			return strings.Count(daemon.log.String(), "configuration not reloaded") > before
		})
		if got := daemon.metric("rotatord_config_last_reload_successful"); got != "0" {
			t.Errorf("%s: successful is %q", i, got)
		}
	}
	d.rotate()
	until(t, "the old one still works", func() bool { return d.settled(c) })
	w.write("rotatord.toml", good)
	daemon.hangUp(t)
	daemon.says(t, "configuration is as it was")
	if daemon.metric("rotatord_config_last_reload_successful") != "1" || daemon.metric(`rotatord_config_reloads_total{result="failure"}`) != "5" {
		t.Error("the reloads were not counted")
	}
	w.checkNoSecret(daemon, c)
	daemon.stop()
}

func TestChangedFilesAreNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.add("main", renamed)
	w.top = "[reload]\nwatch = \"100ms\"\n"
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	more := w.add("fleet", renamed)
	must(t, os.MkdirAll(w.path("conf.d"), 0o700))
	w.write("conf.d/fleet.toml", []byte("[[destination]]\nname = \""+more.id+"\"\nsecret = \"file://"+more.path+"\"\n"))
	until(t, "it is rotated", func() bool {
		all, err := c.Status(context.Background())
		return err == nil && len(all) == 2 && more.held(more.newest())
	})
	must(t, os.Remove(w.path("conf.d/fleet.toml")))
	until(t, "it is gone", func() bool {
		all, err := c.Status(context.Background())
		return err == nil && len(all) == 1
	})
	daemon.stop()
}

func TestAReloadWaitsForThePatchUnderWay(t *testing.T) {
	t.Parallel()
	g := newGate()
	defer g.release()
	w := newWorld(t, g.verify)
	w.top = "[reload]\nwatch = \"0s\"\n"
	d := w.add("busy", renamed)
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	g.armed.Store(true)
	k := d.rotate()
	<-g.entered
	w.defaults = "leftover_confirm = \"2m\""
	w.configure()
	daemon.hangUp(t)
	daemon.says(t, "configuration changes", "leftover_confirm")
	// What only reads is answered meanwhile; what changes something waits.
	if _, err := c.Status(t.Context()); err != nil {
		t.Errorf("status: %v", err)
	}
	if code, _ := daemon.get("/metrics"); code != 200 {
		t.Errorf("metrics: %d", code)
	}
	synced := make(chan error, 1)
	go func() {
		_, err := c.Sync(context.Background(), web.Request{})
		synced <- err
	}()
	if strings.Contains(daemon.log.String(), "configuration is in force") {
		t.Error("it did not wait for the PATCH")
	}
	g.release()
	daemon.says(t, "configuration is in force")
	if err := <-synced; err != nil {
		t.Errorf("a sync that waited: %v", err)
	}
	wait(t, c, d, store.StateInSync, "")
	if n := len(w.patches(d)); n != 2 || !d.held(k) {
		t.Errorf("%d PATCHes, want 2", n)
	}
	daemon.stop()
}

func TestAReloadEndsWhoWaitsForTheOldConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.top = "[reload]\nwatch = \"0s\"\n"
	d := w.add("waiting", renamed)
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	d.give(d.makeKey(time.Now().Add(time.Hour), allowed...)) // it does not work yet
	begun := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		close(begun)
		_, err := c.Sync(context.Background(), web.Request{Wait: 30 * time.Minute})
		ended <- err
	}()
	<-begun
	wait(t, c, d, store.StateWaiting, store.ReasonPropagation)
	w.defaults = "leftover_confirm = \"2m\""
	w.configure()
	daemon.hangUp(t)
	daemon.says(t, "configuration is in force")
	select {
	case err := <-ended:
		if err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it ended with %v", err)
		}
	case <-t.Context().Done():
		t.Error("it still waits")
	}
	daemon.stop()
}
