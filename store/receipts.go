package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Receipt says that every destination of a secret has accepted a version, and
// how far that statement has got. It is a note of what was found, for people,
// metrics and the mark at the source: whether an old credential may be revoked
// is found out anew each time it is asked.
type Receipt struct {
	Secret  credential.Secret `json:"secret"`
	Version string            `json:"version"`
	// At is when the last of the destinations accepted the version, Opens when
	// no delivery can hold an older credential any more.
	At    time.Time `json:"at"`
	Opens time.Time `json:"opens"`
	// Safe is when it was found that what came before may be revoked; zero
	// before that.
	Safe time.Time `json:"safe,omitzero"`
	// Marked is when that was written back to the secret manager.
	Marked time.Time `json:"marked,omitzero"`
	// Withdrawn is since when it is not true any more, and Why says so: a
	// rollback, a new destination, a leftover.
	Withdrawn time.Time `json:"withdrawn,omitzero"`
	Why       string    `json:"why,omitempty"`
}

// Receipts gives those of all secrets, by the name of the secret. One that can't
// be read is an error, joined, and hides no other.
func (s *Store) Receipts(ctx context.Context) ([]Receipt, error) {
	rows, err := s.readers.QueryContext(ctx, `SELECT secret, facts FROM receipts ORDER BY secret`)
	if err != nil {
		return nil, fmt.Errorf("read receipts: %w", s.readError(err))
	}
	defer func() { _ = rows.Close() }()
	var out []Receipt
	var unreadable []error
	for rows.Next() {
		var secret string
		var facts []byte
		if err := rows.Scan(&secret, &facts); err != nil {
			return nil, fmt.Errorf("read receipts: %w", s.readError(err))
		}
		var r Receipt
		if err := decodeStrict(facts, &r); err != nil {
			unreadable = append(unreadable, fmt.Errorf("read the receipt of %q: %s", secret, describe(err)))
			continue
		}
		r.Secret = credential.Secret(secret)
		out = append(out, r)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read receipts: %w", s.readError(err))
	}
	return out, errors.Join(unreadable...)
}

// SaveReceipt writes the receipt of a secret over the one that was. [ErrFenced]
// if a later owner has saved it.
func (s *Store) SaveReceipt(ctx context.Context, r Receipt) error {
	if r.Secret == "" {
		return fmt.Errorf("save receipt: %w: it names no secret", ErrInvalid)
	}
	r.Why = tidy(r.Why)
	facts, err := json.Marshal(r) //nolint:gosec // a secret's name is none
	if err != nil {
		return fmt.Errorf("save receipt of %q: %w: not JSON: %s", r.Secret, ErrInvalid, describe(err))
	}
	err = s.writer.do(ctx, func(tx *transaction) error {
		changed, err := tx.exec(`INSERT INTO receipts (secret, epoch, facts) VALUES (?, ?, ?)
			ON CONFLICT (secret) DO UPDATE SET epoch = excluded.epoch, facts = excluded.facts
			WHERE receipts.epoch <= excluded.epoch`, string(r.Secret), s.epoch, string(facts))
		if err == nil && changed == 0 {
			return ErrFenced
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save receipt of %q: %w", r.Secret, err)
	}
	return nil
}
