package store

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
)

// childEnv makes the test binary act as another process: its value is a mode.
const (
	childEnv    = "ROTATORD_STORE_TEST_CHILD"
	childDirEnv = "ROTATORD_STORE_TEST_DIR"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := runChild(mode, os.Getenv(childDirEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ensureTest configures destinations by name.
func ensureTest(t testing.TB, s *Store, names ...string) {
	t.Helper()
	var records []Record
	for _, name := range names {
		records = append(records, Record{Destination: name, Account: "default", Secret: credential.Secret("file:///" + name)})
	}
	if err := s.Ensure(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

func loadTest(t testing.TB, s *Store, name string) Record {
	t.Helper()
	r, err := s.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// seedTest makes a closed store with one destination, saved once.
func seedTest(t testing.TB, dir string) {
	t.Helper()
	s := openTest(t, dir)
	ensureTest(t, s, "one", "two")
	r := loadTest(t, s, "one")
	r.Done = r.Due
	r.Accepted = &Accepted{Version: "v1", At: time.Unix(1000, 0).UTC()}
	if err := s.Save(t.Context(), &r, Entry{Kind: EntryAttempt, Outcome: "accepted", Version: "v1"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// snapshot hashes every file in dir but the lock, which says who looked last.
func snapshot(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() == lockName {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if entry.IsDir() {
			files[name] = "directory"
			return nil
		}
		content, err := os.ReadFile(path)
		sum := sha256.Sum256(content)
		files[name] = hex.EncodeToString(sum[:])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func wantSame(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
