package observe

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/integration/internal/promserver"
)

// scene is a world with a Prometheus, in which a good deal has happened.
type scene struct {
	*world
	prometheus *promserver.Server
	from       time.Time // of what is worth to be looked at
}

// live lets happen what the dashboards are there for: a rotation, a version
// that is held, a key that is revoked, one that may not delete, one that ends,
// a change by somebody else, an account that is refused, and what tells of it.
func (w *world) live() *scene {
	t := w.t
	t.Helper()
	w.s3Destination("rotating", w.key("rotating1", "rotating", all...), "")
	w.s3Destination("held", w.key("held1", "held", all...), "")
	w.s3Destination("revoked", w.key("revoked1", "revoked", all...), "")
	w.s3Destination("changed", w.key("changed1", "changed", all...), "")
	w.s3Destination("leftover", w.key("leftover1", "leftover", buckettest.Put, buckettest.Get), "preflight = \"off\"\n"+w.looker("leftover"))
	w.s3Destination("refused", w.key("refused1", "refused", all...), "account = \"stranger\"\n")
	w.sasDestination("ending", time.Now().Add(3*24*time.Hour))
	w.keepsVersions("leftover")
	m := w.managers()
	for _, name := range []string{"rotating", "revoked"} {
		w.delivers(name)
	}

	w.run()
	for _, name := range []string{"rotating", "held", "revoked", "changed", "leftover", "ending", "amazon", "vault"} {
		w.awaitState(name, "in_sync")
	}
	w.reload()
	s := &scene{world: w, prometheus: promserver.Start(t, promserver.Options{
		Targets: []string{w.admin}, Rules: map[string][]byte{"alert.yaml": []byte(alert)}})}
	p := s.prometheus
	p.Scraped()
	s.from = time.Now()
	// What changes from here on is seen to change, for longer than a rate needs.
	p.WaitForQuery(fmt.Sprintf("rotatord_build_info offset %s", rateInterval), promserver.Some)

	w.s3.Revoke(keyID("revoked1"))
	w.file("rotating", w.key("rotating2", "rotating", all...))
	w.file("held", `{"aws_access_key_id": "AKIANOSUCHKEYXXXXXXX", "aws_secret_access_key": "canarySecretOfNobody"}`)
	m.rotate(w)
	w.tell("msg-1", fmt.Sprintf(`{"secret": %q}`, w.secret("rotating")), true)
	w.tell("msg-2", `{"secret": "file:///nowhere"}`, true)
	w.tell("msg-3", `not JSON`, true)
	w.tell("msg-4", `{"secret": "file:///nowhere"}`, false)

	// Another's change is known by what Planet's list said before, so that has to
	// have been asked for since rotatord's own PATCH.
	const lists = `sum(rotatord_planet_requests_total{account="owner",method="GET",route="/destinations/v1",kind="none"})`
	before := p.WaitForQuery(lists, promserver.Some)[0].Value
	p.WaitForQuery(fmt.Sprintf("%s >= %v", lists, before+2), promserver.Some)
	other := map[string]any{"aws_access_key_id": keyID("changed2"), "aws_secret_access_key": "canarySecretOfchanged2"}
	w.key("changed2", "changed", all...)
	w.ask(http.MethodPatch, w.planet+"/"+w.ids["changed"], map[string]any{"parameters": other}, nil)

	for _, what := range []string{
		`rotatord_attempts_total{destination=~"rotating.*",outcome="accepted"} >= 2`,
		`rotatord_destination_state{destination=~"held.*",state="held"} == 1`,
		`rotatord_destination_state{destination=~"refused.*",state="blocked"} == 1`,
		`rotatord_destination_condition{destination=~"revoked.*",condition="credential_rejected"} == 1`,
		`rotatord_destination_condition{destination=~"leftover.*",condition="leftover"} == 1`,
		`rotatord_destination_condition{destination=~"changed.*",condition="drift"} == 1`,
		`rotatord_dependents_failed{destination=~"revoked.*"} > 0`,
		`rotatord_receipt_safe == 1`,
		`rotatord_announcement_target_stopped{target="former"} == 1`,
		`rotatord_events_total{source="ci",result="matched"} > 0`,
		`rotatord_source_errors_total{source="lost"} > 0`,
		`rotatord_events_missed_total > 0`,
		`rotatord_mark_errors_total{reason="denied"} > 0`,
		`rotatord_note{destination=~"amazon.*",kind="rotation_failed"} == 1`,
		`rotatord_leftover_versions > 0`,
		`rotatord_trace_spans_lost_total > 0`,
		`rotatord_config_reloads_total{result="success"} > 0`,
		`rotatord_planet_paused_until_timestamp_seconds`,
		`ALERTS{alertname="RotatordVersionHeld",alertstate="firing"}`,
	} {
		p.WaitForQuery(what, promserver.Some)
	}
	p.Scraped()
	return s
}

// finds tells whether a query finds a number, for at least one destination
// where it is about one. On a busy machine a scrape is cut off now and then, and
// every series of it is gone until the next: what a query finds it finds within
// some of them, and what it can't find never comes.
func (s *scene) finds(q query) (found bool, err error) {
	for range 20 {
		if found, err = s.findsNow(q); found || err != nil {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	return found, err
}

func (s *scene) findsNow(q query) (bool, error) {
	destinations := []string{""}
	if strings.Contains(q.expr, "$destination") {
		destinations = slices.Sorted(maps.Values(s.ids))
	}
	for _, destination := range destinations {
		found, err := s.evaluate(q, s.substitute(q.expr, destination))
		if err != nil || found {
			return found, err
		}
	}
	return false, nil
}

// substitute does what Grafana does with variables: one value is written as it
// is, several as (a|b).
func (s *scene) substitute(expression, destination string) string {
	whole := max(time.Since(s.from).Round(time.Second), time.Second)
	return strings.NewReplacer(
		"$__rate_interval", rateInterval.String(), "$__range", fmt.Sprintf("%ds", int(whole.Seconds())),
		"$job", "(rotatord|another)", "$step", "(list|current|read|preflight|turn|patch|probe|check)", "$destination", destination,
	).Replace(expression)
}

func (s *scene) evaluate(q query, expression string) (bool, error) {
	ctx := s.t.Context()
	switch {
	case strings.Contains(expression, "$"+"_") || strings.Contains(expression, "${"):
		return false, fmt.Errorf("a variable that this test does not know: %s", expression)
	case q.label != "":
		values, err := s.prometheus.LabelValues(ctx, q.label, expression)
		return len(values) > 0, err
	case q.over:
		all, err := s.prometheus.Range(ctx, expression, s.from, time.Now(), 500*time.Millisecond)
		for _, series := range all {
			for _, p := range series.Points {
				if !math.IsNaN(p.Value) {
					return true, err
				}
			}
		}
		return false, err
	default:
		found, err := s.prometheus.Query(ctx, expression)
		return slices.ContainsFunc(found, func(s promserver.Sample) bool { return !math.IsNaN(s.Value) }), err
	}
}
