package providerstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

func currentHasName(t testing.TB, _ Harness, e *Environment) {
	before := time.Now()
	v := current(t, e, e.Put(t, []byte("one")))
	// A day covers clocks that disagree; it doesn't cover seconds read as
	// milliseconds or a zero time turned into 1970.
	if !v.Created.IsZero() && (v.Created.Before(before.Add(-24*time.Hour)) || v.Created.After(time.Now().Add(24*time.Hour))) {
		t.Errorf("a version made now says that it was created at %s", v.Created)
	}
	for name, at := range map[string]time.Time{"Expires": v.Expires, "NextRotation": v.NextRotation} {
		if !at.IsZero() && at.Year() < 2000 {
			t.Errorf("%s is %s; what the source does not say is the zero time", name, at)
		}
	}
}

func exactText(t testing.TB, _ Harness, e *Environment) {
	for _, value := range []string{
		"x", " ", "\n", "two\nlines\n", "line break of another kind\r\n", "  spaces around  ",
		`{"access_key_id":"AKIA","secret_access_key":"a/b+c="}`, `"quoted"`, "null", "é ü 漢字 🔑", "\ufeffbyte order mark",
		"%2F%00", "=?&;", strings.Repeat("long ", 4000), canary,
	} {
		s := e.Put(t, []byte(value))
		read(t, e, s, current(t, e, s).ID, []byte(value))
	}
}

func exactBinary(t testing.TB, _ Harness, e *Environment) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, value := range [][]byte{all, {0}, {0xff, 0xfe}, bytes.Repeat([]byte{0x80}, 10_000)} {
		s := e.Put(t, value)
		read(t, e, s, current(t, e, s).ID, value)
	}
}

func lookingIsStable(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	first := current(t, e, s)
	for range 3 {
		if v := current(t, e, s); v != first {
			t.Fatalf("Current says %+v and, with nothing changed, %+v", first, v)
		}
		read(t, e, s, first.ID, []byte("one"))
	}
}

func newValueNewVersion(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("value 0"))
	seen := map[string]int{current(t, e, s).ID: 0}
	// Of one length and one after the other, so that neither size nor a coarse
	// time stamp gives them away.
	for i := 1; i <= 5; i++ {
		value := fmt.Appendf(nil, "value %d", i)
		e.Rotate(t, s, bytes.Clone(value))
		v := current(t, e, s)
		if before, ok := seen[v.ID]; ok {
			t.Fatalf("after value %d Current still names the version of value %d", i, before)
		}
		seen[v.ID] = i
		read(t, e, s, v.ID, value)
	}
}

func oldVersion(t testing.TB, h Harness, e *Environment) {
	s := e.Put(t, []byte("old"))
	old := current(t, e, s).ID
	e.Rotate(t, s, []byte("new"))
	for _, asked := range []bool{false, true} { // before and after Current was told of the new one
		if asked {
			current(t, e, s)
		}
		if h.KeepsOldVersions {
			read(t, e, s, old, []byte("old"))
			continue
		}
		v, err := e.Provider.Read(ctxOf(t), s, old)
		if err == nil {
			t.Fatalf("Read of a version that this source doesn't keep gives %d bytes", v.Len())
		}
		fails(t, s, "Read of an old version", err, providers.ReasonGone)
	}
	read(t, e, s, current(t, e, s).ID, []byte("new"))
}

func unknownVersion(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	// An empty id and the sources' own words for the newest have to be refused
	// too: they read as whatever is current by the time the request arrives.
	for _, version := range []string{"", "latest", "AWSCURRENT", id + "0", "00000000-0000-0000-0000-000000000000", "999999", "../" + id, id + "?x", "\x00"} {
		v, err := e.Provider.Read(ctxOf(t), s, version)
		if err == nil {
			t.Fatalf("Read of version %q, which never was, gives %d bytes", version, v.Len())
		}
		fails(t, s, fmt.Sprintf("Read of version %q", version), err,
			providers.ReasonGone, providers.ReasonNotFound, providers.ReasonInvalid)
	}
}

func twoSecrets(t testing.TB, _ Harness, e *Environment) {
	a, b := e.Put(t, []byte("value of a")), e.Put(t, []byte("value of b"))
	if a == b {
		t.Fatal("Put made two secrets of one name")
	}
	idA, idB := current(t, e, a).ID, current(t, e, b).ID
	read(t, e, b, idB, []byte("value of b"))
	read(t, e, a, idA, []byte("value of a"))
	// Sources that count have equal ids for both, so that success is right if
	// the value is.
	v, err := e.Provider.Read(ctxOf(t), a, idB)
	if err != nil {
		fails(t, a, "Read of another secret's version", err, providers.ReasonGone, providers.ReasonNotFound, providers.ReasonInvalid)
		return
	}
	if idA != idB {
		t.Fatal("Read with the version id of another secret gives a value")
	}
	same(t, v, []byte("value of a"))
}

func rollback(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	first := current(t, e, s).ID
	e.Rotate(t, s, []byte("two"))
	second := current(t, e, s).ID
	e.Rollback(t, s)
	v := current(t, e, s).ID
	if v == second {
		t.Fatal("after a rollback Current still names the version before it")
	}
	read(t, e, s, v, []byte("one"))
	if v != first {
		t.Logf("this source gives a value that comes back a new version")
	}
}

func ownership(t testing.TB, _ Harness, e *Environment) {
	want := []byte("belongs to its reader")
	s := e.Put(t, bytes.Clone(want))
	id := current(t, e, s).ID
	first, err := e.Provider.Read(ctxOf(t), s, id)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	second, err := e.Provider.Read(ctxOf(t), s, id)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	clear(first.Bytes())
	first.Clear()
	same(t, second, want)
	second.Clear()
	if v := current(t, e, s).ID; v != id {
		t.Fatal("clearing a value changes its version")
	}
	read(t, e, s, id, want)
}

func empty(t testing.TB, _ Harness, e *Environment) {
	s := e.PutEmpty(t)
	v, err := e.Provider.Current(ctxOf(t), s)
	if err != nil {
		fails(t, s, "Current of an empty secret", err, providers.ReasonInvalid, providers.ReasonDisabled)
		return
	}
	value, err := e.Provider.Read(ctxOf(t), s, v.ID)
	if err != nil {
		fails(t, s, "Read of an empty secret", err, providers.ReasonInvalid, providers.ReasonDisabled)
		return
	}
	if !value.Empty() {
		t.Fatalf("Read of an empty secret gives %d bytes", value.Len())
	}
}

// concurrent rotates while many read. Whatever they get has to be one value a
// version, and a value that was put.
func concurrent(t testing.TB, _ Harness, e *Environment) {
	const readers, rounds, rotations = 6, 25, 8
	value := func(i int) string { return fmt.Sprintf("value %d", i) }
	s := e.Put(t, []byte(value(0)))
	ctx := ctxOf(t)
	var mu sync.Mutex
	byVersion := map[string]string{}
	var problems []string
	note := func(version string, v credential.Value, err error) {
		mu.Lock()
		defer mu.Unlock()
		switch reason := providers.ReasonOf(err); {
		case err == nil:
			if before, ok := byVersion[version]; ok && before != string(v.Bytes()) {
				problems = append(problems, "one version read as two values")
			}
			byVersion[version] = string(v.Bytes())
		case reason != providers.ReasonGone && reason != providers.ReasonUnavailable:
			problems = append(problems, fmt.Sprintf("asking while it rotates: %v", err))
		}
	}
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for range rounds {
				v, err := e.Provider.Current(ctx, s)
				if err != nil {
					note("", credential.Value{}, err)
					continue
				}
				value, err := e.Provider.Read(ctx, s, v.ID)
				note(v.ID, value, err)
				value.Clear()
			}
		})
	}
	for i := 1; i <= rotations; i++ {
		e.Rotate(t, s, []byte(value(i)))
	}
	wg.Wait()
	put := map[string]bool{}
	for i := range rotations + 1 {
		put[value(i)] = true
	}
	for _, got := range byVersion {
		if !put[got] {
			problems = append(problems, "a value was read that was never put")
		}
	}
	if len(problems) > 0 {
		t.Fatalf("%d problems, the first: %s", len(problems), problems[0])
	}
	read(t, e, s, current(t, e, s).ID, []byte(value(rotations)))
}

func endedContext(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer cancel()
	for _, c := range []struct {
		ctx  context.Context
		want error
	}{{cancelled, context.Canceled}, {late, context.DeadlineExceeded}} {
		bothEnd(c.ctx, t, e, s, id, c.want)
	}
	read(t, e, s, current(t, e, s).ID, []byte("one")) // and nothing is broken by it
}

func hanging(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	e.Hang(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	bothEnd(ctx, t, e, s, id, context.DeadlineExceeded)
}

func bothEnd(ctx context.Context, t testing.TB, e *Environment, s credential.Secret, id string, want error) {
	t.Helper()
	var err error
	inTime(t, "Current", func() { _, err = e.Provider.Current(ctx, s) })
	fails(t, s, "Current", err, providers.ReasonUnavailable)
	if !errors.Is(err, want) {
		t.Errorf("Current: errors.Is(err, %v) is false for %v", want, err)
	}
	inTime(t, "Read", func() { _, err = e.Provider.Read(ctx, s, id) })
	fails(t, s, "Read", err, providers.ReasonUnavailable)
	if !errors.Is(err, want) {
		t.Errorf("Read: errors.Is(err, %v) is false for %v", want, err)
	}
}
