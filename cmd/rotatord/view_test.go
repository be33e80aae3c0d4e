package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestTables(t *testing.T) {
	columns := []column{{title: "NAME", least: 12, short: ends}, {title: "STATE"}, {title: "REASON", extra: 2}, {title: "NEXT", extra: 1}}
	rows := [][]cell{
		{{text: "my-s3-destination-CKxV9io"}, {"in sync", green}, {text: "-"}, {text: "in 13m"}},
		{{text: "b"}, {"HELD", red}, {text: "planet_refused"}, {text: "-"}},
	}
	for _, tt := range []struct {
		name   string
		screen screen
		rows   [][]cell
		want   string
	}{
		{"all of it where it is no terminal", screen{}, rows, "" +
			"NAME                       STATE    REASON          NEXT\n" +
			"my-s3-destination-CKxV9io  in sync  -               in 13m\n" +
			"b                          HELD     planet_refused  -\n"},
		{"columns stay where it is no terminal, with nothing in them too", screen{}, rows[1:], "" +
			"NAME  STATE  REASON          NEXT\n" +
			"b     HELD   planet_refused  -\n"},
		{"on a terminal they go", screen{terminal: true, width: 80}, rows[:1], "" +
			"NAME                       STATE    NEXT\n" +
			"my-s3-destination-CKxV9io  in sync  in 13m\n"},
		{"names are shortened in the middle", screen{terminal: true, width: 50}, rows, "" +
			"NAME               STATE    REASON          NEXT\n" +
			"my-s3-de…-CKxV9io  in sync  -               in 13m\n" +
			"b                  HELD     planet_refused  -\n"},
		{"extra columns go before a name becomes too short", screen{terminal: true, width: 32}, rows, "" +
			"NAME             STATE    NEXT\n" +
			"my-s3-d…CKxV9io  in sync  in 13m\n" +
			"b                HELD     -\n"},
		{"and at last names, too", screen{terminal: true, width: 16}, rows, "" +
			"NAME     STATE\n" +
			"my-…9io  in sync\n" +
			"b        HELD\n"},
		{"colours take no room", screen{terminal: true, color: true, width: 80}, rows[1:], "" +
			"\x1b[1mNAME\x1b[0m  \x1b[1mSTATE\x1b[0m  \x1b[1mREASON\x1b[0m\n" +
			"b     \x1b[31mHELD\x1b[0m   planet_refused\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			tt.screen.grid(&b, columns, tt.rows)
			if diff := cmp.Diff(tt.want, b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNotesStandBelowTheirRows(t *testing.T) {
	var b strings.Builder
	screen{terminal: true, width: 30}.grid(&b, []column{{title: "NAME"}}, [][]cell{{{text: "a"}}, {{text: "b"}}}, "", "why it is as it is, at length")
	want := "NAME\na\nb\n    why it is as it is, at\n    length\n"
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTextFromElsewhereCannotMoveTheCursor(t *testing.T) {
	var b strings.Builder
	screen{terminal: true, width: 80}.grid(&b, []column{{title: "NAME"}}, [][]cell{{{text: "a\x1b[2Jb\nc\u202ed\u009b1m"}}})
	screen{}.paragraph(&b, "", "x\x1b]0;title\x07y\r\n")
	if strings.ContainsAny(b.String(), "\x1b\x07\r\u202e\u009b") || strings.Count(b.String(), "\n") != 3 {
		t.Errorf("%q", b.String())
	}
}

func FuzzLinesFit(f *testing.F) {
	f.Add("my-s3-destination-CKxV9io", "a detail of some words", 40)
	f.Add("→ hmac:f81…", "\x1b[31m", 6)
	f.Fuzz(func(t *testing.T, name, note string, width int) {
		if width < 10 || width > 200 || !utf8.ValidString(name) {
			t.Skip()
		}
		for _, short := range []func(string, int) string{head, ends} {
			if got := short(clean(name), width); utf8.RuneCountInString(got) > max(width, utf8.RuneCountInString(clean(name))) {
				t.Errorf("%q has more than %d runes", got, width)
			}
		}
		if got, want := strings.Join(strings.Fields(strings.Join(wrap(note, width), " ")), " "), strings.Join(strings.Fields(note), " "); got != want {
			t.Errorf("wrapping changed %q to %q", want, got)
		}
	})
}
