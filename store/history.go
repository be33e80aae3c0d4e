package store

import (
	"context"
	"fmt"
	"time"
)

const (
	defaultHistoryLimit = 100
	maxHistoryLimit     = 10_000
	// pruneChunk bounds how long one transaction of Prune holds up others.
	pruneChunk = 500
)

// HistoryQuery says which entries are wanted. The zero query means the newest
// hundred of all destinations.
type HistoryQuery struct {
	Destination string    // "" for all, also those no longer configured
	Limit       int       // how many at most; 100 if not positive, never more than 10,000
	Before      int64     // only entries with a smaller ID, to page on; 0 from the newest
	Since       time.Time // only entries of that time or later; zero for all
}

// History gives entries, newest first.
func (s *Store) History(ctx context.Context, q HistoryQuery) ([]Entry, error) {
	if q.Limit <= 0 {
		q.Limit = defaultHistoryLimit
	}
	query := `SELECT id, at, destination, kind, version, outcome, reason, detail, duration FROM history WHERE 1 = 1`
	var args []any
	if q.Destination != "" {
		query += ` AND destination = ?`
		args = append(args, q.Destination)
	}
	if q.Before > 0 {
		query += ` AND id < ?`
		args = append(args, q.Before)
	}
	if !q.Since.IsZero() {
		query += ` AND at >= ?`
		args = append(args, nanos(q.Since))
	}
	query += ` ORDER BY id DESC LIMIT ?`
	args = append(args, min(q.Limit, maxHistoryLimit))

	rows, err := s.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", s.readError(err))
	}
	defer func() { _ = rows.Close() }()
	var entries []Entry
	for rows.Next() {
		var e Entry
		var at, duration int64
		if err := rows.Scan(&e.ID, &at, &e.Destination, &e.Kind, &e.Version, &e.Outcome, &e.Reason, &e.Detail, &duration); err != nil {
			return nil, fmt.Errorf("read history: %w", s.readError(err))
		}
		e.At, e.Duration = fromNanos(at), time.Duration(duration)
		entries = append(entries, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read history: %w", s.readError(err))
	}
	return entries, nil
}

// appendHistory writes entries and counts the attempts among them.
func appendHistory(tx *transaction, entries []Entry) error {
	for _, e := range entries {
		outcome, reason := tidy(e.Outcome), tidy(string(e.Reason))
		_, err := tx.exec(`INSERT INTO history (at, destination, kind, version, outcome, reason, detail, duration)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			nanos(e.At), e.Destination, tidy(string(e.Kind)), tidy(e.Version), outcome, reason, tidy(e.Detail), int64(e.Duration))
		if err != nil {
			return err
		}
		if e.Kind != EntryAttempt {
			continue
		}
		_, err = tx.exec(`INSERT INTO attempts (destination, outcome, reason, count) VALUES (?, ?, ?, 1)
			ON CONFLICT (destination, outcome, reason) DO UPDATE SET count = count + 1`,
			e.Destination, outcome, reason)
		if err != nil {
			return err
		}
	}
	return nil
}

// Attempts gives the counts of all destinations that have a record, sorted. A
// destination that was forgotten has none until it comes back, so that what is
// shown stays bounded by the configuration.
func (s *Store) Attempts(ctx context.Context) ([]AttemptCount, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT destination, outcome, reason, count FROM attempts
		WHERE destination IN (SELECT name FROM destinations) ORDER BY destination, outcome, reason`)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", s.readError(err))
	}
	defer func() { _ = rows.Close() }()
	var counts []AttemptCount
	for rows.Next() {
		var c AttemptCount
		if err := rows.Scan(&c.Destination, &c.Outcome, &c.Reason, &c.Count); err != nil {
			return nil, fmt.Errorf("read attempts: %w", s.readError(err))
		}
		counts = append(counts, c)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read attempts: %w", s.readError(err))
	}
	return counts, nil
}

// Prune drops entries that are older than [Options].KeepHistory and tells how
// many. It works in small steps, between which other writes go on; what an
// error interrupts goes on the next time.
func (s *Store) Prune(ctx context.Context, now time.Time) (int64, error) {
	cutoff := nanos(now.Add(-s.keepHistory))
	var total int64
	for {
		var dropped int64
		err := s.writer.do(ctx, func(tx *transaction) (err error) {
			dropped, err = tx.exec(`DELETE FROM history WHERE id IN
				(SELECT id FROM history WHERE at < ? LIMIT ?)`, cutoff, pruneChunk)
			return err
		})
		if err != nil {
			return total, fmt.Errorf("prune history: %w", err)
		}
		total += dropped
		if dropped < pruneChunk {
			return total, nil
		}
	}
}
