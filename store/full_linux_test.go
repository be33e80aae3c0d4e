package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A small file system of its own, mounted in a name space that ends with the
// child: a full disk as it really is, and nothing to clean up.
func TestADiskThatIsFullOrReadOnly(t *testing.T) {
	for name, mode := range map[string]string{
		"a disk that fills up under a store, and gets space again": "full",
		"a disk that is full before":                               "open-full",
		"a disk that is read-only":                                 "read-only",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childEnv+"=disk-"+mode, childDirEnv+"="+t.TempDir())
			cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
			if os.Geteuid() != 0 {
				cmd.SysProcAttr = &syscall.SysProcAttr{
					Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
					UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
					GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
				}
			}
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := cmd.Run()
			if errors.Is(err, syscall.EPERM) || strings.Contains(out.String(), errMount.Error()) {
				t.Skip("mounting is not permitted here")
			}
			if err != nil {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
	}
}

var errMount = errors.New("mount is not permitted")

// runDiskChild is what the test binary does in the name space.
func runDiskChild(mode, dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		return fmt.Errorf("%w: %w", errMount, err)
	}
	ctx := context.Background()
	switch mode {
	case "disk-full":
		return fullDisk(ctx, dir)
	case "disk-open-full":
		return openOnFullDisk(ctx, dir)
	case "disk-read-only":
		return readOnlyDisk(ctx, dir)
	}
	return fmt.Errorf("no such mode: %s", mode)
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
		return err
	}
	return file.Close()
}

func fullDisk(ctx context.Context, dir string) error {
	filler := filepath.Join(dir, "filler")
	s, err := Open(ctx, Options{Dir: dir})
	if err != nil {
		return err
	}
	ledger := s.Ledger("x")
	if err := errors.Join(s.Ensure(ctx, []Record{{Destination: "one"}}), ledger.Sent(ctx, time.Now())); err != nil {
		return err
	}
	if err := fillDisk(filler); err != nil {
		return err
	}
	acknowledged, refusals := int64(1), 0
	for refusals < 3 {
		switch err := s.MarkDue(ctx, "test", time.Now(), "one"); {
		case err == nil:
			acknowledged++
		case errors.Is(err, ErrFull) && KindOf(err) == KindFull:
			refusals++
		default:
			return fmt.Errorf("mark on a full disk: %w", err)
		}
		if acknowledged > 10_000 {
			return errors.New("the disk never gets full")
		}
	}
	r, err := s.Load(ctx, "one")
	if err != nil || r.Due != acknowledged {
		return fmt.Errorf("on a full disk due is %d, %d were acknowledged: %w", r.Due, acknowledged, err)
	}
	revision := r.Revision
	if err := s.Save(ctx, &r); !errors.Is(err, ErrFull) || r.Revision != revision {
		return fmt.Errorf("save on a full disk: revision %d: %w", r.Revision, err)
	}
	if err := ledger.Sent(ctx, time.Now()); err != nil {
		return fmt.Errorf("sends are noted on a full disk: %w", err)
	}
	if err := os.Remove(filler); err != nil {
		return err
	}
	if err := errors.Join(s.MarkDue(ctx, "test", time.Now(), "one"), s.Save(ctx, &r)); err != nil {
		return fmt.Errorf("with space again: %w", err)
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = Open(ctx, Options{Dir: dir}); err != nil {
		return err
	}
	if r, err = s.Load(ctx, "one"); err != nil || r.Due != acknowledged+1 {
		return fmt.Errorf("afterwards due is %d, want %d: %w", r.Due, acknowledged+1, err)
	}
	return s.Close()
}

func openOnFullDisk(ctx context.Context, dir string) error {
	made := filepath.Join(dir, "made")
	s, err := Open(ctx, Options{Dir: made})
	if err != nil {
		return err
	}
	if err := errors.Join(s.Ensure(ctx, []Record{{Destination: "one"}}), s.Close()); err != nil {
		return err
	}
	if err := fillDisk(filepath.Join(dir, "filler")); err != nil {
		return err
	}
	for _, where := range []string{made, filepath.Join(dir, "new")} {
		_, err := Open(ctx, Options{Dir: where})
		var open *OpenError
		if !errors.As(err, &open) || open.Problem != ProblemFull {
			return fmt.Errorf("open %s on a full disk: %w", where, err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		return err
	}
	for _, where := range []string{made, filepath.Join(dir, "new")} {
		s, err := Open(ctx, Options{Dir: where})
		if err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		if list, err := s.List(ctx); err != nil || where == made && len(list) != 1 {
			return fmt.Errorf("with space again there are %d: %w", len(list), err)
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func readOnlyDisk(ctx context.Context, dir string) error {
	made := filepath.Join(dir, "made")
	s, err := Open(ctx, Options{Dir: made})
	if err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	for _, where := range []string{made, filepath.Join(dir, "new"), dir} {
		_, err := Open(ctx, Options{Dir: where})
		var open *OpenError
		if !errors.As(err, &open) || open.Problem != ProblemUnwritable {
			return fmt.Errorf("open %s on a read-only disk: %w", where, err)
		}
	}
	return nil
}
