package observe

import (
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

// empty are the queries that find nothing in the world of this test, and why.
// They are asked all the same. One that does find something has to go from here.
var empty = map[string]string{
	"rotatord-overview: Events / Missed events / A":                                  "rotatord hears of files by itself, at once",
	"rotatord-overview: Receipts: what may be revoked / Marks that were refused / A": "files can't be marked, so nobody refuses it",
	"rotatord-overview: The process / Reading the store / B":                         "the store can be read",
	"rotatord-overview: The process / Reading the store / C":                         "each destination has a record",
	"rotatord-overview: Accounts and Planet's API / Waiting for a turn / B":          "nobody gives up its turn",
	"rotatord-destination: Versions and expiry / What its secret manager told / A":   "files tell nothing beside changes",
	"rotatord-destination: Versions and expiry / What its secret manager told / B":   "files tell nothing beside changes",
	"rotatord-destination: Versions and expiry / Time left / B":                      "files have no end",
	"rotatord-destination: Versions and expiry / Time left / C":                      "files have no plan of rotations",
	"rotatord-destination: Credential and bucket / Versions of that object / A":      "the buckets keep no versions",
}

func TestEveryQueryOfEveryPanelFindsData(t *testing.T) {
	promserver.Tool(t, "prometheus") // or skip, before anything is built
	s := newWorld(t).live()
	left := maps.Clone(empty)
	for _, d := range dashboards(t) {
		for _, q := range d.queries() {
			where := d.UID + ": " + q.where
			found, err := s.finds(q)
			reason, expected := empty[where]
			delete(left, where)
			switch {
			case err != nil:
				t.Errorf("%s: %v", where, err)
			case !found && !expected:
				t.Errorf("%s finds nothing: %s", where, q.expr)
			case found && expected:
				t.Errorf("%s finds something, though %s", where, reason)
			}
		}
	}
	for where := range left {
		t.Errorf("there is no query %s", where)
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
	found, err := s.prometheus.Query(t.Context(), s.substitute(panelQuery(t, "rotatord-overview", "Destinations that need attention").expr, ""))
	must(t, err)
	got := map[string]string{}
	for _, row := range found {
		deliveries := "known"
		if row.Value == -1 {
			deliveries = "not known"
		}
		got[row.Labels["destination"]+" "+row.Labels["problem"]] = row.Labels["reason"] + ", deliveries " + deliveries
	}
	for row, want := range map[string]string{
		s.ids["held"] + " held":                   "preflight_refused, deliveries known",
		s.ids["refused"] + " blocked":             "account_blocked, deliveries not known",
		s.ids["revoked"] + " credential_rejected": ", deliveries known",
		s.ids["leftover"] + " leftover":           ", deliveries known",
		s.ids["changed"] + " drift":               ", deliveries known",
	} {
		if got[row] != want {
			t.Errorf("needs attention: %s: %q, want %q", row, got[row], want)
		}
	}
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
