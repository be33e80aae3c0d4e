package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Folder is the name of the folder, beside the main file, whose files that end
// in .toml belong to the configuration. It is always that folder: an include
// in the main file would have to say what a pattern matches, where it counts
// from, whether it may lead to a file that includes again, and somebody would
// ask one day why a new file has no effect.
const Folder = "conf.d"

// At most so many files of at most maxSize, and so many bytes in all of them:
// a file for each of a thousand destinations. What has more is not ours.
const (
	maxFiles  = 1000
	maxFolder = 8 * maxSize
)

// readFolder reads the files of conf.d in the order of their names; no folder
// is no file. Names that begin with a dot are left alone: editors, package
// managers and Kubernetes (..data) put what is not meant to be read there.
// Links are followed, since all files of a mounted ConfigMap are links.
func readFolder(dir string) ([]source, Problems) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, Problems{*unreadable(dir, err)}
	}
	var sources []source
	left := maxFolder
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), ".toml") {
			continue
		}
		if len(sources) == maxFiles {
			return sources, Problems{{File: dir, Message: "holds too many files", Hint: "at most " + strconv.Itoa(maxFiles) + " that end in .toml"}}
		}
		path := filepath.Join(dir, e.Name())
		s := source{name: path}
		// Looked at before it is opened: opening a pipe waits for its writer.
		if info, err := os.Stat(path); err != nil {
			s.problem = unreadable(path, err)
		} else if mode := info.Mode(); !mode.IsRegular() && !mode.IsDir() {
			s.problem = &Problem{File: path, Message: "is a device or a pipe and not a file", Hint: "remove it from " + Folder}
		} else {
			s = read(path)
		}
		sources = append(sources, s)
		if left -= len(s.data); left < 0 {
			return sources, Problems{{File: dir, Message: "holds more than a configuration can be", Hint: "at most 8 MiB in all its files"}}
		}
	}
	return sources, nil
}
