package providerstest

import (
	"context"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

func missing(t testing.TB, _ Harness, e *Environment) {
	// With a real version id, which some sources know across secrets.
	id := current(t, e, e.Put(t, []byte("one"))).ID
	bothFail(t, e, e.Missing, id, providers.ReasonNotFound)
}

func malformed(t testing.TB, _ Harness, e *Environment) {
	for _, s := range e.Malformed {
		bothFail(t, e, s, "1", providers.ReasonInvalid)
	}
}

func removed(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	e.Remove(t, s)
	// Clouds keep a deleted secret for some days, disabled.
	bothFail(t, e, s, id, providers.ReasonNotFound, providers.ReasonDisabled)
}

func denied(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	e.Deny(t, s)
	bothFail(t, e, s, id, providers.ReasonDenied)
}

func disabled(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	e.Disable(t, s)
	bothFail(t, e, s, id, providers.ReasonDisabled)
}

// spoilt: Current may not have to read what is broken, Read has to.
func spoilt(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	e.Spoil(t, s, []byte(canary))
	v, err := e.Provider.Current(ctxOf(t), s)
	if err != nil {
		fails(t, s, "Current of a spoilt secret", err, providers.ReasonInvalid)
		showsNothing(t, "Current's error", err, []byte(canary))
	} else {
		id = v.ID
	}
	_, err = e.Provider.Read(ctxOf(t), s, id)
	fails(t, s, "Read of a spoilt secret", err, providers.ReasonInvalid)
	showsNothing(t, "Read's error", err, []byte(canary))
}

func throttled(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	e.Throttle(t)
	bothFail(t, e, s, id, providers.ReasonThrottled)
}

func failing(t testing.TB, _ Harness, e *Environment) {
	s := e.Put(t, []byte("one"))
	id := current(t, e, s).ID
	e.Fail(t)
	bothFail(t, e, s, id, providers.ReasonUnavailable)
}

// errorsShowNothing brings about every failure that the source is capable of
// while its secret holds a canary.
func errorsShowNothing(t testing.TB, h Harness, e *Environment) {
	s := e.Put(t, []byte(canary))
	id := current(t, e, s).ID
	v, err := e.Provider.Read(ctxOf(t), s, id)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	showsNothing(t, "the value itself", v, []byte(canary))
	showsNothing(t, "the value inside a struct", struct{ v credential.Value }{v}, []byte(canary))
	showsNothing(t, "its version", current(t, e, s), []byte(canary))
	v.Clear()

	check := func(e *Environment, s credential.Secret, id string) {
		t.Helper()
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		for _, ctx := range []context.Context{ctxOf(t), cancelled} {
			for _, version := range []string{id, "", "never was"} {
				_, err := e.Provider.Read(ctx, s, version)
				showsNothing(t, "Read's error", err, []byte(canary))
			}
			_, err := e.Provider.Current(ctx, s)
			showsNothing(t, "Current's error", err, []byte(canary))
		}
	}
	check(e, s, id)
	for _, hurt := range []func(*Environment, credential.Secret){
		func(e *Environment, s credential.Secret) { e.Rotate(t, s, []byte("another "+canary)) },
		func(e *Environment, s credential.Secret) { call(t, e.Deny, s) },
		func(e *Environment, s credential.Secret) { call(t, e.Disable, s) },
		func(e *Environment, s credential.Secret) { call(t, e.Remove, s) },
		func(e *Environment, _ credential.Secret) { callAll(t, e.Throttle) },
		func(e *Environment, _ credential.Secret) { callAll(t, e.Fail) },
	} {
		fresh := h.New(t)
		s := fresh.Put(t, []byte(canary))
		id := current(t, fresh, s).ID
		hurt(fresh, s)
		check(fresh, s, id)
	}
}

func call(t testing.TB, f func(testing.TB, credential.Secret), s credential.Secret) {
	if f != nil {
		f(t, s)
	}
}

func callAll(t testing.TB, f func(testing.TB)) {
	if f != nil {
		f(t)
	}
}
