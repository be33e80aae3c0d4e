package patcher

import "unicode/utf8"

// hex4 reads "uXXXX" at pos.
func hex4(b []byte, pos int) (rune, bool) {
	if pos+5 > len(b) || b[pos] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[pos+1 : pos+5] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// lowSurrogate reads the second half of a pair, "\uDC00" to "\uDFFF", at pos.
func lowSurrogate(b []byte, pos int) (rune, bool) {
	if pos >= len(b) || b[pos] != '\\' {
		return 0, false
	}
	r, ok := hex4(b, pos+1)
	return r, ok && 0xdc00 <= r && r <= 0xdfff
}

// raw gives the text of a node as it stands.
func (d *document) raw(n node) []byte { return d.src[n.start:n.end] }

// text gives what a string node means: a part of the input when it has no
// escapes, else a copy that is cleared with the scratch.
func (d *document) text(n node) []byte {
	in := d.src[n.start+1 : n.end-1]
	if !n.escaped {
		return in
	}
	out := d.keep.alloc(len(in)) // an escape is never shorter than what it means
	for i := 0; i < len(in); {
		if in[i] != '\\' {
			out = append(out, in[i])
			i++
			continue
		}
		if in[i+1] != 'u' {
			out = append(out, unescaped(in[i+1]))
			i += 2
			continue
		}
		r, _ := hex4(in, i+1)
		i += 6
		if 0xd800 <= r && r <= 0xdbff {
			low, _ := lowSurrogate(in, i)
			r = 0x10000 + (r-0xd800)<<10 + (low - 0xdc00)
			i += 6
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c // quote, backslash, slash
}
