// Package providerstest is the conformance suite of providers.Provider: what
// the engine relies on, as tests that each implementation passes, against a
// fake of its source and against the real one.
//
//	func TestProvider(t *testing.T) {
//		providerstest.TestProvider(t, providerstest.Harness{New: newEnvironment})
//	}
//
// A Harness makes an Environment for each case: the provider, and functions
// that do to the source what an owner of secrets does. A source that can't do
// a thing leaves the function nil, and the cases that need it are skipped by
// design and say so. Functions end the test themselves when they can't do
// their work.
//
// The suite has a suite: its own tests run it over providers that lie, each
// in one way, and hold that the case meant for that lie catches it.
package providerstest

import (
	"slices"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// Harness says how to test one kind of provider.
type Harness struct {
	// New makes a fresh, empty source with a provider that reads it, and cleans
	// up with t.Cleanup. Required.
	New func(t testing.TB) *Environment
	// KeepsOldVersions: the source can read versions that are not current.
	// Without it they have to be gone.
	KeepsOldVersions bool
	// Binary: values may be any bytes; otherwise they are UTF-8 text.
	Binary bool
}

// Environment is one source under test. Whatever a function does must be
// visible to the provider when it returns.
type Environment struct {
	// Provider reads the source. Required.
	Provider providers.Provider
	// Put makes a new secret with this one value. Required.
	Put func(t testing.TB, value []byte) credential.Secret
	// Rotate gives the secret a new current value. Required.
	Rotate func(t testing.TB, s credential.Secret, value []byte)
	// Rollback makes the version before the current one current again.
	Rollback func(t testing.TB, s credential.Secret)
	// Remove deletes the secret.
	Remove func(t testing.TB, s credential.Secret)
	// Deny takes the permission to read the secret away from the provider.
	Deny func(t testing.TB, s credential.Secret)
	// Disable lets the secret exist without a version that can be read.
	Disable func(t testing.TB, s credential.Secret)
	// Spoil replaces what the secret holds by something that can't be a value
	// and has the canary in it: a broken encoding, say.
	Spoil func(t testing.TB, s credential.Secret, canary []byte)
	// Throttle makes the source answer that there were too many requests.
	Throttle func(t testing.TB)
	// Fail makes the source answer that it has broken down.
	Fail func(t testing.TB)
	// Hang makes the source not answer, until the test ends.
	Hang func(t testing.TB)
	// PutEmpty makes a secret whose value has no bytes, where the source
	// allows that.
	PutEmpty func(t testing.TB) credential.Secret
	// Marks is what the source says of marks; nil if the provider is no
	// providers.Marker.
	Marks *Marks
	// Missing is a name of the right shape that no secret has. Required.
	Missing credential.Secret
	// Malformed are names that the provider's Kind matches or nearly matches
	// and that can't name a secret.
	Malformed []credential.Secret
}

// TestProvider runs every case against fresh environments of the harness.
func TestProvider(t *testing.T, h Harness) {
	t.Helper()
	if h.New == nil {
		t.Fatal("Harness.New is missing")
	}
	for _, c := range allCases() {
		t.Run(c.name, func(t *testing.T) { c.runOn(t, h) })
	}
}

// testCase is one promise of the contract. It reports into testing.TB, so that
// the suite's own tests can listen to what it says.
type testCase struct {
	name string
	// needs tells what the source must be able to do, "" if it can.
	needs func(h Harness, e *Environment) (missing string)
	run   func(t testing.TB, h Harness, e *Environment)
}

func (c testCase) runOn(t testing.TB, h Harness) {
	t.Helper()
	e := h.New(t)
	if e.Provider == nil || e.Put == nil || e.Rotate == nil || e.Missing == "" {
		t.Fatal("Environment lacks one of Provider, Put, Rotate, Missing")
	}
	if c.needs != nil {
		if missing := c.needs(h, e); missing != "" {
			t.Skipf("skipped by design: this source can't %s", missing)
		}
	}
	c.run(t, h, e)
}

// cases in the order of the life of a secret.
var cases = []testCase{
	{name: "the current version of a new secret has a name", run: currentHasName},
	{name: "a version reads as exactly its bytes", run: exactText},
	{name: "a binary version reads as exactly its bytes", run: exactBinary,
		needs: func(h Harness, _ *Environment) string { return unless(h.Binary, "hold binary values") }},
	{name: "looking changes nothing", run: lookingIsStable},
	{name: "each new value is a new version", run: newValueNewVersion},
	{name: "an old version is itself or gone and never another", run: oldVersion},
	{name: "a version that never was reads as nothing", run: unknownVersion},
	{name: "versions of two secrets are not mixed up", run: twoSecrets},
	{name: "a rollback is seen", run: rollback,
		needs: func(_ Harness, e *Environment) string { return unless(e.Rollback != nil, "roll back") }},
	{name: "a value belongs to its reader", run: ownership},
	{name: "an empty secret is empty or invalid", run: empty,
		needs: func(_ Harness, e *Environment) string { return unless(e.PutEmpty != nil, "hold empty values") }},
	{name: "many may ask at once", run: concurrent},
	{name: "a missing secret is not found", run: missing},
	{name: "a malformed name is invalid", run: malformed,
		needs: func(_ Harness, e *Environment) string {
			return unless(len(e.Malformed) > 0, "be asked for malformed names")
		}},
	{name: "a removed secret is not there", run: removed,
		needs: func(_ Harness, e *Environment) string { return unless(e.Remove != nil, "remove secrets") }},
	{name: "a denied secret is denied", run: denied,
		needs: func(_ Harness, e *Environment) string { return unless(e.Deny != nil, "deny") }},
	{name: "a disabled secret is disabled", run: disabled,
		needs: func(_ Harness, e *Environment) string { return unless(e.Disable != nil, "disable secrets") }},
	{name: "a spoilt secret is invalid", run: spoilt,
		needs: func(_ Harness, e *Environment) string { return unless(e.Spoil != nil, "hold broken values") }},
	{name: "a source that throttles is throttled", run: throttled,
		needs: func(_ Harness, e *Environment) string { return unless(e.Throttle != nil, "throttle") }},
	{name: "a source that fails is unavailable", run: failing,
		needs: func(_ Harness, e *Environment) string { return unless(e.Fail != nil, "fail") }},
	{name: "an ended context ends the call", run: endedContext},
	{name: "a context ends a call under way", run: hanging,
		needs: func(_ Harness, e *Environment) string { return unless(e.Hang != nil, "hang") }},
	{name: "no error shows a value", run: errorsShowNothing},
}

// allCases are those of the contract, and those of its optional ability to
// mark.
func allCases() []testCase {
	all := slices.Clone(cases)
	for _, c := range markCases {
		c.needs = canMark
		all = append(all, c)
	}
	return all
}

func unless(can bool, what string) string {
	if can {
		return ""
	}
	return what
}
