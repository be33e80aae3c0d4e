package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/rotatord/rotatord/planet"
)

// SetDependents records who uses a destination and how their deliveries have
// gone. It moves neither Due nor Revision, so that it conflicts with nobody.
// [ErrNotFound] for a destination without a record.
func (s *Store) SetDependents(ctx context.Context, destination string, d planet.Dependents) error {
	for i := range d.Examples {
		d.Examples[i].Message = tidy(d.Examples[i].Message)
		d.Examples[i].Name = tidy(d.Examples[i].Name)
	}
	doc, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("save dependents of %q: %w: not JSON: %s", destination, ErrInvalid, describe(err))
	}
	err = s.writer.do(ctx, func(tx *transaction) error {
		changed, err := tx.exec(`UPDATE destinations SET dependents = ? WHERE name = ?`, string(doc), destination)
		if err == nil && changed == 0 {
			return ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("save dependents of %q: %w", destination, err)
	}
	return nil
}

// decodeDependents reads what SetDependents has written. What can't be read is
// as good as unknown: Planet is asked again within minutes.
func decodeDependents(doc []byte) *planet.Dependents {
	var d planet.Dependents
	if len(doc) == 0 || json.Unmarshal(doc, &d) != nil {
		return nil
	}
	return &d
}
