package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// LoadAccount gives what is known of an account; one that was never saved has
// nothing but its name. *[FactsError] when what is stored can't be read.
func (s *Store) LoadAccount(ctx context.Context, name string) (Account, error) {
	var facts []byte
	err := s.readers.QueryRowContext(ctx, `SELECT facts FROM accounts WHERE name = ?`, name).Scan(&facts)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{Name: name}, nil
	}
	if err != nil {
		return Account{}, fmt.Errorf("load account %q: %w", name, s.readError(err))
	}
	var account Account
	if err := decodeStrict(facts, &account); err != nil {
		return Account{}, &FactsError{Account: name, Detail: describe(err)}
	}
	account.Name = name
	return account, nil
}

// SaveAccount writes what is known of an account over what was. It does not
// compare: an account has one owner. [ErrFenced] if a later one has saved it.
func (s *Store) SaveAccount(ctx context.Context, a Account) error {
	if a.Name == "" {
		return fmt.Errorf("save account: %w: it has no name", ErrInvalid)
	}
	a.Detail = tidy(a.Detail)
	facts, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("save account %q: %w: not JSON: %s", a.Name, ErrInvalid, describe(err))
	}
	err = s.writer.do(ctx, func(tx *transaction) error {
		changed, err := tx.exec(`INSERT INTO accounts (name, epoch, facts) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, facts = excluded.facts
			WHERE accounts.epoch <= excluded.epoch`, a.Name, s.epoch, string(facts))
		if err == nil && changed == 0 {
			return ErrFenced
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save account %q: %w", a.Name, err)
	}
	return nil
}
