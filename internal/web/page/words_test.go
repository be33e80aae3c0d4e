package page

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/store"
)

// TestEachOutcomeOfAnAttemptHasItsWeight reads the words out of the engine: one
// without a label is a quiet ring, and a refusal would look like nothing.
func TestEachOutcomeOfAnAttemptHasItsWeight(t *testing.T) {
	files, err := filepath.Glob("../../../rotation/*.go")
	if err != nil {
		t.Fatal(err)
	}
	writes := regexp.MustCompile(`(?:\.giveUp|\.failed)\("(\w+)"`)
	var words []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range writes.FindAllStringSubmatch(string(text), -1) {
			words = append(words, m[1])
		}
	}
	slices.Sort(words)
	words = slices.Compact(words)
	if len(words) < 9 || !slices.Contains(words, "preflight_refused") {
		t.Fatalf("the engine writes only %q", words)
	}
	for _, word := range words {
		if l, ok := outcomeLabels[word]; !ok || l.Tone == quiet || l.Tone == good {
			t.Errorf("the attempt that ends %q is shown as %+v", word, l)
		}
	}
}

func TestAKeyThatIsTooNewIsNoFailureYet(t *testing.T) {
	late := store.Entry{Kind: store.EntryAttempt, Outcome: "preflight_refused", Reason: store.ReasonPreflightRefused}
	early := late
	early.Reason = store.ReasonPropagation
	if got := outcomeOf(late); got != (label{"preflight refused", bad, "square"}) {
		t.Errorf("a version that is held is shown as %+v", got)
	}
	if got := outcomeOf(early); got != (label{"preflight refused", info, "half"}) {
		t.Errorf("a version that is tried again is shown as %+v", got)
	}
}

func TestWhatIsGraverThanTheStateIsSaidBeforeIt(t *testing.T) {
	for name, c := range map[string]struct {
		state      store.State
		conditions []store.Condition
		want       []string
	}{
		"a key that was revoked is not in sync first":    {store.StateInSync, []store.Condition{store.ConditionRejected, store.ConditionUnproven}, []string{"credential rejected"}},
		"a drift is said before in sync":                 {store.StateInSync, []store.Condition{store.ConditionDrift}, []string{"drift"}},
		"a drift is said after held":                     {store.StateHeld, []store.Condition{store.ConditionDrift}, nil},
		"an archived destination is in sync before that": {store.StateInSync, []store.Condition{store.ConditionArchived}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			graver, others := item{state: c.state, conditions: c.conditions}.weighed()
			var got []string
			for _, l := range graver {
				got = append(got, l.Text)
			}
			if !slices.Equal(got, c.want) || len(graver)+len(others) != len(c.conditions) {
				t.Errorf("first come %q, of %q", got, c.conditions)
			}
		})
	}
}
