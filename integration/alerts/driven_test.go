package alerts

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/integration/internal/promserver"
)

// undriven are the alerts that the daemon is not driven into, and why not. Their
// unit tests remain.
var undriven = map[string]string{}

// trouble is one cause, the alerts that it must bring, and how it is mended.
type trouble struct {
	alerts []string
	labels map[string]string
	cause  func()
	mend   func() // nil where the test's own story has it
}

func on(p *place) map[string]string {
	return map[string]string{"destination": p.id, "account": p.account}
}

// drives are three stories, each of daemons in a world of their own and of a
// Prometheus that knows of no other. They take their time beside each other.
var drives = map[string]func(t *testing.T, program string, rules []byte) (driven []string){
	"what goes wrong all around": driveTheWorld,
	"what takes its time":        driveThePatient,
	"what happens to a store":    driveTheStore,
}

// TestADaemonsTroublesFireAndResolve is the whole way: from a key that somebody
// revokes to the alert that Prometheus shows, and back.
func TestADaemonsTroublesFireAndResolve(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some minutes")
	}
	promserver.Tool(t, "prometheus") // or all of it is skipped
	groups, rules := readRules(t)
	program, short := build(t), shortened(t, groups, faster)
	var mu sync.Mutex
	var driven []string
	ended := 0
	t.Run("drive", func(t *testing.T) {
		for name, drive := range drives {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				names := drive(t, program, short)
				mu.Lock()
				defer mu.Unlock()
				driven = append(driven, names...)
				ended++
			})
		}
	})
	if ended == len(drives) { // not only some were asked for
		checkDriven(t, rules, driven)
	}
}

// watch starts a Prometheus that has the rules.
func watch(t *testing.T, rules []byte, daemons ...*daemon) *promserver.Server {
	t.Helper()
	var targets []string
	for _, d := range daemons {
		targets = append(targets, d.admin)
	}
	// A scrape that takes longer than the interval fails, and a for begins anew.
	return promserver.Start(t, promserver.Options{Targets: targets, ScrapeEvery: time.Second, EvaluateEvery: 250 * time.Millisecond,
		Rules: map[string][]byte{"rotatord.yaml": rules}})
}

// well waits until each destination of some daemons is in sync.
func well(t *testing.T, prom *promserver.Server, daemons ...*daemon) {
	t.Helper()
	n := 0
	for _, d := range daemons {
		n += strings.Count(read(t, d.config), "[[destination]]")
	}
	prom.WaitForQuery(`count(rotatord_destination_state{state="in_sync"} == 1)`, func(s []promserver.Sample) bool { return len(s) == 1 && s[0].Value == float64(n) })
}

// check fails where a rule could not be evaluated.
func check(t *testing.T, prom *promserver.Server) {
	t.Helper()
	wrong, err := prom.RuleErrors(t.Context())
	must(t, err)
	if len(wrong) > 0 {
		t.Errorf("rules with errors: %v", wrong)
	}
}

func driveTheWorld(t *testing.T, program string, rules []byte) (driven []string) {
	t.Helper()
	w := newWorld(t)
	var later daemonOf
	troubles, deliveries, gone := w.troubles(&later)
	main := w.daemon(program, "main", w.sources())
	later.d = main
	w.add("twin-place", spot{})
	twin := w.daemon(program, "twin", "")
	t.Cleanup(func() { main.explain() })
	main.start()
	twin.start()
	prom := watch(t, rules, main, twin)

	// Everybody is well, before everything goes wrong.
	well(t, prom, main, twin)
	prom.WaitForQuery(`sum(rotatord_source_up{source="queue"})`, func(s []promserver.Sample) bool { return len(s) == 1 && s[0].Value == 1 })
	driven = allFired(prom, causeAll(prom, troubles), troubles)
	text := prom.Firing("RotatordDeliveriesFailing", on(deliveries)).Annotations["description"]
	if want := "1 running subscription and 1 open order use it."; !strings.Contains(text, want) {
		t.Errorf("the description does not say %q: %s", want, text)
	}

	w.sim.ClearFaults()
	for _, tr := range troubles {
		if tr.mend != nil {
			tr.mend()
		}
	}
	allResolved(prom, slices.DeleteFunc(troubles, func(tr trouble) bool { return tr.mend == nil }))

	// What is gone for good is taken out of the configuration.
	main.reconfigure(strings.Replace(read(t, main.config), gone.table, "", 1))
	prom.Resolved("RotatordDestinationVanished", on(gone))

	// A configuration that is wrong is not taken over, and a good one is.
	good := read(t, twin.config)
	twin.reconfigure("this is no configuration\n")
	prom.Firing("RotatordConfigReloadFailed", map[string]string{"job": "rotatord"})
	twin.reconfigure(good)
	prom.Resolved("RotatordConfigReloadFailed", map[string]string{"job": "rotatord"})

	// Silence. One of two first, then both.
	twin.kill()
	prom.Firing("RotatordTargetDown", nil)
	twin.start()
	prom.Resolved("RotatordTargetDown", nil)
	twin.kill()
	main.kill()
	prom.Firing("RotatordGone", map[string]string{"job": "rotatord"})
	twin.start()
	prom.Resolved("RotatordGone", nil)
	prom.WaitFor("RotatordRestartLoop fires", func(context.Context) (bool, string) {
		twin.kill()
		twin.start()
		prom.WaitForQuery(fmt.Sprintf(`up{instance=%q} == 1`, twin.admin), promserver.Some)
		now, err := prom.Query(t.Context(), `ALERTS{alertname="RotatordRestartLoop", alertstate="firing"}`)
		return err == nil && len(now) == 1, fmt.Sprint(now, err)
	})
	prom.Resolved("RotatordRestartLoop", nil)
	check(t, prom)
	return append(driven, "RotatordConfigReloadFailed", "RotatordTargetDown", "RotatordGone", "RotatordRestartLoop")
}

// causeAll waits until no alert is there whose cause is yet to come, and brings
// the causes.
func causeAll(prom *promserver.Server, troubles []trouble) (since time.Time) {
	allResolved(prom, slices.DeleteFunc(slices.Clone(troubles), func(tr trouble) bool { return tr.cause == nil }))
	since = time.Now()
	for _, tr := range troubles {
		if tr.cause != nil {
			tr.cause()
		}
	}
	return since
}

// allFired waits until each alert has been seen firing at some time since then:
// some end by themselves while others are waited for.
func allFired(prom *promserver.Server, since time.Time, troubles []trouble) (names []string) {
	prom.WaitFor("all alerts have fired", func(ctx context.Context) (bool, string) {
		seen, err := prom.Query(ctx, fmt.Sprintf(`max_over_time(ALERTS{alertstate="firing"}[%dms])`, time.Since(since).Milliseconds()+1))
		if err != nil {
			return false, err.Error()
		}
		names = nil
		var missing []string
		for _, tr := range troubles {
			for _, name := range tr.alerts {
				names = append(names, name)
				if !slices.ContainsFunc(seen, func(s promserver.Sample) bool { return is(s.Labels, name, tr.labels) }) {
					missing = append(missing, fmt.Sprint(name, tr.labels))
				}
			}
		}
		wrong, err := prom.RuleErrors(ctx)
		return len(missing) == 0, fmt.Sprintf("missing: %s; errors of rules: %v, %v", strings.Join(missing, ", "), wrong, err)
	})
	return names
}

func is(labels map[string]string, alert string, more map[string]string) bool {
	for k, v := range more {
		if labels[k] != v {
			return false
		}
	}
	return labels["alertname"] == alert
}

// allResolved waits until none of the alerts is there any more.
func allResolved(prom *promserver.Server, troubles []trouble) {
	prom.WaitFor("all alerts are resolved", func(ctx context.Context) (bool, string) {
		now, err := prom.Alerts(ctx)
		if err != nil {
			return false, err.Error()
		}
		var left []string
		for _, tr := range troubles {
			for _, name := range tr.alerts {
				if slices.ContainsFunc(now, func(a promserver.Alert) bool { return is(a.Labels, name, tr.labels) }) {
					left = append(left, fmt.Sprint(name, tr.labels))
				}
			}
		}
		return len(left) == 0, "left: " + strings.Join(left, ", ")
	})
}

// checkDriven holds the lists of what is driven against the rules and docs/alerts.md.
func checkDriven(t *testing.T, rules []rule, driven []string) {
	t.Helper()
	var want []string
	for _, r := range rules {
		if undriven[r.Alert] == "" {
			want = append(want, r.Alert)
		}
	}
	slices.Sort(driven)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(driven)); diff != "" {
		t.Errorf("alerts that were driven (-want +got), undriven says why others are not:\n%s", diff)
	}
}

func TestTheDocumentSaysWhatIsDriven(t *testing.T) {
	const begin, end = "<!-- begin driven -->\n", "<!-- end driven -->\n"
	_, rules := readRules(t)
	var yes, no, own strings.Builder
	for _, r := range rules {
		if why := undriven[r.Alert]; why != "" {
			fmt.Fprintf(&no, "- `%s`: %s.\n", r.Alert, why)
			continue
		}
		fmt.Fprintf(&yes, "`%s`, ", r.Alert)
	}
	want := strings.TrimSuffix(yes.String(), ", ") + ".\n"
	if no.Len() > 0 {
		want += "\nNot these, beyond their unit tests:\n\n" + no.String()
	}
	for _, name := range slices.Sorted(maps.Keys(factors)) {
		fmt.Fprintf(&own, "- `%s` by %d: %s.\n", name, factors[name].by, factors[name].why)
	}
	want += fmt.Sprintf("\nAll times are divided by %d, but those of\n\n%s", faster, own.String())
	path := filepath.Join(root, "docs/alerts.md")
	text := read(t, path)
	head, rest, ok := strings.Cut(text, begin)
	list, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("docs/alerts.md has no place for the list")
	}
	if *update {
		must(t, os.WriteFile(path, []byte(head+begin+want+end+tail), 0o644)) //nolint:gosec // a document
		return
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("docs/alerts.md is not up to date, run: cd integration && go test ./alerts -update\n%s", diff)
	}
}
