package providerstest

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// theMark is the key of the mark among an entry's notes.
const theMark = "mark"

func (m *memory) Mark(ctx context.Context, s credential.Secret, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	const op = "mark"
	if m.lies.hidesEnd {
		ctx = context.WithoutCancel(ctx)
	}
	e, err := m.find(ctx, op, s)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(e.versions, func(v version) bool { return v.id == id })
	switch {
	case m.lies.marksNothing:
		return nil
	case id != "" && !known && !m.lies.marksUnseen:
		return &providers.Error{Op: op, Secret: s, Reason: providers.ReasonGone}
	case e.notes[theMark] == id && !m.lies.marksAlways, m.lies.marksFirst && e.notes[theMark] != "":
		return nil
	case e.unmarked && m.lies.namesNone:
		return &providers.Error{Op: op, Secret: s, Reason: providers.ReasonDenied}
	case e.unmarked && !m.lies.marksDespite:
		return &providers.Error{Op: op, Secret: s, Reason: providers.ReasonDenied, Hint: "allow mem.mark"}
	}
	m.writes++
	if e.notes == nil || m.lies.eatsNotes {
		e.notes = map[string]string{}
	}
	switch {
	case id != "":
		e.notes[theMark] = id
	case !m.lies.marksKept:
		delete(e.notes, theMark)
	}
	if m.lies.markDrops {
		e.versions[e.current].value = []byte("lost")
	}
	return nil
}

// MissingToMark implements providers.MarkChecker.
func (m *memory) MissingToMark(ctx context.Context, s credential.Secret) (missing, untold []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.find(ctx, "mark", s)
	if err != nil {
		return nil, nil, err
	}
	if m.lies.asksByMark {
		m.writes++
	}
	if e.unmarked && !m.lies.passesOver || m.lies.allMissing {
		return []string{"mem.mark"}, nil, nil
	}
	return nil, nil, nil
}

func marksOf(m *memory) *Marks {
	with := func(s credential.Secret, f func(*entry)) {
		m.mu.Lock()
		defer m.mu.Unlock()
		f(m.secrets[s])
	}
	return &Marks{
		Marked: func(_ testing.TB, s credential.Secret) (ids []string) {
			with(s, func(e *entry) {
				if id := e.notes[theMark]; id != "" {
					ids = append(ids, id)
				}
			})
			return ids
		},
		Others: func(_ testing.TB, s credential.Secret) (all map[string]string) {
			with(s, func(e *entry) { all = maps.Clone(e.notes) })
			delete(all, theMark)
			return all
		},
		Scribble: func(_ testing.TB, s credential.Secret) {
			with(s, func(e *entry) { e.notes = map[string]string{"team": "imagery"} })
		},
		Writes: func() int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return m.writes
		},
		Deny: func(_ testing.TB, s credential.Secret) string {
			with(s, func(e *entry) { e.unmarked = true })
			return "mem.mark"
		},
		Unknown: "id999999",
	}
}
