package store

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestAStoreOfSchema1StillOpens(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile(filepath.Join("testdata", "schema1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	withDatabase(t, filepath.Join(dir, databaseName), string(script))
	s := openTest(t, dir)
	if s.Epoch() != 8 {
		t.Errorf("epoch is %d", s.Epoch())
	}
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	want := Record{
		Destination: "prod", Account: "default", Secret: "file:///run/secrets/prod", Revision: 12, Epoch: 7,
		Due: 5, Done: 4, DueAt: at, DueSource: "file",
		Facts: Facts{
			Accepted: &Accepted{Version: "v1", At: at},
			Inflight: &Inflight{Version: "v2", Sent: at, Epoch: 7},
			Status:   Status{State: StateInSync, Since: at},
		},
	}
	wantSame(t, want, loadTest(t, s, "prod"))
	account, err := s.LoadAccount(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, Account{Name: "default", BlockedSince: at, Failures: 2}, account)
	entries, err := s.History(t.Context(), HistoryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, []Entry{{ID: 3, At: at, Destination: "prod", Kind: EntryAttempt, Version: "v1", Outcome: "accepted", Duration: time.Second}}, entries)
	counts, err := s.Attempts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, []AttemptCount{{Destination: "prod", Outcome: "accepted", Count: 41}}, counts)
}

// stepsUpTo gives the real migrations and made-up ones after them.
func stepsUpTo(t *testing.T, more ...string) []migration {
	t.Helper()
	steps, err := embeddedMigrations()
	if err != nil {
		t.Fatal(err)
	}
	for i, statements := range more {
		steps = append(steps, migration{fmt.Sprintf("made up %d", i), statements})
	}
	return steps
}

func openSteps(ctx context.Context, dir string, steps []migration) (int64, error) {
	s, err := open(ctx, Options{Dir: dir}, steps)
	if err != nil {
		return 0, err
	}
	var version int64
	err = s.writer.conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version)
	return version, errors.Join(err, s.Close())
}

func TestMigrations(t *testing.T) {
	one := int64(len(stepsUpTo(t)))
	t.Run("run once each, in order, and keep the records", func(t *testing.T) {
		dir := t.TempDir()
		seedTest(t, dir)
		steps := stepsUpTo(t, `ALTER TABLE destinations ADD COLUMN a INTEGER NOT NULL DEFAULT 1`,
			`UPDATE destinations SET a = a + 1; CREATE TABLE b (c INTEGER) STRICT`)
		for range 2 {
			if version, err := openSteps(t.Context(), dir, steps); err != nil || version != one+2 {
				t.Fatalf("schema %d, %v", version, err)
			}
		}
		s, err := open(t.Context(), Options{Dir: dir}, steps)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		var a int
		if err := s.readers.QueryRowContext(t.Context(), `SELECT a FROM destinations WHERE name = 'one'`).Scan(&a); err != nil || a != 2 {
			t.Errorf("a is %d, %v", a, err)
		}
		if r := loadTest(t, s, "one"); r.Accepted == nil || r.Accepted.Version != "v1" {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("an older rotatord then refuses, also beside a log", func(t *testing.T) {
		dir := t.TempDir()
		seedTest(t, dir)
		newer, err := open(t.Context(), Options{Dir: dir}, stepsUpTo(t, `CREATE TABLE b (c INTEGER) STRICT`))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = newer.Close() }()
		killed := t.TempDir()
		for _, name := range []string{databaseName, databaseName + "-wal", databaseName + "-shm", keyName} {
			if err := copyFile(filepath.Join(dir, name), filepath.Join(killed, name)); err != nil {
				t.Fatal(err)
			}
		}
		before := snapshot(t, killed)
		_, err = openSteps(t.Context(), killed, stepsUpTo(t))
		var open *OpenError
		if !errors.As(err, &open) || open.Problem != ProblemNewerSchema {
			t.Errorf("got %v", err)
		}
		wantSame(t, before, snapshot(t, killed))
	})
	t.Run("one that fails leaves the schema and the records as they were", func(t *testing.T) {
		dir := t.TempDir()
		seedTest(t, dir)
		_, err := openSteps(t.Context(), dir, stepsUpTo(t, `CREATE TABLE b (c INTEGER) STRICT; UPDATE destinations SET done = due + 1`))
		if err == nil || !strings.Contains(err.Error(), "made up 0") {
			t.Errorf("got %v", err)
		}
		if version, err := openSteps(t.Context(), dir, stepsUpTo(t)); err != nil || version != one {
			t.Errorf("schema %d, %v", version, err)
		}
		if r := loadTest(t, openTest(t, dir), "one"); r.Accepted == nil {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a commit that was cut short is undone", func(t *testing.T) {
		dir, cut := t.TempDir(), t.TempDir()
		seedTest(t, dir)
		// The state in the middle of a commit under a rollback journal: the
		// database is written in part, the journal is complete.
		path := filepath.Join(dir, databaseName)
		withDatabase(t, path, `PRAGMA journal_mode = DELETE`)
		db, err := openDatabase(path, "mode=rw", "_pragma=cache_size(1)", "_pragma=cache_spill(1)")
		if err != nil {
			t.Fatal(err)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(t.Context(), `UPDATE destinations SET facts = 'gone';
			INSERT INTO history (at, destination, kind, version, outcome, reason, detail, duration)
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
			SELECT i, hex(randomblob(500)), '', '', '', '', '', 0 FROM n`); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{databaseName, databaseName + "-journal", keyName} {
			if err := copyFile(filepath.Join(dir, name), filepath.Join(cut, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(tx.Rollback(), db.Close()); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(cut, databaseName+"-journal")); err != nil || info.Size() == 0 {
			t.Fatalf("there is no journal to undo: %v", err)
		}
		if r := loadTest(t, openTest(t, cut), "one"); r.Accepted == nil {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("a number that is missing is noticed", func(t *testing.T) {
		_, err := readMigrations(fstest.MapFS{"001_a.sql": {}, "003_c.sql": {}})
		if err == nil || !strings.Contains(err.Error(), "003_c.sql is not number 002") {
			t.Errorf("got %v", err)
		}
	})
}

// An older rotatord refuses a facts document with a field that it does not
// know. So a field comes with a new schema number, and this test notices one
// that did not.
func TestFieldsOfFactsBelongToASchema(t *testing.T) {
	var fields []string
	listFields(reflect.TypeFor[Facts](), "facts", &fields)
	listFields(reflect.TypeFor[Account](), "account", &fields)
	got := fmt.Sprintf("schema %d\n%s\n", len(stepsUpTo(t)), strings.Join(fields, "\n"))
	path := filepath.Join("testdata", "fields.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Log("the fields that are stored have changed. If a rotatord with the schema of testdata/fields.txt was released, " +
			"add a migration (a comment alone will do). Then run: go test ./store -run TestFieldsOfFacts -update")
	}
	wantSame(t, string(want), got)
}

func listFields(t reflect.Type, path string, fields *[]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[time.Time]() {
		*fields = append(*fields, path+" "+t.String())
		return
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		listFields(t.Field(i).Type, path+"."+name, fields)
	}
}
