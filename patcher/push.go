package patcher

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
)

// Modifier sends one PATCH and makes no attempt to repeat it. [planet.Client]
// is one.
type Modifier interface {
	Modify(ctx context.Context, id string, req planet.ModifyRequest) (planet.Answer, error)
}

// Result is what became of one PATCH.
type Result struct {
	// Outcome decides: what is known of the effect.
	Outcome planet.Outcome
	// Status is the HTTP status; 0 if no answer came.
	Status int
	// After is the destination as Planet showed it in its answer; nil when the
	// answer held none.
	After *planet.Destination
	// Checked tells that After could be compared with the destination before.
	// Without it Changes says nothing, and the caller has to GET the
	// destination and use [Compare].
	Checked bool
	// Changes are what differs although the PATCH was not meant to change it.
	Changes []Change
	// Err says why the outcome is not accepted. With an accepted outcome it
	// says why the answer could not be read. It holds no byte of a value.
	Err error
}

// Push sends the credential p to a destination in one PATCH whose parameters
// are exactly the credential fields of the destination's type, and compares
// everything else before and after. before is the destination as Planet showed
// it last. Parameters that don't fit the type are not sent: the outcome is
// [planet.OutcomeNotSent] and the error an [*Error].
//
// Push is one attempt; sending the same parameters again is harmless.
// It clears the body it made, and leaves p to the caller.
func Push(ctx context.Context, api Modifier, before planet.Destination, p credential.Parameters) Result {
	return push(ctx, api, before, p, nil)
}

// PushRestoring is Push with switches of the type ("explicit_sse",
// "use_path_style") set in the same PATCH to what Planet showed before it lost
// them. It is the one exception to what a PATCH may hold, and for callers
// whose operator has allowed it (restore_optional). Names that aren't optional
// parameters of the type are refused. Changes tells of a switch that is not as
// asked for afterwards.
func PushRestoring(ctx context.Context, api Modifier, before planet.Destination, p credential.Parameters, booleans map[string]bool) Result {
	return push(ctx, api, before, p, booleans)
}

func push(ctx context.Context, api Modifier, before planet.Destination, p credential.Parameters, booleans map[string]bool) Result {
	body, err := patchBody(before, p, booleans)
	if err != nil {
		return Result{Outcome: planet.OutcomeNotSent, Err: err}
	}
	answer, err := api.Modify(ctx, before.ID, planet.ModifyRequest{Parameters: body})
	clear(body)
	result := Result{Outcome: planet.OutcomeOf(err), Status: answer.Status, After: answer.Destination, Err: err}
	var refusal *planet.Error
	if errors.As(err, &refusal) {
		result.Status = refusal.Status
	}
	if result.Outcome != planet.OutcomeAccepted || result.After == nil {
		return result
	}
	changes, err := compareAll(before, *result.After, booleans)
	if err != nil {
		result.Err = err
		return result
	}
	result.Checked, result.Changes = true, changes
	return result
}

// patchBody makes the parameters object of the PATCH. It is the last place
// where something that doesn't belong there could be stopped, so it takes
// nothing on trust: not the names in p, not that the rendered text is what it
// should be.
func patchBody(d planet.Destination, p credential.Parameters, booleans map[string]bool) (json.RawMessage, error) {
	refuse := func(field string, reason Reason, hint string) (json.RawMessage, error) {
		return nil, &Error{Type: string(d.Type), Field: field, Reason: reason, Hint: hint}
	}
	allowed, known := d.Type.Fields()
	switch {
	case !known:
		return refuse("", ReasonUnknownType, "the types are "+strings.Join(typeNames(), ", "))
	case d.ID == "":
		return refuse("", ReasonNotAllowed, "the destination has no id")
	}
	want := slices.Sorted(slices.Values(allowed.Credential))
	if got := p.Names(); !slices.Equal(got, want) {
		return refuse("", ReasonNotAllowed, fmt.Sprintf("a PATCH holds %s and nothing else; got %s",
			strings.Join(want, " and "), strings.Join(got, ", ")))
	}
	for _, name := range want {
		if p.Get(name).Empty() {
			return refuse(name, ReasonEmpty, "the value has been cleared, or was never set")
		}
	}
	switches := slices.Sorted(maps.Keys(booleans))
	for _, name := range switches {
		if !slices.Contains(allowed.Optional, name) {
			return refuse(name, ReasonNotAllowed, "only optional parameters of the type may be restored")
		}
	}
	body := withBooleans(p.Object(), switches, booleans)
	if !holdsExactly(body, want, switches) {
		clear(body)
		return refuse("", ReasonNotUTF8, "the parameters make no JSON object")
	}
	return body, nil
}

// withBooleans adds switches to an object that isn't empty, and clears it if
// that takes a copy.
func withBooleans(object credential.Value, names []string, booleans map[string]bool) json.RawMessage {
	body := object.Bytes()
	if len(names) == 0 {
		return body
	}
	var more strings.Builder
	for _, name := range names {
		fmt.Fprintf(&more, ",%q:%t", name, booleans[name])
	}
	out := make([]byte, 0, len(body)+more.Len())
	out = append(out, bytes.TrimSuffix(body, []byte("}"))...)
	out = append(out, more.String()...)
	object.Clear()
	return append(out, '}')
}

// holdsExactly reads the body back.
func holdsExactly(body []byte, texts, switches []string) bool {
	var keep scratch
	defer keep.clear()
	if !utf8.Valid(body) {
		return false
	}
	doc, err := parseJSON(body, &keep)
	if err != nil || doc.root.kind != kindObject || len(doc.root.members) != len(texts)+len(switches) {
		return false
	}
	for _, m := range doc.root.members {
		name := string(m.name)
		allowed := texts
		if m.value.kind == kindBool {
			allowed = switches
		} else if m.value.kind != kindString {
			return false
		}
		if !slices.Contains(allowed, name) {
			return false
		}
	}
	return true
}
