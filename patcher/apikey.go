package patcher

import (
	"bytes"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// APIKey takes Planet's own API key out of a secret: the whole of it, or a
// field of a JSON object, found by pointer or by its well-known names
// (api_key, planet_api_key, PL_API_KEY, planet_key; key and token when none
// of those is there). The value is neither changed nor kept, the result is a
// copy, and errors hold no byte of either, as with [Make].
func APIKey(value credential.Value, pointer string) (credential.Value, error) {
	m := Mapping{}
	if pointer != "" {
		if _, why := parsePointer(pointer); why != "" {
			return credential.Value{}, &Error{Type: typeAPIKey, Field: "api_key", Reason: ReasonBadPointer, Hint: why}
		}
		m["api_key"] = pointer
	}
	w := &work{typ: typeAPIKey, now: time.Time{}, found: make(map[string][]byte, 1)}
	defer w.scratch.clear()
	w.find(value.Bytes(), m)
	key := bytes.TrimSpace(w.found["api_key"])
	switch {
	case len(w.problems) > 0:
		return credential.Value{}, w.problems.err()
	case len(key) == 0:
		return credential.Value{}, &Error{Type: typeAPIKey, Field: "api_key", Reason: ReasonEmpty, Hint: "put Planet's API key there"}
	}
	for _, c := range key {
		if c <= ' ' || c > '~' {
			return credential.Value{}, &Error{Type: typeAPIKey, Field: "api_key", Reason: ReasonBadFormat,
				Hint: "it holds white space or characters that no key has"}
		}
	}
	return credential.NewValue(bytes.Clone(key)), nil
}
