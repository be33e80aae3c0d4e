//go:build unix

package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/filestamp"
	"github.com/rotatord/rotatord/providers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newProvider gives a provider, a directory, and a count of the contents read.
func newProvider(t *testing.T, o Options) (p *Provider, dir string, reads *int) {
	t.Helper()
	reads = new(int)
	if o.Fingerprint == nil {
		o.Fingerprint = func(b []byte) string { *reads++; return "hash of " + string(b) }
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p, t.TempDir(), reads
}

func write(t *testing.T, path, content string) credential.Secret {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return credential.Secret("file://" + path)
}

func id(t *testing.T, p *Provider, s credential.Secret) string {
	t.Helper()
	v, err := p.Current(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return v.ID
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"no fingerprint":  {},
		"a negative size": {Fingerprint: func([]byte) string { return "" }, MaxSize: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func TestKindMatchesFilesOnly(t *testing.T) {
	p, _, _ := newProvider(t, Options{})
	k := p.Kind()
	for s, want := range map[credential.Secret]bool{"file:///a": true, "file://a": true, "vault://a/b": false, "projects/p/secrets/s": false, "": false} {
		if k.Matches(s) != want {
			t.Errorf("Matches(%q) = %v", s, !want)
		}
	}
	if k.Name != "file" || !k.Matches(credential.Secret(k.Example)) || k.Provider != providers.Provider(p) {
		t.Errorf("kind is %+v", k)
	}
}

func TestCurrentReadsNothingWhileTheFileIsTheSame(t *testing.T) {
	p, dir, reads := newProvider(t, Options{})
	s := write(t, filepath.Join(dir, "a"), "one")
	p.now = func() time.Time { return time.Now().Add(time.Minute) }
	first, second := id(t, p, s), id(t, p, s)
	if *reads != 1 || first != second {
		t.Fatalf("%d reads, versions %q and %q; want one read", *reads, first, second)
	}
	write(t, filepath.Join(dir, "a"), "more")
	if got := id(t, p, s); got != "hash of more" || *reads != 2 {
		t.Fatalf("after a change: version %q, %d reads", got, *reads)
	}
	// What is remembered of a directory covers each of its keys.
	d := credential.Secret(strings.TrimSuffix(string(write(t, filepath.Join(dir, "d", "k"), "one")), "/k"))
	id(t, p, d)
	before := *reads
	if id(t, p, d); *reads != before {
		t.Fatal("an unchanged directory is read again")
	}
	write(t, filepath.Join(dir, "d", "l"), "two")
	if got := id(t, p, d); got != `hash of {"k":"one","l":"two"}` {
		t.Fatalf("after a new key the version is %q", got)
	}
}

// TestAYoungIdentityIsNotTrusted plays the worst case: two contents of one
// size with every time stamp alike, as a coarse clock makes them.
func TestAYoungIdentityIsNotTrusted(t *testing.T) {
	p, dir, _ := newProvider(t, Options{})
	s := write(t, filepath.Join(dir, "a"), "one")
	id(t, p, s)
	if len(p.known) != 0 {
		t.Fatal("an identity was remembered within two seconds of its change")
	}
	old := snapshot{files: []entry{{Stamp: filestamp.Stamp{Modified: time.Now().Add(-time.Hour).UnixNano(), Change: time.Now().UnixNano()}}}}
	if old.settled(time.Now()) {
		t.Error("a time of modification that was set back hides a fresh change")
	}
	old.files[0].Change = old.files[0].Modified
	if !old.settled(time.Now()) {
		t.Error("an identity of an hour ago is still not trusted")
	}
	old.files[0].Modified = time.Now().Add(time.Hour).UnixNano()
	if old.settled(time.Now()) {
		t.Error("a file from the future is trusted")
	}
}

func TestCreatedIsTheLatestModification(t *testing.T) {
	p, dir, _ := newProvider(t, Options{})
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for name, when := range map[string]time.Time{"a": at.Add(-time.Hour), "b": at} {
		write(t, filepath.Join(dir, name), "x")
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []string{dir, dir + "/b"} {
		v, err := p.Current(t.Context(), credential.Secret("file://"+s))
		if err != nil || !v.Created.Equal(at) {
			t.Errorf("%s was created at %v (%v), want %v", s, v.Created, err, at)
		}
	}
}

func TestADirectoryIsOneObject(t *testing.T) {
	for _, c := range []struct {
		name string
		keys map[string]string
		want string
	}{
		{"keys are sorted", map[string]string{"b": "2", "a": "1", "B": "3"}, `{"B":"3","a":"1","b":"2"}`},
		{"one line break is dropped", map[string]string{"a": "1\n", "b": "2\r\n", "c": "3\n\n", "d": "\n", "e": "\r\n", "f": "6\r"}, `{"a":"1","b":"2","c":"3\u000a","d":"","e":"","f":"6\u000d"}`},
		{"an empty key is an empty member", map[string]string{"a": ""}, `{"a":""}`},
		{"hidden files are skipped", map[string]string{"a": "1", ".b": "2", ".git/c": "3"}, `{"a":"1"}`},
		{"what JSON must escape is escaped", map[string]string{`"\`: "\"\\\x00\t\x7f/é🔑"}, "{\"\\\"\\\\\":\"\\\"\\\\\\u0000\\u0009\x7f/é🔑\"}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, dir, _ := newProvider(t, Options{})
			for name, content := range c.keys {
				write(t, filepath.Join(dir, name), content)
			}
			s := credential.Secret("file://" + dir)
			v, err := p.Read(t.Context(), s, id(t, p, s))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(v.Bytes())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatCannotBeASecretIsRefused(t *testing.T) {
	const canary = "canary"
	for _, c := range []struct {
		name   string
		make   func(t *testing.T, path string)
		reason providers.Reason
		says   []string
	}{
		{"nothing there", func(*testing.T, string) {}, providers.ReasonNotFound, []string{"mounted"}},
		{"a file in the way", func(t *testing.T, path string) { write(t, filepath.Dir(path), canary) }, providers.ReasonNotFound, nil},
		{"a link to nothing", func(t *testing.T, path string) { link(t, "nowhere", path) }, providers.ReasonNotFound, nil},
		{"a link to itself", func(t *testing.T, path string) { link(t, path, path) }, providers.ReasonInvalid, nil},
		{"an empty file", func(t *testing.T, path string) { write(t, path, "") }, providers.ReasonInvalid, []string{"empty", "rename"}},
		{"a file too large", func(t *testing.T, path string) { write(t, path, strings.Repeat(canary, 20)) }, providers.ReasonInvalid, []string{"120 bytes", "100 allowed"}},
		{"keys too large together", func(t *testing.T, path string) {
			write(t, path+"/a", strings.Repeat(canary, 10))
			write(t, path+"/b", strings.Repeat(canary, 10))
		}, providers.ReasonInvalid, []string{"120 bytes", "100 allowed"}},
		{"an empty directory", func(t *testing.T, path string) { write(t, path+"/.hidden", canary) }, providers.ReasonInvalid, []string{"no keys"}},
		{"too many keys", func(t *testing.T, path string) {
			for i := range maxEntries + 1 {
				write(t, path+"/"+strings.Repeat("k", 1+i/100)+string(rune('a'+i%100)), "")
			}
		}, providers.ReasonInvalid, []string{"more than 1000"}},
		{"a directory among the keys", func(t *testing.T, path string) { write(t, path+"/sub/key", canary) }, providers.ReasonInvalid, []string{`"sub"`, "directory"}},
		{"a key that is not text", func(t *testing.T, path string) { write(t, path+"/a", "x"); write(t, path+"/bad", canary+"\xff") }, providers.ReasonInvalid, []string{`"bad"`, "UTF-8"}},
		{"a key whose name is not text", func(t *testing.T, path string) { write(t, path+"/\xff", canary) }, providers.ReasonInvalid, []string{`"\xff"`, "UTF-8"}},
		{"a key that is a link to nothing", func(t *testing.T, path string) { write(t, path+"/a", "x"); link(t, "nowhere", path+"/b") }, providers.ReasonUnavailable, []string{`"b"`}},
		{"a named pipe", fifo, providers.ReasonInvalid, []string{"named pipe"}},
		{"a named pipe among the keys", func(t *testing.T, path string) { write(t, path+"/a", "x"); fifo(t, path+"/b") }, providers.ReasonInvalid, []string{`"b"`, "named pipe"}},
		{"a device", func(t *testing.T, path string) { link(t, os.DevNull, path) }, providers.ReasonInvalid, []string{"device"}},
		{"a socket", socket, providers.ReasonInvalid, []string{"socket"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, dir, _ := newProvider(t, Options{MaxSize: 100})
			path := filepath.Join(dir, "d", "s")
			s := credential.Secret("file://" + path)
			c.make(t, path)
			_, err := p.Current(t.Context(), s)
			if got := providers.ReasonOf(err); got != c.reason {
				t.Fatalf("reason %q, want %q: %v", got, c.reason, err)
			}
			for _, want := range append(c.says, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), canary) {
				t.Error("the error shows content")
			}
		})
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func fifo(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

func socket(t *testing.T, path string) {
	t.Helper()
	// The path of a socket is short, hence a directory of its own.
	dir, err := os.MkdirTemp("", "") //nolint:usetesting // its paths are too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	link(t, filepath.Join(dir, "s"), path)
}

// TestAPipeInTheFilesPlaceDoesNotBlock: it may take the place between stat and
// open.
func TestAPipeInTheFilesPlaceDoesNotBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p")
	fifo(t, path)
	if _, err := readFile(path, filestamp.Stamp{}, make([]byte, 1)); !isMoved(err) {
		t.Fatalf("reading a pipe gives %v", err)
	}
}

func TestAFileThatChangesWhileItIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	write(t, path, "content")
	s, err := take(path)
	if err != nil {
		t.Fatal(err)
	}
	want := s.files[0].Stamp
	for name, alter := range map[string]func(*filestamp.Stamp){
		"another file":                   func(w *filestamp.Stamp) { w.Inode++ },
		"another time of change":         func(w *filestamp.Stamp) { w.Change-- },
		"another time of modification":   func(w *filestamp.Stamp) { w.Modified-- },
		"a size that is no longer right": func(w *filestamp.Stamp) { w.Size-- },
	} {
		w := want
		alter(&w)
		if _, err := readFile(path, w, make([]byte, 100)); !isMoved(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestALookStartsAgainWhenTheFileMoved: what is read and what is there
// afterwards have to be the same.
func TestALookStartsAgainWhenTheFileMoved(t *testing.T) {
	for _, c := range []struct {
		name   string
		times  int // that it changes under a look
		want   string
		reason providers.Reason
	}{
		{"once", 1, "content 1", ""},
		{"almost too often", attempts - 1, "content 6", ""},
		{"each time", attempts, "", providers.ReasonUnavailable},
		{"removed at last", -1, "", providers.ReasonNotFound},
	} {
		for _, key := range []string{"", "/key"} {
			t.Run(c.name+key, func(t *testing.T) {
				p, dir, _ := newProvider(t, Options{Fingerprint: func([]byte) string { return "v" }})
				path := filepath.Join(dir, "s")
				s := write(t, path+key, "content 0")
				s = credential.Secret(strings.TrimSuffix(string(s), key))
				n := 0
				p.afterLoad = func() {
					if n++; c.times < 0 {
						_ = os.RemoveAll(path)
					} else if n <= c.times {
						write(t, path+key+".new", fmt.Sprint("content ", n))
						if err := os.Rename(path+key+".new", path+key); err != nil {
							t.Error(err)
						}
					}
				}
				v, err := p.Read(t.Context(), s, "v")
				if got := providers.ReasonOf(err); got != c.reason || !strings.Contains(string(v.Bytes()), c.want) {
					t.Fatalf("Read gives %q, %v; want %q, reason %q", v.Bytes(), err, c.want, c.reason)
				}
			})
		}
	}
}

// TestAValueThatNobodyWaitsForIsCleared: the caller has gone, the bytes come
// later.
func TestAValueThatNobodyWaitsForIsCleared(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		entered, release := make(chan []byte), make(chan struct{})
		p, err := New(Options{Fingerprint: func(b []byte) string { entered <- b; <-release; return "v" }})
		if err != nil {
			t.Fatal(err)
		}
		s := write(t, filepath.Join(dir, "a"), "secret")
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := p.Read(ctx, s, "v")
			failed <- err
		}()
		content := <-entered
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) || providers.ReasonOf(err) != providers.ReasonUnavailable {
			t.Fatalf("Read of a file that hangs: %v", err)
		}
		// The next one waits at the gate and no longer than it wants to.
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Current(short, s); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "earlier read") {
			t.Fatalf("Current behind a file that hangs: %v", err)
		}
		close(release)
		synctest.Wait()
		if !bytes.Equal(content, make([]byte, len(content))) {
			t.Error("the value was not cleared")
		}
		go func() { <-entered }()
		if _, err := p.Current(t.Context(), s); err != nil {
			t.Errorf("after it came back: %v", err)
		}
	})
}

// FuzzKeys holds that what appendMember makes is what encoding/json reads
// back, within the room that was reckoned.
func FuzzKeys(f *testing.F) {
	f.Add("a", []byte("b\n"), "c", []byte("\"\\\x00\x1f\u2028"))
	f.Add("\"", []byte("\r\n"), "<>&", []byte("\xff"))
	f.Fuzz(func(t *testing.T, k1 string, c1 []byte, k2 string, c2 []byte) {
		want := map[string]string{}
		room := 2
		out := []byte{'{'}
		for _, m := range []struct {
			name    string
			content []byte
		}{{k1, c1}, {k2, c2}} {
			if _, ok := want[m.name]; ok || strings.ToValidUTF8(m.name, "") != m.name {
				return
			}
			room += memberRoom(m.name, len(m.content))
			text := string(m.content)
			if cut, ok := strings.CutSuffix(text, "\r\n"); ok {
				text = cut
			} else {
				text = strings.TrimSuffix(text, "\n")
			}
			want[m.name] = text
			var err error
			out, err = appendMember(out, m.name, m.content)
			if valid := strings.ToValidUTF8(text, "") == text; valid != (err == nil) {
				t.Fatalf("content is text: %v, error: %v", valid, err)
			}
			if err != nil {
				return
			}
		}
		out = append(out, '}')
		if len(out) > room {
			t.Fatalf("%d bytes in a room of %d", len(out), room)
		}
		var got map[string]string
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%q is no JSON: %v", out, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
