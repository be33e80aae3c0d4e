package planettest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Object is the name of the file that verification writes and deletes.
const Object = "planetverify.txt"

// Verifier does what Planet does with new credentials: it writes
// [Verification.Object] into the bucket and deletes it again. It is called
// from several goroutines at once and stops when the context ends.
//
// nil means that both worked. A [*VerifyError] says which step did not and
// why. [ErrUnsupported] (or any error that is errors.ErrUnsupported) says that
// this kind of bucket cannot be reached here, which counts as verified. Any
// other error counts as a refused write, and its text is shown to nobody.
type Verifier interface {
	Verify(ctx context.Context, v Verification) error
}

// VerifierFunc is a function as a [Verifier].
type VerifierFunc func(context.Context, Verification) error

// Verify calls f.
func (f VerifierFunc) Verify(ctx context.Context, v Verification) error { return f(ctx, v) }

// ErrUnsupported is a Verifier's answer for a type that it has no access to.
var ErrUnsupported = fmt.Errorf("verification of this destination type: %w", errors.ErrUnsupported)

// Verification is one check to make. It holds secrets and shows none of them.
type Verification struct {
	// DestinationID is empty while the destination is being created.
	DestinationID string
	// Type is Planet's name of it, "amazon_s3".
	Type string
	// Parameters are structural and credential parameters in clear, one JSON
	// object under Planet's names, with the optional booleans.
	Parameters json.RawMessage
	// Object is the name of the file to write and delete.
	Object string
	// Written, if the Verifier calls it between writing and deleting, blocks
	// for as long as the file shall stay: the simulator may already have
	// answered. Never nil.
	Written func(context.Context)
}

// Format keeps the parameters out of every verb of fmt.
func (v Verification) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "{verify %s %s}", v.Type, v.DestinationID)
}

// LogValue implements slog.LogValuer.
func (v Verification) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprint(v))
}

// MarshalJSON shows what Format shows.
func (v Verification) MarshalJSON() ([]byte, error) { return json.Marshal(fmt.Sprint(v)) }

// The steps of a verification.
const (
	StepWrite  = "write"
	StepDelete = "delete"
)

// VerifyError says that a step of a verification was refused.
type VerifyError struct {
	Step    string // StepWrite or StepDelete
	Message string // what the cloud said, without secrets
}

func (e *VerifyError) Error() string { return e.Step + " " + Object + ": " + e.Message }

// verify checks credentials, taking VerifyDelay and the Verifier's own time.
// It returns how that ended, for the record, and the refusal.
func (s *Simulator) verify(ctx context.Context, v Verification) (outcome string, bad *problem) {
	b := s.current()
	if pause(ctx, b.VerifyDelay) != nil {
		return "given up", errGone
	}
	if s.verifier == nil {
		return "passed", nil
	}
	err := s.runVerifier(ctx, v, b.LeftoverLinger)
	if err != nil && ctx.Err() != nil {
		return "given up", errGone
	}
	return b.judge(err)
}

// runVerifier returns when the verifier does, or, where the file shall linger,
// as soon as it was written; the verifier then ends in its own time.
func (s *Simulator) runVerifier(ctx context.Context, v Verification, linger time.Duration) error {
	v.Object = Object
	v.Written = func(context.Context) {}
	if linger <= 0 {
		return s.verifier.Verify(ctx, v)
	}
	outcome := make(chan error, 2)
	v.Written = func(ctx context.Context) {
		outcome <- nil
		_ = pause(ctx, linger)
	}
	groupOf(ctx, s.group).run(func(life context.Context) {
		// The answer ends the request's context, the group's outlives it: the
		// file must be deleted even so.
		outcome <- s.verifier.Verify(life, v)
	})
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judge turns what the verifier said into Planet's answer.
func (b Behaviour) judge(err error) (outcome string, bad *problem) {
	switch {
	case err == nil:
		return "passed", nil
	case errors.Is(err, errors.ErrUnsupported):
		return "skipped", nil
	}
	refusal := &problem{b.RefuseStatus, "the credentials could not be verified"}
	told := StepWrite
	var step *VerifyError
	if errors.As(err, &step) && step.Step == StepDelete {
		told = StepDelete
		if !b.DeleteFailureRefuses {
			return "delete refused", nil
		}
	}
	if b.TellStepApart {
		refusal.message += ": to " + told + " " + Object + " was refused"
	}
	return told + " refused", refusal
}

// clearParameters renders everything that a Verifier needs to reach a bucket.
func clearParameters(structural map[string]string, secrets credential.Parameters, optional map[string]bool) json.RawMessage {
	all := map[string]any{}
	for name, text := range structural {
		all[name] = text
	}
	for name, set := range optional {
		all[name] = set
	}
	for _, name := range secrets.Names() {
		all[name] = string(secrets.Get(name).Bytes())
	}
	raw, err := json.Marshal(all)
	if err != nil { // strings and booleans only
		panic("planettest: parameters that are no JSON")
	}
	return raw
}
