package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// maxHeard bounds what is kept of events of one destination between two looks.
// The newest count.
const maxHeard = 16

// Heard is what an event said of the secret of a destination. It is kept until
// a look has taken it in.
type Heard struct {
	Kind    credential.EventKind
	Version string    // the version it spoke of, if any
	Source  string    // where it came from
	Time    time.Time // when it happened, as the event says; zero if it does not
	At      time.Time // when it was heard
}

// MarkHeard is [Store.MarkDue] for an event that said something of a secret:
// mark and content become durable together. An event that repeats another, of
// the same kind and version, takes its place. Of more than sixteen the oldest
// are dropped: they are hints, and the mark counts in any case.
func (s *Store) MarkHeard(ctx context.Context, h Heard, destinations ...string) error {
	if len(destinations) == 0 {
		return nil
	}
	h.Kind = credential.EventKind(tidy(string(h.Kind)))
	h.Version, h.Source = tidy(h.Version), tidy(h.Source)
	var unknown []string
	err := s.writer.do(ctx, func(tx *transaction) error {
		unknown = nil
		for _, name := range destinations {
			known, err := markHeard(tx, name, h)
			if err != nil {
				return err
			}
			if !known {
				unknown = append(unknown, fmt.Sprintf("%q", name))
			}
		}
		return nil
	})
	if err == nil && unknown != nil {
		err = fmt.Errorf("%w: %s", ErrNotFound, strings.Join(unknown, ", "))
	}
	if err != nil {
		return fmt.Errorf("record event for destinations: %w", err)
	}
	return nil
}

func markHeard(tx *transaction, name string, h Heard) (known bool, err error) {
	changed, err := tx.exec(`UPDATE destinations SET due = due + 1, due_at = ?, due_source = ? WHERE name = ?`,
		nanos(h.At), h.Source, name)
	if err != nil || changed == 0 {
		return false, err
	}
	// A delivery late in coming does not move the event's own time back.
	_, err = tx.exec(`INSERT INTO heard (destination, kind, version, source, time, at, due)
		SELECT name, ?, ?, ?, ?, ?, due FROM destinations WHERE name = ?
		ON CONFLICT (destination, kind, version) DO UPDATE
		SET source = excluded.source, time = max(time, excluded.time), at = excluded.at, due = excluded.due`,
		string(h.Kind), h.Version, h.Source, nanos(h.Time), nanos(h.At), name)
	if err != nil {
		return true, err
	}
	_, err = tx.exec(`DELETE FROM heard WHERE destination = ? AND due <= (
		SELECT due FROM heard WHERE destination = ? ORDER BY due DESC LIMIT 1 OFFSET ?)`, name, name, maxHeard)
	return true, err
}

// heard gives what is kept of one destination, in the order in which it came.
// It is read after the record, so that it never lacks what the record's Due
// counts; what came in between is taken in twice, which is harmless.
func (s *Store) heard(ctx context.Context, destination string) ([]Heard, error) {
	rows, err := s.readers.QueryContext(ctx,
		`SELECT kind, version, source, time, at FROM heard WHERE destination = ? ORDER BY due`, destination)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []Heard
	for rows.Next() {
		var h Heard
		var kind string
		var happened, at int64
		if err := rows.Scan(&kind, &h.Version, &h.Source, &happened, &at); err != nil {
			return nil, err
		}
		h.Kind, h.Time, h.At = credential.EventKind(kind), fromNanos(happened), fromNanos(at)
		all = append(all, h)
	}
	return all, rows.Err()
}
