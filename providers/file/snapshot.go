package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/internal/filestamp"
	"github.com/rotatord/rotatord/providers"
)

// maxEntries bounds a directory of keys. A secret has a handful; more means
// that the wrong directory was named.
const maxEntries = 1000

// dataLink is the symbolic link that Kubernetes swaps to change all keys of a
// mounted Secret at once (AtomicWriter in kubernetes/pkg/volume/util).
const dataLink = "..data"

// snapshot is the identity of a secret in the file system: of its file, or of
// all keys in its directory.
type snapshot struct {
	isDir bool
	// base is the directory that the keys are in, behind the ..data link if
	// there is one.
	base  string
	files []entry // sorted by name; the only one of a plain file has no name
}

type entry struct {
	name string
	filestamp.Stamp
}

func (s snapshot) equal(o snapshot) bool {
	return s.isDir == o.isDir && s.base == o.base && slices.Equal(s.files, o.files)
}

func (s snapshot) size() int64 {
	var n int64
	for _, f := range s.files {
		n += f.Size
	}
	return n
}

func (s snapshot) modified() time.Time {
	var last int64
	for i, f := range s.files {
		if i == 0 || f.Modified > last {
			last = f.Modified
		}
	}
	return time.Unix(0, last)
}

// settled tells whether the identity is old enough to stand for the content.
// The time of change counts beside that of modification because anyone can set
// the latter back.
func (s snapshot) settled(now time.Time) bool {
	edge := now.Add(-racy).UnixNano()
	for _, f := range s.files {
		if f.Modified > edge || f.Change > edge {
			return false
		}
	}
	return true
}

// take looks at path without reading content.
func take(path string) (snapshot, error) {
	info, err := os.Stat(path)
	if err != nil {
		return snapshot{}, ofSystem(err)
	}
	if info.IsDir() {
		return takeDir(path)
	}
	if err := regular(info); err != nil {
		return snapshot{}, err
	}
	if info.Size() == 0 {
		return snapshot{}, &problem{reason: providers.ReasonInvalid, err: errors.New("the file is empty"),
			hint: "write the new content to a file beside it and rename that into place"}
	}
	return snapshot{files: []entry{{Stamp: filestamp.Of(info)}}}, nil
}

func takeDir(path string) (snapshot, error) {
	// Resolved once: everything after this looks at one generation of keys.
	base := baseOf(path)
	s, err := takeKeys(base)
	if err != nil && baseOf(path) != base {
		// Whatever was wrong, it was with a generation that is being removed.
		return snapshot{}, moved("its keys were replaced while they were looked at")
	}
	return s, err
}

// baseOf is where the keys of a directory are.
func baseOf(path string) string {
	target, err := os.Readlink(filepath.Join(path, dataLink))
	switch {
	case err != nil:
		return path
	case filepath.IsAbs(target):
		return target
	}
	return filepath.Join(path, target)
}

func takeKeys(base string) (snapshot, error) {
	s := snapshot{isDir: true, base: base}
	names, err := keyNames(s.base)
	if err != nil {
		return snapshot{}, vanished(err)
	}
	for _, name := range names {
		info, err := os.Stat(filepath.Join(s.base, name))
		if err != nil {
			return snapshot{}, ofKey(name, vanished(ofSystem(err)))
		}
		if err := regular(info); err != nil {
			return snapshot{}, ofKey(name, err)
		}
		s.files = append(s.files, entry{name, filestamp.Of(info)})
	}
	return s, nil
}

// keyNames lists the keys in a directory, sorted.
func keyNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, ofSystem(err)
	}
	defer d.Close() //nolint:errcheck // read only
	all, err := d.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, ofSystem(err)
	}
	if len(all) > maxEntries {
		return nil, &problem{reason: providers.ReasonInvalid,
			err: fmt.Errorf("the directory has more than %d entries", maxEntries), hint: "is it the right directory?"}
	}
	names := slices.DeleteFunc(all, func(n string) bool { return strings.HasPrefix(n, ".") })
	if len(names) == 0 {
		return nil, &problem{reason: providers.ReasonInvalid, err: errors.New("the directory holds no keys"),
			hint: "a key is a file whose name doesn't begin with a dot"}
	}
	for _, n := range names {
		if !utf8.ValidString(n) {
			return nil, &problem{reason: providers.ReasonInvalid, err: fmt.Errorf("the file name %q is not UTF-8", n)}
		}
	}
	slices.Sort(names)
	return names, nil
}

func regular(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return &problem{reason: providers.ReasonInvalid, err: errors.New("it is a directory inside a directory of keys"),
			hint: "name that directory itself, or move it elsewhere"}
	default:
		return &problem{reason: providers.ReasonInvalid, err: fmt.Errorf("it is a %s and no file", kindOf(mode)),
			hint: "a secret is a file or a directory of files"}
	}
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	case mode&fs.ModeDevice != 0:
		return "device"
	}
	return "special file"
}
