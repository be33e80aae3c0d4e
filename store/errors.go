package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Problem says in which way a store can't be opened. The set is closed.
type Problem string

const (
	ProblemLocked      Problem = "locked"       // another process owns it
	ProblemDamaged     Problem = "damaged"      // it is not what was written
	ProblemNewerSchema Problem = "newer_schema" // a newer rotatord made it
	ProblemUnwritable  Problem = "unwritable"   // the directory or a file can't be used
	ProblemFull        Problem = "full"         // no space is left
	ProblemForeign     Problem = "foreign"      // it belongs to another program
	ProblemExposed     Problem = "exposed"      // everybody may read fingerprint.key
)

// OpenError tells why [Open] refused a store, and what to do. The store is as
// it was before.
type OpenError struct {
	Path    string // the file or directory that is meant
	Problem Problem
	Hint    string // what to try, one sentence or two
	Err     error  // what is behind it, may be nil
}

// Error gives path, problem, cause and hint in one line.
func (e *OpenError) Error() string {
	text := "open store: " + e.Path + ": " + problemText[e.Problem]
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

func (e *OpenError) Unwrap() error { return e.Err }

var problemText = map[Problem]string{
	ProblemLocked:      "another process owns it",
	ProblemDamaged:     "it is damaged",
	ProblemNewerSchema: "a newer rotatord made it",
	ProblemUnwritable:  "it can't be written",
	ProblemFull:        "no space is left",
	ProblemForeign:     "it is not a store of rotatord",
	ProblemExposed:     "everybody may read it",
}

const startOver = "or start with an empty directory: without its records rotatord preflights and pushes each destination once more, and nothing breaks"

var problemHint = map[Problem]string{
	ProblemLocked:      "stop that process, or give this one a directory of its own",
	ProblemDamaged:     "nothing was changed: put a backup in its place, " + startOver,
	ProblemNewerSchema: "nothing was changed: run that rotatord, " + startOver,
	ProblemUnwritable:  "give the user that rotatord runs as the right to write there, or name another directory",
	ProblemFull:        "make space on that disk and start again",
	ProblemForeign:     "nothing was changed: name another directory",
	ProblemExposed:     "run chmod 600 on it; if somebody may have copied it, delete it and each file-backed destination is pushed once more",
}

func openError(path string, problem Problem, err error) *OpenError {
	return &OpenError{Path: path, Problem: problem, Hint: problemHint[problem], Err: err}
}

// Errors that callers tell apart with errors.Is. [KindOf] gives a label.
var (
	// ErrNotFound: there is no record of that name.
	ErrNotFound = errors.New("no such record in the store")
	// ErrConflict: somebody saved the record since it was loaded. Load again.
	ErrConflict = errors.New("the record was saved by somebody else meanwhile")
	// ErrFenced: a later owner has saved the record. This process must stop.
	ErrFenced = errors.New("a later owner of the store has saved the record")
	// ErrInvalid: what was to be written can't be right.
	ErrInvalid = errors.New("the store refuses this")
	// ErrFull: no space is left. Nothing was written; try again when there is.
	ErrFull = errors.New("no space is left for the store")
	// ErrUnwritable: the disk or its file system refuses.
	ErrUnwritable = errors.New("the store can't be read or written")
	// ErrDamaged: the database is not what was written.
	ErrDamaged = errors.New("the store is damaged")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// Kind sorts an error of this package for a metric's label. The set is closed.
type Kind string

const (
	KindNotFound   Kind = "not_found"
	KindConflict   Kind = "conflict"
	KindFenced     Kind = "fenced"
	KindInvalid    Kind = "invalid"
	KindFull       Kind = "full"
	KindUnwritable Kind = "unwritable"
	KindDamaged    Kind = "damaged"
	KindClosed     Kind = "closed"
	KindCanceled   Kind = "canceled"
	KindOther      Kind = "other"
)

// KindOf gives the kind of an error, "" for nil.
func KindOf(err error) Kind {
	var facts *FactsError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrNotFound):
		return KindNotFound
	case errors.Is(err, ErrConflict):
		return KindConflict
	case errors.Is(err, ErrFenced):
		return KindFenced
	case errors.Is(err, ErrInvalid):
		return KindInvalid
	case errors.Is(err, ErrFull):
		return KindFull
	case errors.Is(err, ErrUnwritable):
		return KindUnwritable
	case errors.Is(err, ErrDamaged), errors.As(err, &facts):
		return KindDamaged
	case errors.Is(err, ErrClosed):
		return KindClosed
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return KindCanceled
	}
	return KindOther
}

// refused tells whether an operation declined by itself, as opposed to the
// database failing under it.
func refused(err error) bool {
	return errors.Is(err, ErrNotFound) || errors.Is(err, ErrConflict) ||
		errors.Is(err, ErrFenced) || errors.Is(err, ErrInvalid)
}

// classify puts one of this package's errors before one of SQLite or the
// operating system. Errors that are classified already stay as they are.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if kind := KindOf(err); kind != KindOther {
		return err
	}
	problem, known := problemOf(err)
	if !known {
		return err
	}
	switch problem {
	case ProblemFull:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case ProblemDamaged:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	default:
		return fmt.Errorf("%w: %w", ErrUnwritable, err)
	}
}

// problemOf reads the codes of SQLite and of the operating system.
func problemOf(err error) (Problem, bool) {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		return ProblemFull, true
	}
	var sq *sqlite.Error
	if !errors.As(err, &sq) {
		var path *fs.PathError
		var link *os.SyscallError
		return ProblemUnwritable, errors.As(err, &path) || errors.As(err, &link)
	}
	// The wal-index is grown before it is used: when that is refused, it is for
	// lack of space. SQLite reports it as an I/O error of its own.
	if sq.Code() == sqlite3.SQLITE_IOERR_SHMSIZE {
		return ProblemFull, true
	}
	switch sq.Code() & 0xff {
	case sqlite3.SQLITE_FULL:
		return ProblemFull, true
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return ProblemDamaged, true
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ProblemLocked, true
	case sqlite3.SQLITE_INTERRUPT:
		return "", false
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_AUTH:
		return ProblemUnwritable, true
	}
	// No such table, no such column, a constraint: the database is sound, and
	// yet not the one that the migrations make.
	return ProblemDamaged, true
}
