package planettest

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// filters of the list, each "true" or "false".
var filters = []string{"archived", "is_owner", "can_write", "is_default"}

// orders that sort_by knows.
var orders = map[string]func(a, b *destination) int{
	"created": func(a, b *destination) int { return a.created.Compare(b.created) },
	"updated": func(a, b *destination) int { return a.updated.Compare(b.updated) },
	"name":    func(a, b *destination) int { return cmp.Compare(a.name, b.name) },
	"type":    func(a, b *destination) int { return cmp.Compare(a.kind.name, b.kind.name) },
}

// listing is a list request's query, understood.
type listing struct {
	filters map[string]bool // only those given
	order   string
}

func readListing(query string) (listing, *problem) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return listing{}, badRequest("the query is malformed")
	}
	l := listing{filters: map[string]bool{}, order: "created"}
	for _, name := range filters {
		given, ok := values[name]
		if !ok {
			continue
		}
		if len(given) != 1 || given[0] != "true" && given[0] != "false" {
			return listing{}, badRequest(name + " must be true or false")
		}
		l.filters[name] = given[0] == "true"
	}
	if given, ok := values["sort_by"]; ok {
		if len(given) != 1 || orders[given[0]] == nil {
			return listing{}, badRequest("sort_by must be created, name, type or updated")
		}
		l.order = given[0]
	}
	return l, nil
}

// wants tells whether a destination belongs in the list.
func (l listing) wants(d *destination, u *User, o *organization, b Behaviour) bool {
	archived := !d.archived.IsZero()
	also, given := l.filters["archived"]
	switch {
	case archived && !also:
		return false
	case !archived && given && also && b.ArchivedTrueMeansOnly:
		return false
	}
	for name, is := range map[string]bool{
		"is_owner": d.owner.Name == u.Name, "can_write": d.canWrite(u), "is_default": o.standard == d,
	} {
		if want, given := l.filters[name]; given && want != is {
			return false
		}
	}
	return true
}

func (s *Simulator) list(_ context.Context, c *call, _ string) (answer, *problem) {
	l, bad := readListing(c.request.URL.RawQuery)
	if bad != nil {
		return answer{}, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.org(c.user)
	found := slices.Clone(o.destinations)
	found = slices.DeleteFunc(found, func(d *destination) bool { return !l.wants(d, c.user, o, s.behaviour) })
	slices.SortStableFunc(found, orders[l.order])
	shown := make([]wireDestination, 0, len(found))
	for _, d := range found {
		shown = append(shown, s.show(d, c.user, c.base))
	}
	return reply(http.StatusOK, struct {
		Links        wireLinks         `json:"_links"`
		Destinations []wireDestination `json:"destinations"`
	}{wireLinks{c.base}, shown}), nil
}

var errNoDestination = &problem{http.StatusNotFound, "there is no such destination"}

func (s *Simulator) get(_ context.Context, c *call, id string) (answer, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.org(c.user).find(id)
	if d == nil {
		return answer{}, errNoDestination
	}
	return s.replyWith(http.StatusOK, d, c), nil
}

// replyWith answers one destination. The caller holds mu.
func (s *Simulator) replyWith(status int, d *destination, c *call) answer {
	a := reply(status, s.show(d, c.user, c.base))
	if s.behaviour.ETags {
		a.header.Set("ETag", d.etag())
	}
	return a
}

func (s *Simulator) getDefault(_ context.Context, c *call, _ string) (answer, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.org(c.user).standard
	if d == nil {
		return answer{}, &problem{http.StatusNotFound, "no default destination is set"}
	}
	return s.replyWith(http.StatusOK, d, c), nil
}

// errNotAdmin is what Planet's own mock answers: a 401 that does not mean a bad key.
var errNotAdmin = &problem{http.StatusUnauthorized, "Insufficient permissions"}

func (s *Simulator) mayDefault(u *User, d *destination) bool {
	return u.Admin || s.behaviour.OwnerSetsDefault && d != nil && d.owner.Name == u.Name
}

func (s *Simulator) putDefault(_ context.Context, c *call, _ string) (answer, *problem) {
	id, bad := readDefault(c.body)
	if bad != nil {
		return answer{}, bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.org(c.user)
	d := o.find(id)
	switch {
	case !s.mayDefault(c.user, d):
		return answer{}, errNotAdmin
	case d == nil:
		return answer{}, errNoDestination
	case !d.archived.IsZero():
		return answer{}, badRequest("an archived destination cannot be the default")
	}
	o.standard = d
	s.takeEffect(c)
	return s.replyWith(http.StatusOK, d, c), nil
}

// readDefault takes the id alone: nothing says that Planet takes a reference here.
func readDefault(body json.RawMessage) (string, *problem) {
	members, bad := decodeObject(body, "body")
	if bad != nil {
		return "", bad
	}
	if len(members) != 1 || members[0].name != "destination_id" {
		return "", badRequest("the body must have destination_id and nothing else")
	}
	return readText(members[0].raw, "destination_id")
}

func (s *Simulator) deleteDefault(_ context.Context, c *call, _ string) (answer, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.org(c.user)
	switch {
	case !s.mayDefault(c.user, o.standard):
		return answer{}, errNotAdmin
	case o.standard == nil:
		return answer{}, &problem{http.StatusNotFound, "no default destination is set"}
	}
	o.standard = nil
	s.takeEffect(c)
	return answer{status: http.StatusNoContent, header: http.Header{}}, nil
}
