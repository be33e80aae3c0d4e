package page

import (
	"os"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/web/page/pagetest"
	"github.com/rotatord/rotatord/store"
)

// headings are the anchors of docs/states.md.
func headings(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "##"); ok {
			out[strings.ToLower(strings.ReplaceAll(strings.TrimSpace(strings.TrimLeft(name, "#")), " ", "-"))] = true
		}
	}
	return out
}

// complete says what an advice lacks.
func complete(t *testing.T, word string, a advice, known bool) {
	t.Helper()
	switch {
	case !known:
		t.Errorf("%s: nobody is told what to do", word)
		return
	case a.Says == "" || a.You == "":
		t.Errorf("%s: it is not said what is so, or what to do: %+v", word, a)
	}
	for _, text := range []string{a.Says, a.Itself, a.You} {
		if text != "" && !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %q is no sentence", word, text)
		}
	}
	for _, c := range a.commands {
		if !strings.HasPrefix(c, "rotatord ") {
			t.Errorf("%s: %q is no command of ours", word, c)
		}
	}
}

func TestEveryWordHasAdviceALabelAndAHeading(t *testing.T) {
	docs := headings(t)
	for _, s := range store.States() {
		a, known := stateAdvice[s]
		complete(t, string(s), a, known)
		if _, ok := stateLabels[s]; !ok {
			t.Errorf("state %s has no label", s)
		}
		if _, ok := stateRanks[s]; !ok {
			t.Errorf("state %s has no rank", s)
		}
		if !docs[anchor(string(s))] {
			t.Errorf("docs/states.md has no heading for the state %s", s)
		}
	}
	for _, r := range store.Reasons() {
		a, known := reasonAdvice[r]
		complete(t, string(r), a, known)
		if !docs[anchor(string(r))] {
			t.Errorf("docs/states.md has no heading for the reason %s", r)
		}
	}
	for _, c := range store.Conditions() {
		a, known := conditionAdvice[c]
		complete(t, string(c), a, known)
		if _, ok := conditionLabels[c]; !ok {
			t.Errorf("condition %s has no label", c)
		}
		if _, ok := conditionRanks[c]; !ok {
			t.Errorf("condition %s has no rank", c)
		}
		if !docs[anchor(string(c))] {
			t.Errorf("docs/states.md has no heading for the condition %s", c)
		}
	}
	for _, k := range []credential.EventKind{credential.EventRotationFailed, credential.EventRotationAbandoned, credential.EventNearExpiry, credential.EventExpired} {
		a, known := noteAdvice[k]
		complete(t, string(k), a, known)
	}
	complete(t, "standing", doubtAdvice, true)
	if !docs["standing"] || !docs[anchor(notePrefix+"near_expiry")] {
		t.Error("docs/states.md lacks a heading that the page links to")
	}
	if n := len(stateAdvice) + len(reasonAdvice) + len(conditionAdvice); n != len(store.States())+len(store.Reasons())+len(store.Conditions()) {
		t.Errorf("%d pieces of advice: some are for words that are gone", n)
	}
}

func TestConditionsRankAsTheStoreOrdersThem(t *testing.T) {
	all := store.Conditions()
	for i, c := range all[1:] {
		if conditionRanks[all[i]] >= conditionRanks[c] {
			t.Errorf("%s is graver than %s for the store, and not for the page", all[i], c)
		}
	}
}

func TestEveryKindOfTroubleIsSaidOnItsPage(t *testing.T) {
	for _, reason := range store.Reasons() {
		src := pagetest.Fleet(1)
		records, _ := src.List(t.Context())
		name := records[0].Destination
		src.Change(name, func(r *store.Record) {
			r.Status = store.Status{State: store.StateHeld, Reason: reason, Detail: "because of that", Since: pagetest.Now}
		})
		todo := show(t, handler(t, Options{Source: src}), "/destinations/"+name).one(t, "data-part", "todo")
		for _, want := range []string{string(reason), reasonAdvice[reason].You, "because of that."} {
			if !strings.Contains(todo.text(), want) {
				t.Errorf("%s: the page does not say %q:\n%s", reason, want, todo.text())
			}
		}
		for _, c := range reasonAdvice[reason].commandsFor(name) {
			if !strings.Contains(todo.text(), c) || strings.Contains(c, "NAME") {
				t.Errorf("%s: the page does not show %q", reason, c)
			}
		}
	}
}

func TestNamesInCommandsAreFitForAShell(t *testing.T) {
	for name, want := range map[string]string{
		"my-s3-destination-CKxV9io": "my-s3-destination-CKxV9io",
		"":                          "''",
		"two words":                 "'two words'",
		"$(reboot)":                 "'$(reboot)'",
		"it's; rm":                  `'it'\''s; rm'`,
		"a\nb":                      "'a b'",
		"caf\u00e9":                 "'caf\u00e9'",
		"a\u202eb":                  "'a b'",
		"~root":                     "'~root'",
	} {
		if got := shellWord(name); got != want {
			t.Errorf("%q is written %s, want %s", name, got, want)
		}
	}
}
