package store

import "slices"

// Clone gives facts that share nothing with these which either could change:
// what they were is to be compared with what they have become.
func (f Facts) Clone() Facts {
	f.Pin, f.Accepted, f.Inflight, f.Fence = copied(f.Pin), copied(f.Accepted), copied(f.Inflight), copied(f.Fence)
	f.Hold, f.Trial, f.Restore, f.Source = copied(f.Hold), copied(f.Trial), copied(f.Restore), copied(f.Source)
	f.Announced, f.Unannounced, f.Archived = copied(f.Announced), copied(f.Unannounced), copied(f.Archived)
	f.Seen, f.Drift, f.Paused = copied(f.Seen), copied(f.Drift), copied(f.Paused)
	f.Notes, f.Changed = slices.Clone(f.Notes), slices.Clone(f.Changed)
	return f
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
