//go:build unix

package file_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/credential"
)

func fingerprint(b []byte) string {
	h := hmac.New(sha256.New, []byte("a key for tests"))
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))[:16]
}

func nameOf(path string) credential.Secret {
	return credential.Secret("file://" + strings.ReplaceAll(path, "%", "%25"))
}

func pathOf(t testing.TB, s credential.Secret) string {
	t.Helper()
	path, err := credential.FilePath(s)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace renames a new file into place.
func replace(t testing.TB, path string, content []byte) {
	t.Helper()
	writeFile(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

var generation atomic.Int64

// mount publishes keys the way the kubelet's AtomicWriter does: a new directory,
// a link in each key's name into ..data, the swap of ..data by a rename, and
// the old directory removed at once.
func mount(t testing.TB, path string, keys map[string]string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(path, 0o755))
	dir := fmt.Sprintf("..2026_01_02_03_04_05.%d", generation.Add(1))
	for name, content := range keys {
		writeFile(t, filepath.Join(path, dir, name), []byte(content))
	}
	data := filepath.Join(path, "..data")
	old, _ := os.Readlink(data)
	must(os.Symlink(dir, data+"_tmp"))
	must(os.Rename(data+"_tmp", data))
	for name := range keys {
		if _, err := os.Lstat(filepath.Join(path, name)); err != nil {
			must(os.Symlink(filepath.Join("..data", name), filepath.Join(path, name)))
		}
	}
	if old != "" {
		must(os.RemoveAll(filepath.Join(path, old)))
	}
}
