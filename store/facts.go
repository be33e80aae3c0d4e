package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/rotatord/rotatord/internal/oneline"
)

const (
	// maxText bounds each sentence that is kept, in bytes.
	maxText = 1 << 10
	// maxFacts bounds the facts of one destination, in bytes. Real ones have
	// some two thousand.
	maxFacts = 1 << 20
)

// FactsError says that what the store holds of one destination, or of one
// account, can't be read. All others can. Forget the destination and it is seen
// for the first time again.
type FactsError struct {
	Destination string // "" if an account is meant
	Account     string // "" if a destination is meant
	Detail      string // what is wrong, without quoting it
}

// Error names the destination or account.
func (e *FactsError) Error() string {
	if e.Account != "" {
		return fmt.Sprintf("read account %q from the store: %s", e.Account, e.Detail)
	}
	return fmt.Sprintf("read destination %q from the store: %s; forget it to start it afresh", e.Destination, e.Detail)
}

// encodeFacts renders facts with all sentences bounded. The caller's facts stay
// as they are.
func encodeFacts(f Facts) ([]byte, error) {
	f.Status.Detail = tidy(f.Status.Detail)
	f.Leftover.Reason = tidy(f.Leftover.Reason)
	f.Leftover.Detail = tidy(f.Leftover.Detail)
	f.Standing.Reason = tidy(f.Standing.Reason)
	f.Standing.Detail = tidy(f.Standing.Detail)
	if f.Hold != nil {
		hold := *f.Hold
		hold.Detail = tidy(hold.Detail)
		f.Hold = &hold
	}
	f.Trial = tidyTrial(f.Trial)
	f.Restore = tidyTrial(f.Restore)
	if f.Paused != nil {
		paused := *f.Paused
		paused.Note = tidy(paused.Note)
		f.Paused = &paused
	}
	doc, err := json.Marshal(f)
	if err != nil {
		return nil, fmt.Errorf("%w: its facts are not JSON: %s", ErrInvalid, describe(err))
	}
	if len(doc) > maxFacts {
		return nil, fmt.Errorf("%w: its facts have %d bytes, at most %d are kept", ErrInvalid, len(doc), maxFacts)
	}
	return doc, nil
}

func tidyTrial(trial *Trial) *Trial {
	if trial == nil {
		return nil
	}
	tidied := *trial
	tidied.Detail = tidy(tidied.Detail)
	return &tidied
}

// decodeStrict reads one JSON document that has no field unknown to us. A
// rotatord that adds a field also adds a migration (an empty one will do), so
// an older one refuses the whole store and does not drop what it can't see.
func decodeStrict(doc []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows it")
	}
	return nil
}

func decodeFacts(doc []byte) (Facts, error) {
	var f Facts
	if err := decodeStrict(doc, &f); err != nil {
		return Facts{}, err
	}
	return f, nil
}

// describe says what is wrong with a JSON document without quoting from it, as
// encoding/json does.
func describe(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("not JSON at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("not a %s in %q at byte %d", kind.Type, kind.Field, kind.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends early"
	}
	return "a field is unknown or has a value of the wrong form"
}

// tidy makes a sentence fit to be kept and shown.
func tidy(s string) string { return oneline.Tidy(s, maxText) }

// nanos renders a time for a column: 0 for the zero time, the nearest time that
// fits (years 1678 to 2261) for any other.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// fromNanos is the opposite of nanos.
func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
