package app_test

import (
	"bytes"
	"os"
	"testing"
	"time"

	"github.com/rotatord/rotatord/store"
)

// TestARecordThatCannotBeReadStopsNobodyElse damages what the store knows of
// one destination, byte for byte in the file.
func TestARecordThatCannotBeReadStopsNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	damaged, other := w.add("damaged", renamed), w.add("other", renamed)
	w.configure()
	daemon := w.run()
	c := w.reach()
	for _, d := range w.destinations {
		wait(t, c, d, store.StateInSync, "")
	}
	daemon.stop()
	w.damage(damaged)

	daemon = w.run()
	k := other.rotate()
	until(t, "the other destination is rotated", func() bool { return other.held(k) })
	until(t, "the metrics tell the damage", func() bool {
		n := daemon.metric(`rotatord_store_read_errors_total{kind="damaged"}`)
		return n != "" && n != "0"
	})
	inSync := `rotatord_destination_state{destination="` + other.id + `",state="in_sync"}`
	until(t, "the metrics of the other destination stay", func() bool { return daemon.metric(inSync) == "1" })
	c = w.reach()
	s := status(t, c, other)
	if s.State != store.StateInSync || time.Since(s.LastSuccess) > patience {
		t.Errorf("the other destination is %s/%s (%s)", s.State, s.Reason, s.Detail)
	}
	if code, body := daemon.get("/readyz"); code != 200 {
		t.Errorf("one record that can't be read makes it %d %s", code, body)
	}
	// Whose record it is can be seen, and a person can mend it.
	if s := status(t, c, damaged); s.State == store.StateInSync || s.Detail == "" {
		t.Errorf("a destination whose record can't be read is shown as %s (%s)", s.State, s.Detail)
	}
	person(t, c, "retry", damaged)
	k = damaged.rotate()
	until(t, "the record is made anew", func() bool { return damaged.held(k) && status(t, c, damaged).State == store.StateInSync })
	w.checkNoSecret(daemon, c)
	daemon.stop()
}

// damage makes the JSON of one record senseless, past the database.
func (w *world) damage(d *destination) {
	w.t.Helper()
	path := w.path("store/rotatord.db")
	b, err := os.ReadFile(path)
	must(w.t, err)
	was := []byte(`"pin":{"id":"` + d.id)
	if !bytes.Contains(b, was) {
		w.t.Fatal("the record is not where this test looks for it")
	}
	must(w.t, os.WriteFile(path, bytes.ReplaceAll(b, was, []byte(`"pin":["id":"`+d.id)), 0o600))
}
