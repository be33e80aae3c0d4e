package payload

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// value is the text of one JSON value without space around it: a part of a
// document that json.Valid has approved. What is done to it here relies on
// that. Everything else that encoding/json offers builds trees or fills
// structs, in memory that the sender chooses; taking slices needs none.
type value []byte

func (v value) isObject() bool { return len(v) > 0 && v[0] == '{' }
func (v value) isArray() bool  { return len(v) > 0 && v[0] == '[' }
func (v value) isString() bool { return len(v) > 0 && v[0] == '"' }

// maxText is the longest string that is read as a word, in bytes as written.
// Every character of the longest name may be written as \u00XX.
const maxText = 6*maxName + 2

// text is what a string says, and empty for all that is no string or longer
// than any that matters. It may hold any bytes: see clean.
func (v value) text() string {
	if !v.isString() || len(v) > maxText {
		return ""
	}
	return string(v.bytes())
}

// bytes is what a string says. It is a part of v where nothing had to be
// translated.
func (v value) bytes() []byte {
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	return unescape(make([]byte, 0, len(inner)), inner)
}

// unescape appends what stands between the quotes of a string. As in
// encoding/json, half a surrogate pair becomes U+FFFD.
func unescape(to, s []byte) []byte {
	for len(s) > 0 {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return append(to, s...)
		}
		to = append(to, s[:i]...)
		c := s[i+1]
		s = s[i+2:]
		switch c {
		case 'b':
			to = append(to, '\b')
		case 'f':
			to = append(to, '\f')
		case 'n':
			to = append(to, '\n')
		case 'r':
			to = append(to, '\r')
		case 't':
			to = append(to, '\t')
		case 'u':
			r := hex4(s)
			s = s[4:]
			if utf16.IsSurrogate(r) {
				r, s = surrogates(r, s)
			}
			to = utf8.AppendRune(to, r)
		default: // a quote, a backslash, a slash
			to = append(to, c)
		}
	}
	return to
}

// surrogates joins the first half of a pair with the second, if that follows.
func surrogates(first rune, s []byte) (rune, []byte) {
	if len(s) >= 6 && s[0] == '\\' && s[1] == 'u' {
		if r := utf16.DecodeRune(first, hex4(s[2:])); r != utf8.RuneError {
			return r, s[6:]
		}
	}
	return utf8.RuneError, s
}

func hex4(s []byte) (r rune) {
	for _, c := range s[:4] {
		switch {
		case c >= 'a':
			c -= 'a' - 10
		case c >= 'A':
			c -= 'A' - 10
		default:
			c -= '0'
		}
		r = r<<4 | rune(c)
	}
	return r
}

// skip gives the index behind the value that starts at v[i].
func skip(v []byte, i int) int {
	depth := 0
	for i < len(v) {
		switch v[i] {
		case '"':
			i = skipString(v, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 { // a number or a word ended before it
				return i
			}
			depth--
			if depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

// skipString gives the index behind the string that starts at v[i].
func skipString(v []byte, i int) int {
	for i++; v[i] != '"'; i++ {
		if v[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// next gives the index of the next byte that is neither space nor one of the
// two signs between values.
func next(v []byte, i int) int {
	for i < len(v) {
		switch v[i] {
		case ' ', '\t', '\n', '\r', ',', ':':
			i++
		default:
			return i
		}
	}
	return i
}

// elements are the values of an array.
func elements(array value) iter.Seq[value] {
	return func(yield func(value) bool) {
		for i := next(array, 1); array[i] != ']'; {
			end := skip(array, i)
			if !yield(array[i:end]) {
				return
			}
			i = next(array, end)
		}
	}
}

// object holds those values of an object that were asked for, under the names
// by which they were. What is null is not there.
type object map[string]value

// fields finds the values of some keys. A key is the same with other letters'
// case and spaces around it. It is not ok if one of them has two values; the
// same value twice is one.
func fields(v value, names []string) (found object, ok bool) {
	found = make(object, len(names))
	for i := next(v, 1); v[i] != '}'; {
		end := skipString(v, i)
		name := keyOf(v[i+1:end-1], names)
		i = next(v, end)
		end = skip(v, i)
		if name != "" {
			if old, twice := found[name]; twice && !bytes.Equal(old, v[i:end]) {
				return nil, false
			}
			found[name] = v[i:end]
		}
		i = next(v, end)
	}
	for name, v := range found {
		if string(v) == "null" {
			delete(found, name)
		}
	}
	return found, true
}

// maxKey is the longest key that can be a known one, in bytes as written: each
// character as \u00XX, and some spaces.
const maxKey = 256

// keyOf gives the name that the inside of a key's string stands for, if any.
func keyOf(raw []byte, names []string) string {
	if len(raw) > maxKey {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return nameOf(string(raw), names)
	}
	return nameOf(string(unescape(make([]byte, 0, maxKey), raw)), names)
}

// nameOf compares as encoding/json does, whose idea of case goes beyond ASCII:
// some letters are the same as one that takes three bytes.
func nameOf(key string, names []string) string {
	key = strings.TrimSpace(key)
	for _, name := range names {
		if len(key) >= len(name) && len(key) <= 3*len(name) && strings.EqualFold(key, name) {
			return name
		}
	}
	return ""
}

func (o object) text(name string) string { return o[name].text() }

// within finds the values of some keys in the object of that name: none, if
// it is no object.
func (o object) within(name string, names []string) (object, bool) {
	if !o[name].isObject() {
		return nil, true
	}
	return fields(o[name], names)
}
