package metrics

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/store"
)

func withReceipts(t *testing.T, secrets []credential.Secret, all ...store.Receipt) *Metrics {
	t.Helper()
	o := options(&fakeStore{receipts: all})
	o.Secrets = secrets
	return newMetrics(t, o)
}

func TestAReceiptIsShownAsFarAsItHasGot(t *testing.T) {
	const secret = "secret=s"
	accepted := store.Receipt{Secret: "s", Version: "v2", At: at(1), Opens: at(2)}
	safe := accepted
	safe.Safe = at(3)
	marked := safe
	marked.Marked = at(4)
	withdrawn := marked
	withdrawn.Withdrawn, withdrawn.Why = at(5), mustNotShow
	for _, c := range []struct {
		name                               string
		receipt                            store.Receipt
		isSafe, isWithdrawn                float64
		safeSince, markedAt, withdrawnTime float64 // 0 for no series
	}{
		{"accepted everywhere, within the grace", accepted, 0, 0, 0, 0, 0},
		{"safe", safe, 1, 0, 3.5, 0, 0},
		{"marked", marked, 1, 0, 3.5, 4.5, 0},
		{"withdrawn after it was safe", withdrawn, 0, 1, 0, 4.5, 5.5},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := withReceipts(t, []credential.Secret{"s"}, c.receipt)
			known := func(v float64) map[string]float64 {
				if v == 0 {
					return map[string]float64{}
				}
				return map[string]float64{secret: v}
			}
			wantSeries(t, m, "rotatord_receipt_info", map[string]float64{secret + ",version=v2": 1})
			wantSeries(t, m, "rotatord_receipt_timestamp_seconds", known(1.5))
			wantSeries(t, m, "rotatord_receipt_opens_timestamp_seconds", known(2.5))
			wantSeries(t, m, "rotatord_receipt_safe", map[string]float64{secret: c.isSafe})
			wantSeries(t, m, "rotatord_receipt_safe_timestamp_seconds", known(c.safeSince))
			wantSeries(t, m, "rotatord_receipt_marked_timestamp_seconds", known(c.markedAt))
			wantSeries(t, m, "rotatord_receipt_withdrawn", map[string]float64{secret: c.isWithdrawn})
			wantSeries(t, m, "rotatord_receipt_withdrawn_timestamp_seconds", known(c.withdrawnTime))
		})
	}
}

func TestOnlyConfiguredSecretsHaveReceipts(t *testing.T) {
	m := withReceipts(t, []credential.Secret{"now", "now", "later"},
		store.Receipt{Secret: "of-last-year", Version: "v1", At: at(1)}, store.Receipt{Secret: "now", Version: "v2", At: at(2)})
	wantSeries(t, m, "rotatord_receipt_timestamp_seconds", map[string]float64{"secret=now": 2.5})
	if body, _ := scrape(t, m, ""); strings.Contains(body, "of-last-year") {
		t.Error("a secret that is not configured is shown")
	}
}

// A secret's name is what tells series apart: two that begin alike must not
// become one, and the name must be the one that rotatord_destination_info has.
func TestLongNamesOfSecretsStayApartAndCanBeJoined(t *testing.T) {
	long := credential.Secret(strings.Repeat("a", 2*maxLabel))
	one, two := long+"1", long+"2"
	o := options(&fakeStore{
		records:  []store.Record{{Destination: "prod", Secret: one}, {Destination: "dev", Secret: long}},
		receipts: []store.Receipt{{Secret: one, Version: "v1", At: at(1)}, {Secret: two, Version: "v1", At: at(2)}},
	})
	o.Secrets = []credential.Secret{one, two}
	m := newMetrics(t, o)
	wantSeries(t, m, "rotatord_receipt_timestamp_seconds", map[string]float64{"secret=" + string(one): 1.5, "secret=" + string(two): 2.5})
	got := map[string]string{}
	for _, s := range gather(t, m)["rotatord_destination_info"].GetMetric() {
		labels := map[string]string{}
		for _, l := range s.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		got[labels["destination"]] = labels["secret"]
	}
	if diff := cmp.Diff(map[string]string{"prod": string(one), "dev": clean(string(long))}, got); diff != "" {
		t.Errorf("secret of each destination (-want +got):\n%s", diff)
	}
}

func TestMarksThatFailAreCountedByReason(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	want := map[string]float64{}
	for _, r := range markReasons() {
		want["reason="+string(r)] = 0
	}
	wantSeries(t, m, "rotatord_mark_errors_total", want)
	m.Mark(providers.ReasonOf(nil))
	m.Mark(providers.ReasonOf(errDisk))
	m.Mark(providers.ReasonDenied)
	m.Mark(providers.ReasonDenied)
	m.Mark("of tomorrow")
	want["reason=unavailable"], want["reason=denied"], want["reason=other"] = 1, 2, 1
	wantSeries(t, m, "rotatord_mark_errors_total", want)
}
