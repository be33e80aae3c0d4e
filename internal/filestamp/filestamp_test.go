package filestamp

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func stat(t *testing.T, path string) Stamp {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return Of(info)
}

func TestAStampChangesWithTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write := func(p, text string) {
		t.Helper()
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "one")
	first := stat(t, path)
	if first.Size != 3 || first != stat(t, path) {
		t.Errorf("%+v, then %+v", first, stat(t, path))
	}
	if at := time.Unix(0, first.Modified); time.Since(at).Abs() > time.Hour {
		t.Errorf("modified at %v", at)
	}
	if runtime.GOOS == "linux" && (first.Device == 0 || first.Inode == 0 || first.Change == 0) {
		t.Errorf("nothing beyond the portable: %+v", first)
	}
	// A file of the same size and time in its place is another one, where the
	// system has inodes.
	write(path+"2", "two")
	if err := os.Chtimes(path+"2", time.Time{}, time.Unix(0, first.Modified)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"2", path); err != nil {
		t.Fatal(err)
	}
	if next := stat(t, path); first.Inode != 0 && next == first || next.Size != 3 {
		t.Errorf("a replaced file is the same: %+v", next)
	}
}
