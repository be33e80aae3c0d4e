package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode"
)

// unwrap takes off what hides JSON from the eye: a byte order mark, quotes
// around it, base64. It gives an object or an array, and the depth where that
// is; or it says why there is none.
func (d *decoder) unwrap(body []byte, depth int) (value, int, bool) {
	for ; depth <= MaxDepth; depth++ {
		body = trim(body)
		valid := json.Valid(body)
		switch {
		case valid && (body[0] == '{' || body[0] == '['):
			return body, depth, true
		case valid && body[0] == '"':
			body = value(body).bytes()
		case valid:
			d.unknown(NoShape)
			return nil, depth, false
		default:
			if body = unbase64(body); body == nil {
				d.unknown(NotJSON)
				return nil, depth, false
			}
		}
	}
	d.unknown(TooDeep)
	return nil, depth, false
}

// trim drops spaces, and the byte order marks that some Windows tools write.
func trim(b []byte) []byte {
	return bytes.TrimFunc(b, func(r rune) bool { return r == '\ufeff' || unicode.IsSpace(r) })
}

// wrapped reads the string that an envelope holds.
func (d *decoder) wrapped(v value, depth int) {
	if depth++; depth > MaxDepth {
		d.unknown(TooDeep)
		return
	}
	d.decode(v.bytes(), nil, depth)
}

// encoded reads the base64 that an envelope holds. It is one wrapping with the
// envelope. What is no base64 is taken as it is.
func (d *decoder) encoded(v value, a attributes, depth int) {
	if depth++; depth > MaxDepth {
		d.unknown(TooDeep)
		return
	}
	data := v.bytes()
	if decoded := unbase64(data); decoded != nil {
		data = decoded
	}
	d.decode(data, a, depth)
}

// unbase64 decodes either alphabet, padded or not, with spaces and line breaks
// anywhere; nil if it is something else.
func unbase64(s []byte) []byte {
	if len(s) == 0 || s[0] == '{' || s[0] == '[' || s[0] == '"' {
		return nil
	}
	clean := make([]byte, 0, len(s))
	for _, c := range s {
		switch c {
		case ' ', '\t', '\n', '\r':
		case '-':
			clean = append(clean, '+')
		case '_':
			clean = append(clean, '/')
		default:
			clean = append(clean, c)
		}
	}
	for range 2 {
		clean = bytes.TrimSuffix(clean, []byte("="))
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(clean)))
	n, err := base64.RawStdEncoding.Decode(out, clean)
	if err != nil || n == 0 {
		return nil
	}
	return out[:n]
}

// embedded gives the JSON in a string, in base64 or not; nil if there is none.
func embedded(v value) value {
	data := v.bytes()
	if decoded := unbase64(data); decoded != nil {
		data = decoded
	}
	if data = trim(data); !json.Valid(data) {
		return nil
	}
	return data
}
