package providerstest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// Marks is what a source says of marks, if the provider is a
// providers.Marker. All its fields are required.
type Marks struct {
	// Marked gives the ids of the versions of a secret that have the mark.
	Marked func(t testing.TB, s credential.Secret) []string
	// Others gives all else that stands where marks do: labels, annotations,
	// tags, of whichever version.
	Others func(t testing.TB, s credential.Secret) map[string]string
	// Scribble lets somebody else write something there.
	Scribble func(t testing.TB, s credential.Secret)
	// Writes is how many writes of the provider the source has carried out or
	// refused so far.
	Writes func() int
	// Deny takes the permission to mark the secret away, and gives it the name by
	// which an error has to ask for it.
	Deny func(t testing.TB, s credential.Secret) (permission string)
	// Unknown is an id of the right shape that no version has.
	Unknown string
}

// markCases in the order of the life of a mark.
var markCases = []testCase{
	{name: "a mark is on the version that was named last", run: marks},
	{name: "a mark that is there costs no write", run: marksOnce},
	{name: "a mark changes nothing else", run: marksAlone},
	{name: "no other version becomes current by a mark", run: marksOldVersion},
	{name: "nothing is written but by Mark", run: unmarked},
	{name: "a version that never was is not marked", run: marksUnknown},
	{name: "a mark that is denied asks for its permission", run: marksDenied},
	{name: "what a mark needs is told without a write", run: marksTold},
	{name: "a mark on no secret fails as a look does", run: marksNothing},
	{name: "a mark is bounded by its context", run: marksBounded},
}

func canMark(_ Harness, e *Environment) string { return unless(e.Marks != nil, "be marked") }

// mark marks a version, and ends the test if that fails.
func mark(t testing.TB, e *Environment, s credential.Secret, version string) {
	t.Helper()
	if err := markErr(ctxOf(t), t, e, s, version); err != nil {
		t.Fatalf("Mark: %v", err)
	}
}

func markErr(ctx context.Context, t testing.TB, e *Environment, s credential.Secret, version string) error {
	t.Helper()
	m, ok := e.Provider.(providers.Marker)
	if !ok {
		t.Fatalf("there are Marks, and %T is no providers.Marker", e.Provider)
	}
	return m.Mark(ctx, s, version)
}

func markedAs(t testing.TB, e *Environment, s credential.Secret, want ...string) {
	t.Helper()
	got := slices.Sorted(slices.Values(e.Marks.Marked(t, s)))
	if !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("the mark is on %q, want %q", got, want)
	}
}

func marks(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	other := e.Put(t, []byte("another"))
	first := current(t, e, s).ID
	markedAs(t, e, s)
	mark(t, e, s, first)
	markedAs(t, e, s, first)
	e.Rotate(t, s, []byte("two"))
	markedAs(t, e, s, first) // nothing moves by itself
	second := current(t, e, s).ID
	mark(t, e, s, second)
	markedAs(t, e, s, second)
	mark(t, e, s, first) // Planet was put back
	markedAs(t, e, s, first)
	mark(t, e, s, "")
	markedAs(t, e, s)
	markedAs(t, e, other)
}

func marksOnce(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	for _, version := range []string{id, ""} {
		before := e.Marks.Writes()
		mark(t, e, s, version)
		if e.Marks.Writes() == before {
			t.Errorf("no write is counted by which %q was marked", version)
		}
		before = e.Marks.Writes()
		for range 3 {
			mark(t, e, s, version)
		}
		if n := e.Marks.Writes() - before; n != 0 {
			t.Errorf("marking %q again makes %d writes", version, n)
		}
	}
}

func marksAlone(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	e.Rotate(t, s, []byte("two"))
	e.Marks.Scribble(t, s)
	others := e.Marks.Others(t, s)
	if len(others) == 0 {
		t.Fatal("Scribble writes nothing that Others shows")
	}
	v := current(t, e, s)
	for _, version := range []string{v.ID, v.ID, ""} {
		mark(t, e, s, version)
		if now := current(t, e, s); now != v {
			t.Errorf("by marking %q the current version goes from %+v to %+v", version, v, now)
		}
		read(t, e, s, v.ID, []byte("two"))
		if diff := cmp.Diff(others, e.Marks.Others(t, s)); diff != "" {
			t.Errorf("by marking %q, what others wrote changes (-before +after):\n%s", version, diff)
		}
	}
}

// marksOldVersion: the version in use may be one that is not current any more.
func marksOldVersion(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	old := current(t, e, s).ID
	e.Rotate(t, s, []byte("two"))
	v := current(t, e, s)
	mark(t, e, s, v.ID)
	mark(t, e, s, old)
	if now := current(t, e, s); now != v {
		t.Errorf("by a mark on an older version the current one goes from %+v to %+v", v, now)
	}
	mark(t, e, s, "")
	if now := current(t, e, s); now != v {
		t.Errorf("when the mark is taken away the current version goes from %+v to %+v", v, now)
	}
}

func unmarked(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	before, others := e.Marks.Writes(), e.Marks.Others(t, s)
	read(t, e, s, current(t, e, s).ID, []byte("one"))
	e.Rotate(t, s, []byte("two"))
	read(t, e, s, current(t, e, s).ID, []byte("two"))
	markedAs(t, e, s)
	if n := e.Marks.Writes() - before; n != 0 {
		t.Errorf("Current and Read make %d writes", n)
	}
	if before, now := slices.Sorted(maps.Keys(others)), slices.Sorted(maps.Keys(e.Marks.Others(t, s))); len(before) > len(now) {
		t.Errorf("what was written is gone: %q, now %q", before, now)
	}
}

func marksUnknown(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	mark(t, e, s, id)
	for _, version := range []string{e.Marks.Unknown, "never was", "latest", "\n"} {
		fails(t, s, "Mark of a version that never was", markErr(ctxOf(t), t, e, s, version), providers.ReasonGone)
		markedAs(t, e, s, id)
	}
}

func marksDenied(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	v := current(t, e, s)
	permission := e.Marks.Deny(t, s)
	for range 2 {
		err := markErr(ctxOf(t), t, e, s, v.ID)
		fails(t, s, "Mark that is denied", err, providers.ReasonDenied)
		if permission == "" || !strings.Contains(err.Error(), permission) {
			t.Errorf("the error does not name the permission %q: %v", permission, err)
		}
	}
	markedAs(t, e, s)
	// Nothing else needs that permission.
	if now := current(t, e, s); now != v {
		t.Errorf("Current goes from %+v to %+v", v, now)
	}
	read(t, e, s, v.ID, []byte("one"))
}

// marksTold: whoever is going to be marked is told before what that needs. What
// is there is never called missing, and what is not there is never passed over.
func marksTold(t testing.TB, _ Harness, e *Environment) {
	c, ok := e.Provider.(providers.MarkChecker)
	if !ok {
		t.Fatalf("there are Marks, and %T is no providers.MarkChecker", e.Provider)
	}
	s := e.Put(t, []byte(canary))
	before := e.Marks.Writes()
	missing, untold, err := c.MissingToMark(ctxOf(t), s)
	if err != nil || len(missing) > 0 {
		t.Errorf("with all permissions, %q are missing, %v", missing, err)
	}
	plain := func(names []string) string { return strings.ReplaceAll(strings.Join(names, " "), `"`, "") }
	unknown := plain(untold)
	permission := strings.ReplaceAll(e.Marks.Deny(t, s), `"`, "")
	for range 2 {
		missing, untold, err = c.MissingToMark(ctxOf(t), s)
		if err != nil {
			t.Fatalf("MissingToMark: %v", err)
		}
		switch {
		case strings.Contains(unknown, permission) && strings.Contains(plain(untold), permission):
		case !strings.Contains(plain(missing), permission):
			t.Errorf("%q is denied, and missing are %q, not known %q", permission, missing, untold)
		}
		if !slices.IsSorted(missing) || !slices.IsSorted(untold) {
			t.Errorf("not sorted: %q, %q", missing, untold)
		}
	}
	if n := e.Marks.Writes() - before; n != 0 {
		t.Errorf("asking makes %d writes", n)
	}
	for _, malformed := range e.Malformed {
		_, _, err := c.MissingToMark(ctxOf(t), malformed)
		fails(t, malformed, "MissingToMark of a malformed name", err, providers.ReasonInvalid)
	}
}

func marksNothing(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte(canary))
	id := current(t, e, s).ID
	try := func(what string, s credential.Secret, reasons ...providers.Reason) {
		t.Helper()
		for _, version := range []string{id, ""} {
			err := markErr(ctxOf(t), t, e, s, version)
			fails(t, s, "Mark of "+what, err, reasons...)
			showsNothing(t, "Mark's error", err, []byte(canary))
		}
	}
	try("a missing secret", e.Missing, providers.ReasonNotFound)
	for _, malformed := range e.Malformed {
		try("a malformed name", malformed, providers.ReasonInvalid)
	}
	if e.Throttle != nil {
		e.Throttle(t)
		try("a source that throttles", s, providers.ReasonThrottled)
	}
}

func marksBounded(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	before := e.Marks.Writes()
	err := markErr(ctx, t, e, s, id)
	fails(t, s, "Mark with an ended context", err, providers.ReasonUnavailable)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Mark hides the error of its context: %v", err)
	}
	if n := e.Marks.Writes() - before; n != 0 {
		t.Errorf("Mark with an ended context makes %d writes", n)
	}
	markedAs(t, e, s)
	if e.Hang == nil {
		return
	}
	e.Hang(t)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	inTime(t, "Mark", func() { err = markErr(ctx, t, e, s, id) })
	fails(t, s, "Mark that hangs", err, providers.ReasonUnavailable)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Mark hides the error of its context: %v", err)
	}
}
