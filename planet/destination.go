package planet

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// Destination is a Planet Destination as the API shows it. Keys that this
// package does not know are tolerated and dropped.
type Destination struct {
	// ID names the destination in the API: a slug of its name, "-", a suffix.
	ID string `json:"id"`
	// Name is a person's name for it, unique in the organization.
	Name string `json:"name"`
	// Ref is how orders and subscriptions name it: "pl:destinations/<id>".
	Ref string `json:"pl:ref"`
	// Type is the kind of storage.
	Type Type `json:"type"`
	// Parameters are the type's parameters as Planet shows them: credential
	// ones as [Redacted], the others in clear.
	Parameters json.RawMessage `json:"parameters"`
	// Archived is when it was archived; nil while it is active.
	Archived *time.Time `json:"archived"`
	// Created and Updated are Planet's times, to the nanosecond. Updated moves
	// for renames and other people's changes too: it diagnoses, it proves nothing.
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
	// Default tells whether it is the organization's default; nil when the
	// answer does not say.
	Default *bool `json:"default,omitempty"`
	// Ownership says whose it is.
	Ownership Ownership `json:"ownership"`
	// Permissions say what the caller may do with it.
	Permissions Permissions `json:"permissions"`
}

// Ownership says who made a destination.
type Ownership struct {
	// IsOwner tells whether that is the caller.
	IsOwner bool `json:"is_owner"`
	// OwnerID is Planet's number of the owner.
	OwnerID int64 `json:"owner_id"`
}

// Permissions are the caller's rights on a destination.
type Permissions struct {
	// CanWrite is true for the owner and for the organization's admins.
	CanWrite bool `json:"can_write"`
}

// StructuralJSON gives the parameters that say where the storage is, as
// canonical JSON: one object, sorted keys, no spaces. Two destinations point
// to the same place if these are equal. Of a known type only the documented
// parameters are taken, so that a new one in Planet's answers does not make
// every destination look changed; of an unknown type, all but redacted ones.
func (d Destination) StructuralJSON() (json.RawMessage, error) {
	fields, known := fieldsOf[d.Type]
	return d.pick(func(name string, value any) bool {
		if known {
			return slices.Contains(fields.Structural, name)
		}
		return value != Redacted
	})
}

// OptionalJSON gives the type's switches that the answer holds, in the form of
// [Destination.StructuralJSON]; "{}" for an unknown type.
func (d Destination) OptionalJSON() (json.RawMessage, error) {
	fields := fieldsOf[d.Type]
	return d.pick(func(name string, _ any) bool { return slices.Contains(fields.Optional, name) })
}

func (d Destination) pick(want func(string, any) bool) (json.RawMessage, error) {
	all := map[string]any{}
	if len(bytes.TrimSpace(d.Parameters)) > 0 {
		dec := json.NewDecoder(bytes.NewReader(d.Parameters))
		dec.UseNumber() // 1 and 1.0 stay what they are
		if err := dec.Decode(&all); err != nil || dec.More() {
			// The error of encoding/json would quote what it read.
			return nil, errors.New("read the parameters of destination " + d.ID + ": not one JSON object")
		}
	}
	for name, value := range all {
		if !want(name, value) {
			delete(all, name)
		}
	}
	if all == nil { // "null"
		all = map[string]any{}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(all); err != nil {
		return nil, errors.New("write the parameters of destination " + d.ID + " as canonical JSON")
	}
	return json.RawMessage(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// suffixOf is what follows the last "-" of an id: the part of it that a rename
// does not touch. An id without "-" has none.
func suffixOf(id string) string {
	if i := strings.LastIndexByte(id, '-'); i >= 0 {
		return id[i+1:]
	}
	return ""
}
