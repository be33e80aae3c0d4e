package store

import (
	"database/sql"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// withDatabase runs statements on a closed store's database, as another program
// might.
func withDatabase(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+escapePath(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// crash puts a store into dir as a killed process leaves one: with a log that
// has not been brought into the database.
func crash(t *testing.T, dir string) {
	t.Helper()
	alive := t.TempDir()
	s := openTest(t, alive)
	ensureTest(t, s, "one", "two")
	for range 50 {
		if err := s.MarkDue(t.Context(), "test", time.Now(), "one"); err != nil {
			t.Fatal(err)
		}
	}
	for _, suffix := range []string{databaseName, databaseName + "-wal", databaseName + "-shm", keyName} {
		if err := copyFile(filepath.Join(alive, suffix), filepath.Join(dir, suffix)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABadStoreIsRefusedAndLeftAsItIs(t *testing.T) {
	database := func(dir string) string { return filepath.Join(dir, databaseName) }
	onDatabase := func(change func([]byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) { edit(t, database(dir), change) }
	}
	garbage := func(content []byte, from int) {
		for i := from; i < len(content); i++ {
			content[i] = byte(i*7 + 1)
		}
	}
	for name, test := range map[string]struct {
		spoil   func(t *testing.T, dir string)
		crashed bool
		want    Problem
		says    string
	}{
		"a database of a newer schema": {want: ProblemNewerSchema, says: "schema is 99", spoil: func(t *testing.T, dir string) {
			withDatabase(t, database(dir), `PRAGMA journal_mode = DELETE`, `PRAGMA user_version = 99`)
		}},
		"a database of a newer schema with a log beside it": {crashed: true, want: ProblemNewerSchema, says: "schema is 99",
			spoil: onDatabase(func(b []byte) []byte { binary.BigEndian.PutUint32(b[offsetUserVersion:], 99); return b })},
		"a database of another program": {want: ProblemForeign, says: "application id is 0x2a", spoil: func(t *testing.T, dir string) {
			withDatabase(t, database(dir), `PRAGMA application_id = 42`, `PRAGMA wal_checkpoint(TRUNCATE)`)
		}},
		"a database of another program that sets no id": {want: ProblemForeign, spoil: func(t *testing.T, dir string) {
			if err := os.Remove(database(dir)); err != nil {
				t.Fatal(err)
			}
			withDatabase(t, database(dir), `CREATE TABLE other (x)`)
		}},
		"a database without a schema": {want: ProblemDamaged, says: "no schema",
			spoil: onDatabase(func(b []byte) []byte { binary.BigEndian.PutUint32(b[offsetUserVersion:], 0); return b })},
		"a database without its tables": {want: ProblemDamaged, says: "tables are missing", spoil: func(t *testing.T, dir string) {
			withDatabase(t, database(dir), `DROP TABLE attempts`)
		}},
		"an empty file":                   {want: ProblemDamaged, says: "does not begin", spoil: onDatabase(func([]byte) []byte { return nil })},
		"a file that ends in its header":  {want: ProblemDamaged, says: "ends after 50 bytes", spoil: onDatabase(func(b []byte) []byte { return b[:50] })},
		"a file with a header of garbage": {want: ProblemDamaged, says: "does not begin", spoil: onDatabase(func(b []byte) []byte { garbage(b[:100], 0); return b })},
		"a text file":                     {want: ProblemDamaged, spoil: onDatabase(func([]byte) []byte { return []byte(strings.Repeat("hello\n", 1000)) })},
		"a file cut after its first page": {want: ProblemDamaged, spoil: onDatabase(func(b []byte) []byte { return b[:4096] })},
		"a file cut in the middle of a page": {want: ProblemDamaged,
			spoil: onDatabase(func(b []byte) []byte { return b[:len(b)-2000] })},
		"a page of garbage": {want: ProblemDamaged, says: "a check found Tree",
			spoil: onDatabase(func(b []byte) []byte { garbage(b[4096*3:4096*4], 0); return b })},
		"garbage in all pages but the first": {want: ProblemDamaged, spoil: onDatabase(func(b []byte) []byte { garbage(b, 4096); return b })},
		"a page of garbage with a log beside it": {crashed: true, want: ProblemDamaged,
			spoil: onDatabase(func(b []byte) []byte { garbage(b[4096*4:4096*5], 0); return b })},
		"a log whose database is gone": {crashed: true, want: ProblemDamaged, says: "log is still there", spoil: func(t *testing.T, dir string) {
			if err := os.Remove(database(dir)); err != nil {
				t.Fatal(err)
			}
		}},
		"a directory in the database's place": {want: ProblemUnwritable, spoil: func(t *testing.T, dir string) {
			if err := errors.Join(os.Remove(database(dir)), os.Mkdir(database(dir), 0o700)); err != nil {
				t.Fatal(err)
			}
		}},
		"a key that is too short": {want: ProblemDamaged, says: "32 bytes", spoil: func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, keyName), func(b []byte) []byte { return b[:31] })
		}},
		"a key that is too long": {want: ProblemDamaged, says: "32 bytes", spoil: func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, keyName), func(b []byte) []byte { return append(b, '\n') })
		}},
		"a key of zeroes": {want: ProblemDamaged, says: "empty", spoil: func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, keyName), func(b []byte) []byte { clear(b); return b })
		}},
		"a key that everybody may read": {want: ProblemExposed, says: "mode is 0604", spoil: func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, keyName), 0o604); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if test.crashed {
				crash(t, dir)
			} else {
				seedTest(t, dir)
			}
			test.spoil(t, dir)
			before := snapshot(t, dir)
			_, err := Open(t.Context(), Options{Dir: dir})
			var open *OpenError
			if !errors.As(err, &open) || open.Problem != test.want || open.Hint == "" || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
			wantSame(t, before, snapshot(t, dir))
		})
	}
}

func TestAStoreThatWasKilledOpens(t *testing.T) {
	dir := t.TempDir()
	crash(t, dir)
	// Left by a process that was killed while it checked, and while it made a store.
	if err := os.Mkdir(filepath.Join(dir, checkDirPrefix+"123"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := openTest(t, dir)
	if r := loadTest(t, s, "one"); r.Due != 51 {
		t.Errorf("due is %d", r.Due)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name := range snapshot(t, dir) {
		if name != "." && name != databaseName && name != keyName {
			t.Errorf("after a clean stop there is still %s", name)
		}
	}
}

// A kill in the middle of a checkpoint leaves pages of the database half
// written. The log still has them, so the store is sound, and is not to be
// judged by the database alone.
func TestAPageThatTheLogStillHasIsNoDamage(t *testing.T) {
	dir := t.TempDir()
	crash(t, dir)
	var page int
	db, err := openDatabase(filepath.Join(dir, databaseName), "mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	err = db.QueryRowContext(t.Context(), `SELECT rootpage FROM sqlite_schema WHERE name = 'destinations'`).Scan(&page)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(dir, databaseName), func(b []byte) []byte {
		for i := (page - 1) * 4096; i < page*4096; i++ {
			b[i] = 0xa5
		}
		return b
	})
	if r := loadTest(t, openTest(t, dir), "one"); r.Due != 51 {
		t.Errorf("due is %d", r.Due)
	}
}

func TestAMakingThatWasCutShortIsBegunAgain(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{databaseName + ".new", databaseName + ".new-journal", keyName + ".new"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	openTest(t, dir)
}

func TestTheDirectoryIsForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "some where", "100% odd?name#1&x=y")
	s := openTest(t, dir)
	ensureTest(t, s, "one")
	if err := s.Ledger("a").Sent(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
		}
		names[entry.Name()] = true
	}
	for _, name := range []string{databaseName, databaseName + "-wal", lockName, keyName} {
		if !names[name] {
			t.Errorf("there is no %s among %v", name, names)
		}
	}
}

func TestOptionsThatCannotBeRight(t *testing.T) {
	for name, opts := range map[string]Options{
		"no directory":            {},
		"a negative time to keep": {Dir: t.TempDir(), KeepHistory: -1},
	} {
		if s, err := Open(t.Context(), opts); err == nil {
			t.Errorf("%s: opened", name)
			_ = s.Close()
		}
	}
}

func TestAFileInTheDirectorysPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Options{Dir: path})
	var open *OpenError
	if !errors.As(err, &open) || open.Problem != ProblemUnwritable {
		t.Errorf("got %v", err)
	}
}

func TestACheckSumsUpWhatSettingsAreInForce(t *testing.T) {
	s := openTest(t, t.TempDir())
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "application_id": "1919906913",
	} {
		var got string
		if err := s.writer.conn.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s, %v", pragma, got, want, err)
		}
	}
}
