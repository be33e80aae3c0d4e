package main

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// golden compares what is shown with testdata/golden/NAME.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("go test ./cmd/rotatord -update writes it anew (-want +got):\n%s", diff)
	}
}

// ailing are destinations with every condition, spread over six.
func ailing() []app.Status {
	before := func(d time.Duration) time.Time { return noon.Add(-d) }
	base := func(name string) store.Record {
		return store.Record{Destination: name, Account: "default", Secret: "arn:aws:secretsmanager:eu-west-1:1:secret:planet/s3", Facts: store.Facts{
			Pin:      &store.Pin{ID: name, Type: "amazon_s3"},
			Accepted: &store.Accepted{Version: "a1b2c3d4-0000", At: before(30 * time.Hour)},
			Source:   &store.Source{Version: "a1b2c3d4-0000", Created: before(31 * time.Hour), At: before(time.Minute)},
			Status:   store.Status{State: store.StateInSync, Since: before(30 * time.Hour)},
			Leftover: store.Leftover{State: "absent_inferred", Reason: "get_proven", CheckedAt: before(time.Hour)},
			Standing: store.Standing{State: "works", Since: before(30 * time.Hour), CheckedAt: before(4 * time.Minute), Worked: before(4 * time.Minute)},
			Seen:     &store.Seen{Updated: before(30 * time.Hour), At: before(time.Minute)},
			NextLook: noon.Add(5 * time.Minute), LastSuccess: before(time.Minute)}}
	}
	fine := base("dest-fine-AAAAAAA")
	fine.Accepted.Expires = noon.Add(12 * 24 * time.Hour)
	fine.Dependents = &planet.Dependents{At: before(2 * time.Minute), Since: before(30 * time.Hour), AllUsers: true}

	rejected := base("dest-rejected-BBBBBBB")
	rejected.Standing = store.Standing{State: "rejected", Reason: "credential", Version: "a1b2c3d4-0000", Since: before(12 * time.Minute),
		CheckedAt: before(2 * time.Minute), Worked: before(22 * time.Minute), Detail: "get planetverify.txt: InvalidAccessKeyId (403)"}
	rejected.Dependents = &planet.Dependents{At: before(2 * time.Minute), Since: before(30 * time.Hour), Running: 3, Open: 2, Failed: 3, FailedCredential: 2, AllUsers: true,
		Examples: []planet.Failure{
			{Kind: planet.FailedResult, ID: "9f1c", Name: "fields of May", At: before(5 * time.Minute), Cause: planet.CauseCredential, Message: "upload: AccessDenied"},
			{Kind: planet.FailedOrder, ID: "77aa", At: before(time.Hour), Cause: planet.CauseUnknown, Message: "no data"}}}
	rejected.Accepted.Expires = noon.Add(-3 * time.Hour)

	left := base("dest-leftover-CCCCCCC")
	left.Leftover = store.Leftover{State: "present", Reason: "confirmed", Size: 12, LastModified: before(30 * time.Hour), FirstSeen: before(29 * time.Hour),
		CheckedAt: before(time.Hour), Versions: 2}
	left.Source.NextRotation, left.Source.Expires = noon.Add(9*time.Hour), noon.Add(3*time.Hour)
	left.Dependents = &planet.Dependents{At: before(2 * time.Minute), Since: before(30 * time.Hour), Running: 1, Incomplete: true}

	drifted := base("dest-drifted-DDDDDDD")
	drifted.Drift = &store.Drift{Was: before(30 * time.Hour), Updated: before(20 * time.Minute), Found: before(19 * time.Minute), Renamed: "other", Pushing: true}
	drifted.Changed = []store.Change{{Parameter: "use_path_style", Before: []byte("true"), After: []byte("false")}}
	drifted.Leftover = store.Leftover{State: "present", Reason: "confirmed", Size: 1, LastModified: before(400 * time.Hour), FirstSeen: before(200 * time.Hour),
		CheckedAt: before(time.Hour), OlderThanPush: true}

	quiet := base("dest-quiet-EEEEEEE")
	archived := before(50 * time.Hour)
	quiet.Archived, quiet.Accepted.Unproven = &archived, true
	quiet.Standing = store.Standing{State: "doubtful", Since: before(20 * time.Second), CheckedAt: before(20 * time.Second), LookAgainAt: noon.Add(40 * time.Second), Worked: before(10 * time.Minute)}
	quiet.Leftover = store.Leftover{State: "cannot_tell", Reason: "denied", CheckedAt: before(time.Hour)}

	waiting := base("dest-second-FFFFFFF")
	waiting.Status = store.Status{State: store.StateHeld, Reason: store.ReasonRolloutStopped, Detail: "dest-fine-AAAAAAA went first and was refused", Since: before(time.Minute)}
	waiting.Source.Version = "ffffffff-9999"

	var all []app.Status
	for _, r := range []store.Record{fine, rejected, left, drifted, quiet, waiting} {
		all = append(all, web.StatusOf(r, noon))
	}
	all[0].Receipt = &store.Receipt{Secret: fine.Secret, Version: "a1b2c3d4-0000", At: before(30 * time.Hour), Opens: before(29 * time.Hour), Safe: before(29 * time.Hour), Marked: before(28 * time.Hour)}
	all[1].Receipt = &store.Receipt{Secret: fine.Secret, Version: "a1b2c3d4-0000", At: before(30 * time.Hour), Opens: before(29 * time.Hour),
		Withdrawn: before(10 * time.Minute), Why: "the credential is rejected"}
	all[2].Receipt = &store.Receipt{Secret: fine.Secret, Version: "a1b2c3d4-0000", At: before(time.Minute), Opens: noon.Add(time.Hour)}
	return all
}

func TestTheTableOfEverythingThatCanBeWrong(t *testing.T) {
	for name, s := range map[string]screen{
		"status.txt": {}, "status-80.txt": {terminal: true, width: 80}, "status-110.txt": {terminal: true, width: 110},
		"status-200.txt": {terminal: true, color: true, width: 200},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			s.statusTable(&b, noon, ailing())
			golden(t, name, b.String())
		})
	}
}

func TestOneDestinationInDetail(t *testing.T) {
	for i, name := range []string{"fine", "rejected", "leftover", "drifted", "quiet", "second"} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			screen{}.statusDetail(&b, noon, ailing()[i])
			golden(t, "detail-"+name+".txt", b.String())
		})
	}
	var b strings.Builder
	screen{terminal: true, color: true, width: 90}.statusDetail(&b, noon, ailing()[1])
	golden(t, "detail-terminal.txt", b.String())
	b.Reset()
	screen{}.statusDetail(&b, noon, web.StatusOf(store.Record{Destination: "new-one"}, noon))
	golden(t, "detail-new.txt", b.String())
}

func TestTablesOfDependents(t *testing.T) {
	for name, s := range map[string]screen{"dependents.txt": {}, "dependents-70.txt": {terminal: true, width: 70}} {
		var b strings.Builder
		s.dependentsTable(&b, noon, ailing())
		golden(t, name, b.String())
	}
}

func TestNoViewIsWiderThanItsScreen(t *testing.T) {
	for width := 60; width <= 220; width += 4 {
		s := screen{terminal: true, width: width}
		for _, show := range []func(io.Writer){
			func(w io.Writer) { s.statusTable(w, noon, ailing()) },
			func(w io.Writer) { s.dependentsTable(w, noon, ailing()) },
			func(w io.Writer) {
				for _, st := range ailing() {
					s.statusDetail(w, noon, st)
				}
			},
		} {
			var b strings.Builder
			show(&b)
			for line := range strings.Lines(b.String()) {
				// A word that is longer than a line is not broken.
				if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > width && strings.Contains(strings.TrimSpace(line[factWidth+2:]), " ") {
					t.Errorf("%d columns of %d: %q", n, width, line)
				}
			}
		}
	}
}

func TestGatesShowWhatKeepsThemShut(t *testing.T) {
	gate := func(v app.GateVerdict) app.Gate {
		return app.Gate{Secret: "s", Version: "v7", Current: "v7", Verdict: v, Detail: "in a sentence", NotCovered: "everybody else"}
	}
	stuck := gate(rotation.VerdictStuck)
	stuck.Noted = &store.Receipt{Version: "v7", Withdrawn: noon.Add(-time.Hour), Why: "a leftover was found"}
	stuck.Destinations = []web.GateDestination{
		{Destination: "a", Verdict: rotation.VerdictStuck, Accepted: noon.Add(-2 * time.Hour), Detail: "needs a look",
			Conditions: []store.Condition{store.ConditionLeftover, store.ConditionUnproven}},
		{Destination: "b", Verdict: rotation.VerdictSafe, Accepted: noon.Add(-2 * time.Hour), Conditions: []store.Condition{store.ConditionDrift}}}
	grace := gate(rotation.VerdictGrace)
	grace.Receipt, grace.Opens = noon.Add(-10*time.Minute), noon.Add(50*time.Minute)
	safe := gate(rotation.VerdictSafe)
	safe.Safe, safe.Receipt, safe.Opens = true, noon.Add(-2*time.Hour), noon.Add(-time.Hour)
	var b strings.Builder
	c := newCLI(noEnv, nil, &b, io.Discard)
	c.now = func() time.Time { return noon }
	for _, g := range []app.Gate{stuck, grace, safe} {
		c.showGate(g)
	}
	golden(t, "gate.txt", b.String())
}
