package alerts

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/rotatord/rotatord/integration/internal/promserver"
	"github.com/rotatord/rotatord/store"
)

var update = flag.Bool("update", false, "write the table of docs/alerts.md anew")

const (
	root      = "../.."
	rulesFile = root + "/helm/rotatord/files/rules/rotatord.rules.yaml"
	runbooks  = root + "/docs/runbooks"
)

// rule is one alert.
type rule struct {
	Alert         string            `json:"alert"`
	Expr          string            `json:"expr"`
	For           string            `json:"for,omitempty"`
	KeepFiringFor string            `json:"keep_firing_for,omitempty"`
	Labels        map[string]string `json:"labels"`
	Annotations   map[string]string `json:"annotations"`
}

// ruleGroup is some that are evaluated together.
type ruleGroup struct {
	Name  string `json:"name"`
	Rules []rule `json:"rules"`
}

type ruleGroups struct {
	Groups []ruleGroup `json:"groups"`
}

func readRules(t *testing.T) (ruleGroups, []rule) {
	t.Helper()
	var g ruleGroups
	if err := yaml.UnmarshalStrict([]byte(read(t, rulesFile)), &g); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, group := range g.Groups {
		all = append(all, group.Rules...)
	}
	if len(all) < 40 {
		t.Fatalf("only %d alerts were read", len(all))
	}
	return g, all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func promtool(t *testing.T, arguments ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), promserver.Tool(t, "promtool"), arguments...).CombinedOutput() //nolint:gosec // the test's own
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool(t, "check", "rules", "--lint-fatal", rulesFile)
}

func TestEachAlertFiresWhenItShouldAndNotBefore(t *testing.T) {
	files, err := filepath.Glob("testdata/*.test.yaml")
	if err != nil || len(files) < 6 {
		t.Fatalf("files of unit tests: %v, %v", files, err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".test.yaml"), func(t *testing.T) {
			t.Parallel()
			promtool(t, "test", "rules", f)
		})
	}
}

// A test that no longer names an alert would go on to pass.
func TestEachAlertHasAUnitTest(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.test.yaml")
	var text strings.Builder
	for _, f := range files {
		text.WriteString(read(t, f))
	}
	_, rules := readRules(t)
	for _, r := range rules {
		if !strings.Contains(text.String(), fmt.Sprintf("alertname=%q", r.Alert)) {
			t.Errorf("no unit test has %s fire", r.Alert)
		}
	}
}

func TestEachAlertSaysWhatBreaksAndWhoDependsOnIt(t *testing.T) {
	module, _, ok := strings.Cut(strings.TrimPrefix(read(t, root+"/go.mod"), "module "), "\n")
	if !ok {
		t.Fatal("go.mod names no module")
	}
	seen := map[string]bool{}
	_, rules := readRules(t)
	for _, r := range rules {
		if seen[r.Alert] {
			t.Errorf("%s is there twice", r.Alert)
		}
		seen[r.Alert] = true
		if s := r.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
			t.Errorf("%s: severity %q", r.Alert, s)
		}
		if want := "https://" + module + "/blob/main/docs/runbooks/" + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %s, want %s", r.Alert, r.Annotations["runbook_url"], want)
		}
		if r.Annotations["summary"] == "" || !strings.HasPrefix(r.Alert, "Rotatord") {
			t.Errorf("%s: no summary, or another prefix", r.Alert)
		}
		for _, want := range []string{"rotatord_dependents_subscriptions", "rotatord_dependents_orders", "is not known."} {
			if !strings.Contains(r.Annotations["description"], want) {
				t.Errorf("%s: the description does not say who depends on it (%s)", r.Alert, want)
			}
		}
	}
}

func TestEveryStateConditionAndReasonHasAnAlert(t *testing.T) {
	_, rules := readRules(t)
	var exprs strings.Builder
	for _, r := range rules {
		exprs.WriteString(r.Expr + "\n")
	}
	words := selected(exprs.String())
	for _, s := range store.States() {
		if s != store.StateInSync { // all is well
			covered(t, words, "state", string(s))
		}
	}
	for _, c := range store.Conditions() {
		covered(t, words, "condition", string(c))
	}
	for _, r := range store.Reasons() {
		if byState[r] == "" {
			covered(t, words, "reason", string(r))
		}
	}
}

// byState are reasons that no expression names, with the alert that covers them
// by their state.
var byState = map[store.Reason]string{
	store.ReasonValueInvalid:          "held: RotatordVersionHeld",
	store.ReasonPreflightRefused:      "held: RotatordVersionHeld",
	store.ReasonPreflightInconclusive: "waiting, then held: RotatordPushFailing, RotatordVersionHeld",
	store.ReasonPreflightUnsupported:  "held: RotatordVersionHeld",
	store.ReasonPlanetRefused:         "waiting, then held: RotatordPushFailing, RotatordVersionHeld",
	store.ReasonPropagation:           "waiting: RotatordPushFailing",
	store.ReasonFence:                 "waiting: RotatordPushFailing",
	store.ReasonRollout:               "waiting: RotatordPushFailing",
	store.ReasonOutcomeUnknown:        "unknown: RotatordPushFailing, RotatordUncertain",
	store.ReasonAccountBlocked:        "rotatord_account_blocked: RotatordAccountBlocked, once an account",
	store.ReasonInternal:              "rotatord_destination_recorded: RotatordRecordMissing",
}

func covered(t *testing.T, words map[string][]string, label, word string) {
	t.Helper()
	if !slices.Contains(words[label], word) {
		t.Errorf("no alert names the %s %s, and no list says why", label, word)
	}
}

var matcher = regexp.MustCompile(`(\w+)=(~?)"([^"]*)"`)

// selected gives the words that expressions compare labels with for equality.
func selected(text string) map[string][]string {
	words := map[string][]string{}
	for _, m := range matcher.FindAllStringSubmatch(text, -1) {
		words[m[1]] = append(words[m[1]], strings.Split(m[3], "|")...)
	}
	return words
}

func TestEveryMetricAndWordIsDocumented(t *testing.T) {
	docs := read(t, root+"/docs/metrics.md")
	metric := regexp.MustCompile(`\brotatord_[a-z0-9_]+`)
	_, rules := readRules(t)
	for _, r := range rules {
		all := r.Expr + r.Annotations["summary"] + r.Annotations["description"]
		for _, name := range metric.FindAllString(all, -1) {
			if !strings.Contains(docs, "`"+name+"`") {
				t.Errorf("%s: docs/metrics.md has no %s", r.Alert, name)
			}
		}
		for label, words := range selected(r.Expr) {
			for _, w := range words {
				if !strings.Contains(docs, "`"+w+"`") {
					t.Errorf("%s: docs/metrics.md has no word %s for %s", r.Alert, w, label)
				}
			}
		}
	}
}

var headings = []string{"What it means", "What breaks and when", "Look first", "Mend", "When it is not what it seems", "Silence"}

func TestEveryAlertHasItsRunbookAndTheIndexHasAll(t *testing.T) {
	_, rules := readRules(t)
	index := read(t, runbooks+"/README.md")
	want := []string{"README.md"}
	for _, r := range rules {
		want = append(want, r.Alert+".md")
		text := read(t, filepath.Join(runbooks, r.Alert+".md"))
		if !strings.HasPrefix(text, "# "+r.Alert+"\n\nSeverity: "+r.Labels["severity"]+".") {
			t.Errorf("%s: the runbook has another title or severity", r.Alert)
		}
		var found []string
		for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(text, -1) {
			found = append(found, m[1])
		}
		if diff := cmp.Diff(headings, found); diff != "" {
			t.Errorf("%s: headings (-want +got):\n%s", r.Alert, diff)
		}
		if strings.Count(index, "("+r.Alert+".md)") != 1 {
			t.Errorf("the index does not have %s once", r.Alert)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(runbooks, m[1])); err != nil {
				t.Errorf("%s links to what is not there: %s", r.Alert, m[1])
			}
		}
	}
	files, err := filepath.Glob(runbooks + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, filepath.Base(f))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("runbooks (-want +got):\n%s", diff)
	}
}

// Every command that a runbook names is tried with --help, and its flags are
// looked for in the answer.
func TestTheCommandsOfRunbooksExist(t *testing.T) {
	program := build(t)
	files, err := filepath.Glob(runbooks + "/*.md")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d runbooks, %v", len(files), err)
	}
	command := regexp.MustCompile("(?m)(?:^|`)rotatord ((?:[a-z]+ ?)+)([^`\n#]*)")
	help := map[string]string{}
	seen := 0
	for _, f := range files {
		for _, m := range command.FindAllStringSubmatch(read(t, f), -1) {
			verbs := strings.Fields(m[1])
			key := strings.Join(verbs, " ")
			if _, ok := help[key]; !ok {
				out, err := exec.CommandContext(t.Context(), program, append(slices.Clone(verbs), "--help")...).CombinedOutput() //nolint:gosec // the test's own
				if err != nil || !strings.Contains(string(out), "rotatord "+key) {
					t.Errorf("%s: no command rotatord %s: %v", filepath.Base(f), key, err)
				}
				help[key] = string(out)
			}
			for _, name := range regexp.MustCompile(`--[a-z-]+`).FindAllString(m[2], -1) {
				if !strings.Contains(help[key], name) {
					t.Errorf("%s: rotatord %s has no %s", filepath.Base(f), key, name)
				}
			}
			seen++
		}
	}
	if seen < 80 {
		t.Errorf("only %d commands were found in the runbooks", seen)
	}
}

// build makes the program.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "rotatord")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/rotatord") //nolint:gosec // the test's own
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

const (
	beginTable = "<!-- begin: written by go test ./alerts -update -->\n"
	endTable   = "<!-- end -->\n"
)

// The table says what is in the rules and in the runbooks.
func TestTheTableOfAlertsIsThatOfTheRules(t *testing.T) {
	_, rules := readRules(t)
	var b strings.Builder
	b.WriteString("| Alert | Severity | For | What breaks |\n|---|---|---|---|\n")
	for _, r := range rules {
		_, after, ok := strings.Cut(read(t, filepath.Join(runbooks, r.Alert+".md")), "## What breaks and when\n\n")
		text, _, _ := strings.Cut(after, "\n\n")
		first, _, _ := strings.Cut(strings.ReplaceAll(text, "\n", " "), ". ")
		if !ok || first == "" {
			t.Fatalf("%s: the runbook does not say what breaks", r.Alert)
		}
		wait := r.For
		if wait == "" {
			wait = "–"
		}
		fmt.Fprintf(&b, "| [`%s`](runbooks/%[1]s.md) | %s | %s | %s. |\n", r.Alert, r.Labels["severity"], wait, strings.TrimSuffix(first, "."))
	}
	path := root + "/docs/alerts.md"
	text := read(t, path)
	head, rest, ok := strings.Cut(text, beginTable)
	table, tail, ok2 := strings.Cut(rest, endTable)
	if !ok || !ok2 {
		t.Fatal("docs/alerts.md has no place for the table")
	}
	if *update {
		if err := os.WriteFile(path, []byte(head+beginTable+b.String()+endTable+tail), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(b.String(), table); diff != "" {
		t.Errorf("docs/alerts.md is not up to date, run: cd integration && go test ./alerts -update\n%s", diff)
	}
}
