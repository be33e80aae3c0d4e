package patcher

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
)

// MaxSecret is the longest secret that Make looks at, in bytes. The largest
// that any secret manager keeps is 64 KiB; a directory of keys may add up.
const MaxSecret = 256 << 10

// Make turns a secret's value into the credential parameters of a destination
// type: finds the fields, by m or by their well-known names, checks each as
// far as it can be checked without a bucket, and brings it to the form that
// Planet takes. now decides whether a credential has expired.
//
// The value is neither changed nor kept; the parameters are copies. The caller
// clears both. The error is an [*Error] or [Errors], never wraps the error of
// a parser, and holds no byte of the value. Make is safe for concurrent use as
// long as nobody clears the value meanwhile.
func Make(typ string, value credential.Value, m Mapping, now time.Time) (credential.Parameters, error) {
	if problems := checkMapping(typ, m); len(problems) > 0 {
		return credential.Parameters{}, problems.err()
	}
	w := &work{typ: typ, now: now, found: make(map[string][]byte, 2)}
	return w.run(value.Bytes(), m)
}

// work is one call of Make.
type work struct {
	typ      string
	now      time.Time
	scratch  scratch
	problems Errors
	// found holds the raw text of each field that the secret has. It points
	// into the value or into the scratch.
	found map[string][]byte
	made  credential.Parameters
}

func (w *work) run(value []byte, m Mapping) (credential.Parameters, error) {
	defer w.scratch.clear()
	w.find(value, m)
	w.check()
	if len(w.problems) > 0 {
		// One field may be good where the other isn't.
		w.made.Clear()
		return credential.Parameters{}, w.problems.err()
	}
	return w.made, nil
}

func (w *work) problem(field string, reason Reason, hint string) {
	w.problems = append(w.problems, &Error{Type: w.typ, Field: field, Reason: reason, Hint: hint})
}

// set makes a field of the result. b is copied, so that the result shares no
// memory with what is cleared.
func (w *work) set(field string, b []byte) {
	w.made.Set(field, credential.NewValue(bytes.Clone(b)))
}

// find fills found.
func (w *work) find(value []byte, m Mapping) {
	text, front := trim(value)
	switch {
	case len(text) == 0:
		w.problem("", ReasonEmpty, "the secret holds nothing")
		return
	case len(value) > MaxSecret:
		w.problem("", ReasonTooLong, fmt.Sprintf("the secret has %d bytes; no credential has more than %d", len(value), MaxSecret))
		return
	case !utf8.Valid(text):
		w.problem("", ReasonNotUTF8, notUTF8Hint(text, front))
		return
	}
	if names := fieldNames(w.typ); len(names) == 1 {
		pointer, mapped := m[names[0]]
		if mapped && pointer == "" || !mapped && text[0] != '{' {
			w.found[names[0]] = w.unquote(text)
			return
		}
	}
	doc, err := parseJSON(text, &w.scratch)
	switch {
	case err != nil && err.at == 0:
		w.problem("", ReasonNotJSON, "the secret must be a JSON object that holds "+strings.Join(fieldNames(w.typ), " and "))
		return
	case err != nil:
		w.problem("", err.reason, err.hint(front))
		return
	case doc.root.kind != kindObject && len(m) == 0:
		w.problem("", ReasonWrongKind, fmt.Sprintf("the secret is %s and must be an object that holds %s",
			doc.root.kind, strings.Join(fieldNames(w.typ), " and ")))
		return
	}
	w.findIn(doc, m)
}

func notUTF8Hint(text []byte, front int) string {
	at := 0
	for at < len(text) {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	hint := fmt.Sprintf("not UTF-8 at byte %d", front+at)
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		hint += "; it looks like UTF-16, which Windows tools write: store it as UTF-8"
	}
	return hint
}

// unquote takes the quotes off a whole secret that is one JSON string, which
// Terraform's jsonencode makes of a token. No credential starts with a quote.
func (w *work) unquote(text []byte) []byte {
	if text[0] != '"' {
		return text
	}
	doc, err := parseJSON(text, &w.scratch)
	if err != nil || doc.root.kind != kindString {
		return text
	}
	return doc.text(doc.root)
}

// findIn finds the fields in a JSON document.
func (w *work) findIn(doc *document, m Mapping) {
	for _, f := range fieldsOf(w.typ) {
		if pointer := m[f.name]; pointer != "" {
			w.point(doc, f, pointer)
			continue
		}
		if w.typ == typeGoogle && isServiceAccount(doc) {
			if rival, ok := w.lookUp(doc, f, f.strong); ok {
				w.problem(f.name, ReasonAmbiguous, "the secret is a service account file and also holds "+showName(rival.name))
				continue
			}
			w.found[f.name] = doc.raw(doc.root)
			continue
		}
		w.search(doc, f)
	}
	if w.typ == typeAmazon && len(m) == 0 {
		session, ok := w.lookUp(doc, field{name: sessionNames[0]}, sessionNames)
		if ok && session.value.kind == kindString && len(doc.text(session.value)) > 0 {
			w.problem("", ReasonTemporary, "it comes with a session token, which Planet has no place for: use the long-lived key of an IAM user")
		}
	}
}

// point takes a field from where the mapping says.
func (w *work) point(doc *document, f field, pointer string) {
	tokens, _ := parsePointer(pointer)
	n, depth, ok := doc.follow(tokens)
	if ok {
		w.take(doc, f, n)
		return
	}
	hint := fmt.Sprintf("nothing is at %q", pointer)
	if depth > 0 {
		hint += fmt.Sprintf("; the first %d of its %d steps lead to %s", depth, len(tokens), n.kind)
	}
	if n.kind == kindObject {
		hint += " that holds " + keyNames(n)
		if depth == 0 {
			hint = fmt.Sprintf("nothing is at %q; the secret holds %s", pointer, keyNames(n))
		}
	}
	w.problem(f.name, ReasonMissingField, hint)
}

// search takes a field by its well-known names.
func (w *work) search(doc *document, f field) {
	m, ok := w.lookUp(doc, f, f.strong)
	if !ok {
		m, ok = w.lookUp(doc, field{name: f.name}, f.weak)
	}
	if !ok {
		w.problem(f.name, ReasonMissingField, "no well-known name of it is at the top level, which holds "+keyNames(doc.root)+
			"; map the field with a JSON Pointer")
		return
	}
	w.take(doc, f, m.value)
}

// lookUp finds the top-level key that has one of the names. Two of them with
// different values are reported and count as found.
func (w *work) lookUp(doc *document, f field, names []string) (found member, ok bool) {
	own := fold([]byte(f.name))
	reported := slices.ContainsFunc(w.problems, func(e *Error) bool { return e.Field == f.name && e.Reason == ReasonAmbiguous })
	for _, m := range doc.root.members {
		name := fold(m.name)
		if name == "" || name != own && !slices.Contains(names, name) {
			continue
		}
		if ok && !doc.same(found.value, m.value) && !reported {
			w.problem(f.name, ReasonAmbiguous, fmt.Sprintf("%s and %s hold different values; remove one or map the field",
				showName(found.name), showName(m.name)))
			reported = true
		}
		if !ok {
			found, ok = m, true
		}
	}
	return found, ok
}

// same tells whether two nodes mean the same; text that only looks different
// ("\/" and "/") is the same.
func (d *document) same(a, b node) bool {
	if a.kind == kindString && b.kind == kindString {
		return bytes.Equal(d.text(a), d.text(b))
	}
	return bytes.Equal(d.raw(a), d.raw(b))
}

// take accepts a node as a field: a string, or for a service account file
// also the object itself.
func (w *work) take(doc *document, f field, n node) {
	switch {
	case n.kind == kindString:
		w.found[f.name] = doc.text(n)
	case n.kind == kindObject && w.typ == typeGoogle:
		w.found[f.name] = doc.raw(n)
	case n.kind == kindObject:
		w.problem(f.name, ReasonWrongKind, "it is an object and must be a string; a JSON Pointer reaches what is inside")
	default:
		w.problem(f.name, ReasonWrongKind, fmt.Sprintf("it is %s and must be a string", n.kind))
	}
}

// keyNames lists the keys of an object for a person who looks for a typing
// mistake.
func keyNames(n node) string {
	const most = 10
	if len(n.members) == 0 {
		return "nothing"
	}
	var names []string
	for i, m := range n.members {
		if i == most {
			names = append(names, fmt.Sprintf("and %d more", len(n.members)-most))
			break
		}
		names = append(names, showName(m.name))
	}
	return strings.Join(names, ", ")
}

// check checks what was found and makes the parameters of it.
func (w *work) check() {
	if len(w.found) == 0 {
		return
	}
	switch w.typ {
	case typeGoogle:
		w.checkGoogle()
	case typeAzure:
		w.checkSAS()
	default:
		w.checkKeys()
	}
}
