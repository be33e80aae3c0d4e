package azuretest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Attributes are what Key Vault keeps of a version beside its value.
type Attributes struct {
	Disabled          bool
	NotBefore, Expire time.Time // zero for none
}

type version struct {
	id               string
	value            string
	attributes       Attributes
	contentType      string
	tags             map[string]string
	created, updated time.Time
}

type secret struct {
	name     string
	versions map[string]version
	deleted  bool
	deny     map[string]Denial
	before   map[string]version // as it was before the last change
	lag      int
	gone     bool // before the last change it was not there
}

// Set gives a secret a new version, made now, and gives the version's id. The
// secret is made if there is none.
func (s *Server) Set(vault, name, value string, a Attributes) string {
	return s.SetAt(vault, name, value, a, time.Now())
}

// SetAt is Set at another time. Key Vault keeps whole seconds.
func (s *Server) SetAt(vault, name, value string, a Attributes, at time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made++
	// Ids have no order: the lists of the real one are sorted by them.
	id := fmt.Sprintf("%08x%024x", uint32(s.made)*2654435761, s.made)
	all := s.vaults[vault]
	x := all[strings.ToLower(name)]
	if x == nil {
		x = &secret{name: name, versions: map[string]version{}, deny: map[string]Denial{}, gone: true}
		all[strings.ToLower(name)] = x
	} else {
		x.remember()
	}
	at = at.Truncate(time.Second)
	x.versions[id] = version{id: id, value: value, attributes: a, created: at, updated: at}
	return id
}

// remember keeps what LagReads shows.
func (x *secret) remember() { x.before, x.gone = maps.Clone(x.versions), false }

// Change sets the attributes of a version.
func (s *Server) Change(vault, name, id string, a Attributes) {
	s.with(vault, name, func(x *secret) {
		x.remember()
		v := x.versions[id]
		v.attributes, v.updated = a, time.Now().Truncate(time.Second)
		x.versions[id] = v
	})
}

// Disable makes all versions of a secret unreadable.
func (s *Server) Disable(vault, name string) {
	for _, id := range s.Versions(vault, name) {
		s.Change(vault, name, id, Attributes{Disabled: true})
	}
}

// Versions lists the ids of a secret, the newest last.
func (s *Server) Versions(vault, name string) []string {
	var ids []string
	s.with(vault, name, func(x *secret) {
		for _, v := range x.sorted() {
			ids = append(ids, v.id)
		}
	})
	return ids
}

func (x *secret) sorted() []version {
	return slices.SortedFunc(maps.Values(x.versions), func(a, b version) int {
		if c := a.created.Compare(b.created); c != 0 {
			return c
		}
		return strings.Compare(a.id[8:], b.id[8:]) // as they were made
	})
}

// Delete deletes a secret softly: it is not found until Recover.
func (s *Server) Delete(vault, name string) {
	s.with(vault, name, func(x *secret) { x.deleted = true })
}

// Recover takes Delete back.
func (s *Server) Recover(vault, name string) {
	s.with(vault, name, func(x *secret) { x.deleted = false })
}

// Purge removes a secret for good.
func (s *Server) Purge(vault, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.vaults[vault], strings.ToLower(name))
}

// LagReads lets the next n lists of a secret, page by page, show it as it was
// before its last change, as a replica that is behind does.
func (s *Server) LagReads(vault, name string, n int) {
	s.with(vault, name, func(x *secret) { x.lag = n })
}

func (s *Server) with(vault, name string, f func(*secret)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.vaults[vault][strings.ToLower(name)]; x != nil {
		f(x)
	}
}

// view is what a list shows: the ids in their own order, as the real one.
func (x *secret) view() (versions []version, there bool) {
	shown := x.versions
	if x.lag > 0 {
		x.lag--
		if x.gone {
			return nil, false
		}
		shown = x.before
	}
	return slices.SortedFunc(maps.Values(shown), func(a, b version) int { return strings.Compare(a.id, b.id) }), true
}
