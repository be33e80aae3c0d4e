// Package providers is the contract between rotatord and the places where
// secrets are kept. A [Provider] answers two questions: which version of this
// secret is current, cheaply and without reading it; and what is the value of
// this version. There is one folder a secret manager below this one.
//
// Versions are opaque ids. Current may go back to an older id: that is a
// rollback at the source and as good as any other change. What a provider
// must not do is to report an older version because one of its own reads was
// stale; how to tell the two apart is each provider's business.
//
// Every implementation passes the conformance suite in providerstest.
package providers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Provider reads one kind of secret manager. Both methods are read-only,
// idempotent, safe for concurrent use, bounded by ctx alone, and fail with an
// [*Error].
type Provider interface {
	// Current names the current version without reading its value where the
	// source allows that. It is asked often.
	Current(ctx context.Context, s credential.Secret) (credential.Version, error)
	// Read gives the value of exactly that version, never of another. A source
	// that keeps no old versions answers ReasonGone for them. The caller owns
	// the value and clears it.
	Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error)
}

// Checker is an optional ability of a Provider: to name at once every
// permission that we lack, where a look would stumble over one after the other.
// It is for a person who asks ("rotatord check"), never for a rotation.
type Checker interface {
	// Missing tries what Current and Read need and names what is not permitted
	// in the provider's own terms, sorted; nil if nothing is known to be missing.
	// An error means that it could not be found out.
	Missing(ctx context.Context, s credential.Secret) ([]string, error)
}

// Hint is what an event said of a secret: that it has, or had, this version.
type Hint struct {
	Version string    // never empty
	Time    time.Time // when that was so, by the source's clock; zero if unknown
	// Known is what the source called current when it was last asked; empty if
	// it never was. An answer that is neither this nor Version is news in itself
	// and need not be waited behind: the event may have been overtaken.
	Known string
}

// Follower is an optional ability of a Provider whose Current may lag behind
// the events of the same source.
type Follower interface {
	// CurrentAfter is Current for one who has heard of a version. What counts is
	// what the source says: a version that was overtaken, disabled or removed
	// since is not reported because an event had named it. But a read that does
	// not know of that version yet is not believed: the version is looked for by
	// its own id, or the question repeated for some seconds.
	CurrentAfter(ctx context.Context, s credential.Secret, hint Hint) (credential.Version, error)
}

// Namer is an optional ability of a Provider: to tell whether two names are one
// secret's. Names that are equal need not be asked about.
type Namer interface {
	// Same tells whether an event about the secret called named concerns the one
	// that is configured. Where that can't be known yet, it does: a look too many
	// is harmless. It asks nobody and is safe for concurrent use.
	Same(configured, named credential.Secret) bool
}

// Marker is an optional ability of a Provider: to write down beside the secret
// which of its versions every destination uses, for a rotation job that looks
// there. It never touches a value, and what it writes must not make the source
// call another version current.
type Marker interface {
	// Mark writes that this version is in use everywhere, in place of what an
	// earlier Mark wrote; an empty version takes that away. Repeating it is
	// harmless, and costs no write where the mark is already there.
	Mark(ctx context.Context, s credential.Secret, version string) error
}

// MarkChecker is an optional ability of a Marker: to tell before the first Mark
// whether it may be written. Like Checker it is for a person who asks, and it
// never writes.
type MarkChecker interface {
	// MissingToMark names, in the provider's own terms and sorted, what Mark needs
	// and we are known not to have, and what it needs of which only a write would
	// tell. An error of ReasonInvalid says that this secret can't be marked at all,
	// any other that it could not be found out.
	MissingToMark(ctx context.Context, s credential.Secret) (missing, untold []string, err error)
}

// Kind is one entry of the explicit list that a program builds: a Provider and
// the names it answers for.
type Kind struct {
	// Name says which provider it is, "file"; metrics use it as a label.
	Name string
	// Matches tells from the shape of a name whether this provider reads it.
	Matches func(credential.Secret) bool
	// Example is a name of the right shape, for error messages.
	Example string
	Provider
}

// Set routes each secret to the first Kind that matches its name. It is a
// Provider itself.
type Set []Kind

// For finds the provider of a secret.
func (set Set) For(s credential.Secret) (Kind, error) {
	for _, k := range set {
		if k.Matches(s) {
			return k, nil
		}
	}
	examples := make([]string, 0, len(set))
	for _, k := range set {
		examples = append(examples, k.Example)
	}
	return Kind{}, &Error{Op: "find provider of", Secret: s, Reason: ReasonInvalid,
		Hint: "no provider knows a name of this shape; known shapes: " + strings.Join(examples, ", ")}
}

// Current implements Provider.
func (set Set) Current(ctx context.Context, s credential.Secret) (credential.Version, error) {
	k, err := set.For(s)
	if err != nil {
		return credential.Version{}, err
	}
	return k.Current(ctx, s)
}

// Read implements Provider.
func (set Set) Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	k, err := set.For(s)
	if err != nil {
		return credential.Value{}, err
	}
	return k.Read(ctx, s, version)
}

// CurrentAfter implements Follower; for the kinds that don't it is Current.
func (set Set) CurrentAfter(ctx context.Context, s credential.Secret, hint Hint) (credential.Version, error) {
	k, err := set.For(s)
	if err != nil {
		return credential.Version{}, err
	}
	if f, ok := k.Provider.(Follower); ok && hint.Version != "" {
		return f.CurrentAfter(ctx, s, hint)
	}
	return k.Current(ctx, s)
}

// Same implements Namer. The kind of the configured name decides.
func (set Set) Same(configured, named credential.Secret) bool {
	if configured == named {
		return true
	}
	k, err := set.For(configured)
	if err != nil {
		return false
	}
	n, ok := k.Provider.(Namer)
	return ok && n.Same(configured, named)
}

// Missing implements Checker, for the kinds that can tell.
func (set Set) Missing(ctx context.Context, s credential.Secret) ([]string, error) {
	k, err := set.For(s)
	if err != nil {
		return nil, err
	}
	if c, ok := k.Provider.(Checker); ok {
		return c.Missing(ctx, s)
	}
	return nil, nil
}

// Marks tells whether versions of a secret can be marked: files can't.
func (set Set) Marks(s credential.Secret) bool {
	k, err := set.For(s)
	if err != nil {
		return false
	}
	_, ok := k.Provider.(Marker)
	return ok
}

// Mark implements Marker. A kind that can't write is an error of
// ReasonInvalid.
func (set Set) Mark(ctx context.Context, s credential.Secret, version string) error {
	k, err := set.For(s)
	if err != nil {
		return err
	}
	if m, ok := k.Provider.(Marker); ok {
		return m.Mark(ctx, s, version)
	}
	return k.unmarkable(s)
}

func (k Kind) unmarkable(s credential.Secret) error {
	return &Error{Op: "mark", Secret: s, Reason: ReasonInvalid, Hint: "secrets of kind " + k.Name + " can't be marked"}
}

// MissingToMark implements MarkChecker. Of a kind that marks and can't tell,
// nothing is known to be missing.
func (set Set) MissingToMark(ctx context.Context, s credential.Secret) (missing, untold []string, err error) {
	k, err := set.For(s)
	if err != nil {
		return nil, nil, err
	}
	if c, ok := k.Provider.(MarkChecker); ok {
		return c.MissingToMark(ctx, s)
	}
	if _, ok := k.Provider.(Marker); ok {
		return nil, nil, nil
	}
	return nil, nil, k.unmarkable(s)
}

// Reason says why a source did not answer, in the words that decide what to do
// next. The set is closed: metrics use it as a label.
type Reason string

const (
	// ReasonNotFound: there is no such secret.
	ReasonNotFound Reason = "not_found"
	// ReasonGone: the secret exists, that version can't be read any more.
	ReasonGone Reason = "gone"
	// ReasonDenied: rotatord may not read it.
	ReasonDenied Reason = "denied"
	// ReasonDisabled: it exists and is disabled, scheduled for deletion, or has
	// no current version.
	ReasonDisabled Reason = "disabled"
	// ReasonInvalid: the name or the content can't be a secret: wrong shape,
	// too large, a directory without keys.
	ReasonInvalid Reason = "invalid"
	// ReasonThrottled: the source asks to come back later.
	ReasonThrottled Reason = "throttled"
	// ReasonUnavailable: no answer, or the source failed.
	ReasonUnavailable Reason = "unavailable"
)

// Error is what every Provider fails with. It holds nothing of any value.
type Error struct {
	Op     string // "read current version of", "read"
	Secret credential.Secret
	Reason Reason
	// Hint says what to try.
	Hint string
	// Err is the cause. Its text is shown, so an implementation must have
	// stripped it of anything secret.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: %s", e.Op, e.Secret, strings.ReplaceAll(string(e.Reason), "_", " "))
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// ReasonOf gives the Reason of an error of this package, ReasonUnavailable for
// others and "" for nil.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ReasonUnavailable
}

// GivenUp tells why nobody waits any more for what has failed: the context's
// error, or the one of its kind in err; nil if it failed by itself.
func GivenUp(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			return end
		}
	}
	return nil
}
