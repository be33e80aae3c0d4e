package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

const statesFile = "../../docs/states.md"

// chapters gives the text below each heading of the document, by the chapter
// ("## ") that it stands in; that of the chapter itself by "".
func chapters(t *testing.T) map[string]map[string]string {
	t.Helper()
	text, err := os.ReadFile(statesFile)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]string{}
	for _, chapter := range strings.Split(string(text), "\n## ")[1:] {
		title, body, _ := strings.Cut(chapter, "\n")
		below := map[string]string{}
		parts := strings.Split(body, "\n### ")
		below[""] = parts[0]
		for _, part := range parts[1:] {
			word, meaning, _ := strings.Cut(part, "\n")
			if _, twice := below[word]; twice {
				t.Errorf("%s: %q is explained twice", title, word)
			}
			below[word] = meaning
		}
		all[title] = below
	}
	return all
}

// rows gives the words of the first column of a chapter's table, without links.
func rows(t *testing.T, chapter string) []string {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile("(?m)^\\| \\[?`(\\w+)`(?:\\]\\(#\\w+\\))? \\| (.*)\\|$").FindAllStringSubmatch(chapter, -1) {
		if len(strings.TrimSpace(m[2])) < 10 {
			t.Errorf("%q is not explained", m[1])
		}
		words = append(words, m[1])
	}
	slices.Sort(words)
	return words
}

// An operator who finds a word in the table, in an alert or in JSON finds it here.
func TestEveryWordIsExplainedToAnOperator(t *testing.T) {
	all := chapters(t)
	reasons := map[string]string{}
	for title, below := range all {
		if strings.HasPrefix(title, "Reasons: ") {
			for word, meaning := range below {
				reasons[word] = meaning
			}
		}
	}
	explained(t, "States", store.States(), all["States"])
	explained(t, "Reasons", store.Reasons(), reasons)
	explained(t, "Conditions", store.Conditions(), all["Conditions"])
	explained(t, "Leftovers", []probe.LeftoverState{probe.Present, probe.Seen, probe.Absent, probe.AbsentInferred, probe.CannotTell}, all["Leftovers"])
	same(t, "the table of states", store.States(), set(rows(t, all["States"][""])))
	same(t, "the table of standings", probe.StandingStates(), set(rows(t, all["Standing"][""])))
	for _, c := range store.Conditions() {
		for _, part := range []string{"**What breaks:**", "**You:**"} {
			if !strings.Contains(strings.Join(strings.Fields(all["Conditions"][string(c)]), " "), part) {
				t.Errorf("%s: there is no %s", c, part)
			}
		}
	}
}

// explained holds the headings of a chapter to a closed set.
func explained[W ~string](t *testing.T, chapter string, want []W, below map[string]string) {
	t.Helper()
	have := map[string]string{}
	for word, meaning := range below {
		if word == "" {
			continue
		}
		have[word] = meaning
		if len(strings.TrimSpace(meaning)) < 20 {
			t.Errorf("%s: %q is not explained", chapter, word)
		}
	}
	same(t, chapter, want, have)
}

func set(words []string) map[string]bool {
	all := map[string]bool{}
	for _, w := range words {
		all[w] = true
	}
	return all
}

// Links within the document lead somewhere, and to one place.
func TestLinksOfTheDocumentLeadSomewhere(t *testing.T) {
	text, err := os.ReadFile(statesFile)
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]int{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchor := strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")
		anchors[regexp.MustCompile(`[^\w-]`).ReplaceAllString(anchor, "")]++
	}
	var broken []string
	for _, m := range regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(string(text), -1) {
		if anchors[m[1]] != 1 {
			broken = append(broken, m[1])
		}
	}
	if diff := cmp.Diff([]string(nil), broken); diff != "" {
		t.Error(diff)
	}
}
