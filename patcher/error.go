package patcher

import (
	"errors"
	"fmt"
	"strings"
)

// Reason says what is wrong with a secret or a mapping. The set is closed:
// metrics use it as a label.
type Reason string

const (
	// ReasonUnknownType: Planet has no such destination type.
	ReasonUnknownType Reason = "unknown_type"
	// ReasonUnknownField: a mapping names a field that the type doesn't have.
	ReasonUnknownField Reason = "unknown_field"
	// ReasonBadPointer: a mapping's JSON Pointer isn't one.
	ReasonBadPointer Reason = "bad_pointer"
	// ReasonNotJSON: the secret should be a JSON object and isn't.
	ReasonNotJSON Reason = "not_json"
	// ReasonNotUTF8: the secret isn't text.
	ReasonNotUTF8 Reason = "not_utf8"
	// ReasonTooLong: the secret or a field is longer than any real one.
	ReasonTooLong Reason = "too_long"
	// ReasonMissingField: the secret doesn't hold a field.
	ReasonMissingField Reason = "missing_field"
	// ReasonEmpty: the field is there and empty.
	ReasonEmpty Reason = "empty"
	// ReasonWrongKind: the field is a number, say, and not a string.
	ReasonWrongKind Reason = "wrong_kind"
	// ReasonAmbiguous: there is more than one candidate for a field.
	ReasonAmbiguous Reason = "ambiguous"
	// ReasonPlaceholder: the field holds what stands for a value.
	ReasonPlaceholder Reason = "placeholder"
	// ReasonSwapped: the access key id and its secret have changed places.
	ReasonSwapped Reason = "swapped"
	// ReasonTemporary: a temporary key, which Planet can't use.
	ReasonTemporary Reason = "temporary"
	// ReasonBadFormat: the field can't be what it should be.
	ReasonBadFormat Reason = "bad_format"
	// ReasonExpired: the credential's life has ended.
	ReasonExpired Reason = "expired"
	// ReasonNotYetValid: the credential's life has not begun.
	ReasonNotYetValid Reason = "not_yet_valid"
	// ReasonPermissions: the credential says itself that it may not do what
	// Planet needs.
	ReasonPermissions Reason = "permissions"
	// ReasonWrongScope: the credential is not for a whole container.
	ReasonWrongScope Reason = "wrong_scope"
	// ReasonNotAllowed: a PATCH would have held something that it must not.
	ReasonNotAllowed Reason = "not_allowed"
)

// Reasons lists every Reason, for whoever needs the label set in advance.
func Reasons() []Reason {
	return []Reason{
		ReasonUnknownType, ReasonUnknownField, ReasonBadPointer, ReasonNotJSON, ReasonNotUTF8, ReasonTooLong,
		ReasonMissingField, ReasonEmpty, ReasonWrongKind, ReasonAmbiguous, ReasonPlaceholder, ReasonSwapped,
		ReasonTemporary, ReasonBadFormat, ReasonExpired, ReasonNotYetValid, ReasonPermissions, ReasonWrongScope,
		ReasonNotAllowed,
	}
}

// Error is one problem of a secret or of its mapping. It holds nothing of any
// value; of the secret it shows at most the names of top-level keys.
type Error struct {
	// Type is Planet's destination type, "amazon_s3".
	Type string
	// Field is Planet's name of the field concerned; empty when it is the
	// secret as a whole.
	Field  string
	Reason Reason
	// Hint says more and what to try.
	Hint string
}

func (e *Error) Error() string { return "make " + e.Type + " credential: " + e.problem() }

func (e *Error) problem() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(strings.ReplaceAll(string(e.Reason), "_", " "))
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Errors are several problems of one secret, found in one go.
type Errors []*Error

func (list Errors) Error() string {
	if len(list) == 0 {
		return "make credential: no problem"
	}
	problems := make([]string, len(list))
	for i, e := range list {
		problems[i] = e.problem()
	}
	return fmt.Sprintf("make %s credential: %d problems: %s", list[0].Type, len(list), strings.Join(problems, "; "))
}

// Unwrap lets errors.As find the first problem.
func (list Errors) Unwrap() []error {
	all := make([]error, len(list))
	for i, e := range list {
		all[i] = e
	}
	return all
}

// err gives the list as an error: nil when empty, the problem itself when
// there is one.
func (list Errors) err() error {
	switch len(list) {
	case 0:
		return nil
	case 1:
		return list[0]
	}
	return list
}

// ReasonOf gives the Reason of the first problem in an error of this package,
// "" for nil and for the errors of others.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}
