package vault

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ name, in, mount, path, problem string }{
		{name: "a mount and a path", in: "vault://secret/planet/s3", mount: "secret", path: "planet/s3"},
		{name: "a path of one segment", in: "vault://kv/x", mount: "kv", path: "x"},
		{name: "a mount of several segments", in: "vault://team%2Fkv/planet", mount: "team/kv", path: "planet"},
		{name: "escapes in any letters", in: "vault://team%2fkv/%C3%A9 %25", mount: "team/kv", path: "é %"},
		{name: "dots inside a segment", in: "vault://kv/..a/b..", mount: "kv", path: "..a/b.."},

		{name: "an empty name", problem: "does not begin"},
		{name: "another scheme", in: "VAULT://kv/x", problem: "does not begin"},
		{name: "no path", in: "vault://kv", problem: "no path"},
		{name: "no mount", in: "vault:///x", problem: "no mount"},
		{name: "a slash at the end", in: "vault://kv/x/", problem: "empty segment"},
		{name: "a slash at the end of a mount", in: "vault://kv%2F/x", problem: "empty segment"},
		{name: "a step up", in: "vault://kv/../x", problem: `".."`},
		{name: "a step up in disguise", in: "vault://kv%2F%2e%2e/x", problem: `".."`},
		{name: "an escaped slash in the path", in: "vault://kv/a%2Fb", problem: "as such"},
		{name: "a query", in: "vault://kv/a?version=1", problem: "%3F"},
		{name: "a fragment", in: "vault://kv/a#key", problem: "%23"},
		{name: "half an escape", in: "vault://kv/a%4", problem: "%25"},
		{name: "an escape of no digits", in: "vault://kv/%zz", problem: "hexadecimal"},
		{name: "a line break", in: "vault://kv/a%0ab", problem: "control"},
		{name: "no UTF-8", in: "vault://kv/%ff", problem: "UTF-8"},
		{name: "a novel", in: "vault://kv/" + strings.Repeat("x", maxName), problem: "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, err := parse(credential.Secret(c.in))
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("parse gives %v, %v; want an error with %q", n, err, c.problem)
				}
				return
			}
			if err != nil || n != (name{c.mount, c.path}) {
				t.Errorf("parse gives %+v, %v", n, err)
			}
		})
	}
}

// FuzzName holds that a name that is taken has paths which mean themselves, and
// that it can be written again.
func FuzzName(f *testing.F) {
	for _, s := range []string{example, "vault://a%2Fb/c", "vault://a/%2e%2e/b", "vault://a//b", "vault://a/b%", "vault://\xff/a", "vault://%25/%3F%23", "vault://a/ b "} {
		f.Add(s)
	}
	escape := strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parse(credential.Secret(s))
		if err != nil {
			if n != (name{}) {
				t.Fatalf("a name beside an error: %+v", n)
			}
			return
		}
		for segment := range strings.SplitSeq(n.data()+"/"+n.metadata(), "/") {
			if segment == "" || segment == "." || segment == ".." || strings.ContainsAny(segment, "\x00\n") {
				t.Fatalf("%q has the segment %q", s, segment)
			}
		}
		again := scheme + strings.ReplaceAll(escape.Replace(n.mount), "/", "%2F") + "/" + escape.Replace(n.path)
		if len(again) > maxName {
			return
		}
		if m, err := parse(credential.Secret(again)); err != nil || m != n {
			t.Fatalf("%q is %+v, and written again %+v, %v", s, n, m, err)
		}
	})
}

func TestAnAnswerAboutAnotherVersionIsNoValue(t *testing.T) {
	for body, want := range map[string]string{
		`{"data":{"data":{"a": "1"},"metadata":{"version":3}}}`: `{"a":"1"}`,
		`{"data":{"data":{"a":"1"},"metadata":{"version":4}}}`:  "",
		`{"data":{"data":{"a":"1"}}}`:                           "",
		`{"data":{"data":null,"metadata":{"version":3}}}`:       "",
		`{"data":null}`: "",
	} {
		v, err := valueOf([]byte(body), 3)
		if string(v.Bytes()) != want || (err == nil) != (want != "") {
			t.Errorf("%s: %d bytes, %v", body, v.Len(), err)
		}
	}
}

// FuzzAnswer holds that no answer makes a value out of anything but an object of
// the version that was asked for, and that errors quote nothing.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{`{"data":{"data":{"a":"canary"},"metadata":{"version":3}}}`, `{"data":{"data":"canary","metadata":{"version":3}}}`,
		`{"data":{"data":{"a":"canary"},"metadata":{"version":4}}}`, `{"data":null}`, `{"data":{"data":{"a":"canary"`, `[]`, ``} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		canary := strings.Contains(string(body), "canary")
		v, err := valueOf(body, 3)
		switch {
		case err == nil && (v.Len() < len(`{"":0}`) || v.Bytes()[0] != '{'):
			t.Fatalf("a value of %d bytes that is no object with a key", v.Len())
		case err != nil && !v.Empty():
			t.Fatal("a value beside an error")
		case err != nil && canary && strings.Contains(err.Error(), "canary"):
			t.Fatal("the error quotes the answer")
		}
	})
}
