package planettest

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// Destination is what [Simulator.Seed] makes.
type Destination struct {
	// Name has 3 to 63 characters; empty takes the bucket or container.
	Name string
	// Type is Planet's name of it, "amazon_s3".
	Type string
	// Parameters are all that a create wants: structural and credential
	// parameters, optional booleans.
	Parameters map[string]any
	// Archived makes it archived from the beginning.
	Archived bool
	// Default makes it the organization's default.
	Default bool
}

// Stored is what the simulator holds of a destination, in clear.
type Stored struct {
	ID, Name, Type   string
	Owner            string // the name of the User
	Structural       map[string]string
	Credentials      credential.Parameters // a copy; redacts itself
	Optional         map[string]bool
	Created, Updated time.Time
	Archived         bool
}

// Seed makes a destination of the user without HTTP, verification or quota
// and returns its id. Everything else must be as a create wants it; Seed and
// the other methods that act out of band panic on a mistake of the caller.
func (s *Simulator) Seed(user string, d Destination) (id string) {
	raw, err := json.Marshal(d.Parameters)
	if err != nil {
		panic("planettest: seed: the parameters are no JSON")
	}
	k, ok := kindNamed(d.Type)
	if !ok {
		panic("planettest: seed: unknown type " + d.Type)
	}
	p, bad := k.read(raw, false)
	if bad != nil {
		panic("planettest: seed: " + bad.message)
	}
	if d.Name == "" {
		d.Name = p.structural[k.namedAfter]
	}
	if bad := checkName(d.Name); bad != nil {
		panic("planettest: seed: " + bad.message)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.userNamed(user)
	if s.org(u).taken(d.Name, nil) {
		panic("planettest: seed: the name is taken: " + d.Name)
	}
	made := s.newDestination(u, k, d.Name, p)
	if d.Archived {
		made.archived = made.created
	}
	if d.Default {
		s.org(u).standard = made
	}
	return made.id
}

// Stored tells what Planet holds now; false when there is no such destination.
func (s *Simulator) Stored(id string) (Stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, _ := s.lookup(id)
	if d == nil {
		return Stored{}, false
	}
	return d.snapshot(), true
}

// SetCanWrite decides whether the user may modify the destination, whatever
// ownership says.
func (s *Simulator) SetCanWrite(id, user string, can bool) {
	s.change(id, func(d *destination, _ *organization) { d.writers[s.userNamed(user).Name] = can })
}

// Archive archives or unarchives as somebody else's client would.
func (s *Simulator) Archive(id string, archived bool) {
	s.change(id, func(d *destination, _ *organization) { d.setArchived(archived) })
}

// Rename renames as somebody else's client would and returns the id after it,
// which is another one under [Behaviour.RenameChangesID].
func (s *Simulator) Rename(id, name string) string {
	s.change(id, func(d *destination, o *organization) {
		if checkName(name) != nil || o.taken(name, d) {
			panic("planettest: rename: no name to be had: " + name)
		}
		d.rename(name, s.behaviour)
		d.touch()
		id = d.id
	})
	return id
}

// SetParameter changes a structural parameter or an optional boolean, which
// no client can do to a structural one: a test's way to drift.
func (s *Simulator) SetParameter(id, name string, value any) {
	s.change(id, func(d *destination, _ *organization) {
		text, isText := value.(string)
		set, isBool := value.(bool)
		switch {
		case isText && (slices.Contains(d.kind.structural, name) || slices.Contains(d.kind.extra, name)):
			d.structural[name] = text
		case isBool && slices.Contains(d.kind.optional, name):
			d.optional[name] = set
		default:
			panic("planettest: set parameter: no such parameter: " + name)
		}
		d.touch()
	})
}

// Remove makes the destination vanish, which Planet's API cannot do.
func (s *Simulator) Remove(id string) {
	s.change(id, func(d *destination, o *organization) {
		o.destinations = slices.DeleteFunc(o.destinations, func(e *destination) bool { return e == d })
		if o.standard == d {
			o.standard = nil
		}
	})
}

func (s *Simulator) change(id string, f func(*destination, *organization)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, o := s.lookup(id)
	if d == nil {
		panic("planettest: no destination " + id)
	}
	f(d, o)
}

// lookup finds a destination in any organization.
func (s *Simulator) lookup(id string) (*destination, *organization) {
	for _, o := range s.orgs {
		if d := o.find(id); d != nil {
			return d, o
		}
	}
	return nil, nil
}

func (s *Simulator) userNamed(name string) *User {
	for _, u := range s.users {
		if u.Name == name {
			return u
		}
	}
	panic("planettest: no user " + name)
}

func (d *destination) setArchived(archived bool) {
	switch {
	case archived && d.archived.IsZero():
		d.touch()
		d.archived = d.updated
	case !archived && !d.archived.IsZero():
		d.touch()
		d.archived = time.Time{}
	}
}

func (d *destination) rename(name string, b Behaviour) {
	d.name = name
	if b.RenameChangesID {
		d.id = slug(name) + "-" + d.suffix
	}
}
