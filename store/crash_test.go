package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// runChild is what the test binary does as another process.
func runChild(mode, dir string) error {
	if strings.HasPrefix(mode, "disk-") {
		return runDiskChild(mode, dir)
	}
	ctx := context.Background()
	s, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	switch mode {
	case "hold":
		fmt.Println("open")
		_, err := bufio.NewReader(os.Stdin).ReadString('\n') // until killed or told
		return errors.Join(err, s.Close())
	case "write":
		return writeForEver(ctx, s)
	}
	return fmt.Errorf("no such mode: %s", mode)
}

// writeForEver reports each operation on stdout after it was acknowledged, one
// line and one system call each.
func writeForEver(ctx context.Context, s *Store) error {
	if err := s.Ensure(ctx, []Record{{Destination: "a"}, {Destination: "b"}}); err != nil {
		return err
	}
	failed := make(chan error, 4)
	go func() {
		for {
			if err := s.MarkDue(ctx, "test", time.Now(), "a"); err != nil {
				failed <- err
			}
			_, _ = os.Stdout.WriteString("mark a\n")
		}
	}()
	go func() {
		for {
			if err := s.MarkDue(ctx, "test", time.Now(), "a", "b"); err != nil {
				failed <- err
			}
			_, _ = os.Stdout.WriteString("mark a b\n")
		}
	}()
	go func() {
		ledger := s.Ledger("x")
		for n := int64(1); ; n++ {
			if err := ledger.Sent(ctx, time.Unix(0, n)); err != nil {
				failed <- err
			}
			_, _ = fmt.Fprintf(os.Stdout, "sent %d\n", n)
			time.Sleep(time.Millisecond) // or the pipe holds nothing else
		}
	}()
	go func() {
		for {
			r, err := s.Load(ctx, "b")
			if err == nil {
				r.Done = r.Due
				r.Accepted = &Accepted{Version: fmt.Sprint(r.Revision + 1)}
				err = s.Save(ctx, &r, Entry{Kind: EntryAttempt, Outcome: "accepted", Version: r.Accepted.Version})
			}
			if err != nil {
				failed <- err
			}
			_, _ = fmt.Fprintf(os.Stdout, "save %d %d\n", r.Revision, r.Done)
		}
	}()
	return <-failed
}

func child(t *testing.T, mode, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+mode, childDirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	t.Cleanup(func() {
		if cmd.ProcessState == nil && cmd.Process != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

// acknowledged is what one or more children said that they had done.
type acknowledged struct {
	marksA, marksB, saves, revision, done, sent int64
}

func (a *acknowledged) note(line string) error {
	if line == "mark a" {
		a.marksA++
		return nil
	}
	if line == "mark a b" {
		a.marksA++
		a.marksB++
		return nil
	}
	if n, _ := fmt.Sscanf(line, "save %d %d", &a.revision, &a.done); n == 2 {
		a.saves++
		return nil
	}
	if n, _ := fmt.Sscanf(line, "sent %d", &a.sent); n == 1 {
		return nil
	}
	return fmt.Errorf("the child says %q", line)
}

func TestWhatWasAcknowledgedSurvivesAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	var all acknowledged
	for round := range rounds {
		cmd := child(t, "write", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		killAfter := 1 + rng.IntN(400)
		lines := bufio.NewScanner(out)
		for n := 1; lines.Scan(); n++ {
			// What the pipe still holds after the kill was acknowledged too. A
			// last line may have been cut.
			if err := all.note(lines.Text()); err != nil && n < killAfter {
				t.Fatal(err)
			}
			if n == killAfter {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child ended by itself: %v", err)
		}
		checkSurvived(t, dir, round, &all)
	}
}

// checkSurvived opens the store and compares. A write that was under way may be
// there without having been reported, one for each goroutine; those are added
// to what is known, so that the next round compares exactly again.
func checkSurvived(t *testing.T, dir string, round int, all *acknowledged) {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	a, b := loadTest(t, s, "a"), loadTest(t, s, "b")
	entries, err := s.History(t.Context(), HistoryQuery{Destination: "b", Limit: maxHistoryLimit})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what               string
		reported, got, may int64
	}{
		{"marks of a", all.marksA + 1, a.Due, 2},
		{"marks of b", all.marksB + 1, b.Due, 1},
		{"revision of b", all.revision, b.Revision, 1},
		{"entries of b", all.saves, int64(len(entries)), 1},
	} {
		if c.got < c.reported || c.got > c.reported+c.may {
			t.Errorf("round %d: %s: %d reported, %d found", round, c.what, c.reported, c.got)
		}
	}
	if b.Done < all.done {
		t.Errorf("round %d: done %d reported, %d found", round, all.done, b.Done)
	}
	if b.Revision != int64(len(entries)) || b.Accepted != nil && b.Accepted.Version != fmt.Sprint(b.Revision) {
		t.Errorf("round %d: a save is whole or not there: revision %d, %d entries, %+v", round, b.Revision, len(entries), b.Accepted)
	}
	recent, err := s.Ledger("x").Recent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := int64(len(recent)); all.sent > 0 && (last == 0 || recent[last-1].UnixNano() < all.sent) {
		t.Errorf("round %d: send %d reported, the ledger has %v", round, all.sent, recent)
	}
	*all = acknowledged{marksA: a.Due - 1, marksB: b.Due - 1, saves: int64(len(entries)), revision: b.Revision, done: b.Done}
}

func TestAnotherProcessThatOwnsTheStoreIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := child(t, "hold", dir)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "open\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	before := snapshot(t, dir)
	_, err = Open(t.Context(), Options{Dir: dir})
	var open *OpenError
	if !errors.As(err, &open) || open.Problem != ProblemLocked || !strings.Contains(err.Error(), fmt.Sprintf("process %d", cmd.Process.Pid)) {
		t.Errorf("got %v", err)
	}
	wantSame(t, before, snapshot(t, dir))
	if _, err := in.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir) // and now it is free
}

func TestOneProcessCannotOpenAStoreTwice(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	ensureTest(t, s, "one")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			_, err := Open(t.Context(), Options{Dir: dir})
			var open *OpenError
			if !errors.As(err, &open) || open.Problem != ProblemLocked {
				t.Errorf("got %v", err)
			}
		})
	}
	group.Wait()
	if err := s.MarkDue(t.Context(), "test", time.Now(), "one"); err != nil {
		t.Errorf("the owner is not disturbed: %v", err)
	}
}
