package credential

import (
	"errors"
	"path/filepath"
	"runtime"
	"strings"
)

// FileScheme is how the name of a secret in the file system starts.
const FileScheme = "file://"

// FilePath gives the absolute path that a "file:///path" secret names, in the
// form of the operating system. What reads such a secret and what watches it
// must agree on that, hence it is here and not with either.
//
// The name is a URL (RFC 8089): the host is empty or "localhost", and %XX
// stands for a byte. A path has to be written out: "..", "?" and "#" are
// refused rather than guessed at, since ".." means different places with and
// without symbolic links, and the other two start parts of a URL that no file
// has. Nothing on disk is looked at.
func FilePath(s Secret) (string, error) { return filePath(string(s), runtime.GOOS == "windows") }

func filePath(name string, windows bool) (string, error) {
	rest, ok := strings.CutPrefix(name, FileScheme)
	if !ok {
		return "", errors.New("the name of a file starts with file:/// and goes on with an absolute path")
	}
	slash := strings.IndexByte(rest, '/')
	if slash < 0 {
		return "", errors.New("the path of a file is absolute: write three slashes, file:///run/secrets/planet")
	}
	if host := rest[:slash]; host != "" && !strings.EqualFold(host, "localhost") {
		return "", errors.New("the path of a file is absolute and on this machine: write three slashes, file:///run/secrets/planet")
	}
	path, err := unescapePath(rest[slash:])
	if err != nil {
		return "", err
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == ".." {
			return "", errors.New(`".." in the path of a file means different places with and without symbolic links: write the path out`)
		}
	}
	// No ".." is left, so Clean only drops "//", "/./" and a slash at the end.
	if windows && len(path) > 2 && path[2] == ':' {
		path = path[1:]
	}
	path = filepath.Clean(filepath.FromSlash(path))
	if path == string(filepath.Separator) {
		return "", errors.New("the name of a file goes on with a path: file:///run/secrets/planet")
	}
	return path, nil
}

// unescapePath undoes %XX. It isn't net/url's work because that quotes its
// input in errors and takes "?" and "#" for the end of the path.
func unescapePath(s string) (string, error) {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch c {
		case '?', '#':
			return "", errors.New(`a "?" or "#" in the path of a file is written %3F or %23`)
		case '%':
			if i+2 >= len(s) {
				return "", errors.New(`a "%" in the path of a file is written %25`)
			}
			high, low := unhex(s[i+1]), unhex(s[i+2])
			if high < 0 || low < 0 {
				return "", errors.New(`a "%" in the path of a file is followed by two hexadecimal digits; a "%" itself is written %25`)
			}
			c = byte(high<<4 | low)
			i += 2
		}
		if c == 0 {
			return "", errors.New("the path of a file holds no zero byte")
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
