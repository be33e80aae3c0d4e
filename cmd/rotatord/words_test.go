package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// What the rooms below may say is a closed set; a word that is added there
// needs one here.
func TestEverythingThatCanBeSaidHasAWord(t *testing.T) {
	same(t, "states", store.States(), stateWords)
	same(t, "reasons", store.Reasons(), advice)
	same(t, "actions", []rotation.Action{rotation.ActionNothing, rotation.ActionAdopt, rotation.ActionPush, rotation.ActionRestore, rotation.ActionWait}, actionWords)
	same(t, "check results", []rotation.CheckResult{rotation.CheckOK, rotation.CheckWarning, rotation.CheckFailed, rotation.CheckSkipped}, checkWords)
	same(t, "gates", rotation.Verdicts(), gateWords)
	same(t, "conditions", store.Conditions(), conditionWords)
	same(t, "kinds of the history", []store.EntryKind{store.EntryAttempt, store.EntryState, store.EntryProbe, store.EntryPerson,
		store.EntryChange, store.EntryEvent, store.EntryDrift, store.EntryCheck, store.EntryCleanup}, kindWords)
	same(t, "reasons of the probe", probe.StandingReasons(), whyWords)
	same(t, "standings", append(probe.StandingStates(), ""), standingWords)
	same(t, "leftovers", []probe.LeftoverState{"", probe.Present, probe.Seen, probe.Absent, probe.AbsentInferred, probe.CannotTell}, leftoverWords)
}

func same[W, K ~string, V any](t *testing.T, what string, want []W, have map[K]V) {
	t.Helper()
	words := []string{}
	for k := range have {
		words = append(words, string(k))
	}
	known := []string{}
	for _, w := range want {
		known = append(known, string(w))
	}
	slices.Sort(words)
	slices.Sort(known)
	if diff := cmp.Diff(known, words); diff != "" {
		t.Errorf("%s (-known +worded):\n%s", what, diff)
	}
}

func TestWhatToDoNamesTheDestination(t *testing.T) {
	for reason, text := range advice {
		st := app.Status{Destination: "my-s3", State: store.StateHeld, Reason: reason}
		got := wanted(st)
		if got == "" || strings.Contains(got, "NAME") {
			t.Errorf("%s: %q", reason, got)
		}
		if strings.Contains(text, "NAME") != strings.Contains(got, "my-s3") {
			t.Errorf("%s: %q does not name the destination", reason, got)
		}
	}
}

func TestEveryConditionHasASentenceAndAdvice(t *testing.T) {
	seen := map[string]bool{}
	for _, st := range ailing() {
		lines := conditionLines(noon, st)
		for i, c := range st.Conditions {
			seen[string(c)] = true
			w := conditionOf(string(c))
			if !strings.HasPrefix(lines[i], string(c)) || !strings.Contains(lines[i], w.says) {
				t.Errorf("%s: %q", c, lines[i])
			}
			if since, more := about(noon, st, string(c)); since.IsZero() && more == "" {
				t.Errorf("%s: nothing is said of this one in particular", c)
			}
			if w.alert != (w.advice != "") {
				t.Errorf("%s: alerts %t, advice %q", c, w.alert, w.advice)
			}
			one := app.Status{Destination: "my-s3", State: store.StateInSync, Conditions: []store.Condition{c}}
			if todo := wanted(one); alerts(one) != (todo != "") || strings.Contains(todo, "NAME") {
				t.Errorf("%s: %q", c, todo)
			}
		}
		if !slices.IsSortedFunc(st.Conditions, func(a, b store.Condition) int {
			return slices.Index(store.Conditions(), a) - slices.Index(store.Conditions(), b)
		}) {
			t.Errorf("%v: not the gravest first", st.Conditions)
		}
	}
	for _, c := range store.Conditions() {
		if !seen[string(c)] {
			t.Errorf("%s: no destination of this test has it", c)
		}
	}
	if got := conditionOf("melting"); !got.alert || got.text != "melting" {
		t.Errorf("a condition of another version: %+v", got)
	}
}

func TestWhatIsWrongAndWhatIsWaitingBothHaveAdvice(t *testing.T) {
	st := app.Status{Destination: "my-s3", State: store.StateHeld, Reason: store.ReasonVanished, Conditions: []store.Condition{store.ConditionExpired}}
	if got := wanted(st); !strings.HasPrefix(got, advice["vanished"]) || !strings.Contains(got, "; for expired: rotate the secret now") {
		t.Error(got)
	}
	st.Paused = &store.Paused{}
	if got := wanted(st); !strings.HasPrefix(got, "when it may go on: ") || !strings.Contains(got, "; for expired: ") || !alerts(st) {
		t.Error(got)
	}
}

func TestWhoDependsIsSaidAsFarAsItIsKnown(t *testing.T) {
	for _, tt := range []struct {
		name           string
		d              *planet.Dependents
		usedBy, atRisk string
	}{
		{"not known", nil, "", ""},
		{"nobody", &planet.Dependents{AllUsers: true}, "none", "no running subscription and no open order is known to depend on it"},
		{"nobody, as far as one looked", &planet.Dependents{AllUsers: true, Incomplete: true}, "?", "no running subscription and no open order is known to depend on it"},
		{"one", &planet.Dependents{AllUsers: true, Open: 1}, "1 order", "1 open order depends on it"},
		{"some", &planet.Dependents{AllUsers: true, Running: 1, Open: 1}, "1 subscription, 1 order", "1 running subscription and 1 open order depend on it"},
		{"some, and perhaps more", &planet.Dependents{AllUsers: true, Running: 2, Incomplete: true}, "2+ subscriptions", "at least 2 running subscriptions depend on it"},
		{"of one user", &planet.Dependents{Running: 2}, "2 subscriptions", "2 running subscriptions depend on it, of those of the API key's own user"},
	} {
		st := app.Status{Dependents: tt.d}
		if got := usedBy(st, "subscription"); got != tt.usedBy {
			t.Errorf("%s: used by %q", tt.name, got)
		}
		if got := atRisk(st); got != tt.atRisk {
			t.Errorf("%s: at risk %q", tt.name, got)
		}
	}
}

func TestWhatIsLeftOfACredential(t *testing.T) {
	for _, tt := range []struct {
		name string
		st   app.Status
		want cell
	}{
		{"nobody says", app.Status{}, cell{text: "-"}},
		{"days", app.Status{Expires: noon.Add(12 * 24 * time.Hour)}, cell{text: "12d"}},
		{"days, and no replacement is planned before", app.Status{Expires: noon.Add(12 * 24 * time.Hour), ExpiresUnreplaced: true}, cell{"12d", yellow}},
		{"hours", app.Status{Expires: noon.Add(3 * time.Hour)}, cell{"3h", yellow}},
		{"nothing", app.Status{Expires: noon}, cell{"expired", red}},
	} {
		if got := expiryCell(noon, tt.st); got != tt.want {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
}

func TestAlertsAndExitStatusOfPlans(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status app.Status
		want   bool
	}{
		{"in sync is quiet", app.Status{State: store.StateInSync}, false},
		{"new is quiet", app.Status{State: store.StateNew}, false},
		{"held alerts", app.Status{State: store.StateHeld}, true},
		{"unknown alerts", app.Status{State: store.StateUnknown}, true},
		{"held and paused is somebody's choice", app.Status{State: store.StateHeld, Paused: &store.Paused{}}, false},
		{"a leftover alerts", app.Status{State: store.StateInSync, Conditions: []store.Condition{store.ConditionLeftover}}, true},
		{"one that was seen once does not yet", app.Status{State: store.StateInSync, Leftover: store.Leftover{State: "seen"}}, false},
		{"a changed parameter alerts", app.Status{State: store.StateInSync, Conditions: []store.Condition{store.ConditionParametersChanged}}, true},
		{"a rejected credential alerts, paused too", app.Status{State: store.StateInSync, Paused: &store.Paused{}, Conditions: []store.Condition{store.ConditionRejected}}, true},
		{"what is archived is somebody's choice", app.Status{State: store.StateInSync, Conditions: []store.Condition{store.ConditionArchived}}, false},
		{"a grave one behind a light one alerts", app.Status{State: store.StateInSync, Conditions: []store.Condition{store.ConditionUnproven, store.ConditionDrift}}, true},
	} {
		if got := alerts(tt.status); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
		if tt.want && wanted(tt.status) == "" && tt.status.Reason != "" {
			t.Errorf("%s: nothing to do", tt.name)
		}
	}
	for _, tt := range []struct {
		name string
		plan app.Plan
		want int
	}{
		{"nothing to push", app.Plan{Action: rotation.ActionNothing}, exitOK},
		{"a version is held", app.Plan{Action: rotation.ActionNothing, Reason: store.ReasonPlanetRefused}, exitTrouble},
		{"paused", app.Plan{Action: rotation.ActionNothing, Detail: "paused"}, exitTrouble},
		{"would push", app.Plan{Action: rotation.ActionPush}, exitPending},
		{"would push what does not fit", app.Plan{Action: rotation.ActionPush, Error: "no"}, exitTrouble},
		{"would wait", app.Plan{Action: rotation.ActionWait}, exitTrouble},
		{"something that this version does not know", app.Plan{Action: "dance"}, exitTrouble},
	} {
		if _, got := planned(tt.plan); got != tt.want {
			t.Errorf("%s: exit status %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestTimesAreRough(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		time.Second: "1s", 59 * time.Second: "59s", time.Minute: "1m", 59*time.Minute + 59*time.Second: "59m",
		time.Hour: "1h", 47 * time.Hour: "47h", 48 * time.Hour: "2d", 1000 * time.Hour: "41d",
	} {
		if got := ago(now, now.Add(-d)); got != want+" ago" {
			t.Errorf("ago(%s) = %q", d, got)
		}
		if got := in(now, now.Add(d)); got != "in "+want {
			t.Errorf("in(%s) = %q", d, got)
		}
	}
	if got := ago(now, now.Add(time.Hour)) + in(now, now.Add(-time.Hour)) + ago(now, time.Time{}) + in(now, time.Time{}); got != "0s agonow--" {
		t.Error(got)
	}
}
