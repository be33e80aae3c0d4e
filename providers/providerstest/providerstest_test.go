package providerstest

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnHonestProviderPasses(t *testing.T) {
	TestProvider(t, Harness{New: environment(lies{}), KeepsOldVersions: true, Binary: true})
}

// TestASourceOfFewAbilitiesIsSkippedByDesign holds that a minimal environment
// passes and that every case which it can't be asked is skipped, not passed.
func TestASourceOfFewAbilitiesIsSkippedByDesign(t *testing.T) {
	full := environment(lies{forgetsOld: true})
	h := Harness{New: func(t testing.TB) *Environment {
		e := full(t)
		return &Environment{Provider: e.Provider, Put: e.Put, Rotate: e.Rotate, Missing: e.Missing}
	}}
	var skipped []string
	for _, c := range allCases() {
		heard := listen(t, c, h)
		if len(heard.failures) > 0 {
			t.Errorf("%s: %s", c.name, heard.failures)
		}
		if heard.skipped != "" {
			skipped = append(skipped, strings.TrimPrefix(heard.skipped, "skipped by design: this source can't "))
		}
	}
	want := []string{"hold binary values", "roll back", "hold empty values", "be asked for malformed names", "remove secrets",
		"deny", "disable secrets", "hold broken values", "throttle", "fail", "hang"}
	for range markCases {
		want = append(want, "be marked")
	}
	if diff := cmp.Diff(want, skipped); diff != "" {
		t.Errorf("skipped cases (-want +got):\n%s", diff)
	}
}

func TestALieIsCaughtByItsCase(t *testing.T) {
	for _, c := range []struct {
		lie    string
		lies   lies
		caught string // the case that has to catch it; others may too
	}{
		{"any version reads as the newest", lies{newestForAny: true}, "an old version is itself or gone and never another"},
		{"Current stays with the first version", lies{staleID: true}, "each new value is a new version"},
		{"Current names a new version each time", lies{freshIDs: true}, "looking changes nothing"},
		{"all values have one version", lies{oneIDForAll: true}, "each new value is a new version"},
		{"the version id is empty", lies{emptyID: true}, "the current version of a new secret has a name"},
		{"created in the first years of the calendar", lies{epochCreated: true}, "the current version of a new secret has a name"},
		{"an error quotes the value", lies{leakInError: true}, "no error shows a value"},
		{"a hint has the value in hexadecimal", lies{leakEncoded: true}, "no error shows a value"},
		{"a parse error quotes the value", lies{leakSpoilt: true}, "a spoilt secret is invalid"},
		{"errors without a reason", lies{plainError: true}, "a missing secret is not found"},
		{"a reason that nobody knows", lies{strangeReason: true}, "a missing secret is not found"},
		{"an error about another secret", lies{wrongSecretInError: true}, "a missing secret is not found"},
		{"values share the source's bytes", lies{sharedBytes: true}, "a value belongs to its reader"},
		{"space around a value is trimmed", lies{trims: true}, "a version reads as exactly its bytes"},
		{"an ended context is not looked at", lies{ignoresContext: true}, "an ended context ends the call"},
		{"the context's error is hidden", lies{hidesContext: true}, "an ended context ends the call"},
		{"missing is called unavailable", lies{missingIsUnavailable: true}, "a missing secret is not found"},
		{"denied is called not found", lies{deniedIsNotFound: true}, "a denied secret is denied"},
		{"disabled is called gone", lies{disabledIsGone: true}, "a disabled secret is disabled"},
		{"a failing source is called empty", lies{failIsNotFound: true}, "a source that fails is unavailable"},
		{"throttling is called failing", lies{throttleIsFail: true}, "a source that throttles is throttled"},
		{"a malformed name is called missing", lies{malformedIsMissing: true}, "a malformed name is invalid"},
		{"a rollback is not noticed", lies{ignoresRollback: true}, "a rollback is seen"},
		{"a value comes beside an error", lies{valueBesideError: true}, "a missing secret is not found"},
		{"no version means the newest", lies{emptyVersionIsNewest: true}, "a version that never was reads as nothing"},
		{"latest means the newest", lies{latestIsNewest: true}, "a version that never was reads as nothing"},
		{"old versions are lost though promised", lies{forgetsOld: true}, "an old version is itself or gone and never another"},
		{"an empty value reads as the one before", lies{emptyIsBefore: true}, "an empty secret is empty or invalid"},
		{"a version id finds other secrets", lies{mixesSecrets: true}, "versions of two secrets are not mixed up"},
		{"a removed secret lives on", lies{removedLives: true}, "a removed secret is not there"},
		{"half of one value and half of another", lies{tornReads: true}, "many may ask at once"},
		{"answers while the source hangs", lies{ignoresHang: true}, "a context ends a call under way"},
		{"a mark is written though it is there", lies{marksAlways: true}, "a mark that is there costs no write"},
		{"the first mark stays", lies{marksFirst: true}, "a mark is on the version that was named last"},
		{"a mark is not written", lies{marksNothing: true}, "a mark is on the version that was named last"},
		{"a mark is not taken away", lies{marksKept: true}, "a mark is on the version that was named last"},
		{"any version is marked", lies{marksUnseen: true}, "a version that never was is not marked"},
		{"what others wrote is lost", lies{eatsNotes: true}, "a mark changes nothing else"},
		{"a mark makes a version current", lies{markIsCurrent: true}, "no other version becomes current by a mark"},
		{"a mark changes the value", lies{markDrops: true}, "a mark changes nothing else"},
		{"looking writes", lies{marksByItself: true}, "nothing is written but by Mark"},
		{"a refusal names no permission", lies{namesNone: true}, "a mark that is denied asks for its permission"},
		{"marked though it was denied", lies{marksDespite: true}, "a mark that is denied asks for its permission"},
		{"a missing permission is passed over", lies{passesOver: true}, "what a mark needs is told without a write"},
		{"what is there is called missing", lies{allMissing: true}, "what a mark needs is told without a write"},
		{"asking writes", lies{asksByMark: true}, "what a mark needs is told without a write"},
		{"a mark outlives its context", lies{hidesEnd: true}, "a mark is bounded by its context"},
	} {
		t.Run(c.lie, func(t *testing.T) {
			all := allCases()
			i := slices.IndexFunc(all, func(tc testCase) bool { return tc.name == c.caught })
			if i < 0 {
				t.Fatalf("no case is called %q", c.caught)
			}
			heard := listen(t, all[i], Harness{New: environment(c.lies), KeepsOldVersions: true, Binary: true})
			if len(heard.failures) == 0 {
				t.Errorf("the case %q does not notice", c.caught)
			}
			for _, f := range heard.failures {
				if strings.Contains(f, canary) {
					t.Error("the suite's own report shows the value")
				}
			}
		})
	}
}

func TestAnIncompleteHarnessIsRefused(t *testing.T) {
	heard := listen(t, cases[0], Harness{New: func(testing.TB) *Environment { return &Environment{} }})
	if len(heard.failures) != 1 || !strings.Contains(heard.failures[0], "lacks one of") {
		t.Errorf("an empty Environment gives %q", heard.failures)
	}
}

// listener is a testing.TB that writes down what is reported and passes only
// services on to the real one.
type listener struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	skipped  string
}

// listen runs a case in a goroutine of its own, which Fatal may end.
func listen(t *testing.T, c testCase, h Harness) *listener {
	t.Helper()
	l := &listener{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.runOn(l, h)
	}()
	<-done
	return l
}

func (l *listener) add(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, text)
}

func (l *listener) Helper()                   {}
func (l *listener) Log(...any)                {}
func (l *listener) Logf(string, ...any)       {}
func (l *listener) Fail()                     { l.add("fail") }
func (l *listener) Error(args ...any)         { l.add(fmt.Sprint(args...)) }
func (l *listener) Errorf(f string, a ...any) { l.add(fmt.Sprintf(f, a...)) }
func (l *listener) FailNow()                  { l.add("fail"); runtime.Goexit() }
func (l *listener) Fatal(args ...any)         { l.add(fmt.Sprint(args...)); runtime.Goexit() }
func (l *listener) Fatalf(f string, a ...any) { l.add(fmt.Sprintf(f, a...)); runtime.Goexit() }
func (l *listener) Skip(args ...any)          { l.skipped = fmt.Sprint(args...); runtime.Goexit() }
func (l *listener) Skipf(f string, a ...any)  { l.skipped = fmt.Sprintf(f, a...); runtime.Goexit() }
func (l *listener) SkipNow()                  { l.skipped = "skip"; runtime.Goexit() }
func (l *listener) Failed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.failures) > 0
}
