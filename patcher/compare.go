package patcher

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/planet"
)

// Change is one thing about a destination that differs across a PATCH of its
// credential.
type Change struct {
	// Parameter is Planet's name: of a parameter, or "id", "type", "archived".
	Parameter string
	// Structural tells that the destination may point elsewhere now. Switches
	// and archiving are not structural.
	Structural bool
	// Before and After are the JSON values, in clear, for none of them is
	// secret; nil where there was none.
	Before, After json.RawMessage
}

// Compare finds what differs between the parameters of two views of one
// destination, credential parameters aside, sorted by name. Type, id and
// archiving are not looked at, so that a caller may compare with what it has
// noted of the parameters alone. What Planet documents as meaningless is no
// difference: a switch that is absent is false (the schema's default), and
// null is absent. An error tells that the parameters of one side can't be read,
// so that nothing is known.
func Compare(before, after planet.Destination) ([]Change, error) {
	return compareParameters(before, after, nil)
}

// compareAll is Compare with all else that a PATCH of a credential must not
// touch. An id that only changed in front of its suffix was renamed, which
// anybody may do at any time; and when exactly a destination was archived
// doesn't matter, only whether.
func compareAll(before, after planet.Destination, set map[string]bool) ([]Change, error) {
	var changes []Change
	if suffix(before.ID) != suffix(after.ID) {
		changes = append(changes, Change{"id", true, asJSON(before.ID), asJSON(after.ID)})
	}
	if (before.Archived == nil) != (after.Archived == nil) {
		changes = append(changes, Change{"archived", false, archived(before), archived(after)})
	}
	if before.Type != after.Type {
		// The parameters of two types have nothing to compare.
		changes = append(changes, Change{"type", true, asJSON(before.Type), asJSON(after.Type)})
		return sorted(changes), nil
	}
	parameters, err := compareParameters(before, after, set)
	return sorted(append(changes, parameters...)), err
}

// compareParameters takes the switches in set, which the PATCH was meant to
// bring about, as what was before.
func compareParameters(before, after planet.Destination, set map[string]bool) ([]Change, error) {
	was, err := members(before.StructuralJSON())
	if err != nil {
		return nil, err
	}
	is, err := members(after.StructuralJSON())
	if err != nil {
		return nil, err
	}
	changes := differences(was, is, true, nil)
	if was, err = members(before.OptionalJSON()); err != nil {
		return nil, err
	}
	if is, err = members(after.OptionalJSON()); err != nil {
		return nil, err
	}
	for name, on := range set {
		was[name] = asJSON(on)
	}
	return sorted(append(changes, differences(was, is, false, asJSON(false))...)), nil
}

func sorted(changes []Change) []Change {
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Parameter, b.Parameter) })
	return changes
}

// differences compares two objects; a member that one of them lacks counts as
// having the default.
func differences(was, is map[string]json.RawMessage, structural bool, byDefault json.RawMessage) []Change {
	names := maps.Clone(was)
	maps.Copy(names, is)
	var changes []Change
	for name := range names {
		before, after := was[name], is[name]
		if !bytes.Equal(orDefault(before, byDefault), orDefault(after, byDefault)) {
			changes = append(changes, Change{name, structural, before, after})
		}
	}
	return changes
}

func orDefault(value, byDefault json.RawMessage) json.RawMessage {
	if value == nil {
		return byDefault
	}
	return value
}

// members splits a canonical object and leaves out what is null.
func members(object json.RawMessage, err error) (map[string]json.RawMessage, error) {
	if err != nil {
		return nil, err
	}
	all := make(map[string]json.RawMessage)
	if json.Unmarshal(object, &all) != nil {
		return nil, errors.New("compare destinations: the parameters are not one JSON object")
	}
	maps.DeleteFunc(all, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
	return all, nil
}

// suffix is the part of an id that no rename touches.
func suffix(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

// archived is what Planet shows: a time, or nothing.
func archived(d planet.Destination) json.RawMessage {
	if d.Archived == nil {
		return nil
	}
	return asJSON(d.Archived)
}

// asJSON is for what always marshals: strings, booleans, times from JSON.
func asJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
