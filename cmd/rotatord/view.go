package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// output is what --output says.
type output string

const (
	outputTable output = "table"
	outputJSON  output = "json"
)

func (o *output) flag(cmd *cobra.Command) {
	*o = outputTable
	cmd.Flags().VarP(o, "output", "o", "`FORMAT` of the answer: table or json")
}

func (o *output) String() string { return string(*o) }
func (o *output) Type() string   { return "FORMAT" }
func (o *output) Set(s string) error {
	if *o = output(s); *o != outputTable && *o != outputJSON {
		return errors.New("it is table or json")
	}
	return nil
}

// json writes one indented JSON document; an empty list is [] and never null.
func (c *cli) json(v any) error {
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// list makes of nil an empty list, for JSON.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

// color is an ANSI colour.
type color int

const (
	plain  color = 0
	bold   color = 1
	red    color = 31
	green  color = 32
	yellow color = 33
	gray   color = 90
)

func (s screen) paint(c color, t string) string {
	if !s.color || c == plain || t == "" {
		return t
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", c, t)
}

// clean makes text from elsewhere fit for a line of a terminal: no control
// characters, so that no server can move the cursor or paint.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, s)
}

// mostExtra is the highest number that a column's extra may have.
const mostExtra = 4

// column is one column of a table. Where the screen is too narrow for all,
// those with a least width are shortened, but not below it as long as there are
// extra columns to leave out, the highest number first.
type column struct {
	title string
	extra int
	least int
	short func(s string, width int) string
}

// cell is a text and its colour.
type cell struct {
	text  string
	color color
}

// grid writes a table. On a terminal it leaves out columns that are empty in
// every row, and adapts to the screen's width; elsewhere everything is written
// in full, always in the same columns. notes, if any, has a text for each row,
// to stand below it.
func (s screen) grid(w io.Writer, columns []column, rows [][]cell, notes ...string) {
	if s.terminal {
		columns, rows = drop(columns, rows, func(i int) bool { return isEmpty(rows, i) })
	}
	for extra := mostExtra; extra > 0 && s.width > 0 && total(least(columns, rows)) > s.width; extra-- {
		columns, rows = drop(columns, rows, func(i int) bool { return columns[i].extra == extra })
	}
	widths := fit(columns, natural(columns, rows), s.width)
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	t.SetStyle(style)
	head := make(table.Row, len(columns))
	for i, c := range columns {
		head[i] = s.paint(bold, c.title)
	}
	t.AppendHeader(head)
	for _, r := range rows {
		row := make(table.Row, len(columns))
		for i, c := range r {
			shown := clean(c.text)
			if text.StringWidth(shown) > widths[i] {
				shown = columns[i].short(shown, widths[i])
			}
			row[i] = s.paint(c.color, shown)
		}
		t.AppendRow(row)
	}
	below := append([]string{""}, notes...) // the header has none
	for line := range strings.SplitSeq(t.Render(), "\n") {
		_, _ = fmt.Fprintln(w, strings.TrimRight(line, " "))
		if len(below) == 0 {
			continue
		}
		if below[0] != "" {
			s.paragraph(w, "    ", below[0])
		}
		below = below[1:]
	}
}

func isEmpty(rows [][]cell, i int) bool {
	return len(rows) > 0 && !slices.ContainsFunc(rows, func(r []cell) bool { return r[i].text != "" && r[i].text != "-" })
}

// drop leaves out columns.
func drop(columns []column, rows [][]cell, out func(i int) bool) ([]column, [][]cell) {
	var kept []column
	less := make([][]cell, len(rows))
	for i, c := range columns {
		if out(i) {
			continue
		}
		kept = append(kept, c)
		for j := range rows {
			less[j] = append(less[j], rows[j][i])
		}
	}
	return kept, less
}

// natural is the width that each column needs.
func natural(columns []column, rows [][]cell) []int {
	widths := make([]int, len(columns))
	for i, c := range columns {
		widths[i] = text.StringWidth(c.title)
		for _, r := range rows {
			widths[i] = max(widths[i], text.StringWidth(clean(r[i].text)))
		}
	}
	return widths
}

// least is the width that each column can be narrowed to.
func least(columns []column, rows [][]cell) []int {
	widths := natural(columns, rows)
	for i, c := range columns {
		if c.short != nil {
			widths[i] = min(widths[i], max(c.least, text.StringWidth(c.title)))
		}
	}
	return widths
}

func total(widths []int) int {
	sum := 2 * (len(widths) - 1)
	for _, w := range widths {
		sum += w
	}
	return sum
}

// tightest is what a column is shortened to where even the least widths are too
// much: a line that wraps is worse.
const tightest = 6

// fit narrows the columns that may be shortened, the widest first, until all
// fit into the bound. Bound 0 is none.
func fit(columns []column, widths []int, bound int) []int {
	for _, least := range []func(column) int{func(c column) int { return c.least }, func(column) int { return tightest }} {
		for bound > 0 && total(widths) > bound {
			widest := -1
			for i, c := range columns {
				if c.short != nil && widths[i] > max(least(c), text.StringWidth(c.title)) && (widest < 0 || widths[i] > widths[widest]) {
					widest = i
				}
			}
			if widest < 0 {
				break
			}
			widths[widest]--
		}
	}
	return widths
}

// head shortens to the beginning.
func head(s string, width int) string { return text.Snip(s, width, "…") }

// ends shortens to the beginning and the end: the ids of destinations end in
// what tells them apart.
func ends(s string, width int) string {
	r := []rune(s)
	if len(r) <= width {
		return s
	}
	tail := min(8, (width-1)/2)
	return string(r[:width-1-tail]) + "…" + string(r[len(r)-tail:])
}

// paragraph writes text indented, and wrapped on a terminal.
func (s screen) paragraph(w io.Writer, indent, t string) {
	width := 0
	if s.terminal {
		width = max(min(s.width, 100)-len(indent), 20)
	}
	for _, line := range wrap(clean(t), width) {
		_, _ = fmt.Fprintln(w, indent+line)
	}
}

// wrap breaks at spaces; a word that is longer than a line gets a line of its
// own, so that it can be copied whole. Width 0 breaks nothing.
func wrap(t string, width int) []string {
	if width == 0 {
		return []string{t}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(t) {
		switch {
		case line == "":
			line = word
		case text.StringWidth(line)+1+text.StringWidth(word) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
