package file

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"unicode/utf8"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// loadKeys reads all keys of a snapshot into one JSON object. The bytes go
// through one scratch buffer, cleared at the end, into one buffer that is large
// enough from the start: encoding/json would go through strings, and a slice
// that grows leaves its old self behind, copies that nobody can clear.
func loadKeys(s snapshot) (credential.Value, error) {
	var largest int64
	room := 2
	for _, f := range s.files {
		largest = max(largest, f.Size)
		room += memberRoom(f.name, int(f.Size))
	}
	scratch := make([]byte, largest+1)
	defer clear(scratch)
	out := append(make([]byte, 0, room), '{')
	for _, f := range s.files {
		buf := scratch[:f.Size+1]
		n, err := readFile(filepath.Join(s.base, f.name), f.Stamp, buf)
		if err == nil {
			out, err = appendMember(out, f.name, buf[:n])
		}
		if err != nil {
			clear(out)
			return credential.Value{}, ofKey(f.name, vanished(err))
		}
	}
	return credential.NewValue(append(out, '}')), nil
}

// memberRoom is the most that appendMember appends: each byte can become the
// six of \u00XX.
func memberRoom(name string, size int) int { return len(`,"":""`) + 6*(len(name)+size) }

// appendMember appends one key as the member of an object that begins at
// out[0].
func appendMember(out []byte, name string, content []byte) ([]byte, error) {
	content = dropLineBreak(content)
	if !utf8.Valid(content) {
		return out, &problem{reason: providers.ReasonInvalid, err: errors.New("its content is not UTF-8 text"),
			hint: "a key in a directory is text; keep a binary secret in a file of its own"}
	}
	if len(out) > 1 {
		out = append(out, ',')
	}
	quoted, err := json.Marshal(name) // no secret, and a string anyway
	if err != nil {
		return out, &problem{reason: providers.ReasonInvalid, err: errors.New("its name can't be written as JSON")}
	}
	out = append(out, quoted...)
	out = append(out, `:"`...)
	out = appendEscaped(out, content)
	return append(out, '"'), nil
}

func dropLineBreak(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
		if n > 1 && b[n-2] == '\r' {
			b = b[:n-2]
		}
	}
	return b
}

// appendEscaped appends UTF-8 text as the inside of a JSON string.
func appendEscaped(out, text []byte) []byte {
	const hex = "0123456789abcdef"
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		default:
			out = append(out, c)
		}
	}
	return out
}
