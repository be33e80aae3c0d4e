package patcher

import "bytes"

// scratch remembers every buffer that secret bytes were copied to on the way,
// so that all are zeroed when Make returns, whichever way it returns.
type scratch struct{ all [][]byte }

// alloc gives an empty buffer of that capacity. Growing it would leave a copy
// behind, so callers ask for the largest possible size.
func (s *scratch) alloc(size int) []byte {
	b := make([]byte, 0, size)
	s.all = append(s.all, b)
	return b
}

func (s *scratch) clear() {
	for _, b := range s.all {
		clear(b[:cap(b)])
	}
}

var byteOrderMark = []byte("\uFEFF")

// trim cuts a byte order mark and the white space around a text, and tells
// how many bytes went from the front.
func trim(b []byte) (_ []byte, front int) {
	t := bytes.TrimPrefix(b, byteOrderMark)
	for len(t) > 0 && isSpace(t[0]) {
		t = t[1:]
	}
	front = len(b) - len(t)
	for len(t) > 0 && isSpace(t[len(t)-1]) {
		t = t[:len(t)-1]
	}
	return t, front
}
