package providerstest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// memory is an honest provider over a source in memory. Each field of lies
// makes it dishonest in one way.
type memory struct {
	mu      sync.Mutex
	secrets map[credential.Secret]*entry
	made    int
	ids     int
	trouble providers.Reason // what every request ends in
	hung    chan struct{}    // not nil: requests wait for it
	lies    lies
	writes  int // of marks
}

type entry struct {
	versions []version
	current  int
	trouble  providers.Reason
	spoilt   []byte
	notes    map[string]string // the mark, and what others write
	unmarked bool              // Mark is denied
}

type version struct {
	id    string
	value []byte
}

// lies: the promises of the contract, broken one by one.
type lies struct {
	newestForAny, staleID, freshIDs, oneIDForAll, emptyID    bool
	leakInError, leakEncoded, leakSpoilt, plainError         bool
	sharedBytes, ignoresContext, hidesContext, trims         bool
	missingIsUnavailable, deniedIsNotFound, disabledIsGone   bool
	failIsNotFound, throttleIsFail, malformedIsMissing       bool
	ignoresRollback, valueBesideError, strangeReason         bool
	emptyVersionIsNewest, latestIsNewest, wrongSecretInError bool
	forgetsOld, epochCreated, emptyIsBefore, mixesSecrets    bool
	removedLives, tornReads, ignoresHang                     bool

	marksAlways, marksFirst, marksNothing, marksUnseen, eatsNotes    bool
	markIsCurrent, markDrops, marksByItself, namesNone, marksDespite bool
	marksKept, hidesEnd, asksByMark, passesOver, allMissing          bool
}

func (m *memory) find(ctx context.Context, op string, s credential.Secret) (*entry, error) {
	fail := func(r providers.Reason, err error) (*entry, error) {
		e := &providers.Error{Op: op, Secret: s, Reason: r, Err: err}
		if m.lies.plainError {
			return nil, fmt.Errorf("%s: %s", op, r)
		}
		if m.lies.strangeReason {
			e.Reason = "mysterious"
		}
		if m.lies.wrongSecretInError {
			e.Secret = "mem://other"
		}
		return nil, e
	}
	if m.hung != nil && !m.lies.ignoresHang {
		select {
		case <-m.hung:
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil && !m.lies.ignoresContext {
		if m.lies.hidesContext {
			err = nil
		}
		return fail(providers.ReasonUnavailable, err)
	}
	if m.trouble != "" {
		return fail(m.trouble, nil)
	}
	if !strings.HasPrefix(string(s), "mem://") {
		return fail(when(m.lies.malformedIsMissing, providers.ReasonNotFound, providers.ReasonInvalid), nil)
	}
	e, ok := m.secrets[s]
	if !ok {
		return fail(when(m.lies.missingIsUnavailable, providers.ReasonUnavailable, providers.ReasonNotFound), nil)
	}
	if e.trouble != "" {
		return fail(e.trouble, nil)
	}
	if e.spoilt != nil {
		var cause error
		if m.lies.leakSpoilt {
			cause = fmt.Errorf("invalid character in %q", e.spoilt)
		}
		return fail(providers.ReasonInvalid, cause)
	}
	return e, nil
}

func when(lie bool, then, otherwise providers.Reason) providers.Reason {
	if lie {
		return then
	}
	return otherwise
}

func (m *memory) Current(ctx context.Context, s credential.Secret) (credential.Version, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, err := m.find(ctx, "read current version of", s)
	if err != nil {
		return credential.Version{}, err
	}
	v := credential.Version{ID: e.versions[e.current].id}
	if id := e.notes[theMark]; m.lies.markIsCurrent && id != "" {
		v.ID = id
	}
	if m.lies.marksByItself {
		m.writes++
	}
	switch {
	case m.lies.staleID:
		v.ID = e.versions[0].id
	case m.lies.freshIDs:
		m.ids++
		v.ID = fmt.Sprint("id", m.ids)
	case m.lies.oneIDForAll:
		v.ID = "only"
	case m.lies.emptyID:
		v.ID = ""
	}
	if m.lies.epochCreated {
		v.Created = v.Created.AddDate(1969, 0, 0)
	}
	return v, nil
}

func (m *memory) Read(ctx context.Context, s credential.Secret, id string) (credential.Value, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	const op = "read"
	e, err := m.find(ctx, op, s)
	if err != nil {
		if m.lies.valueBesideError {
			return credential.NewValue([]byte("beside")), err
		}
		return credential.Value{}, err
	}
	newest := e.versions[len(e.versions)-1]
	if m.lies.mixesSecrets {
		for _, other := range m.secrets {
			for _, v := range other.versions {
				if v.id == id {
					return credential.NewValue(bytes.Clone(v.value)), nil
				}
			}
		}
	}
	if m.lies.newestForAny || m.lies.freshIDs || m.lies.oneIDForAll ||
		(m.lies.emptyVersionIsNewest && id == "") || (m.lies.latestIsNewest && id == "latest") {
		return credential.NewValue(bytes.Clone(newest.value)), nil
	}
	for i, v := range e.versions {
		if v.id != id || (m.lies.forgetsOld && i != e.current) {
			continue
		}
		switch {
		case m.lies.sharedBytes:
			return credential.NewValue(v.value), nil
		case m.lies.trims:
			return credential.NewValue(bytes.Clone(bytes.TrimSpace(v.value))), nil
		case m.lies.emptyIsBefore && len(v.value) == 0:
			return credential.NewValue([]byte("before")), nil
		case m.lies.tornReads && i > 0 && len(e.versions) > 4:
			return credential.NewValue(append(bytes.Clone(v.value[:3]), e.versions[i-1].value[3:]...)), nil
		}
		return credential.NewValue(bytes.Clone(v.value)), nil
	}
	gone := &providers.Error{Op: op, Secret: s, Reason: providers.ReasonGone}
	switch {
	case m.lies.leakInError:
		gone.Err = fmt.Errorf("the value is now %s", newest.value)
	case m.lies.leakEncoded:
		gone.Hint = fmt.Sprintf("% x is not it, %x is", "", newest.value)
	}
	return credential.Value{}, gone
}

// environment makes an Environment over a memory of these lies.
func environment(l lies) func(testing.TB) *Environment {
	return func(t testing.TB) *Environment {
		m := &memory{secrets: map[credential.Secret]*entry{}, lies: l}
		put := func(_ testing.TB, value []byte) credential.Secret {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.made++
			m.ids++
			s := credential.Secret(fmt.Sprint("mem://", m.made))
			m.secrets[s] = &entry{versions: []version{{fmt.Sprint("id", m.ids), bytes.Clone(value)}}}
			return s
		}
		trouble := func(r providers.Reason) func(testing.TB, credential.Secret) {
			return func(_ testing.TB, s credential.Secret) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.secrets[s].trouble = r
			}
		}
		all := func(r providers.Reason) func(testing.TB) {
			return func(testing.TB) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.trouble = r
			}
		}
		return &Environment{
			Provider: m, Put: put,
			Rotate: func(_ testing.TB, s credential.Secret, value []byte) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.ids++
				e := m.secrets[s]
				e.versions = append(e.versions, version{fmt.Sprint("id", m.ids), bytes.Clone(value)})
				e.current = len(e.versions) - 1
			},
			Rollback: func(_ testing.TB, s credential.Secret) {
				m.mu.Lock()
				defer m.mu.Unlock()
				if !l.ignoresRollback {
					m.secrets[s].current--
				}
			},
			Remove: func(_ testing.TB, s credential.Secret) {
				m.mu.Lock()
				defer m.mu.Unlock()
				if !l.removedLives {
					delete(m.secrets, s)
				}
			},
			Deny:    trouble(when(l.deniedIsNotFound, providers.ReasonNotFound, providers.ReasonDenied)),
			Disable: trouble(when(l.disabledIsGone, providers.ReasonGone, providers.ReasonDisabled)),
			Spoil: func(_ testing.TB, s credential.Secret, canary []byte) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.secrets[s].spoilt = canary
			},
			Throttle: all(when(l.throttleIsFail, providers.ReasonUnavailable, providers.ReasonThrottled)),
			Fail:     all(when(l.failIsNotFound, providers.ReasonNotFound, providers.ReasonUnavailable)),
			Hang: func(t testing.TB) {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.hung = make(chan struct{})
				t.Cleanup(func() { close(m.hung) })
			},
			PutEmpty:  func(t testing.TB) credential.Secret { return put(t, nil) },
			Marks:     marksOf(m),
			Missing:   "mem://missing",
			Malformed: []credential.Secret{"", "memory", "http://mem"},
		}
	}
}
