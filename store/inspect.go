package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What a database file begins with, see https://www.sqlite.org/fileformat.html.
const (
	headerSize          = 100
	headerMagic         = "SQLite format 3\x00"
	offsetPageSize      = 16
	offsetUserVersion   = 60
	offsetApplicationID = 68
)

// checkDirPrefix begins the names of directories in which a database is looked at.
const checkDirPrefix = ".check-"

// inspect looks at the database without touching it, and tells whether there is
// one. newest is the highest schema that we know. It must run under the lock and
// before any connection: SQLite's own locks end when any file descriptor of the
// process for the same file is closed.
func inspect(ctx context.Context, dir string, newest int) (found bool, err error) {
	path := filepath.Join(dir, databaseName)
	if err := clearCheckDirs(dir); err != nil {
		return false, err
	}
	wal, err := sizeOf(path + "-wal")
	if err != nil {
		return false, err
	}
	journal, err := sizeOf(path + "-journal")
	if err != nil {
		return false, err
	}
	header, err := readHeader(path)
	if errors.Is(err, fs.ErrNotExist) {
		// SQLite would apply a log that was left behind to whatever database
		// comes into its place.
		if wal+journal > 0 {
			return false, openError(path, ProblemDamaged, errors.New("it is gone, but its log is still there"))
		}
		return false, nil
	}
	if err != nil {
		return false, openError(path, ProblemUnwritable, err)
	}
	if problem, err := judgeHeader(header, newest); err != nil {
		return false, openError(path, problem, err)
	}
	if wal+journal == 0 {
		// A page that lacks only what is empty anyway reads as whole; its file was
		// cut all the same.
		if err := wholePages(path, header); err != nil {
			return false, err
		}
	}
	if err := checkPages(ctx, dir, wal > 0, journal > 0); err != nil {
		problem, known := problemOf(err)
		switch {
		case errors.Is(err, errUnsound):
			problem = ProblemDamaged
		case !known:
			return false, err
		}
		return false, openError(path, problem, err)
	}
	return true, nil
}

// judgeHeader reads the first bytes of a database file.
func judgeHeader(header []byte, newest int) (Problem, error) {
	if !bytes.HasPrefix(header, []byte(headerMagic)) {
		return ProblemDamaged, errors.New("it does not begin as a database does")
	}
	if len(header) < headerSize {
		return ProblemDamaged, fmt.Errorf("it ends after %d bytes", len(header))
	}
	if id := binary.BigEndian.Uint32(header[offsetApplicationID:]); id != applicationID {
		return ProblemForeign, fmt.Errorf("its application id is %#x, not %#x", id, applicationID)
	}
	version := binary.BigEndian.Uint32(header[offsetUserVersion:])
	if version == 0 {
		return ProblemDamaged, errors.New("it has no schema")
	}
	if int64(version) > int64(newest) {
		return ProblemNewerSchema, fmt.Errorf("its schema is %d, this rotatord knows up to %d", version, newest)
	}
	return "", nil
}

// wholePages holds the size of a file that was closed in order against its
// header.
func wholePages(path string, header []byte) error {
	size, err := sizeOf(path)
	if err != nil {
		return err
	}
	page := int64(binary.BigEndian.Uint16(header[offsetPageSize:]))
	if page == 1 { // stands for 65536
		page = 1 << 16
	}
	if page == 0 || size%page != 0 {
		return openError(path, ProblemDamaged, fmt.Errorf("it ends in the middle of a page, after %d bytes", size))
	}
	return nil
}

// readHeader reads up to headerSize bytes.
func readHeader(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, headerSize))
}

// sizeOf gives a file's size, 0 if there is none.
func sizeOf(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, openError(path, ProblemUnwritable, err)
	}
	return info.Size(), nil
}

// checkPages lets SQLite verify every page. After a clean stop the file is
// complete and can be read as immutable. After a crash there is a log beside it
// which belongs to it, and to read the two SQLite has to write: so that happens
// in a directory beside, to a copy of the log. The database itself, which may
// be large, is only linked there, unless a migration was cut short and has to
// be undone in it.
func checkPages(ctx context.Context, dir string, wal, journal bool) (err error) {
	path := filepath.Join(dir, databaseName)
	setting := "mode=ro&immutable=1"
	if wal || journal {
		scratch, err := os.MkdirTemp(dir, checkDirPrefix)
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(scratch) }()
		if path, err = copyDatabase(path, scratch, wal, journal); err != nil {
			return err
		}
		if setting = "mode=ro"; journal {
			setting = "mode=rw"
		}
	}
	db, err := openDatabase(path, setting)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	// The first finding is enough. Its text names pages and cells, no content.
	var finding string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&finding); err != nil {
		return err
	}
	if finding != "ok" {
		finding = strings.TrimPrefix(finding, "*** in database main ***\n")
		return fmt.Errorf("%w %s", errUnsound, tidy(finding))
	}
	var missing int // of five tables, and one more from schema 2 on
	if err := db.QueryRowContext(ctx, `SELECT 5 + (user_version > 1) - (SELECT count(*) FROM sqlite_schema WHERE type = 'table'
		AND name IN ('meta', 'destinations', 'accounts', 'history', 'attempts', 'heard')) FROM pragma_user_version`).Scan(&missing); err != nil {
		return err
	}
	if missing != 0 {
		return fmt.Errorf("%w that tables are missing", errUnsound)
	}
	return nil
}

// errUnsound is what was found in a database that can be read as such.
var errUnsound = errors.New("a check found")

// copyDatabase puts what belongs to the database at path into dir.
func copyDatabase(path, dir string, wal, journal bool) (string, error) {
	to := filepath.Join(dir, databaseName)
	if journal || os.Link(path, to) != nil {
		if err := copyFile(path, to); err != nil {
			return "", err
		}
	}
	if wal {
		if err := copyFile(path+"-wal", to+"-wal"); err != nil {
			return "", err
		}
	}
	if journal {
		if err := copyFile(path+"-journal", to+"-journal"); err != nil {
			return "", err
		}
	}
	return to, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// clearCheckDirs removes what a process that was killed during checkPages left.
func clearCheckDirs(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return openError(dir, ProblemUnwritable, err)
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), checkDirPrefix) {
			continue
		}
		left := filepath.Join(dir, entry.Name())
		if err := os.RemoveAll(left); err != nil {
			return openError(left, ProblemUnwritable, err)
		}
	}
	return nil
}
