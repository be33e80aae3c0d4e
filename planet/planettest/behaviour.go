package planettest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// RetryAfter is the form of the header that comes with a 429.
type RetryAfter int

// The forms that RFC 9110 allows, and none: Planet promises nothing.
const (
	RetrySeconds RetryAfter = iota // a whole number of seconds, rounded up
	RetryDate                      // an HTTP date, which the clocks of both sides must agree on
	RetryAbsent                    // no header
)

// Behaviour answers the questions that Planet's documents leave open or answer
// twice. Each field is one question; a good client works under every
// combination. The zero value is, but for who may set the default, the kindest reading: refusals change nothing,
// what was left out stays, names are cosmetic.
type Behaviour struct {
	// RefuseStatus answers credentials that failed verification: 400 (default),
	// 409 or 422.
	RefuseStatus int
	// TellStepApart names in the message whether write or delete was refused.
	// The default is one message for both.
	TellStepApart bool
	// DeleteFailureRefuses refuses credentials that could write but not delete
	// the verification file. By default they are accepted, and the file stays.
	DeleteFailureRefuses bool
	// VerifyDelay is how long verification takes beyond the bucket's own time.
	VerifyDelay time.Duration
	// VerifyOnCreateOnly takes updated credentials unseen.
	VerifyOnCreateOnly bool
	// RepeatSkipsVerify takes a PATCH of the very credentials that are stored
	// without verifying them again.
	RepeatSkipsVerify bool
	// LeftoverLinger is how long Planet's own file stays in the bucket after
	// the PATCH was answered; a probe that looks at once sees it. It needs a
	// Verifier that calls Verification.Written. A delete that is refused then
	// comes too late for DeleteFailureRefuses.
	LeftoverLinger time.Duration
	// AbandonOnDisconnect drops a request whose client hung up during
	// verification. By default it takes effect all the same.
	AbandonOnDisconnect bool

	// LoseOnRefusal: the refused credentials have replaced the old ones.
	LoseOnRefusal bool
	// UpdatedMovesOnRefusal: a refused PATCH moves the updated timestamp.
	UpdatedMovesOnRefusal bool
	// ResetOptional: a PATCH of parameters that leaves an optional boolean out
	// sets it to its default, false. By default it stays as it is.
	ResetOptional bool
	// OmitFalseOptional leaves an optional boolean that is false out of answers.
	OmitFalseOptional bool
	// RenameChangesID: a rename gives the id, and so the reference, the slug of
	// the new name; the suffix stays, the old id is gone.
	RenameChangesID bool
	// RefuseArchivedModify refuses new parameters for an archived destination,
	// with RefuseStatus, unless the same PATCH unarchives it.
	RefuseArchivedModify bool

	// CreateStatus answers a create: 201 (default) or 202.
	CreateStatus int
	// ModifyStatus answers a PATCH: 200 (default), 202 or 204, the last
	// always without a body.
	ModifyStatus int
	// ModifyEmptyBody answers a PATCH without a body.
	ModifyEmptyBody bool
	// NonOwnerStatus answers a PATCH by who may not write: 403 (default) or 401.
	NonOwnerStatus int
	// QuotaStatus answers a create or an unarchive beyond the quota: 400
	// (default), 403, 409 or 422.
	QuotaStatus int
	// OwnerSetsDefault lets a destination's owner make it the default; by
	// default only an organization's admin may.
	OwnerSetsDefault bool
	// OmitDefault leaves "default" out of destinations.
	OmitDefault bool
	// ArchivedTrueMeansOnly: archived=true lists archived destinations only. By
	// default it lists them too.
	ArchivedTrueMeansOnly bool
	// ETags sends ETag with a destination and answers 412 to an If-Match that
	// names another. By default both are ignored.
	ETags bool

	// RetryAfter is the form of the header on the rate limit's own 429s.
	RetryAfter RetryAfter
	// CountRejected counts requests that were answered 429 towards a sliding
	// window, so that a client that hammers is never let in.
	CountRejected bool

	// Network is the way between a client and the simulator, for the in-memory
	// transport alone.
	Network Network
}

// Network is the time that a request and its answer are each under way, drawn
// evenly from Min to Max by the seed.
type Network struct{ Min, Max time.Duration }

func (b Behaviour) withDefaults() Behaviour {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&b.RefuseStatus, http.StatusBadRequest},
		{&b.CreateStatus, http.StatusCreated},
		{&b.ModifyStatus, http.StatusOK},
		{&b.NonOwnerStatus, http.StatusForbidden},
		{&b.QuotaStatus, http.StatusBadRequest},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	b.Network.Max = max(b.Network.Max, b.Network.Min)
	return b
}

func (b Behaviour) check() error {
	var problems []error
	for _, f := range []struct {
		name    string
		value   int
		allowed []int
	}{
		{"RefuseStatus", b.RefuseStatus, []int{400, 409, 422}},
		{"CreateStatus", b.CreateStatus, []int{201, 202}},
		{"ModifyStatus", b.ModifyStatus, []int{200, 202, 204}},
		{"NonOwnerStatus", b.NonOwnerStatus, []int{401, 403}},
		{"QuotaStatus", b.QuotaStatus, []int{400, 403, 409, 422}},
		{"RetryAfter", int(b.RetryAfter), []int{int(RetrySeconds), int(RetryDate), int(RetryAbsent)}},
	} {
		if !slices.Contains(f.allowed, f.value) {
			problems = append(problems, fmt.Errorf("the behaviour %s is one of %v", f.name, f.allowed))
		}
	}
	if b.VerifyDelay < 0 || b.LeftoverLinger < 0 || b.Network.Min < 0 {
		problems = append(problems, errors.New("the durations of a behaviour are not negative"))
	}
	return errors.Join(problems...)
}
