package alerts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/integration/internal/promserver"
)

// undriven are the alerts that the daemon is not driven into, and why not. Their
// unit tests remain.
var undriven = map[string]string{
	"RotatordDestinationPaused":  "two days are twelve minutes even here",
	"RotatordUnproven":           "six hours are a minute and a half more than the rest takes",
	"RotatordTurnsStarving":      "it takes more requests than one machine's worth of destinations makes",
	"RotatordSecretEndsAtSource": "only Azure Key Vault says it, by Event Grid",
	"RotatordEventsNotRecorded":  "needs a full disk; internal/app fills one, without a Prometheus",
	"RotatordStoreDown":          "needs a disk that hangs or a damaged database under a running daemon; internal/app damages one",
	"RotatordRecordMissing":      "needs a damaged record",
	"RotatordNotLooking":         "a daemon that is well and does not look would be a bug",
	"RotatordMetricsIncomplete":  "would be a bug",
	"RotatordMarkFailing":        "a mark is tried again after a minute, which does not shrink with the rules",
	"RotatordDependentsUnknown":  "Planet is asked once a minute at most, which does not shrink with the rules",
}

// trouble is one cause, the alerts that it must bring, and how it is mended.
type trouble struct {
	alerts []string
	labels map[string]string
	cause  func()
	mend   func() // nil where the next start of the daemon mends it
}

func on(p *place) map[string]string {
	return map[string]string{"destination": p.id, "account": p.account}
}

// TestADaemonsTroublesFireAndResolve is the whole way: from a key that somebody
// revokes to the alert that Prometheus shows, and back.
func TestADaemonsTroublesFireAndResolve(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two minutes")
	}
	groups, rules := readRules(t)
	program := build(t)
	w := newWorld(t)
	var later daemonOf
	troubles, deliveries := w.troubles(&later)
	main := w.daemon(program, "main")
	later.d = main
	w.add("twin-place", spot{})
	twin := w.daemon(program, "twin")
	t.Cleanup(func() { main.explain() })
	main.start()
	twin.start()
	prom := promserver.Start(t, promserver.Options{Targets: []string{main.admin, twin.admin},
		// A scrape that takes longer than the interval fails, and a for begins anew.
		ScrapeEvery: time.Second, EvaluateEvery: 250 * time.Millisecond,
		Rules: map[string][]byte{"rotatord.yaml": shortened(t, groups, faster)}})

	// Everybody is well, before everything goes wrong.
	n := float64(strings.Count(read(t, main.config), "[[destination]]") + 1)
	prom.WaitForQuery(`count(rotatord_destination_state{state="in_sync"} == 1)`, func(s []promserver.Sample) bool { return len(s) == 1 && s[0].Value == n })
	prom.WaitForQuery(`sum(rotatord_source_up{source="queue"})`, func(s []promserver.Sample) bool { return len(s) == 1 && s[0].Value == 1 })
	for _, tr := range troubles {
		if tr.cause != nil {
			tr.cause()
		}
	}
	driven := allFired(prom, troubles)
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
	allResolved(prom, troubles)

	// A configuration that is wrong is not taken over, and a good one is.
	good := read(t, twin.config)
	must(t, os.WriteFile(twin.config, []byte("this is no configuration\n"), 0o600))
	must(t, twin.cmd.Process.Signal(syscall.SIGHUP))
	prom.Firing("RotatordConfigReloadFailed", map[string]string{"job": "rotatord"})
	must(t, os.WriteFile(twin.config, []byte(good), 0o600))
	must(t, twin.cmd.Process.Signal(syscall.SIGHUP))
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
	for _, tr := range troubles {
		if tr.mend == nil { // it went with the daemon
			prom.Resolved(tr.alerts[0], tr.labels)
		}
	}
	driven = append(driven, "RotatordConfigReloadFailed", "RotatordTargetDown", "RotatordGone", "RotatordRestartLoop")

	wrong, err := prom.RuleErrors(t.Context())
	must(t, err)
	if len(wrong) > 0 {
		t.Errorf("rules with errors: %v", wrong)
	}
	checkDriven(t, rules, driven)
}

// allFired waits until each alert has been seen firing at some time: some end by
// themselves while others are waited for.
func allFired(prom *promserver.Server, troubles []trouble) (names []string) {
	prom.WaitFor("all alerts have fired", func(ctx context.Context) (bool, string) {
		seen, err := prom.Query(ctx, `max_over_time(ALERTS{alertstate="firing"}[1h])`)
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

// allResolved waits until none of the alerts is there any more, but for those
// that end with the daemon.
func allResolved(prom *promserver.Server, troubles []trouble) {
	prom.WaitFor("all alerts are resolved", func(ctx context.Context) (bool, string) {
		now, err := prom.Alerts(ctx)
		if err != nil {
			return false, err.Error()
		}
		var left []string
		for _, tr := range troubles {
			for _, name := range tr.alerts {
				if tr.mend != nil && slices.ContainsFunc(now, func(a promserver.Alert) bool { return is(a.Labels, name, tr.labels) }) {
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
	var yes, no strings.Builder
	for _, r := range rules {
		if why := undriven[r.Alert]; why != "" {
			fmt.Fprintf(&no, "- `%s`: %s.\n", r.Alert, why)
			continue
		}
		fmt.Fprintf(&yes, "`%s`, ", r.Alert)
	}
	want := strings.TrimSuffix(yes.String(), ", ") + ".\n\nNot these, beyond their unit tests:\n\n" + no.String()
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
