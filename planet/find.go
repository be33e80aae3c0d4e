package planet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// NotFoundError says that no destination has the name asked for.
type NotFoundError struct {
	// Ref is what was looked for.
	Ref Ref
	// Near are the ids of destinations that may have been meant, best first.
	Near []string
	// Looked counts the destinations that were compared.
	Looked int
}

func (e *NotFoundError) Error() string {
	if e.Ref.isDefault {
		return "find " + e.Ref.String() + ": the organization has no default destination: name one by its id, or have an admin set a default"
	}
	text := fmt.Sprintf("find destination %s: none of the %d that this key sees has that id or suffix", e.Ref.key, e.Looked)
	if e.Ref.key == "default" {
		return text + ": write " + refPrefix + "default for the organization's default"
	}
	if len(e.Near) > 0 {
		return text + ": did you mean " + strings.Join(e.Near, " or ") + "?"
	}
	return text
}

// AmbiguousError says that several destinations have the name asked for.
type AmbiguousError struct {
	// Ref is what was looked for.
	Ref Ref
	// Candidates are the ids that match equally well, sorted.
	Candidates []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("find %s: %d destinations match, use the full id of one: %s",
		e.Ref, len(e.Candidates), strings.Join(e.Candidates, ", "))
}

// Find gives the destination that r names: one with that id before one with
// that suffix before one that may have been renamed. The error is a
// [*NotFoundError] or an [*AmbiguousError].
func Find(ds []Destination, r Ref) (Destination, error) {
	var matches [nCloser][]Destination
	for _, d := range ds {
		if c := r.closeness(d); c != noMatch {
			matches[c] = append(matches[c], d)
		}
	}
	for _, found := range matches {
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			ids := make([]string, len(found))
			for i, d := range found {
				ids[i] = d.ID
			}
			slices.Sort(ids)
			return Destination{}, &AmbiguousError{Ref: r, Candidates: ids}
		}
	}
	return Destination{}, &NotFoundError{Ref: r, Near: near(ds, r.key), Looked: len(ds)}
}

const maxNear = 3

// near finds what a person may have meant: the name in place of the id, other
// letter case, a typing error or two, a beginning.
func near(ds []Destination, key string) []string {
	type guess struct {
		id       string
		distance int
	}
	var guesses []guess
	want := strings.ToLower(key)
	if want == "" || len(want) > maxRef {
		return nil
	}
	for _, d := range ds {
		best := len(want)
		for _, form := range []string{d.ID, suffixOf(d.ID), d.Name, strings.TrimSuffix(d.ID, "-"+suffixOf(d.ID))} {
			form = strings.ToLower(form)
			if form == "" || len(form) > maxRef {
				continue
			}
			best = min(best, distance(want, form))
			if len(want) >= 3 && strings.HasPrefix(form, want) {
				best = min(best, 1)
			}
		}
		if best <= max(1, min(3, len(want)/3)) && best < len(want) {
			guesses = append(guesses, guess{d.ID, best})
		}
	}
	slices.SortFunc(guesses, func(a, b guess) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.id, b.id))
	})
	var ids []string
	for _, g := range guesses[:min(len(guesses), maxNear)] {
		ids = append(ids, g.id)
	}
	return ids
}

// distance is Levenshtein's: how many bytes to add, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, corner+1)
		}
	}
	return row[len(b)]
}
