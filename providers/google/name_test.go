package google

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     name
		problem  string
	}{
		{name: "a project's id", in: "projects/my-project/secrets/planet-gcs", want: name{"my-project", "", "planet-gcs"}},
		{name: "a project's number", in: "projects/123456789012/secrets/planet_GCS", want: name{"123456789012", "", "planet_GCS"}},
		{name: "a project of a domain", in: "projects/example.com:my-project/secrets/x", want: name{"example.com:my-project", "", "x"}},
		{name: "a regional secret", in: "projects/my-project/locations/europe-west3/secrets/x", want: name{"my-project", "europe-west3", "x"}},

		{name: "a version", in: "projects/my-project/secrets/x/versions/7", problem: "leave out /versions/"},
		{name: "the latest version", in: "projects/my-project/secrets/x/versions/latest", problem: "leave out /versions/"},
		{name: "a version of a regional secret", in: "projects/my-project/locations/europe-west3/secrets/x/versions/7", problem: "leave out /versions/"},
		{name: "a plain name", in: "planet-gcs", problem: "no name of a secret"},
		{name: "nothing", in: "", problem: "no name of a secret"},
		{name: "a project alone", in: "projects/my-project", problem: "goes projects/PROJECT"},
		{name: "something else of a project", in: "projects/my-project/topics/x", problem: "goes projects/PROJECT"},
		{name: "a slash at the end", in: "projects/my-project/secrets/x/", problem: "goes projects/PROJECT"},
		{name: "no project", in: "projects//secrets/x", problem: "project"},
		{name: "a project's name for people", in: "projects/My Project/secrets/x", problem: "project"},
		{name: "a number with a zero before it", in: "projects/0123456/secrets/x", problem: "project"},
		{name: "a wildcard", in: "projects/-/secrets/x", problem: "project"},
		{name: "no location", in: "projects/my-project/locations//secrets/x", problem: "location"},
		{name: "a host as location", in: "projects/my-project/locations/evil.example/secrets/x", problem: "location"},
		{name: "a port as location", in: "projects/my-project/locations/a:1/secrets/x", problem: "location"},
		{name: "no name", in: "projects/my-project/secrets/", problem: "name"},
		{name: "a name with a dot", in: "projects/my-project/secrets/x.y", problem: "name"},
		{name: "a name that is too long", in: "projects/my-project/secrets/" + strings.Repeat("x", 256), problem: "name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(credential.Secret(c.in))
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("parse = %+v, %v; want an error with %q", got, err, c.problem)
				}
				return
			}
			if err != nil || got != c.want || got.String() != c.in {
				t.Fatalf("parse = %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// FuzzParse holds that what comes out is a name that leads to itself and is
// safe in a host name, and that no version is taken for a secret.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", example, example + "/versions/7", "projects/123/secrets/x", "projects/my-project/locations/europe-west3/secrets/x",
		"projects/a/b/c/d/e/f", "projects/example.com:my-project/secrets/x", "projects/\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parse(credential.Secret(s))
		if err != nil {
			if n != (name{}) {
				t.Fatalf("parse(%q) = %+v beside %v", s, n, err)
			}
			return
		}
		if !isName(credential.Secret(s)) || n.String() != s {
			t.Fatalf("parse(%q) = %+v, which is %s", s, n, n)
		}
		if strings.ContainsAny(n.location, "./@:#?%") || strings.Contains(s, "/versions/") {
			t.Fatalf("parse(%q) = %+v", s, n)
		}
		if of, i := parseVersion(n.version(7)); of != n || i != 7 {
			t.Fatalf("the version of %q leads to %+v, %d", s, of, i)
		}
		p := &Provider{numbers: map[string]string{}}
		if !p.Same(credential.Secret(s), credential.Secret(s)) || !p.isOf(n, n) {
			t.Fatalf("%q is not the same as itself", s)
		}
	})
}

func FuzzVersionNumber(f *testing.F) {
	for _, s := range []string{"", "0", "7", "07", "+7", "-1", "latest", "9223372036854775807", "9223372036854775808", "7 ", "٧"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := number(s)
		if n < 0 || n > 0 && (name{"p", "", "s"}).version(n) != "projects/p/secrets/s/versions/"+s {
			t.Fatalf("number(%q) = %d", s, n)
		}
	})
}
