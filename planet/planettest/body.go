package planettest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"unicode/utf8"
)

// maxBody bounds a request body. The largest honest one is a service account
// of a few kilobytes.
const maxBody = 1 << 20

// problem is a refusal: the status and the message of Planet's error body.
// Messages are made of constants, names of the schema and screened keys, and
// never of a value from the request.
type problem struct {
	status  int
	message string
}

func badRequest(message string) *problem {
	return &problem{http.StatusBadRequest, message}
}

// readBody reads all of a request's body, or says what is wrong with it.
func readBody(r *http.Request) ([]byte, *problem) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, badRequest("the request body did not arrive whole")
	}
	if len(body) > maxBody {
		return nil, &problem{http.StatusRequestEntityTooLarge, "the request body is larger than 1 MiB"}
	}
	return body, nil
}

// member is one key of a JSON object with its value as it was written.
type member struct {
	name string
	raw  json.RawMessage
}

// decodeObject takes a JSON object apart in order. encoding/json alone would
// match keys whatever their case, keep the last of two equal keys and quote
// its input in errors; a strict API does none of that.
func decodeObject(raw []byte, what string) ([]member, *problem) {
	if !utf8.Valid(raw) || !json.Valid(raw) {
		return nil, badRequest(what + ": not valid JSON")
	}
	if trimmed := bytes.TrimSpace(raw); trimmed[0] != '{' {
		return nil, badRequest(what + ": must be a JSON object")
	}
	members, err := splitObject(raw)
	if err != nil {
		return nil, badRequest(what + ": " + err.Error())
	}
	return members, nil
}

var errTwice = errors.New("a key is there twice")

// splitObject expects raw to be a valid JSON object.
func splitObject(raw []byte) ([]member, error) {
	var members []member
	seen := map[string]bool{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return nil, errors.New("not valid JSON")
	}
	for decoder.More() {
		key, err := decoder.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, errors.New("not valid JSON")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, errors.New("not valid JSON")
		}
		if seen[name] {
			return nil, errTwice
		}
		seen[name] = true
		members = append(members, member{name, value})
	}
	return members, nil
}

// readText reads a JSON string that must not be empty.
func readText(raw json.RawMessage, at string) (string, *problem) {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return "", badRequest(at + " must be a string")
	}
	if *s == "" {
		return "", badRequest(at + " must not be empty")
	}
	return *s, nil
}

func readBool(raw json.RawMessage, at string) (bool, *problem) {
	var b *bool
	if json.Unmarshal(raw, &b) != nil || b == nil {
		return false, badRequest(at + " must be true or false")
	}
	return *b, nil
}

// readName reads a destination's name: 3 to 63 characters.
func readName(raw json.RawMessage) (string, *problem) {
	name, bad := readText(raw, "name")
	if bad != nil {
		return "", bad
	}
	return name, checkName(name)
}

func checkName(name string) *problem {
	if n := utf8.RuneCountInString(name); n < 3 || n > 63 {
		return badRequest("name must have 3 to 63 characters")
	}
	return nil
}

// showKey gives a key from a request body back only if it looks like the name
// of a field: a client that has its keys and values swapped would otherwise
// find its secret in an error or in the record.
func showKey(key string) string {
	if key == "" || len(key) > 40 {
		return "(an unknown key)"
	}
	for _, c := range key {
		if (c < 'a' || c > 'z') && c != '_' {
			return "(an unknown key)"
		}
	}
	return key
}
