package store

import (
	"context"
	"database/sql"
	"errors"
)

// maxBatch bounds how many writes share a transaction, and with it how long
// the first of them waits for the last.
const maxBatch = 256

// operation is one caller's write. Its run may be called again after a
// transaction that it was part of was rolled back, so it keeps nothing from
// one call to the next.
type operation struct {
	run  func(*transaction) error
	done chan error // of one element, so that the writer never waits for a caller
}

// writer is the one goroutine that writes to the database.
type writer struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt

	// operations is not buffered: a caller has handed its write over if and
	// only if the writer took it, and the writer answers what it took. What
	// waits in the channel when the writer looks makes up a batch.
	operations chan *operation
	quit, done chan struct{}
}

func newWriter(conn *sql.Conn) *writer {
	return &writer{
		conn:       conn,
		stmts:      map[string]*sql.Stmt{},
		operations: make(chan *operation),
		quit:       make(chan struct{}),
		done:       make(chan struct{}),
	}
}

// do hands a write over and waits until it is on disk or has failed. The
// context counts up to the hand-over only: a write that was begun is waited
// for, which takes milliseconds, so that the answer is always the true one.
func (w *writer) do(ctx context.Context, run func(*transaction) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &operation{run: run, done: make(chan error, 1)}
	select {
	case <-w.quit:
		return ErrClosed
	default:
	}
	select {
	case w.operations <- op:
		return <-op.done
	case <-ctx.Done():
		return ctx.Err()
	case <-w.quit:
		return ErrClosed
	}
}

// loop commits until quit is closed.
func (w *writer) loop() {
	defer close(w.done)
	for {
		select {
		case <-w.quit:
			return
		case op := <-w.operations:
			batch := w.gather(op)
			for i, err := range w.commit(batch) {
				batch[i].done <- classify(err)
			}
		}
	}
}

// gather takes whoever else is waiting right now. It does not wait for more:
// while one batch is being synced the next one forms by itself.
func (w *writer) gather(first *operation) []*operation {
	batch := []*operation{first}
	for len(batch) < maxBatch {
		select {
		case op := <-w.operations:
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch as one transaction and gives each operation's error. An
// operation that declines takes back its own changes only. When the database
// itself fails under one, SQLite may have dropped the whole transaction, so
// each operation is then tried on its own, that everyone hears about itself.
func (w *writer) commit(batch []*operation) []error {
	errs := make([]error, len(batch))
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return fill(errs, err)
	}
	tx := &transaction{w}
	for i, op := range batch {
		errs[i] = w.runOne(tx, op)
		if errs[i] == nil || refused(errs[i]) {
			continue
		}
		w.rollback()
		if len(batch) == 1 {
			return errs
		}
		for j := range batch {
			errs[j] = w.commit(batch[j : j+1])[0]
		}
		return errs
	}
	if err := w.exec("COMMIT"); err != nil {
		w.rollback()
		return fill(errs, err)
	}
	return errs
}

// runOne runs an operation inside a savepoint.
func (w *writer) runOne(tx *transaction, op *operation) error {
	if err := w.exec("SAVEPOINT operation"); err != nil {
		return err
	}
	err := op.run(tx)
	if err != nil {
		if !refused(err) {
			return err
		}
		if undo := w.exec("ROLLBACK TO operation"); undo != nil {
			return undo
		}
	}
	if release := w.exec("RELEASE operation"); release != nil {
		return release
	}
	return err
}

// rollback ends a transaction that failed. SQLite may have ended it already.
func (w *writer) rollback() { _ = w.exec("ROLLBACK") }

func (w *writer) exec(query string) error {
	_, err := (&transaction{w}).exec(query)
	return err
}

// close ends the loop and gives the connection back.
func (w *writer) close() error {
	close(w.quit)
	<-w.done
	var errs []error
	for _, stmt := range w.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// fill gives err to every operation that has no error of its own.
func fill(errs []error, err error) []error {
	for i := range errs {
		if errs[i] == nil {
			errs[i] = err
		}
	}
	return errs
}

// transaction is what an operation may use. Its statements are prepared once
// and kept; they run without a context, since what was begun is finished.
type transaction struct{ w *writer }

func (t *transaction) prepare(query string) (*sql.Stmt, error) {
	if stmt := t.w.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := t.w.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	t.w.stmts[query] = stmt
	return stmt, nil
}

// exec runs a statement and tells how many rows it changed.
func (t *transaction) exec(query string, args ...any) (int64, error) {
	stmt, err := t.prepare(query) //nolint:sqlclosecheck // kept, writer.close closes it
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// scan reads one row and tells whether there was one.
func (t *transaction) scan(query string, args, into []any) (bool, error) {
	stmt, err := t.prepare(query) //nolint:sqlclosecheck // kept, writer.close closes it
	if err != nil {
		return false, err
	}
	err = stmt.QueryRowContext(context.Background(), args...).Scan(into...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
