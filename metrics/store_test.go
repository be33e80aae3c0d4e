package metrics

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/store"
)

// truth is the exposition without what belongs to this process.
func truth(t *testing.T, m *Metrics) string {
	t.Helper()
	body, _ := scrape(t, m, "")
	var b strings.Builder
	for line := range strings.Lines(body) {
		if isOfTheStore(line) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// The point of reading the store: a daemon that was just started says what the
// one before it said.
func TestARestartChangesNothing(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	dir := t.TempDir()
	open := func() *store.Store {
		s, err := store.Open(ctx, store.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s := open()
	full := fullRecord("prod")
	full.Pin.Structural, full.Changed = []byte(`{}`), nil
	if err := s.Ensure(ctx, []store.Record{{Destination: "prod", Account: "planet", Secret: full.Secret}, {Destination: "dev", Account: "planet", Secret: "file:///dev"}}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Load(ctx, "prod")
	if err != nil {
		t.Fatal(err)
	}
	r.Facts = full.Facts
	attempt := store.Entry{At: time.Unix(1, 0), Kind: store.EntryAttempt, Outcome: "refused", Reason: store.ReasonPlanetRefused}
	if err := s.Save(ctx, &r, attempt, attempt); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveAccount(ctx, store.Account{Name: "planet", BlockedSince: at(500), Active: 12}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveReceipt(ctx, fullReceipt()); err != nil {
		t.Fatal(err)
	}
	if err := s.SetDependents(ctx, "prod", *full.Dependents); err != nil {
		t.Fatal(err)
	}
	before := truth(t, newMetrics(t, options(s)))
	for _, want := range []string{
		`rotatord_attempts_total{destination="prod",outcome="refused",reason="planet_refused"} 2`,
		`rotatord_destination_state{destination="prod",state="held"} 1`,
		`rotatord_destination_state{destination="dev",state="new"} 1`,
		`rotatord_account_blocked{account="planet"} 1`,
		`rotatord_account_destinations{account="planet"} 12`,
		`rotatord_destination_condition{condition="drift",destination="prod"} 1`,
		`rotatord_standing{destination="prod",state="rejected"} 1`,
		`rotatord_dependents_failed{cause="credential",destination="prod"} 4`,
		`rotatord_receipt_safe{secret="file:///run/secrets/s3"} 1`,
		`rotatord_store_up 1`,
	} {
		if !strings.Contains(before, want+"\n") {
			t.Errorf("no line %s in:\n%s", want, before)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := truth(t, newMetrics(t, options(s))); got != "rotatord_store_up 0\n" {
		t.Errorf("a closed store still shows:\n%s", got)
	}
	if diff := cmp.Diff(before, truth(t, newMetrics(t, options(open())))); diff != "" {
		t.Errorf("after a restart (-before +after):\n%s", diff)
	}
}
