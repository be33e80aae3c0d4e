package file

import (
	"os"
	"path/filepath"
	"strings"
)

// point is a name in a directory whose change may change a secret; an empty
// name stands for every key there. The directory's path has no links.
type point struct{ dir, name string }

// maxLinks is how many symbolic links a path may go through, as in Linux.
const maxLinks = 40

// trail gives the points of a secret. For a directory these are those of its
// own path, its keys, and the points that its keys depend on.
func trail(path string) []point {
	points, end := walk(path)
	if end == "" {
		return points
	}
	points = append(points, point{dir: end}, point{end, dataLink})
	if base := baseOf(end); base != end {
		more, real := walk(filepath.Join(end, dataLink))
		points = append(points, more...)
		if real != "" {
			points = append(points, point{dir: real})
		}
		return points
	}
	names, _ := namesIn(end) // none: whatever is wrong, the poll goes on looking
	for _, name := range names {
		if info, err := os.Lstat(filepath.Join(end, name)); err == nil && info.Mode()&os.ModeSymlink != 0 {
			more, _ := walk(filepath.Join(end, name))
			points = append(points, more...)
		}
	}
	return points
}

// walk follows a path part by part. It gives a point for each link on the way,
// and for what the path ends with or the first part that is missing; and, if
// it ends with a directory, that.
func walk(path string) (points []point, dir string) {
	const slash = string(filepath.Separator)
	root := filepath.VolumeName(path) + slash
	at, rest := root, strings.Split(strings.TrimPrefix(path, root), slash)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		full := filepath.Join(at, name)
		info, err := os.Lstat(full)
		switch {
		case err != nil:
			return append(points, point{at, name}), ""
		case info.Mode()&os.ModeSymlink != 0:
			points = append(points, point{at, name})
			link, err := os.Readlink(full)
			if links++; err != nil || links > maxLinks {
				return points, ""
			}
			if filepath.IsAbs(link) {
				at, link = root, strings.TrimPrefix(link, root)
			}
			rest = append(strings.Split(link, slash), rest...)
		case info.IsDir():
			if len(rest) == 0 {
				points = append(points, point{at, name})
			}
			at = full
		default:
			return append(points, point{at, name}), ""
		}
	}
	return points, at
}
