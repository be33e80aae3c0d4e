package planet

import (
	"context"
	"errors"
	"net/http"
)

// Resolve finds the destination that r names. What an ordinary list does not
// show is looked for by its id and among the archived ones before it counts as
// missing; the error is then a [*NotFoundError].
func (c *Client) Resolve(ctx context.Context, r Ref) (Destination, error) {
	if r.IsDefault() {
		d, err := c.Default(ctx)
		if KindOf(err) == KindNotFound {
			return Destination{}, &NotFoundError{Ref: r}
		}
		return d, err
	}
	active, err := c.List(ctx, ListOptions{})
	if err != nil {
		return Destination{}, err
	}
	found, missing := Find(active, r)
	var ambiguous *AmbiguousError
	// One that was renamed only looks like the right one: the id asked for may
	// belong to an archived destination.
	if errors.As(missing, &ambiguous) || missing == nil && r.closeness(found) != byRename {
		return found, missing
	}
	if checkID(r.key) == nil {
		d, err := c.Get(ctx, r.key)
		switch {
		case err == nil && r.Matches(d):
			return d, nil
		case err == nil:
			return Destination{}, &Error{Op: "get destination", ID: r.key, Method: http.MethodGet, Kind: KindInvalidAnswer,
				Outcome: OutcomeUnknown, Attempts: 1, detail: "it is about another destination"}
		case KindOf(err) != KindNotFound:
			return Destination{}, err
		}
	}
	if missing == nil {
		return found, nil
	}
	yes := true
	archived, err := c.List(ctx, ListOptions{Archived: &yes})
	if err != nil {
		return Destination{}, err
	}
	return Find(union(active, archived), r)
}

// union joins two lists; of a destination in both, the later word counts.
func union(a, b []Destination) []Destination {
	seen := make(map[string]bool, len(b))
	for _, d := range b {
		seen[d.ID] = true
	}
	all := append([]Destination(nil), b...)
	for _, d := range a {
		if !seen[d.ID] {
			all = append(all, d)
		}
	}
	return all
}
