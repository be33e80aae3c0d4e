package planettest

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/rotatord/rotatord/credential"
)

// errGone ends a request whose client or server is gone; nobody reads it.
var errGone = &problem{499, "the request was given up"}

// takeEffect notes that a request changed something. The caller holds mu.
func (s *Simulator) takeEffect(c *call) { c.record.Effect = time.Now() }

// creation is the body of a create, understood.
type creation struct {
	name       string
	kind       kind
	parameters parameters
}

func readCreation(body json.RawMessage) (creation, *problem) {
	members, bad := decodeObject(body, "body")
	if bad != nil {
		return creation{}, bad
	}
	fields, bad := pick(members, "name", "type", "parameters")
	if bad != nil {
		return creation{}, bad
	}
	if fields["type"] == nil || fields["parameters"] == nil {
		return creation{}, badRequest("type and parameters are required")
	}
	typeName, bad := readText(fields["type"], "type")
	if bad != nil {
		return creation{}, bad
	}
	n := creation{}
	var ok bool
	if n.kind, ok = kindNamed(typeName); !ok {
		return creation{}, badRequest("type must be one that Planet delivers to; see the spec")
	}
	if n.parameters, bad = n.kind.read(fields["parameters"], false); bad != nil {
		return creation{}, bad
	}
	if fields["name"] != nil {
		n.name, bad = readName(fields["name"])
		return n, bad
	}
	n.name = n.parameters.structural[n.kind.namedAfter]
	return n, checkName(n.name)
}

// pick files members by name and refuses those that are not known.
func pick(members []member, known ...string) (map[string]json.RawMessage, *problem) {
	fields := map[string]json.RawMessage{}
	for _, m := range members {
		if !slices.Contains(known, m.name) {
			return nil, badRequest(showKey(m.name) + " is not a key of this body")
		}
		fields[m.name] = m.raw
	}
	return fields, nil
}

func (s *Simulator) create(ctx context.Context, c *call, _ string) (answer, *problem) {
	n, bad := readCreation(c.body)
	if bad != nil {
		return answer{}, bad
	}
	if bad := s.room(c.user, n.name); bad != nil {
		return answer{}, bad
	}
	if bad := s.check(ctx, c, Verification{
		Type:       n.kind.name,
		Parameters: clearParameters(n.parameters.structural, n.parameters.secrets, n.parameters.optional),
	}); bad != nil {
		return answer{}, bad
	}
	// Others may have been created while this one was verified.
	s.mu.Lock()
	defer s.mu.Unlock()
	if bad := s.roomLocked(c.user, n.name); bad != nil {
		return answer{}, bad
	}
	d := s.newDestination(c.user, n.kind, n.name, n.parameters)
	s.takeEffect(c)
	return s.replyWith(s.behaviour.CreateStatus, d, c), nil
}

func (s *Simulator) room(u *User, name string) *problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomLocked(u, name)
}

func (s *Simulator) roomLocked(u *User, name string) *problem {
	o := s.org(u)
	if o.taken(name, nil) {
		return errNameTaken
	}
	if o.active() >= s.quota {
		return s.errQuota()
	}
	return nil
}

var errNameTaken = &problem{http.StatusConflict, "a destination of this name exists"}

func (s *Simulator) errQuota() *problem {
	return &problem{s.behaviour.QuotaStatus, "the organization has as many destinations as it may have"}
}

// check verifies credentials and notes how that ended.
func (s *Simulator) check(ctx context.Context, c *call, v Verification) *problem {
	outcome, bad := s.verify(ctx, v)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.record.Verification = outcome
	return bad
}

// modification is the body of a PATCH, understood but for the parameters,
// which only the destination's type explains.
type modification struct {
	parameters json.RawMessage // nil when not given
	archive    *bool
	name       *string
}

func readModification(body json.RawMessage) (modification, *problem) {
	members, bad := decodeObject(body, "body")
	if bad != nil {
		return modification{}, bad
	}
	fields, bad := pick(members, "parameters", "archive", "name")
	if bad != nil {
		return modification{}, bad
	}
	if len(fields) == 0 {
		return modification{}, badRequest("the body needs parameters, archive or name")
	}
	m := modification{parameters: fields["parameters"]}
	if fields["archive"] != nil {
		archive, bad := readBool(fields["archive"], "archive")
		if bad != nil {
			return modification{}, bad
		}
		m.archive = &archive
	}
	if fields["name"] != nil {
		name, bad := readName(fields["name"])
		if bad != nil {
			return modification{}, bad
		}
		m.name = &name
	}
	return m, nil
}

func (s *Simulator) modify(ctx context.Context, c *call, id string) (answer, *problem) {
	m, bad := readModification(c.body)
	if bad != nil {
		return answer{}, bad
	}
	d, p, v, bad := s.prepare(c, id, m)
	if bad != nil {
		return answer{}, bad
	}
	if v != nil {
		if bad := s.check(ctx, c, *v); bad != nil {
			s.refused(c, d, p, bad)
			return answer{}, bad
		}
	}
	return s.apply(c, d, m, p)
}

// prepare finds the destination of a PATCH and checks all that can be checked
// before its credentials are tried: v is what to verify, nil when there is
// nothing to.
func (s *Simulator) prepare(c *call, id string, m modification) (d *destination, p parameters, v *Verification, bad *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d = s.org(c.user).find(id); d == nil {
		return nil, p, nil, errNoDestination
	}
	if !d.canWrite(c.user) {
		return nil, p, nil, &problem{s.behaviour.NonOwnerStatus, "only the owner or an admin may modify this destination"}
	}
	if want := c.request.Header.Get("If-Match"); s.behaviour.ETags && want != "" && want != "*" && want != d.etag() {
		return nil, p, nil, &problem{http.StatusPreconditionFailed, "the destination is not the one that If-Match names"}
	}
	if m.parameters != nil {
		if p, bad = d.kind.read(m.parameters, true); bad != nil {
			return nil, p, nil, bad
		}
	}
	if bad := s.allowed(c, d, m); bad != nil {
		return nil, p, nil, bad
	}
	if m.parameters == nil {
		return d, p, nil, nil
	}
	if s.behaviour.VerifyOnCreateOnly || s.behaviour.RepeatSkipsVerify && sameSecrets(d.secrets, p.secrets) {
		c.record.Verification = "skipped"
		return d, p, nil, nil
	}
	optional := maps.Clone(d.optional)
	maps.Copy(optional, p.optional)
	return d, p, &Verification{
		DestinationID: d.id, Type: d.kind.name,
		Parameters: clearParameters(d.structural, p.secrets, optional),
	}, nil
}

// allowed has the rules that depend on what else there is, and is asked again
// once the credentials are verified. The caller holds mu.
func (s *Simulator) allowed(c *call, d *destination, m modification) *problem {
	o := s.org(c.user)
	unarchive := m.archive != nil && !*m.archive
	switch {
	case o.find(d.id) != d:
		return errNoDestination
	case m.name != nil && o.taken(*m.name, d):
		return errNameTaken
	case unarchive && !d.archived.IsZero() && o.active() >= s.quota:
		return s.errQuota()
	case m.parameters != nil && !d.archived.IsZero() && !unarchive && s.behaviour.RefuseArchivedModify:
		return &problem{s.behaviour.RefuseStatus, "the destination is archived"}
	}
	return nil
}

func sameSecrets(a, b credential.Parameters) bool {
	names := a.Names()
	return slices.Equal(names, b.Names()) && !slices.ContainsFunc(names, func(name string) bool {
		return !bytes.Equal(a.Get(name).Bytes(), b.Get(name).Bytes())
	})
}

// refused does to a destination what a refusal does under the behaviour.
func (s *Simulator) refused(c *call, d *destination, p parameters, bad *problem) {
	if bad == errGone {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behaviour.LoseOnRefusal {
		d.secrets = p.secrets
		s.takeEffect(c)
	}
	if s.behaviour.UpdatedMovesOnRefusal {
		d.touch()
	}
}

// apply makes a PATCH take effect, all of it or nothing. Of two at once the
// one that gets here last wins, whatever the order of their arrival.
func (s *Simulator) apply(c *call, d *destination, m modification, p parameters) (answer, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if bad := s.allowed(c, d, m); bad != nil {
		return answer{}, bad
	}
	if m.parameters != nil {
		d.secrets = p.secrets
		for _, name := range d.kind.optional {
			set, given := p.optional[name]
			if given || s.behaviour.ResetOptional {
				d.optional[name] = set
			}
		}
	}
	if m.archive != nil {
		d.setArchived(*m.archive)
	}
	if m.name != nil {
		d.rename(*m.name, s.behaviour)
	}
	d.touch()
	s.takeEffect(c)
	a := s.replyWith(s.behaviour.ModifyStatus, d, c)
	if s.behaviour.ModifyEmptyBody || s.behaviour.ModifyStatus == http.StatusNoContent {
		a.body = nil
	}
	return a, nil
}
