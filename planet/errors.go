package planet

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind says what went wrong, in a closed set of words that suit a metric label.
type Kind string

// The kinds of an [Error].
const (
	KindBadRequest     Kind = "bad_request"     // 400
	KindUnauthorized   Kind = "unauthorized"    // 401: a bad key, or not the owner
	KindForbidden      Kind = "forbidden"       // 403
	KindNotFound       Kind = "not_found"       // 404
	KindConflict       Kind = "conflict"        // 409
	KindUnprocessable  Kind = "unprocessable"   // 422
	KindThrottled      Kind = "throttled"       // 429
	KindRejected       Kind = "rejected"        // any other 4xx
	KindServerError    Kind = "server_error"    // 5xx
	KindRedirected     Kind = "redirected"      // 3xx: never followed
	KindTimeout        Kind = "timeout"         // no answer in time
	KindUnreachable    Kind = "unreachable"     // DNS, dialling, proxy
	KindTLS            Kind = "tls"             // the server's certificate or the handshake
	KindCut            Kind = "cut"             // the connection ended before the answer did
	KindInvalidAnswer  Kind = "invalid_answer"  // not what the API promises
	KindCanceled       Kind = "canceled"        // the caller's context ended
	KindAuth           Kind = "auth"            // the key could not be had or used
	KindLimiter        Kind = "limiter"         // no turn could be had
	KindInvalidRequest Kind = "invalid_request" // refused by this package
)

// Outcome says what is known of the effect of a modifying call.
type Outcome string

// The outcomes. A GET's error has one too, by the same rules.
const (
	// OutcomeAccepted: Planet answered 2xx, whatever JSON came after the status.
	OutcomeAccepted Outcome = "accepted"
	// OutcomeRefused: Planet refused what was sent (400, 409, 422). Whether the
	// old credentials still stand is not documented.
	OutcomeRefused Outcome = "refused"
	// OutcomeBlocked: the caller may not (401, 403).
	OutcomeBlocked Outcome = "blocked"
	// OutcomeNotFound: no such destination (404).
	OutcomeNotFound Outcome = "not_found"
	// OutcomeThrottled: Planet turned the request away for its rate (429).
	OutcomeThrottled Outcome = "throttled"
	// OutcomeNotSent: the request surely never reached the API.
	OutcomeNotSent Outcome = "not_sent"
	// OutcomeUnknown: it may have taken effect, or may yet.
	OutcomeUnknown Outcome = "unknown"
)

// Error is what every call of a [Client] fails with, but for the
// [*NotFoundError] and [*AmbiguousError] of Resolve. It never holds what was
// sent, nor the key, and of the answer only Planet's own message.
type Error struct {
	// Op is the action, "modify destination".
	Op string
	// ID is the destination that was meant; empty where there is none.
	ID string
	// Method is the HTTP method.
	Method string
	// Status is the answer's status; 0 if no answer came.
	Status int
	// Code is the number in Planet's error body; 0 if there was none.
	Code int
	// Message is Planet's own text, at most 512 characters, without control
	// characters, and with "<redacted>" where it repeated a credential.
	Message string
	// Kind says what went wrong.
	Kind Kind
	// Outcome says what is known of the call's effect.
	Outcome Outcome
	// RetryAfter is how long the server asked to wait, at most five minutes;
	// 0 if it did not.
	RetryAfter time.Duration
	// Attempts counts the requests that were made for the call.
	Attempts int
	// Err is the cause, where there is one besides the answer. Print the Error
	// rather than Err: only its text has been looked through for secrets.
	Err error

	detail string // Err's text, looked through
}

// Error names the action, what happened and, where it helps, what to try.
func (e *Error) Error() string {
	text := e.Op
	if e.ID != "" {
		text += " " + e.ID
	}
	text += ": " + e.what()
	if e.Attempts > 1 {
		text += fmt.Sprintf(" (%d attempts)", e.Attempts)
	}
	return text
}

func (e *Error) what() string {
	if e.Status != 0 && e.Err == nil {
		text := strings.TrimSpace(fmt.Sprintf("planet answered %d %s", e.Status, http.StatusText(e.Status)))
		if e.Message != "" {
			text += ": " + e.Message
		}
		if e.Code != 0 && e.Code != e.Status {
			text += fmt.Sprintf(" (code %d)", e.Code)
		}
		if e.RetryAfter > 0 {
			text += fmt.Sprintf(", to be asked again after %v", e.RetryAfter)
		}
		return text + hints[e.Kind]
	}
	text := headlines[e.Kind]
	if e.detail != "" {
		if text != "" {
			text += ": "
		}
		text += e.detail
	}
	return text + hints[e.Kind]
}

var headlines = map[Kind]string{
	KindTimeout:       "no answer in time",
	KindUnreachable:   "planet could not be reached",
	KindTLS:           "the server could not be trusted",
	KindCut:           "the connection was cut",
	KindInvalidAnswer: "the answer is not what the API promises",
	KindCanceled:      "canceled by the caller",
	KindLimiter:       "no turn under the account's rate limit",
}

var hints = map[Kind]string{
	KindUnauthorized: ": check the API key, and that its user owns the destination or is an admin",
	KindForbidden:    ": check that the key's user owns the destination or is an admin",
	KindRedirected:   ": redirects are never followed, check the base URL",
	KindUnreachable:  ": check the network, HTTPS_PROXY and the base URL",
	KindTLS:          ": check the base URL, and the root certificates if a proxy opens TLS",
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Format implements fmt.Formatter, so that no verb prints Err past the text
// that was looked through; an Error that was copied out of its pointer too.
func (e Error) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, (&e).Error()) }

// OutcomeOf tells what is known of the effect of Modify, Create, SetDefault or
// UnsetDefault from the error that it returned, nil included.
func OutcomeOf(err error) Outcome {
	var e *Error
	var missing *NotFoundError
	switch {
	case err == nil:
		return OutcomeAccepted
	case errors.As(err, &e):
		return e.Outcome
	case errors.As(err, &missing):
		return OutcomeNotFound
	}
	return OutcomeUnknown
}

// KindOf gives the kind of an error of this package; empty for nil and for
// errors of others.
func KindOf(err error) Kind {
	var e *Error
	var missing *NotFoundError
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.As(err, &missing):
		return KindNotFound
	}
	return ""
}

// classify reads a status as the API's documentation and the official client
// suggest. What is not documented counts as unknown.
func classify(status int) (Kind, Outcome) {
	switch status {
	case http.StatusBadRequest:
		return KindBadRequest, OutcomeRefused
	case http.StatusConflict:
		return KindConflict, OutcomeRefused
	case http.StatusUnprocessableEntity:
		return KindUnprocessable, OutcomeRefused
	case http.StatusUnauthorized:
		return KindUnauthorized, OutcomeBlocked
	case http.StatusForbidden:
		return KindForbidden, OutcomeBlocked
	case http.StatusNotFound:
		return KindNotFound, OutcomeNotFound
	case http.StatusTooManyRequests:
		return KindThrottled, OutcomeThrottled
	case http.StatusProxyAuthRequired: // a forward proxy stopped it
		return KindUnreachable, OutcomeNotSent
	}
	switch {
	case status >= 500 && status < 600:
		return KindServerError, OutcomeUnknown
	case status >= 400 && status < 500:
		return KindRejected, OutcomeUnknown
	case status >= 300 && status < 400:
		return KindRedirected, OutcomeUnknown
	}
	return KindInvalidAnswer, OutcomeUnknown
}
