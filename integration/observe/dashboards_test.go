package observe

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/integration/internal/promserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rateInterval takes the place of Grafana's $__rate_interval: some scrapes.
const rateInterval = 2 * time.Second

// alert stands for those of helm/rotatord/files/rules, which have tests of
// their own: the dashboards show whatever is called like them.
const alert = `
groups:
  - name: observe
    rules:
      - alert: RotatordVersionHeld
        expr: rotatord_destination_state{state="held"} == 1
        labels: {severity: warning}
`

func TestEveryQueryOfEveryPanelFindsData(t *testing.T) {
	t.Parallel()
	promserver.Tool(t, "prometheus") // or skip, before anything is built
	s := newWorld(t).live()
	for _, d := range dashboards(t) {
		for _, q := range d.queries() {
			where := d.UID + ": " + q.where
			if found, err := s.finds(q); err != nil || !found {
				t.Errorf("%s finds nothing, %v: %s", where, err, q.expr)
			}
		}
	}
	checkAttention(t, s)
	checkFirstTime(t, s)
}

// panelQuery is the first query of a panel, by its title.
func panelQuery(t *testing.T, uid, title string) query {
	t.Helper()
	for _, q := range dashboards(t)[uid+".json"].queries() {
		if strings.HasSuffix(q.where, " / "+title+" / A") {
			return q
		}
	}
	t.Fatalf("%s has no panel %s", uid, title)
	return query{}
}

// checkAttention looks at the table that a person is to act on.
func checkAttention(t *testing.T, s *scene) {
	t.Helper()
	expr := s.substitute(panelQuery(t, "rotatord-overview", "Destinations that need attention").expr, "")
	want := map[string]string{
		s.ids["held"] + " held":                   "preflight_refused, deliveries known",
		s.ids["refused"] + " blocked":             "account_blocked, deliveries not known",
		s.ids["revoked"] + " credential_rejected": ", deliveries known",
		s.ids["leftover"] + " leftover":           ", deliveries known",
		s.ids["changed"] + " drift":               ", deliveries known",
	}
	until(t, fmt.Sprintf("what needs attention is %v", want), func() bool { // a scrape may have been cut off
		found, err := s.prometheus.Query(t.Context(), expr)
		must(t, err)
		got := map[string]string{}
		for _, row := range found {
			deliveries := "known"
			if row.Value == -1 {
				deliveries = "not known"
			}
			key := row.Labels["destination"] + " " + row.Labels["problem"]
			if want[key] != "" {
				got[key] = row.Labels["reason"] + ", deliveries " + deliveries
			}
		}
		return maps.Equal(got, want)
	})
}

// checkFirstTime looks for what has happened only once: its counter began with
// that, so that increase() alone sees nothing.
func checkFirstTime(t *testing.T, s *scene) {
	t.Helper()
	q := panelQuery(t, "rotatord-overview", "Attempts by outcome")
	all, err := s.prometheus.Range(t.Context(), s.substitute(q.expr, ""), s.from, time.Now(), time.Second/2)
	must(t, err)
	for _, series := range all {
		if series.Labels["outcome"] == "preflight_refused" {
			return
		}
	}
	t.Errorf("the only attempt that preflight refused is not among %+v", all)
}
