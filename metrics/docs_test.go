package metrics

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"

	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/watcher"
)

var update = flag.Bool("update", false, "write the table of docs/metrics.md anew")

const (
	docsFile   = "../docs/metrics.md"
	tableBegin = "<!-- begin: written by go test ./metrics -update -->\n"
	tableEnd   = "<!-- end -->\n"
)

// table lists rotatord's own families as docs/metrics.md does.
func table(t *testing.T) string {
	t.Helper()
	families := gather(t, everything(t))
	var b strings.Builder
	b.WriteString("| Metric | Type | Labels | Unit | Meaning |\n|---|---|---|---|---|\n")
	for _, name := range sortedKeys(families) {
		if !strings.HasPrefix(name, "rotatord_") {
			continue
		}
		f := families[name]
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()),
			strings.Join(labels, ", "), unit(f), f.GetHelp())
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func unit(f *dto.MetricFamily) string {
	name := f.GetName()
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "seconds since 1970, UTC"
	case strings.HasSuffix(name, "_seconds"):
		return "seconds"
	case strings.HasSuffix(name, "_bytes"):
		return "bytes"
	case strings.HasPrefix(f.GetHelp(), "Always 1."):
		return "1"
	case strings.HasPrefix(f.GetHelp(), "1 "):
		return "1 or 0"
	}
	return "count"
}

func TestTheDocumentListsExactlyWhatIsExported(t *testing.T) {
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), tableBegin)
	documented, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		t.Fatalf("%s has no table between %q and %q", docsFile, tableBegin, tableEnd)
	}
	want := table(t)
	if *update {
		if err := os.WriteFile(docsFile, []byte(before+tableBegin+want+tableEnd+after), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(documented, want); diff != "" {
		t.Errorf("run go test ./metrics -update (-documented +exported):\n%s", diff)
	}
}

// section gives the words that a section of the document explains: the first
// cell of each row of its table.
func section(t *testing.T, heading string) []string {
	t.Helper()
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n### "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", docsFile, heading)
	}
	body, _, _ := strings.Cut(rest, "\n#")
	var words []string
	for line := range strings.Lines(body) {
		if cell, ok := strings.CutPrefix(line, "| `"); ok {
			word, meaning, _ := strings.Cut(cell, "` |")
			if len(strings.Trim(meaning, " |\n")) < 3 {
				t.Errorf("%s: %q is not explained", heading, word)
			}
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return words
}

// partsOf are the words for parts of messages, which this package is told of.
func partsOf(t *testing.T) []string {
	return constants(t, "watcher/payload", func(_, typ string) bool { return typ == "Shape" || typ == "Kind" })
}

func typed(want string) func(name, typ string) bool {
	return func(_, typ string) bool { return typ == want }
}

func TestTheDocumentExplainsEveryWordOfTheClosedSets(t *testing.T) {
	for _, c := range []struct {
		heading string
		want    []string
	}{
		{"States", sorted(store.States())},
		{"Reasons", sorted(store.Reasons())},
		{"Outcomes of attempts", sorted(outcomes())},
		{"Conditions", sorted(store.Conditions())},
		{"Standing", sorted(standingStates())},
		{"Reasons of standing", sorted(probe.StandingReasons())},
		{"Causes of failed deliveries", sorted(causes())},
		{"Leftovers", sorted(leftoverStates())},
		{"Reasons of leftovers", sorted(leftoverReasons())},
		{"Results of events", sorted(eventResults())},
		{"Notes", sorted(noteKinds())},
		{"Verdicts", []string{"again", "done", "never"}},
		{"Parts of messages", sorted(partsOf(t))},
		{"Reasons of sources", sorted(watcher.Reasons())},
		{"Reasons of refused requests", constants(t, "watcher/webhook", typed("Refusal"))},
		{"Steps", constants(t, "rotation", typed("Step"))},
		{"Kinds of announcements", sorted(announcementKinds())},
		{"Events of announcements", sorted(announcementEvents())},
		{"Reasons of announcements", sorted(announcementReasons())},
		{"Reasons of marks", sorted(markReasons())},
		{"Routes", sorted(planetRoutes())},
		{"Kinds of failed requests", sorted(planetKinds())},
		{"Priorities", sorted(priorities())},
		{"Kinds of errors of the store", sorted(storeKinds())},
	} {
		if diff := cmp.Diff(section(t, c.heading), c.want); diff != "" {
			t.Errorf("%s (-documented +known):\n%s", c.heading, diff)
		}
	}
}

// Queries and text of the document name only metrics that exist.
func TestTheDocumentNamesNoMetricThatDoesNotExist(t *testing.T) {
	text, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	families := gather(t, everything(t))
	words := strings.FieldsFunc(string(text), func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
	for _, word := range words {
		if !strings.HasPrefix(word, "rotatord_") || strings.HasSuffix(word, "_") {
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base := strings.TrimSuffix(word, suffix); families[base].GetType() == dto.MetricType_HISTOGRAM {
				word = base
			}
		}
		if families[word] == nil {
			t.Errorf("%s is not exported", word)
		}
	}
}
