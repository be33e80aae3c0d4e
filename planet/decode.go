package planet

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Decoding goes field by field, because the errors of encoding/json and of
// package time quote what they read, and an answer may hold anything. Ours
// name the place and what should be there.

// answerError says where an answer is not what the API promises.
type answerError struct{ place, want string }

func (e *answerError) Error() string { return e.place + ": " + e.want }

func wrong(place, want string) error { return &answerError{place, want} }

// UnmarshalJSON reads a destination as the API writes it. It wants an id and a
// type, and every known field, where there is one, of the right form. Errors
// name the place and never quote the input.
func (d *Destination) UnmarshalJSON(b []byte) error {
	got, err := decodeDestination("destination", b)
	if err == nil {
		*d = got
	}
	return err
}

func decodeDestination(place string, raw []byte) (Destination, error) {
	var d Destination
	obj, err := object(place, raw)
	if err != nil {
		return d, err
	}
	var kind string
	err = errors.Join(
		read(obj, place, "id", "text", &d.ID),
		read(obj, place, "name", "text", &d.Name),
		read(obj, place, "pl:ref", "text", &d.Ref),
		read(obj, place, "type", "text", &kind),
		readTime(obj, place, "created", &d.Created),
		readTime(obj, place, "updated", &d.Updated),
	)
	if err != nil {
		return Destination{}, err
	}
	d.Type = Type(kind)
	if d.ID == "" {
		return Destination{}, wrong(place+".id", "is missing or empty")
	}
	if kind == "" {
		return Destination{}, wrong(place+".type", "is missing or empty")
	}
	if present(obj["archived"]) {
		d.Archived = new(time.Time)
		if err := readTime(obj, place, "archived", d.Archived); err != nil {
			return Destination{}, err
		}
	}
	if present(obj["default"]) {
		d.Default = new(bool)
		if err := read(obj, place, "default", "true or false", d.Default); err != nil {
			return Destination{}, err
		}
	}
	if params := obj["parameters"]; present(params) {
		if _, err := object(place+".parameters", params); err != nil {
			return Destination{}, err
		}
		d.Parameters = append(json.RawMessage(nil), params...)
	}
	if err := decodeRights(place, obj, &d); err != nil {
		return Destination{}, err
	}
	return d, nil
}

func decodeRights(place string, obj map[string]json.RawMessage, d *Destination) error {
	if raw := obj["ownership"]; present(raw) {
		at := place + ".ownership"
		own, err := object(at, raw)
		if err != nil {
			return err
		}
		if err := read(own, at, "is_owner", "true or false", &d.Ownership.IsOwner); err != nil {
			return err
		}
		if err := read(own, at, "owner_id", "a whole number", &d.Ownership.OwnerID); err != nil {
			return err
		}
	}
	if raw := obj["permissions"]; present(raw) {
		at := place + ".permissions"
		can, err := object(at, raw)
		if err != nil {
			return err
		}
		return read(can, at, "can_write", "true or false", &d.Permissions.CanWrite)
	}
	return nil
}

func decodeList(raw []byte) ([]Destination, error) {
	obj, err := object("list", raw)
	if err != nil {
		return nil, err
	}
	if !present(obj["destinations"]) {
		return nil, wrong("list.destinations", "is missing")
	}
	var items []json.RawMessage
	if json.Unmarshal(obj["destinations"], &items) != nil {
		return nil, wrong("list.destinations", "is not an array")
	}
	out := make([]Destination, 0, len(items))
	for i, item := range items {
		d, err := decodeDestination(fmt.Sprintf("list.destinations[%d]", i), item)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// object reads the keys exactly as they are written; encoding/json into a
// struct would take "ID" for "id".
func object(place string, raw []byte) (map[string]json.RawMessage, error) {
	var obj map[string]json.RawMessage
	err := json.Unmarshal(raw, &obj)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, wrong(place, fmt.Sprintf("not valid JSON at byte %d of %d", syntax.Offset, len(raw)))
	case err != nil || obj == nil:
		return nil, wrong(place, "is not a JSON object")
	}
	return obj, nil
}

func read(obj map[string]json.RawMessage, place, name, want string, into any) error {
	if !present(obj[name]) {
		return nil
	}
	if json.Unmarshal(obj[name], into) != nil {
		return wrong(place+"."+name, "is not "+want)
	}
	return nil
}

func readTime(obj map[string]json.RawMessage, place, name string, into *time.Time) error {
	var text string
	if err := read(obj, place, name, "text", &text); err != nil || text == "" {
		return err
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return wrong(place+"."+name, "is not a time like 2026-02-12T18:41:22Z")
	}
	*into = t
	return nil
}

// decodeError reads what Planet says about a refusal; ok is false when the
// body is something else, a proxy's page for instance. The Destinations API
// says {"code", "message"}, Subscriptions {"error": {"reason", "details"}},
// Orders {"general": [{"message"}]}.
func decodeError(raw []byte) (code int, message string, ok bool) {
	obj, err := object("error", raw)
	if err != nil {
		return 0, "", false
	}
	if read(obj, "error", "code", "a number", &code) != nil {
		code = 0 // a float beyond int, or text
	}
	if read(obj, "error", "message", "text", &message) != nil {
		message = ""
	}
	if message == "" {
		message = otherMessage(obj)
	}
	return code, message, message != "" || code != 0
}

func otherMessage(obj map[string]json.RawMessage) string {
	var texts []string
	if inner, err := object("error", obj["error"]); err == nil {
		for _, name := range []string{"reason", "details"} {
			var text string
			if read(inner, "error", name, "text", &text) == nil && text != "" {
				texts = append(texts, text)
			}
		}
	}
	var general []json.RawMessage
	if read(obj, "error", "general", "an array", &general) != nil {
		general = nil
	}
	for _, item := range general[:min(len(general), 3)] {
		var text string
		if inner, err := object("error", item); err == nil && read(inner, "error", "message", "text", &text) == nil && text != "" {
			texts = append(texts, text)
		}
	}
	return strings.Join(texts, ": ")
}
