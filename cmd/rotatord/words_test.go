package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/app"
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
		{"a leftover alerts", app.Status{State: store.StateInSync, Leftover: store.Leftover{State: "present"}}, true},
		{"one that was seen once does not yet", app.Status{State: store.StateInSync, Leftover: store.Leftover{State: "seen"}}, false},
		{"a changed parameter alerts", app.Status{State: store.StateInSync, Changed: []store.Change{{Parameter: "use_path_style"}}}, true},
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
