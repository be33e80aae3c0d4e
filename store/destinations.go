package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// sourceConfigured is the DueSource of marks that the configuration made.
const sourceConfigured = "configured"

// Ensure makes the store fit the configuration. It reads Destination, Account
// and Secret of each record. A destination that is not known yet gets a record
// in [StateNew] that is due. One whose account or secret is another than before
// gets the new ones, keeps its facts, and becomes due; its Revision moves, so
// that a save of somebody who loaded it before conflicts. All others, also
// those that are not listed, stay as they are. All or nothing; repeating it is
// harmless.
func (s *Store) Ensure(ctx context.Context, records []Record) error {
	seen := make(map[string]bool, len(records))
	for _, r := range records {
		if r.Destination == "" {
			return fmt.Errorf("configure destinations: %w: one has no name", ErrInvalid)
		}
		if seen[r.Destination] {
			return fmt.Errorf("configure destinations: %w: %q is listed twice", ErrInvalid, r.Destination)
		}
		seen[r.Destination] = true
	}
	now := time.Now()
	facts, err := encodeFacts(Facts{Status: Status{State: StateNew, Since: now.UTC()}})
	if err != nil {
		return fmt.Errorf("configure destinations: %w", err)
	}
	err = s.writer.do(ctx, func(tx *transaction) error {
		for _, r := range records {
			if err := s.ensureOne(tx, r, nanos(now), facts); err != nil {
				return fmt.Errorf("%q: %w", r.Destination, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("configure destinations: %w", err)
	}
	return nil
}

func (s *Store) ensureOne(tx *transaction, r Record, now int64, facts []byte) error {
	var account, secret string
	var epoch int64
	known, err := tx.scan(`SELECT account, secret, epoch FROM destinations WHERE name = ?`,
		[]any{r.Destination}, []any{&account, &secret, &epoch})
	switch {
	case err != nil:
		return err
	case !known:
		_, err = tx.exec(`INSERT INTO destinations
			(name, account, secret, revision, epoch, due, done, due_at, due_source, facts)
			VALUES (?, ?, ?, 0, ?, 1, 0, ?, ?, ?)`,
			r.Destination, r.Account, string(r.Secret), s.epoch, now, sourceConfigured, string(facts))
		return err
	case account == r.Account && secret == string(r.Secret):
		return nil
	case epoch > s.epoch:
		return ErrFenced
	}
	_, err = tx.exec(`UPDATE destinations SET account = ?, secret = ?, epoch = ?,
		revision = revision + 1, due = due + 1, due_at = ?, due_source = ? WHERE name = ?`,
		r.Account, string(r.Secret), s.epoch, now, sourceConfigured, r.Destination)
	return err
}

const selectRecords = `SELECT name, account, secret, revision, epoch, due, done, due_at, due_source, dependents, facts
	FROM destinations`

// scanRecord reads a row of selectRecords. A *[FactsError] comes with a record
// that has everything but its facts.
func scanRecord(scan func(...any) error) (Record, error) {
	var r Record
	var secret string
	var dueAt int64
	var dependents, facts []byte
	if err := scan(&r.Destination, &r.Account, &secret, &r.Revision, &r.Epoch,
		&r.Due, &r.Done, &dueAt, &r.DueSource, &dependents, &facts); err != nil {
		return Record{}, err
	}
	r.Secret = credential.Secret(secret)
	r.Dependents = decodeDependents(dependents)
	r.DueAt = fromNanos(dueAt)
	var err error
	if r.Facts, err = decodeFacts(facts); err != nil {
		return r, &FactsError{Destination: r.Destination, Detail: describe(err)}
	}
	return r, nil
}

// Load gives the record of one destination. Errors: [ErrNotFound],
// *[FactsError] when what is stored can't be read.
func (s *Store) Load(ctx context.Context, destination string) (Record, error) {
	r, err := scanRecord(s.readers.QueryRowContext(ctx, selectRecords+` WHERE name = ?`, destination).Scan)
	if err == nil {
		r.Heard, err = s.heard(ctx, destination)
	}
	if err == nil {
		return r, nil
	}
	var facts *FactsError
	if errors.As(err, &facts) {
		return Record{}, err
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return Record{}, fmt.Errorf("load destination %q: %w", destination, s.readError(err))
}

// List gives all records, sorted by name. When some can't be read, the error
// joins a *[FactsError] for each of them, and the list still has all others.
func (s *Store) List(ctx context.Context) ([]Record, error) {
	rows, err := s.readers.QueryContext(ctx, selectRecords+` ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("list destinations: %w", s.readError(err))
	}
	defer func() { _ = rows.Close() }()
	var records []Record
	var unreadable []error
	for rows.Next() {
		r, err := scanRecord(rows.Scan)
		var facts *FactsError
		switch {
		case errors.As(err, &facts):
			unreadable = append(unreadable, err)
		case err != nil:
			return nil, fmt.Errorf("list destinations: %w", s.readError(err))
		default:
			records = append(records, r)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list destinations: %w", s.readError(err))
	}
	return records, errors.Join(unreadable...)
}

// Save writes Done and Facts of a record that was loaded before, forgets what
// was heard up to Done, and appends entries to the history, all in one
// transaction; entries of [EntryAttempt] are
// counted too. An entry without a destination gets the record's, one without a
// time the present. Due, Account and Secret are not written.
//
// The stored Revision must still be r's, else [ErrConflict]: load again and
// decide again. On success r has its new Revision and Epoch, and may be saved
// again; its Due stays the one that was loaded, on purpose, so that marks that
// came since are not taken for done. On an error r is unchanged and nothing
// was written. Other errors: [ErrNotFound], [ErrFenced], [ErrInvalid] for a
// Done ahead of Due, [ErrFull].
func (s *Store) Save(ctx context.Context, r *Record, entries ...Entry) error {
	facts, err := encodeFacts(r.Facts)
	if err != nil {
		return fmt.Errorf("save destination %q: %w", r.Destination, err)
	}
	entries = slices.Clone(entries)
	for i := range entries {
		if entries[i].Destination == "" {
			entries[i].Destination = r.Destination
		}
		if entries[i].At.IsZero() {
			entries[i].At = time.Now()
		}
	}
	err = s.writer.do(ctx, func(tx *transaction) error {
		changed, err := tx.exec(`UPDATE destinations
			SET revision = revision + 1, epoch = ?, done = ?, facts = ?
			WHERE name = ? AND revision = ? AND epoch <= ? AND due >= ?`,
			s.epoch, r.Done, string(facts), r.Destination, r.Revision, s.epoch, r.Done)
		if err != nil {
			return err
		}
		if changed == 0 {
			return s.whyNotSaved(tx, r)
		}
		if _, err := tx.exec(`DELETE FROM heard WHERE destination = ? AND due <= ?`, r.Destination, r.Done); err != nil {
			return err
		}
		return appendHistory(tx, entries)
	})
	if err != nil {
		return fmt.Errorf("save destination %q: %w", r.Destination, err)
	}
	r.Revision++
	r.Epoch = s.epoch
	return nil
}

// whyNotSaved finds out which condition of Save's update did not hold.
func (s *Store) whyNotSaved(tx *transaction, r *Record) error {
	var revision, epoch, due int64
	known, err := tx.scan(`SELECT revision, epoch, due FROM destinations WHERE name = ?`,
		[]any{r.Destination}, []any{&revision, &epoch, &due})
	switch {
	case err != nil:
		return err
	case !known:
		return ErrNotFound
	case epoch > s.epoch:
		return fmt.Errorf("%w: epoch %d, ours is %d", ErrFenced, epoch, s.epoch)
	case revision != r.Revision:
		return fmt.Errorf("%w: revision %d, loaded was %d", ErrConflict, revision, r.Revision)
	}
	return fmt.Errorf("%w: done is %d, only %d marks were made", ErrInvalid, r.Done, due)
}

// MarkDue counts one mark for each destination, durably: when it returns nil,
// the marks survive a crash of the process and of the machine. source and at
// say who heard of it and when. Callers that come together share one fsync.
//
// A destination that has no record gives an error that is [ErrNotFound] and
// names it; all others are marked nevertheless.
func (s *Store) MarkDue(ctx context.Context, source string, at time.Time, destinations ...string) error {
	if len(destinations) == 0 {
		return nil
	}
	source = tidy(source)
	var unknown []string
	err := s.writer.do(ctx, func(tx *transaction) error {
		unknown = nil
		for _, name := range destinations {
			changed, err := tx.exec(`UPDATE destinations SET due = due + 1, due_at = ?, due_source = ? WHERE name = ?`,
				nanos(at), source, name)
			if err != nil {
				return err
			}
			if changed == 0 {
				unknown = append(unknown, fmt.Sprintf("%q", name))
			}
		}
		return nil
	})
	if err == nil && unknown != nil {
		err = fmt.Errorf("%w: %s", ErrNotFound, strings.Join(unknown, ", "))
	}
	if err != nil {
		return fmt.Errorf("mark destinations due: %w", err)
	}
	return nil
}

// Forget removes the record of a destination that is no longer configured. Its
// history stays, and its counts, should it come back. Forgetting what is not
// known is harmless.
func (s *Store) Forget(ctx context.Context, destination string) error {
	err := s.writer.do(ctx, func(tx *transaction) error {
		if _, err := tx.exec(`DELETE FROM heard WHERE destination = ?`, destination); err != nil {
			return err
		}
		_, err := tx.exec(`DELETE FROM destinations WHERE name = ?`, destination)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget destination %q: %w", destination, err)
	}
	return nil
}
