package credential

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestFilePath(t *testing.T) {
	for _, c := range []struct {
		name, in, want, problem string
		windows                 bool
	}{
		{name: "an absolute path", in: "file:///run/secrets/planet", want: "/run/secrets/planet"},
		{name: "localhost is this machine", in: "file://localhost/run/planet", want: "/run/planet"},
		{name: "localhost in capitals", in: "file://LocalHost/run/planet", want: "/run/planet"},
		{name: "percent escapes are bytes", in: "file:///a%20b/%C3%A9%25", want: "/a b/é%"},
		{name: "a space may stand for itself", in: "file:///a b", want: "/a b"},
		{name: "slashes in excess are dropped", in: "file:////run//./planet/", want: "/run/planet"},
		{name: "dots inside a name are no steps up", in: "file:///a..b/..data/...", want: "/a..b/..data/..."},
		{name: "a drive on windows", in: "file:///C:/planet/key", want: "C:/planet/key", windows: true},

		{name: "an empty name", in: "", problem: "starts with file:///"},
		{name: "another scheme", in: "vault://mount/path", problem: "starts with file:///"},
		{name: "a bare path", in: "/run/secrets/planet", problem: "starts with file:///"},
		{name: "one slash", in: "file:/run/planet", problem: "starts with file:///"},
		{name: "a relative path", in: "file://run/planet", problem: "three slashes"},
		{name: "a relative path of one word", in: "file://planet", problem: "three slashes"},
		{name: "nothing after the scheme", in: "file://", problem: "three slashes"},
		{name: "the root", in: "file:///", problem: "goes on with a path"},
		{name: "the root in disguise", in: "file:////./", problem: "goes on with a path"},
		{name: "a step up", in: "file:///run/../etc/passwd", problem: `".."`},
		{name: "a step up in disguise", in: "file:///run/%2e%2E/etc", problem: `".."`},
		{name: "a step up behind an escaped slash", in: "file:///run%2F..%2Fetc", problem: `".."`},
		{name: "a query", in: "file:///run/planet?x=1", problem: "%3F"},
		{name: "a fragment", in: "file:///run/planet#x", problem: "%23"},
		{name: "a percent sign at the end", in: "file:///run/planet%", problem: "%25"},
		{name: "half an escape", in: "file:///run/planet%2", problem: "%25"},
		{name: "an escape of no digits", in: "file:///run/%zz", problem: "hexadecimal"},
		{name: "a zero byte", in: "file:///run/%00", problem: "zero byte"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := filePath(c.in, c.windows)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("filePath(%q) = %q, %v; want an error with %q", c.in, got, err, c.problem)
				}
				return
			}
			if err != nil || got != filepath.FromSlash(c.want) {
				t.Fatalf("filePath(%q) = %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
}

// FuzzFilePath holds that a path that comes out is absolute and clean, and
// that its own name leads to it again.
func FuzzFilePath(f *testing.F) {
	for _, s := range []string{"file:///a", "file://localhost/a%20b", "file:///%2e%2e/x", "file://x", "file:///a//b/./c/", "file:///%", "file:///\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		path, err := filePath(name, false)
		if err != nil {
			if path != "" {
				t.Fatalf("filePath(%q) = %q with error %v", name, path, err)
			}
			return
		}
		if !filepath.IsAbs(path) || filepath.Clean(path) != path || path == "/" || strings.ContainsRune(path, 0) {
			t.Fatalf("filePath(%q) = %q, which is no clean absolute path", name, path)
		}
		again := FileScheme + strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path)
		if got, err := filePath(again, false); err != nil || got != path {
			t.Fatalf("filePath(%q) = %q, %v; want %q", again, got, err, path)
		}
	})
}
