// Package oneline makes text that others wrote fit to stand in a line of a log, in
// an error, or on a page: valid UTF-8, on one line, of bounded length. A refusal of
// a service may be a web page; a note may come from anybody.
package oneline

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const ellipsis = "…"

// Plain makes a space of each control character, and cuts after that many bytes,
// which an ellipsis then follows. It is for what services answer.
func Plain(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + ellipsis
	}
	return s
}

// Tidy leaves control characters out, and those that turn the direction of
// reading or are not seen at all; an end of a line becomes a space. The text has at
// most that many bytes, the ellipsis included. It is for what is kept and shown.
func Tidy(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= most {
		return s
	}
	cut := most - len(ellipsis)
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + ellipsis
}
