package app_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var errMount = errors.New("mount is not permitted")

// smallDisk mounts a small file system of its own at dir, in the name space of
// this process, and takes orders to fill it and to make room.
func smallDisk(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return fmt.Errorf("%w: %w", errMount, err)
	}
	filler := filepath.Join(dir, "filler")
	go orders(map[string]func() error{
		"fill": func() error { return fillDisk(filler) },
		"free": func() error { return os.Remove(filler) },
	})
	return nil
}

// fillDisk takes all space that is left.
func fillDisk(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// TestOnAFullDiskNoEventIsAcknowledged: what can't be kept is not taken, and
// taken by itself once there is space.
func TestOnAFullDiskNoEventIsAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50))
	fast(w)
	d := w.add("full", renamed)
	w.configure()
	must(t, os.Mkdir(w.storeDir(), 0o700))
	daemon := w.launch("run-on-small-disk", inItsOwnNameSpace)
	if daemon.dead() && errors.Is(daemon.err, syscall.EPERM) {
		t.Skip("name spaces are not permitted here")
	}
	line, ok := <-daemon.said
	if !ok {
		<-daemon.gone
		if strings.Contains(daemon.log.String(), errMount.Error()) {
			t.Skip("mounting is not permitted here")
		}
		t.Fatalf("the daemon did not start: %v\n%s", daemon.err, daemon.log)
	}
	daemon.admin = strings.TrimPrefix(line, "admin ")
	inSync := `rotatord_destination_state{destination="` + d.id + `",state="in_sync"}`
	failed := `rotatord_events_total{result="failed",source="file"}`
	until(t, "first sight is over", func() bool { return daemon.metric(inSync) == "1" })

	daemon.order("fill")
	var refused key
	until(t, "an event is refused", func() bool {
		refused = d.rotate()
		until(t, "the rotation is taken or refused", func() bool { return d.held(refused) || daemon.metric(failed) != "0" })
		return daemon.metric(failed) != "0"
	})
	if code, _ := daemon.get("/healthz"); code != 200 {
		t.Errorf("on a full disk /healthz answers %d: a restart would not help", code)
	}
	if _, body := daemon.get("/metrics"); !strings.Contains(body, `rotatord_destination_state{`) {
		t.Error("on a full disk the metrics are gone")
	}
	daemon.order("free")
	until(t, "it recovered by itself", func() bool { return d.held(refused) && daemon.metric(inSync) == "1" })
	w.checkRequests(50)
	daemon.stop()
}

// inItsOwnNameSpace lets a command mount things that end with it.
func inItsOwnNameSpace(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
	}
}
