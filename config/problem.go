package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a configuration, and how to put it
// right. None of its fields ever holds a value from the file.
type Problem struct {
	// File is the name of the file as it was given; empty where no file is
	// meant.
	File string
	// Line and Column count from 1; both are 0 for a problem of the whole file.
	Line, Column int
	// Key is the key that the problem is about, "destination.schedule"; empty
	// for the whole file.
	Key string
	// Message says what is wrong, Hint what to write instead. A Hint may have
	// several lines.
	Message, Hint string
}

// String is file:line:column: key: message (hint), in the form that editors
// jump to.
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			b.WriteString(":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column))
		}
		b.WriteString(": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	switch {
	case p.Hint == "":
	case strings.Contains(p.Hint, "\n"):
		b.WriteString("\n    " + strings.ReplaceAll(strings.TrimSpace(p.Hint), "\n", "\n    "))
	default:
		b.WriteString(" (" + p.Hint + ")")
	}
	return b.String()
}

// Problems is everything that is wrong with a configuration, in the order of
// the files. It is the error of [Load], [Parse] and [WithoutFile].
type Problems []Problem

// Error gives each problem on a line of its own.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// sort puts problems into the order in which a person reads the files.
func (ps Problems) sort(files []string) {
	rank := make(map[string]int, len(files))
	for i, f := range files {
		rank[f] = i
	}
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(rank[a.File], rank[b.File]), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
