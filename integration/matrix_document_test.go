package integration

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var updateMatrix = flag.Bool("update", false, "write docs/probe-matrix.md anew")

// The footnotes of docs/probe-matrix.md, by their numbers.
const (
	noteInactive = iota + 1
	noteSigned
	noteServersClock
	notePolicy
	noteNoDate
	noteOwnServer
)

var footnotes = []string{
	noteInactive:     "The gateway knows new keys at once. Here the key is made inactive and then active again, which it answers as Amazon answers to a key that it does not know yet.",
	noteSigned:       "Each request is signed again, at the wrong time, on its way to the gateway.",
	noteServersClock: "It is the server's clock that is wrong, by as much in the other direction.",
	notePolicy:       "An account's key works at once, and a token can be revoked only with that key or by its stored access policy. This token has such a policy, which is stored later, or removed. At Azure a policy takes up to half a minute to work.",
	noteNoDate:       "Nothing that is sent to Azure tells our time: this is checked for each request.",
	noteOwnServer:    "Azurite keeps no versions. This is the server of our own, `bucket/azureblob/azureblobtest`.",
}

//go:embed testdata/probe-matrix.template
var matrixText string

// matrixDocument puts the tables into the text.
func matrixDocument(worlds []world, rows []matrixRow, cells [][]*matrixCell) string {
	table := func(of func(*matrixCell) string) string { return matrixTable(worlds, rows, cells, of) }
	var notes strings.Builder
	for n, text := range footnotes {
		if n > 0 {
			fmt.Fprintf(&notes, "%s %s\n\n", mark(n), text)
		}
	}
	return strings.NewReplacer(
		"{{preflight}}\n", table(func(c *matrixCell) string { return c.preflight }),
		"{{absent}}\n", table(func(c *matrixCell) string { return c.absent }),
		"{{present}}\n", table(func(c *matrixCell) string { return c.present }),
		"{{versions}}\n", table(func(c *matrixCell) string { return c.versions }),
		"{{notes}}\n", strings.TrimSuffix(notes.String(), "\n"),
		"{{details}}\n", matrixDetails(worlds, rows, cells),
	).Replace(matrixText)
}

// matrixTable is one table. A row of which nothing was asked is left out.
func matrixTable(worlds []world, rows []matrixRow, cells [][]*matrixCell, of func(*matrixCell) string) string {
	var b strings.Builder
	b.WriteString("| What is wrong |")
	for _, w := range worlds {
		b.WriteString(" " + w.kind + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(worlds)) + "\n")
	for i, row := range rows {
		if c := cells[i][0]; c != nil && of(c) == "" {
			continue
		}
		b.WriteString("| " + row.name + " |")
		for _, c := range cells[i] {
			text := none
			if c != nil {
				text = strings.TrimSpace(of(c) + " " + mark(c.note))
			}
			b.WriteString(" " + text + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// mark is the number of a footnote.
func mark(note int) string {
	if note == 0 {
		return ""
	}
	return string([]rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[note])
}

// matrixDetails are what people are told, each text once for all kinds that
// say the same.
func matrixDetails(worlds []world, rows []matrixRow, cells [][]*matrixCell) string {
	var b strings.Builder
	for i, row := range rows {
		var texts []string
		kinds := map[string][]string{}
		for j, c := range cells[i] {
			if c == nil || c.detail == "" {
				continue
			}
			text := lasting(c.detail)
			if kinds[text] == nil {
				texts = append(texts, text)
			}
			kinds[text] = append(kinds[text], worlds[j].kind)
		}
		if len(texts) == 0 {
			continue
		}
		fmt.Fprintf(&b, "**%s**\n\n", row.name)
		for _, text := range texts {
			fmt.Fprintf(&b, "- %s: %s\n", strings.Join(slices.Compact(kinds[text]), ", "), text)
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// changing is what differs from run to run in what people are told.
var changing = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func lasting(detail string) string {
	return changing.ReplaceAllString(strings.ReplaceAll(detail, "rotatord.compat.objectstorage."+region+".oraclecloud.com", "HOST"), "HOST")
}

// compareMatrix holds the document against what was found, or writes it.
func compareMatrix(t *testing.T, want string) {
	t.Helper()
	file := filepath.Join(gateway.repository, "docs", "probe-matrix.md")
	if *updateMatrix {
		must(t, os.WriteFile(file, []byte(want), 0o644)) //nolint:gosec // a document of the repository
		return
	}
	got, err := os.ReadFile(file) //nolint:gosec // as above
	must(t, err)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("docs/probe-matrix.md is not what is so; look at it, and if it is right run make probe-matrix (-is +document):\n%s", diff)
	}
}
