package bucket

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Op is what was tried.
type Op string

const (
	OpOpen   Op = "open"
	OpPut    Op = "put"
	OpGet    Op = "get"
	OpDelete Op = "delete"
	OpList   Op = "list" // of a Lister or a Versioner
)

// Kind says why a request to a bucket did not succeed, in the words that
// decide what to do next. The set is closed: metrics use it as a label.
type Kind string

const (
	// KindNotFound: the bucket is there, the object is not.
	KindNotFound Kind = "not_found"
	// KindNoBucket: the bucket itself does not exist.
	KindNoBucket Kind = "no_bucket"
	// KindDenied: the credential is known and may not do this.
	KindDenied Kind = "denied"
	// KindBadCredential: the credential itself is not accepted: unknown or
	// disabled key, wrong signature, expired token. New keys answer so until
	// they have propagated.
	KindBadCredential Kind = "bad_credential"
	// KindClockSkew: our clock and the server's differ too much to sign.
	KindClockSkew Kind = "clock_skew"
	// KindWrongRegion: the bucket lives elsewhere than the location says.
	KindWrongRegion Kind = "wrong_region"
	// KindThrottled: the server asks to come back later.
	KindThrottled Kind = "throttled"
	// KindUnreachable: no answer: DNS, connection, TLS, time-out, cut.
	KindUnreachable Kind = "unreachable"
	// KindServer: the server failed (5xx).
	KindServer Kind = "server_error"
	// KindConfig: the location or the credential can't be used at all.
	KindConfig Kind = "config"
	// KindUnsupported: no implementation for this type is built in.
	KindUnsupported Kind = "unsupported"
	// KindUnknown: an answer that fits nothing above.
	KindUnknown Kind = "unknown"
)

// Refused tells whether the server has spoken against the credential, as
// opposed to not having been heard.
func (k Kind) Refused() bool {
	return k == KindDenied || k == KindBadCredential || k == KindNoBucket || k == KindWrongRegion
}

// Presence is what a refusal has shown of the object itself.
type Presence string

const (
	// PresenceUnknown: nothing is known.
	PresenceUnknown Presence = ""
	// PresenceThere: an object of that key is in the bucket. A put can be denied
	// because of it: at Google replacing needs the permission to delete.
	PresenceThere Presence = "there"
	// PresenceGone: there is no object of that key, so that whoever may not
	// delete it need not either.
	PresenceGone Presence = "gone"
)

// PresenceFrom says what the outcome of a Get tells of the object.
func PresenceFrom(err error) Presence {
	switch KindOf(err) {
	case "":
		return PresenceThere
	case KindNotFound:
		return PresenceGone
	}
	return PresenceUnknown
}

// Error is what every Bucket method fails with. It holds nothing of the
// credential, of signed headers or of a URL's query.
type Error struct {
	Op   Op
	Kind Kind
	// Permission is the missing permission in the provider's own terms
	// ("s3:DeleteObject"), for KindDenied.
	Permission string
	// Object tells what is known of the object where a put or a delete was
	// KindDenied: a delete that is denied looks once whether there is anything to
	// delete, as far as the credential may see that.
	Object Presence
	// Code is the server's own error code ("AccessDenied"), if it sent one.
	Code string
	// Status is the HTTP status, 0 without an answer.
	Status int
	// Message says more, already stripped of anything secret.
	Message string
	// ServerTime is the Date header of the answer, zero without one.
	ServerTime time.Time
	// Err is the cause, for errors.Is; its text is not shown.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s object: %s", e.Op, strings.ReplaceAll(string(e.Kind), "_", " "))
	if e.Op == OpOpen {
		b.Reset()
		fmt.Fprintf(&b, "open bucket: %s", strings.ReplaceAll(string(e.Kind), "_", " "))
	}
	if e.Permission != "" {
		fmt.Fprintf(&b, " (%s)", e.Permission)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, ": %s", e.Code)
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " [HTTP %d]", e.Status)
	}
	if e.Message != "" {
		fmt.Fprintf(&b, ": %s", e.Message)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the Kind of an error of this package, KindUnknown for others
// and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindUnknown
}
