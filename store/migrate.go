package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// applicationID stands in the header of every store, "rota" in ASCII, so that
// another program's database is never taken for one.
const applicationID = 0x726f7461

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is the way from one schema to the next.
type migration struct{ name, statements string }

func embeddedMigrations() ([]migration, error) {
	sub, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	return readMigrations(sub)
}

// readMigrations reads 001_….sql, 002_….sql and so on. Once released, one is
// never changed; the next change gets the next number. The number of the last
// is the schema, which SQLite keeps as user_version.
func readMigrations(files fs.FS) ([]migration, error) {
	names, err := fs.Glob(files, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	steps := make([]migration, 0, len(names))
	for i, name := range names {
		if !strings.HasPrefix(name, fmt.Sprintf("%03d_", i+1)) {
			return nil, fmt.Errorf("read migrations: %s is not number %03d", name, i+1)
		}
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		steps = append(steps, migration{name, string(text)})
	}
	return steps, nil
}

// migrate brings the schema up to date and tells which it was. It works under
// the old rollback journal, so that the file's header says the schema as soon
// as it is true: with a write-ahead log it would say the old one until a
// checkpoint, and an older rotatord that looks at it in between would be misled.
func migrate(ctx context.Context, conn *sql.Conn, steps []migration) (from int, err error) {
	if err := conn.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&from); err != nil {
		return 0, err
	}
	if from == len(steps) {
		return from, nil
	}
	var mode string
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode = DELETE`).Scan(&mode); err != nil {
		return from, err
	}
	for version := from; version < len(steps); version++ {
		if err := runMigration(ctx, conn, steps[version], version+1); err != nil {
			return from, fmt.Errorf("migrate to schema %d by %s: %w", version+1, steps[version].name, err)
		}
	}
	return from, nil
}

func runMigration(ctx context.Context, conn *sql.Conn, step migration, version int) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after the commit
	statements := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d;\n%s", applicationID, version, step.statements)
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return err
	}
	return tx.Commit()
}

// create makes a new database beside its place and moves it there when it is
// complete and on disk. A crash leaves all of it or nothing.
func create(ctx context.Context, dir string, steps []migration) error {
	path := filepath.Join(dir, databaseName)
	temporary := path + ".new"
	if err := removeDatabase(temporary); err != nil {
		return openError(temporary, ProblemUnwritable, err)
	}
	if err := fillNew(ctx, temporary, steps); err != nil {
		_ = removeDatabase(temporary)
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return openError(path, ProblemUnwritable, err)
	}
	return syncDir(dir)
}

func fillNew(ctx context.Context, path string, steps []migration) error {
	// SQLite would make the file readable for everybody; the files that it
	// makes beside it later take their mode from it.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	db, err := openDatabase(path, "mode=rw")
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	_, err = migrate(ctx, conn, steps)
	return errors.Join(err, conn.Close(), db.Close())
}

// removeDatabase removes what a creation that was cut short has left.
func removeDatabase(path string) error {
	for _, suffix := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
