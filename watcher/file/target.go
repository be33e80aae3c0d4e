package file

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/filestamp"
)

// target is one secret and what is to be said of it.
type target struct {
	secret credential.Secret
	path   string
	points []point
	seen   identity // when it was last reported
	absent bool     // and that was logged

	due   time.Time     // when to report it; zero: nothing to report
	first time.Time     // the first of the writes that haven't settled
	force bool          // report it even if its identity is as before
	pause time.Duration // before the next try, 0 while none has failed
}

// timing says how long writes have to settle.
type timing struct {
	settle  time.Duration // since the last write
	longest time.Duration // since the first
}

// at makes the target due now, unless it waits for another try.
func (t *target) at(now time.Time) {
	if t.pause == 0 {
		t.due, t.first = now, time.Time{}
	}
}

// settling makes the target due when nothing has happened for a while.
func (t *target) settling(now time.Time, how timing) {
	if t.pause > 0 {
		return
	}
	if t.first.IsZero() {
		t.first = now
	}
	t.due = now.Add(how.settle)
	if last := t.first.Add(how.longest); last.Before(t.due) {
		t.due = last
	}
}

// refused makes the target due after a pause.
func (t *target) refused(now time.Time) {
	t.pause = min(max(firstRetry, 2*t.pause), lastRetry)
	t.due, t.force = now.Add(t.pause), true
}

// done: reported, or nothing to report.
func (t *target) done() {
	t.due, t.first, t.force, t.pause = time.Time{}, time.Time{}, false, 0
}

// identity is what stat tells of a secret that changes when its content does.
type identity struct {
	problem string // "" while the secret is there
	base    string // of a directory: where its keys are
	files   []entry
}

type entry struct {
	name string
	filestamp.Stamp
}

func (i identity) equal(o identity) bool {
	return i.problem == o.problem && i.base == o.base && slices.Equal(i.files, o.files)
}

// maxEntries bounds what is looked at in a directory.
const maxEntries = 1000

// look takes the identity of a secret.
func look(path string) identity {
	info, err := os.Stat(path)
	if err != nil {
		return identity{problem: problemOf(err)}
	}
	if !info.IsDir() {
		return identity{files: []entry{{Stamp: filestamp.Of(info)}}}
	}
	id := identity{base: baseOf(path)}
	names, err := namesIn(id.base)
	if err != nil {
		id.problem = problemOf(err)
		return id
	}
	for _, name := range names {
		e := entry{name: name}
		if info, err := os.Stat(filepath.Join(id.base, name)); err == nil {
			e.Stamp = filestamp.Of(info)
		}
		id.files = append(id.files, e)
	}
	return id
}

func problemOf(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "not found"
	case errors.Is(err, fs.ErrPermission):
		return "denied"
	}
	return "unavailable"
}

// dataLink is the link that Kubernetes swaps to change all keys at once.
const dataLink = "..data"

// baseOf is where the keys of a directory are.
func baseOf(dir string) string {
	link, err := os.Readlink(filepath.Join(dir, dataLink))
	switch {
	case err != nil:
		return dir
	case filepath.IsAbs(link):
		return link
	}
	return filepath.Join(dir, link)
}

// namesIn lists the keys in a directory, sorted.
func namesIn(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close() //nolint:errcheck // read only
	names, err := d.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	names = slices.DeleteFunc(names, hidden)
	slices.Sort(names)
	return names, nil
}

func hidden(name string) bool { return name != "" && name[0] == '.' }
