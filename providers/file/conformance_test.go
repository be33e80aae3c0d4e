//go:build unix

package file_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/file"
	"github.com/rotatord/rotatord/providers/providerstest"
)

func TestProviderOfFiles(t *testing.T) {
	providerstest.TestProvider(t, providerstest.Harness{Binary: true, New: func(t testing.TB) *providerstest.Environment {
		e := newEnvironment(t)
		put := func(t testing.TB, value []byte) credential.Secret {
			path := e.newPath()
			replace(t, path, value)
			return nameOf(path)
		}
		return &providerstest.Environment{
			Provider: e.provider, Put: put, Rotate: e.rotate(func(t testing.TB, path string, value []byte) { replace(t, path, value) }),
			Rollback: e.rollback(func(t testing.TB, path string, value []byte) { replace(t, path, value) }),
			Remove:   e.remove, Deny: e.deny, Hang: e.hang,
			PutEmpty:  func(t testing.TB) credential.Secret { return put(t, nil) },
			Missing:   nameOf(filepath.Join(e.dir, "missing")),
			Malformed: []credential.Secret{"", "file", "file://", "file:///", "file://relative/path", "file:///a/../b", "vault://mount/path"},
			Spoil: func(t testing.TB, s credential.Secret, canary []byte) {
				e.remove(t, s)
				writeFile(t, filepath.Join(pathOf(t, s), "key"), append(canary, 0xff))
			},
		}
	}})
}

// TestProviderOfMountedKeys is the suite over directories in which each new
// value swaps the ..data link, as the kubelet does.
func TestProviderOfMountedKeys(t *testing.T) {
	providerstest.TestProvider(t, providerstest.Harness{New: func(t testing.TB) *providerstest.Environment {
		e := newEnvironment(t)
		e.wrap = true
		publish := func(t testing.TB, path string, value []byte) {
			mount(t, path, map[string]string{"key": string(value) + "\n"})
		}
		put := func(t testing.TB, value []byte) credential.Secret {
			path := e.newPath()
			publish(t, path, value)
			return nameOf(path)
		}
		return &providerstest.Environment{
			Provider: unwrapped{e.provider}, Put: put, Rotate: e.rotate(publish), Rollback: e.rollback(publish),
			Remove: e.remove, Deny: e.deny, Hang: e.hang,
			Missing: nameOf(filepath.Join(e.dir, "missing")),
			Spoil: func(t testing.TB, s credential.Secret, canary []byte) {
				mount(t, pathOf(t, s), map[string]string{"key": string(canary) + "\xff"})
			},
		}
	}})
}

// environment is a directory of secrets, with what was put there so far.
type environment struct {
	dir      string
	provider *file.Provider
	made     int
	history  map[credential.Secret][][]byte
	wrap     bool

	hangs atomic.Bool
	hung  chan struct{}
}

// hang lets every look at content wait, as a dead network mount does, where
// the test can get at it: in the fingerprint.
func (e *environment) hang(t testing.TB) {
	e.hangs.Store(true)
	t.Cleanup(func() { close(e.hung) })
}

func newEnvironment(t testing.TB) *environment {
	t.Helper()
	regain(t)
	dir := t.TempDir()
	open(t, dir)
	e := &environment{dir: dir, history: map[credential.Secret][][]byte{}, hung: make(chan struct{})}
	var err error
	e.provider, err = file.New(file.Options{Fingerprint: func(b []byte) string {
		if e.hangs.Load() {
			<-e.hung
		}
		return fingerprint(b)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (e *environment) newPath() string {
	e.made++
	return filepath.Join(e.dir, fmt.Sprintf("secret %d%%", e.made))
}

func (e *environment) rotate(write func(testing.TB, string, []byte)) func(testing.TB, credential.Secret, []byte) {
	return func(t testing.TB, s credential.Secret, value []byte) {
		if len(e.history[s]) == 0 {
			e.history[s] = append(e.history[s], contentOf(t, e, s))
		}
		e.history[s] = append(e.history[s], value)
		write(t, pathOf(t, s), value)
	}
}

func (e *environment) rollback(write func(testing.TB, string, []byte)) func(testing.TB, credential.Secret) {
	return func(t testing.TB, s credential.Secret) {
		h := e.history[s]
		write(t, pathOf(t, s), h[len(h)-2])
	}
}

// contentOf is the value as it was put, read without the provider.
func contentOf(t testing.TB, e *environment, s credential.Secret) []byte {
	t.Helper()
	path := pathOf(t, s)
	if e.wrap {
		path = filepath.Join(path, "key")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if e.wrap {
		b = b[:len(b)-1]
	}
	return b
}

func (e *environment) remove(t testing.TB, s credential.Secret) {
	if err := os.RemoveAll(pathOf(t, s)); err != nil {
		t.Fatal(err)
	}
}

func (e *environment) deny(t testing.TB, s credential.Secret) {
	path := pathOf(t, s)
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	dropRoot(t)
}

// dropRoot gives up root's right to read everything until the test ends.
// Tests in this package don't run in parallel for its sake.
func dropRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		return
	}
	if err := syscall.Seteuid(65534); err != nil {
		t.Skipf("can't give up root's rights here: %v", err)
	}
	t.Cleanup(func() { regain(t) })
}

func regain(t testing.TB) {
	t.Helper()
	if os.Getuid() == 0 && os.Geteuid() != 0 {
		if err := syscall.Seteuid(0); err != nil {
			t.Fatal(err)
		}
	}
}

// open lets other users pass the test's private directories.
func open(t testing.TB, dir string) {
	t.Helper()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// unwrapped gives the one key of a directory as if it were the value, so that
// the suite, which knows plain values, can compare them.
type unwrapped struct{ *file.Provider }

var _ providers.Provider = unwrapped{}

// Read implements providers.Provider.
func (u unwrapped) Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	v, err := u.Provider.Read(ctx, s, version)
	if err != nil {
		return v, err
	}
	defer v.Clear()
	var object map[string]string
	if err := json.Unmarshal(v.Bytes(), &object); err != nil {
		return credential.Value{}, errors.New("the provider made something that is no object of strings")
	}
	return credential.NewValue([]byte(object["key"])), nil
}

// TestASwapOfKeysIsNeverSeenHalf swaps ..data while others read. Both keys hold
// the same number, so that a mixture shows.
func TestASwapOfKeysIsNeverSeenHalf(t *testing.T) {
	const swaps, reads = 300, 60
	e := newEnvironment(t)
	path := e.newPath()
	keys := func(i int) map[string]string { return map[string]string{"a": fmt.Sprint(i), "b": fmt.Sprint(i)} }
	mount(t, path, keys(0))
	looked := make(chan struct{}, reads)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range reads / 2 {
				if problem := lookAtTwins(t, e.provider, nameOf(path)); problem != "" {
					t.Error(problem)
				}
				looked <- struct{}{}
			}
		})
	}
	// A few swaps a look: often enough to hit it, not so often that no look
	// comes through.
	for i := 1; i <= swaps; i++ {
		mount(t, path, keys(i))
		if i%(swaps/reads) == 0 {
			<-looked
		}
	}
	wg.Wait()
}

// lookAtTwins reads two keys and says what is wrong with them, if anything.
func lookAtTwins(t *testing.T, p *file.Provider, s credential.Secret) (problem string) {
	v, err := p.Current(t.Context(), s)
	if err != nil {
		return unlessMoving(err)
	}
	value, err := p.Read(t.Context(), s, v.ID)
	if err != nil {
		return unlessMoving(err)
	}
	var got struct{ A, B string }
	if json.Unmarshal(value.Bytes(), &got) != nil || got.A != got.B || got.A == "" {
		return fmt.Sprintf("keys of two generations: %+v", got)
	}
	return ""
}

func unlessMoving(err error) string {
	if r := providers.ReasonOf(err); r == providers.ReasonGone || r == providers.ReasonUnavailable {
		return ""
	}
	return fmt.Sprintf("during swaps: %v", err)
}
