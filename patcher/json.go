package patcher

import (
	"bytes"
	"fmt"
	"slices"
)

// encoding/json decodes strings into Go strings, which can't be cleared, lets
// the last of two equal keys win, and quotes its input in errors. So secrets
// are read by the scanner below: it keeps positions into the input and makes
// a copy only of a string that has escapes.

type kind uint8

const (
	kindObject kind = iota + 1
	kindArray
	kindString
	kindNumber
	kindBool
	kindNull
)

func (k kind) String() string {
	return [...]string{"nothing", "an object", "an array", "a string", "a number", "a boolean", "null"}[k]
}

// node is one JSON value: where it lies in the input, and what is in it.
type node struct {
	kind       kind
	start, end int
	escaped    bool     // strings: has a backslash
	members    []member // objects
	items      []node   // arrays
}

type member struct {
	name  []byte
	at    int
	value node
}

// maxDepth is more than any secret nests and little enough to recurse.
const maxDepth = 64

// document is a parsed JSON text. Its nodes point into src.
type document struct {
	src  []byte
	root node
	keep *scratch
}

// syntaxError says where JSON stops being JSON, without showing it.
type syntaxError struct {
	reason Reason
	at     int // offset into the text
	what   string
}

func (e *syntaxError) hint(base int) string { return fmt.Sprintf("%s at byte %d", e.what, base+e.at) }

// parseJSON reads exactly one JSON value from src, which is UTF-8, with white
// space around it. It differs from encoding/json in that it refuses two equal
// keys in an object, half a surrogate pair, and absurd nesting.
func parseJSON(src []byte, keep *scratch) (*document, *syntaxError) {
	s := scanner{document: &document{src: src, keep: keep}}
	s.space()
	root, err := s.value(0)
	if err != nil {
		return nil, err
	}
	s.space()
	if s.pos != len(src) {
		return nil, s.bad()
	}
	s.root = root
	return s.document, nil
}

type scanner struct {
	*document
	pos int
}

func (s *scanner) bad() *syntaxError {
	return &syntaxError{ReasonNotJSON, s.pos, "not valid JSON"}
}

// peek gives the next byte, 0 at the end; a real 0 is valid nowhere outside
// of strings, so they need no telling apart.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

func (s *scanner) space() {
	for s.pos < len(s.src) && isSpace(s.src[s.pos]) {
		s.pos++
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *scanner) value(depth int) (node, *syntaxError) {
	if depth > maxDepth {
		return node{}, &syntaxError{ReasonNotJSON, s.pos, "nested too deeply"}
	}
	n := node{start: s.pos}
	var err *syntaxError
	switch s.peek() {
	case '{':
		n.kind = kindObject
		n.members, err = s.object(depth)
	case '[':
		n.kind = kindArray
		n.items, err = s.array(depth)
	case '"':
		n.kind = kindString
		n.escaped, err = s.str()
	case 't':
		n.kind = kindBool
		err = s.word("true")
	case 'f':
		n.kind = kindBool
		err = s.word("false")
	case 'n':
		n.kind = kindNull
		err = s.word("null")
	default:
		n.kind = kindNumber
		err = s.number()
	}
	n.end = s.pos
	return n, err
}

func (s *scanner) object(depth int) ([]member, *syntaxError) {
	s.pos++
	s.space()
	var all []member
	if s.peek() == '}' {
		s.pos++
		return nil, nil
	}
	for {
		m, err := s.member(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
		s.space()
		c := s.peek()
		if c != ',' && c != '}' {
			return nil, s.bad()
		}
		s.pos++
		if c == '}' {
			return all, twins(all)
		}
		s.space()
	}
}

func (s *scanner) member(depth int) (member, *syntaxError) {
	m := member{at: s.pos}
	if s.peek() != '"' {
		return m, s.bad()
	}
	escaped, err := s.str()
	if err != nil {
		return m, err
	}
	m.name = s.text(node{kind: kindString, start: m.at, end: s.pos, escaped: escaped})
	s.space()
	if s.peek() != ':' {
		return m, s.bad()
	}
	s.pos++
	s.space()
	m.value, err = s.value(depth + 1)
	return m, err
}

// twins finds two equal keys. It sorts a copy, so that a hostile object of
// many keys costs n log n.
func twins(all []member) *syntaxError {
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	for i := 1; i < len(sorted); i++ {
		if bytes.Equal(sorted[i-1].name, sorted[i].name) {
			return &syntaxError{ReasonAmbiguous, sorted[i].at, "the same key twice in one object, again"}
		}
	}
	return nil
}

func (s *scanner) array(depth int) ([]node, *syntaxError) {
	s.pos++
	s.space()
	var all []node
	if s.peek() == ']' {
		s.pos++
		return nil, nil
	}
	for {
		n, err := s.value(depth + 1)
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		s.space()
		c := s.peek()
		if c != ',' && c != ']' {
			return nil, s.bad()
		}
		s.pos++
		if c == ']' {
			return all, nil
		}
		s.space()
	}
}

func (s *scanner) word(w string) *syntaxError {
	for i := range len(w) {
		if s.peek() != w[i] {
			return s.bad()
		}
		s.pos++
	}
	return nil
}

func (s *scanner) number() *syntaxError {
	if s.peek() == '-' {
		s.pos++
	}
	switch c := s.peek(); {
	case c == '0':
		s.pos++
	case '1' <= c && c <= '9':
		s.digits()
	default:
		return s.bad()
	}
	if s.peek() == '.' {
		s.pos++
		if !s.digits() {
			return s.bad()
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return s.bad()
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	return s.pos > from
}

// str steps over a string and checks all of it, so that text can't meet
// anything unexpected.
func (s *scanner) str() (escaped bool, _ *syntaxError) {
	s.pos++
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == '"':
			s.pos++
			return escaped, nil
		case c < 0x20:
			return escaped, s.bad()
		case c == '\\':
			escaped = true
			if err := s.escape(); err != nil {
				return escaped, err
			}
		default:
			s.pos++
		}
	}
	return escaped, s.bad()
}

func (s *scanner) escape() *syntaxError {
	from := s.pos
	s.pos++
	c := s.peek()
	if bytes.IndexByte([]byte(`"\/bfnrt`), c) >= 0 && s.pos < len(s.src) {
		s.pos++
		return nil
	}
	r, ok := hex4(s.src, s.pos)
	if !ok {
		return s.bad()
	}
	s.pos += 5
	if r < 0xd800 || r > 0xdfff {
		return nil
	}
	if _, ok := lowSurrogate(s.src, s.pos); r > 0xdbff || !ok {
		return &syntaxError{ReasonNotUTF8, from, "half of a surrogate pair"}
	}
	s.pos += 6
	return nil
}

// member finds a key of an object by its exact name.
func (n node) member(name string) (node, bool) {
	for _, m := range n.members {
		if string(m.name) == name {
			return m.value, true
		}
	}
	return node{}, false
}
