package patcher

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Mapping says where in a secret the fields of a destination type are: from
// Planet's name of the field to a JSON Pointer (RFC 6901) such as
// "/data/access_key". A field that is absent is found by its well-known names.
//
// The empty pointer means the whole document in RFC 6901. That is what it
// means here too for a type with a single field: the secret's bytes as they
// are, JSON or not. For a type with two fields, where the whole document can
// be neither, it means the same as absent.
type Mapping map[string]string

// CheckMapping finds everything that is wrong with a mapping before there is
// any secret: fields that the type doesn't have, pointers that aren't, two
// fields from one place. Each error is an [*Error]; their order is stable.
func CheckMapping(typ string, m Mapping) []error {
	var all []error
	for _, e := range checkMapping(typ, m) {
		all = append(all, e)
	}
	return all
}

func checkMapping(typ string, m Mapping) Errors {
	if _, ok := fields[typ]; !ok {
		return Errors{{Type: typ, Reason: ReasonUnknownType, Hint: "the types are " + strings.Join(typeNames(), ", ")}}
	}
	var all Errors
	known := fieldNames(typ)
	from := make(map[string]string, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		pointer := m[name]
		if !slices.Contains(known, name) {
			all = append(all, &Error{Type: typ, Field: name, Reason: ReasonUnknownField,
				Hint: "the credential fields of " + typ + " are " + strings.Join(known, ", ")})
			continue
		}
		if _, why := parsePointer(pointer); why != "" {
			all = append(all, &Error{Type: typ, Field: name, Reason: ReasonBadPointer, Hint: fmt.Sprintf("%q: %s", pointer, why)})
			continue
		}
		if other, taken := from[pointer]; taken && pointer != "" {
			all = append(all, &Error{Type: typ, Field: name, Reason: ReasonAmbiguous,
				Hint: fmt.Sprintf("%q is already where %s comes from", pointer, other)})
			continue
		}
		from[pointer] = name
	}
	return all
}

// parsePointer splits a JSON Pointer into its tokens and says what is wrong
// with it otherwise.
func parsePointer(pointer string) (tokens []string, why string) {
	if pointer == "" {
		return nil, ""
	}
	if pointer[0] == '#' {
		return nil, `a pointer starts with "/"; leave the "#" out`
	}
	if pointer[0] != '/' {
		return nil, fmt.Sprintf(`a pointer starts with "/"; try %q`, "/"+strings.ReplaceAll(pointer, ".", "/"))
	}
	tokens = strings.Split(pointer[1:], "/")
	for i, t := range tokens {
		rest := strings.NewReplacer("~0", "", "~1", "").Replace(t)
		if strings.Contains(rest, "~") {
			return nil, `"~" is written "~0" in a pointer, and "/" inside a key "~1"`
		}
		// One pass from the left: "~01" is "~1", not "/".
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens, ""
}

// follow walks a pointer from the root. When it leads nowhere, depth tells how
// many tokens it got through, and stop where it stood then.
func (d *document) follow(tokens []string) (n node, depth int, ok bool) {
	n = d.root
	for i, t := range tokens {
		next, found := step(n, t)
		if !found {
			return n, i, false
		}
		n = next
	}
	return n, len(tokens), true
}

func step(n node, token string) (node, bool) {
	if n.kind == kindObject {
		return n.member(token)
	}
	if n.kind != kindArray || token == "" || len(token) > 6 || token[0] == '0' && token != "0" {
		return node{}, false
	}
	index := 0
	for _, c := range []byte(token) {
		if c < '0' || c > '9' {
			return node{}, false
		}
		index = index*10 + int(c-'0')
	}
	if index >= len(n.items) {
		return node{}, false
	}
	return n.items[index], true
}
