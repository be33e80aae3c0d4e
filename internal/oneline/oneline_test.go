package oneline

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPlainTextFitsALine(t *testing.T) {
	for in, want := range map[string]string{
		"as it is": "as it is", "two\nlines\x7f": "two lines ", "\xffbad": "?bad",
		"1234567890x": "1234567890…", "123456789é": "123456789…", "": "",
	} {
		if got := Plain(in, 10); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestTidyTextHidesNothingAndIsNoLonger(t *testing.T) {
	for in, want := range map[string]string{
		"as it is": "as it is", "two\nlines": "two lines", "be\x1bll\x7f": "bell", "\xffbad": "\uFFFDbad",
		"tur\u202Ened": "turned", "un\u200Bseen": "unseen",
		"1234567890": "1234567890", "12345678901": "1234567…", "123456é8901": "123456…", "": "",
	} {
		if got := Tidy(in, 10); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func FuzzOneLine(f *testing.F) {
	f.Add("a\r\nb\xf0\x9f", 5)
	f.Fuzz(func(t *testing.T, s string, most int) {
		most = 3 + (most & 0xff) // room for the ellipsis
		plain, tidy := Plain(s, most), Tidy(s, most)
		if len(plain) > most+len(ellipsis) || len(tidy) > most {
			t.Errorf("%d and %d bytes of at most %d", len(plain), len(tidy), most)
		}
		if both := plain + tidy; !utf8.ValidString(both) || strings.ContainsAny(both, "\r\n\x00\x1b\x7f") {
			t.Errorf("%q and %q", plain, tidy)
		}
	})
}
