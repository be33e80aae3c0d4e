package dependents

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/planet"
)

// round asks once for everything, and alone for a few of those for which that
// did not tell. seen says whether there was anything to ask for.
func (a *Asker) round(ctx context.Context) (seen bool, err error) {
	poked := a.takePoked()
	targets, err := a.o.Targets(ctx)
	if err != nil {
		return false, fmt.Errorf("list the destinations to ask for: %w", err)
	}
	subjects := bySubject(targets)
	a.forget(subjects)
	if len(subjects) == 0 {
		return false, nil
	}
	ask := make([]planet.Target, 0, len(subjects))
	for _, s := range subjects {
		ask = append(ask, s.ask)
	}
	all, err := a.o.Gatherer.GatherAll(ctx, ask)
	var dim []*subject // what the list of everything did not tell of
	for _, s := range subjects {
		got, ok := all[s.ask.Destination.ID]
		if !ok {
			continue
		}
		if got.Incomplete {
			dim = append(dim, s)
		}
		if saved := a.keep(ctx, s, got, false); saved != nil {
			return true, saved
		}
	}
	if err != nil && !inPart(err) {
		return true, err
	}
	for _, s := range a.turns(dim, poked) {
		if err := a.alone(ctx, s); err != nil && !inPart(err) {
			return true, err
		}
	}
	return true, err
}

// alone asks for one destination.
func (a *Asker) alone(ctx context.Context, s *subject) error {
	a.asked[s.ask.Destination.ID] = time.Now()
	got, err := a.o.Gatherer.Gather(ctx, s.ask)
	if saved := a.keep(ctx, s, got, err == nil || inPart(err)); saved != nil {
		return saved
	}
	return err
}

// keep saves an answer for all names of a destination, if it is worth it. Once
// ctx has ended no answer is.
func (a *Asker) keep(ctx context.Context, s *subject, got planet.Dependents, best bool) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	open := s.ask.Destination.Default == nil
	for i := range s.targets {
		t := &s.targets[i]
		if !worth(t.Known, got, best) {
			continue
		}
		saved := got
		saved.Examples = slices.Clone(got.Examples)
		saved.Incomplete = got.Incomplete || open
		if err := a.o.Save(ctx, t.Name, saved); err != nil {
			return fmt.Errorf("keep the dependents of %q: %w", t.Name, err)
		}
		t.Known = &saved
	}
	return nil
}

// subject is one destination at Planet, with the targets that lead to it: more
// than one is a mistake in the configuration, and of no concern here.
type subject struct {
	ask     planet.Target
	targets []Target
}

// known is when the oldest of what is known was gathered.
func (s *subject) known() (at time.Time) {
	for i, t := range s.targets {
		switch {
		case t.Known == nil:
			return time.Time{}
		case i == 0 || t.Known.At.Before(at):
			at = t.Known.At
		}
	}
	return at
}

func bySubject(targets []Target) []*subject {
	var all []*subject
	index := map[string]*subject{}
	for _, t := range targets {
		id := t.Destination.ID
		if id == "" {
			continue
		}
		s := index[id]
		if s == nil {
			s = &subject{ask: t.Target}
			index[id] = s
			all = append(all, s)
		}
		s.targets = append(s.targets, t)
	}
	return all
}

// turns gives those that are asked for alone in this round: poked ones first,
// then those that have waited for longest. The last place is kept
// for the one that has waited for longest of all, so that destinations which
// are poked all the time do not keep the others from it.
func (a *Asker) turns(dim []*subject, poked map[string]bool) []*subject {
	waited := func(s *subject) time.Time {
		if at, ok := a.asked[s.ask.Destination.ID]; ok {
			return at
		}
		return s.known()
	}
	slices.SortStableFunc(dim, func(x, y *subject) int {
		return cmp.Or(waited(x).Compare(waited(y)), cmp.Compare(x.ask.Destination.ID, y.ask.Destination.ID))
	})
	var first, others []*subject
	for _, s := range dim {
		hasten := slices.ContainsFunc(s.targets, func(t Target) bool { return poked[t.Name] })
		if hasten && len(first) < max(a.o.Singles-1, 1) {
			first = append(first, s)
		} else {
			others = append(others, s)
		}
	}
	all := slices.Concat(first, others)
	return all[:min(len(all), a.o.Singles)]
}

// forget drops what is remembered of destinations that are asked for no more.
func (a *Asker) forget(subjects []*subject) {
	for id := range a.asked {
		if !slices.ContainsFunc(subjects, func(s *subject) bool { return s.ask.Destination.ID == id }) {
			delete(a.asked, id)
		}
	}
}
