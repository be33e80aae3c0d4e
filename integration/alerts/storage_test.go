package alerts

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the store's own

	"github.com/rotatord/rotatord/integration/internal/promserver"
)

// driveTheStore does to the store of a daemon, one after the other, what others
// may do to it: they keep it locked, damage one record, take one away, and damage
// all of it.
func driveTheStore(t *testing.T, program string, rules []byte) []string {
	t.Helper()
	w := newWorld(t)
	places := []*place{w.add("stored-a", spot{}), w.add("stored-b", spot{}), w.add("stored-c", spot{})}
	d := w.daemon(program, "stored", w.grid())
	t.Cleanup(d.explain)
	d.start()
	prom := watch(t, rules, d)
	well(t, prom, d)
	w.lock(t, prom, places[0])
	w.damage(t, prom, d, places[1])
	w.lose(t, prom, d, places[2])
	w.destroy(t, prom, d)
	check(t, prom)
	return []string{"RotatordEventsNotRecorded", "RotatordNotLooking", "RotatordRecordMissing", "RotatordStoreDown"}
}

// lock has somebody begin to write to the database, and leave it so.
func (w *world) lock(t *testing.T, prom *promserver.Server, p *place) {
	t.Helper()
	db := w.database(t)
	defer func() { must(t, db.Close()) }()
	conn, err := db.Conn(t.Context())
	must(t, err)
	_, err = conn.ExecContext(t.Context(), "BEGIN EXCLUSIVE")
	must(t, err)
	refused := 0
	send, enough := w.again(500*time.Millisecond, func(ctx context.Context) {
		if w.post(ctx, fmt.Sprintf(`{"secret": %q}`, "file://"+w.path(p.file))) != nil {
			refused++
		}
	})
	send()
	prom.Firing("RotatordEventsNotRecorded", map[string]string{"source": "grid"})
	prom.Firing("RotatordNotLooking", on(p))
	_, err = conn.ExecContext(t.Context(), "ROLLBACK")
	must(t, err)
	must(t, conn.Close())
	prom.Resolved("RotatordEventsNotRecorded", nil)
	prom.Resolved("RotatordNotLooking", nil)
	enough()
	if refused == 0 {
		t.Error("no sender was told that its event was not recorded")
	}
}

// damage makes what is recorded of one destination senseless. No other is
// touched by it, and the store as a whole is not down.
func (w *world) damage(t *testing.T, prom *promserver.Server, d *daemon, p *place) {
	t.Helper()
	// The revision, so that a look under way does not write over it.
	w.change(t, `UPDATE destinations SET facts = replace(facts, '"pin":{', '"pin":['), revision = revision + 1 WHERE name = ? AND facts LIKE '%"pin":{%'`, p.id)
	prom.Firing("RotatordRecordMissing", map[string]string{"destination": p.id})
	if also, err := prom.Query(t.Context(), `max_over_time(ALERTS{alertname="RotatordStoreDown"}[1h])`); err != nil || len(also) > 0 {
		t.Errorf("one damaged record is told as a store that is down: %v, %v", also, err)
	}
	d.do("retry", p.id)
	prom.Resolved("RotatordRecordMissing", nil)
	well(t, prom, d)
}

// lose takes what is recorded of one destination away.
func (w *world) lose(t *testing.T, prom *promserver.Server, d *daemon, p *place) {
	t.Helper()
	w.change(t, `DELETE FROM destinations WHERE name = ?`, p.id)
	prom.Firing("RotatordRecordMissing", map[string]string{"destination": p.id})
	d.do("retry", p.id)
	prom.Resolved("RotatordRecordMissing", nil)
	well(t, prom, d)
}

// change does something to one record behind the daemon's back.
func (w *world) change(t *testing.T, statement string, arguments ...any) {
	t.Helper()
	db := w.database(t)
	defer func() { must(t, db.Close()) }()
	done, err := db.ExecContext(t.Context(), statement, arguments...)
	must(t, err)
	if n, err := done.RowsAffected(); n != 1 || err != nil {
		t.Fatalf("%d records were changed, %v", n, err)
	}
}

// destroy writes over the files of the database. What mends it is an empty
// directory.
func (w *world) destroy(t *testing.T, prom *promserver.Server, d *daemon) {
	t.Helper()
	for _, name := range []string{"rotatord.db", "rotatord.db-wal", "rotatord.db-shm"} {
		path := w.path("store-stored/" + name)
		text := read(t, path)
		f, err := os.OpenFile(path, os.O_WRONLY, 0) //nolint:gosec // the test's own
		must(t, err)
		_, err = f.WriteString(strings.Repeat("\xa5", len(text)))
		must(t, err)
		must(t, f.Close())
	}
	prom.Firing("RotatordStoreDown", map[string]string{"job": "rotatord"})
	d.kill()
	must(t, os.Rename(w.path("store-stored"), w.path("store-damaged")))
	d.start()
	prom.Resolved("RotatordStoreDown", nil)
	well(t, prom, d)
}

// database opens the store beside the daemon, as a curious person would.
func (w *world) database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.path("store-stored/rotatord.db")+"?mode=rw&_pragma=busy_timeout(10000)")
	must(t, err)
	return db
}
