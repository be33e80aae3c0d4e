package awsclient

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rotatord/rotatord/internal/oneline"
)

// Kind is what a failure means whichever service was asked. The set is closed.
type Kind string

// The kinds of failures.
const (
	// Throttled: too many requests. It passes by itself.
	Throttled Kind = "throttled"
	// Unavailable: nobody answered, or an answer from 500. It passes by itself.
	Unavailable Kind = "unavailable"
	// Denied: there is no key, or AWS does not accept it.
	Denied Kind = "denied"
	// Unreadable: the answer is none of AWS's.
	Unreadable Kind = "unreadable"
	// Other: the service says it in its own vocabulary.
	Other Kind = "other"
)

// What AWS says about the key that signed, in the words of services with either
// of its protocols and of STS.
var keyCodes = []string{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId",
	"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
	"ExpiredToken", "ExpiredTokenException", "RequestExpired", "MissingAuthenticationToken",
	"MissingAuthenticationTokenException", "InvalidIdentityToken", "NotAuthorizedException", "OptInRequired"}

// Refusal is what AWS said, and all that is kept of it. As an error it is code,
// message and the request id that AWS's support asks for, on one line.
type Refusal struct {
	Code, Message string
	Request       string // its id; empty if there was none
	Status        int    // of the answer; 0 if that is not known
}

func (r *Refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.Code)
	if r.Message != "" {
		b.WriteString(": " + r.Message)
	}
	if r.Request != "" {
		b.WriteString(" (request id " + r.Request + ")")
	}
	return b.String()
}

// RefusalOf takes AWS's words out of an error of the SDK; nil if there are
// none.
func RefusalOf(err error) *Refusal {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return nil
	}
	r := &Refusal{Code: oneline.Plain(api.ErrorCode(), 100), Message: oneline.Plain(api.ErrorMessage(), 600)}
	// A refused signature is explained with all that should have been signed,
	// the session token included.
	if i := strings.Index(strings.ToLower(r.Message), "the canonical string"); i >= 0 {
		r.Message = strings.TrimSpace(r.Message[:i])
	}
	r.Status, r.Request = response(err)
	return r
}

// Kind tells what the refusal means: Throttled, Unavailable, Denied for a key
// that is not accepted, so that keys are to be looked for anew, or Other.
func (r *Refusal) Kind() Kind {
	switch {
	case r.isThrottle(), r.Status == http.StatusTooManyRequests:
		return Throttled
	case r.Status >= http.StatusInternalServerError:
		return Unavailable
	case slices.Contains(keyCodes, r.Code):
		return Denied
	}
	return Other
}

func (r *Refusal) isThrottle() bool {
	_, throttled := retry.DefaultThrottleErrorCodes[r.Code]
	return throttled
}

// IsOfTheClock tells whether a signature was refused for its time.
func (r *Refusal) IsOfTheClock() bool {
	return strings.HasPrefix(r.Message, "Signature expired") || strings.HasPrefix(r.Message, "Signature not yet current")
}

// response gives the status of the answer, 0 if there was none, and its id.
func response(err error) (status int, request string) {
	var answered *smithyhttp.ResponseError
	if errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
		if answered.Response != nil && answered.Response.Response != nil {
			request = oneline.Plain(answered.Response.Header.Get("X-Amzn-Requestid"), 64)
		}
	}
	return status, request
}
