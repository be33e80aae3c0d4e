package providerstest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// patience is how long a call may take before the suite calls it hung. It is
// no measure of speed.
const patience = 20 * time.Second

// canary is a value that is found again wherever it turns up.
const canary = `canary-7Hq"\Zx+/9=é`

func ctxOf(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// current asks for the current version and ends the test on an error.
func current(t testing.TB, e *Environment, s credential.Secret) credential.Version {
	t.Helper()
	v, err := e.Provider.Current(ctxOf(t), s)
	if err != nil {
		t.Fatalf("Current: %v", err)
	}
	if v.ID == "" {
		t.Fatal("Current names a version with an empty id")
	}
	return v
}

// read reads a version, compares, and clears it.
func read(t testing.TB, e *Environment, s credential.Secret, version string, want []byte) {
	t.Helper()
	v, err := e.Provider.Read(ctxOf(t), s, version)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	same(t, v, want)
	v.Clear()
}

func same(t testing.TB, v credential.Value, want []byte) {
	t.Helper()
	if !bytes.Equal(v.Bytes(), want) {
		// Not even test values are printed: against a real source they may be real.
		t.Fatalf("Read gives %d bytes that are not the %d bytes of that version", v.Len(), len(want))
	}
}

// fails holds that err is one of the contract's errors with one of the reasons.
func fails(t testing.TB, s credential.Secret, what string, err error, reasons ...providers.Reason) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error, want reason %q", what, reasons)
	}
	var e *providers.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: error %T is no *providers.Error: %v", what, err, err)
	}
	if len(reasons) > 0 && !slices.Contains(reasons, e.Reason) {
		t.Errorf("%s: reason %q, want %q: %v", what, e.Reason, reasons, err)
	}
	if !slices.Contains(allReasons, e.Reason) {
		t.Errorf("%s: reason %q is none of the contract's", what, e.Reason)
	}
	if e.Op == "" || e.Secret != s {
		t.Errorf("%s: the error says op %q and secret %q, want an op and %q", what, e.Op, e.Secret, s)
	}
}

var allReasons = []providers.Reason{providers.ReasonNotFound, providers.ReasonGone, providers.ReasonDenied,
	providers.ReasonDisabled, providers.ReasonInvalid, providers.ReasonThrottled, providers.ReasonUnavailable}

// bothFail holds that Current and Read of a secret fail for one of the
// reasons, and that a failing Read gives no value.
func bothFail(t testing.TB, e *Environment, s credential.Secret, version string, reasons ...providers.Reason) {
	t.Helper()
	v, err := e.Provider.Current(ctxOf(t), s)
	fails(t, s, "Current", err, reasons...)
	if v.ID != "" {
		t.Error("Current names a version beside its error")
	}
	value, err := e.Provider.Read(ctxOf(t), s, version)
	fails(t, s, "Read", err, reasons...)
	if !value.Empty() {
		t.Error("Read gives a value beside its error")
	}
}

// inTime runs f and ends the test if it does not come back.
func inTime(t testing.TB, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s does not come back after its context has ended", what)
	}
}

// showsNothing holds that no rendering of v, nor of any error inside v, has
// the secret in it, plain or in an encoding that errors are likely to quote.
func showsNothing(t testing.TB, what string, v any, secret []byte) {
	t.Helper()
	var shown strings.Builder
	render := func(v any) {
		_, _ = fmt.Fprintf(&shown, "%v\n%+v\n%#v\n%q\n%s\n%x\n", v, v, v, v, v, v)
		if b, err := json.Marshal(v); err == nil {
			shown.Write(b)
		}
	}
	render(v)
	if err, ok := v.(error); ok {
		walk(err, func(e error) { render(e); shown.WriteString(e.Error()) })
	}
	for form, text := range forms(secret) {
		if strings.Contains(shown.String(), text) {
			t.Errorf("%s shows the value (%s)", what, form)
			return
		}
	}
}

func walk(err error, visit func(error)) {
	if err == nil {
		return
	}
	visit(err)
	switch e := err.(type) { //nolint:errorlint // it walks the chain itself
	case interface{ Unwrap() error }:
		walk(e.Unwrap(), visit)
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			walk(inner, visit)
		}
	}
}

func forms(secret []byte) map[string]string {
	quoted, _ := json.Marshal(string(secret))
	decimal := strings.Trim(fmt.Sprint(secret), "[]")
	return map[string]string{
		"plain":       string(secret),
		"beginning":   string(secret[:min(10, len(secret))]),
		"JSON":        strings.Trim(string(quoted), `"`),
		"Go-quoted":   strings.Trim(fmt.Sprintf("%q", secret), `"`),
		"base64":      base64.StdEncoding.EncodeToString(secret),
		"base64url":   base64.RawURLEncoding.EncodeToString(secret),
		"hexadecimal": hex.EncodeToString(secret),
		"query":       url.QueryEscape(string(secret)),
		"byte list":   decimal,
	}
}
