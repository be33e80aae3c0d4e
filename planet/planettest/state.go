package planettest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/rotatord/rotatord/credential"
)

// organization is what one organization has. The caller holds Simulator.mu.
type organization struct {
	destinations []*destination
	standard     *destination // the default; nil when unset
}

// destination is what Planet stores of one.
type destination struct {
	id, suffix, name string
	kind             kind
	owner            *User
	structural       map[string]string
	secrets          credential.Parameters
	optional         map[string]bool
	created, updated time.Time
	archived         time.Time       // zero while active
	writers          map[string]bool // by user name: overrides of who may write
}

func (s *Simulator) org(u *User) *organization {
	o, ok := s.orgs[u.Organization]
	if !ok {
		o = &organization{}
		s.orgs[u.Organization] = o
	}
	return o
}

func (o *organization) find(id string) *destination {
	i := slices.IndexFunc(o.destinations, func(d *destination) bool { return d.id == id })
	if i < 0 {
		return nil
	}
	return o.destinations[i]
}

// taken tells whether another destination has the name. An archived one keeps
// its name: it can be unarchived, and names must be unique then too.
func (o *organization) taken(name string, except *destination) bool {
	return slices.ContainsFunc(o.destinations, func(d *destination) bool {
		return d != except && d.name == name
	})
}

// active counts what the quota is about.
func (o *organization) active() int {
	n := 0
	for _, d := range o.destinations {
		if d.archived.IsZero() {
			n++
		}
	}
	return n
}

func (d *destination) canWrite(u *User) bool {
	if can, ok := d.writers[u.Name]; ok {
		return can
	}
	return u.Admin || d.owner.Name == u.Name
}

// touch moves updated, which never stands still or goes back.
func (d *destination) touch() {
	now := time.Now()
	if !now.After(d.updated) {
		now = d.updated.Add(time.Nanosecond)
	}
	d.updated = now
}

// newDestination files a destination under a new id.
func (s *Simulator) newDestination(u *User, k kind, name string, p parameters) *destination {
	now := time.Now()
	d := &destination{
		name: name, kind: k, owner: u,
		structural: p.structural, secrets: p.secrets, optional: map[string]bool{},
		created: now, updated: now, writers: map[string]bool{},
	}
	for _, optional := range k.optional {
		d.optional[optional] = p.optional[optional]
	}
	for d.id == "" || s.known(d.suffix, d) {
		d.suffix = s.newSuffix()
		d.id = slug(name) + "-" + d.suffix
	}
	o := s.org(u)
	o.destinations = append(o.destinations, d)
	return d
}

// known tells whether a suffix is already in use anywhere: references by
// suffix alone must stay clear.
func (s *Simulator) known(suffix string, except *destination) bool {
	for _, o := range s.orgs {
		for _, d := range o.destinations {
			if d != except && d.suffix == suffix {
				return true
			}
		}
	}
	return false
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// newSuffix is six or seven characters, as Planet's are.
func (s *Simulator) newSuffix() string {
	suffix := make([]byte, 6+s.ids.IntN(2))
	for i := range suffix {
		suffix[i] = alphanumeric[s.ids.IntN(len(alphanumeric))]
	}
	return string(suffix)
}

// slug is the readable part of an id.
func slug(name string) string {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if len(words) == 0 {
		return "destination"
	}
	return strings.Join(words, "-")
}

// The wire form of a destination; the fields are in Planet's order.
type wireDestination struct {
	Links       wireLinks      `json:"_links"`
	Archived    *string        `json:"archived"`
	Created     string         `json:"created"`
	Default     *bool          `json:"default,omitempty"`
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Ownership   wireOwnership  `json:"ownership"`
	Parameters  map[string]any `json:"parameters"`
	Permissions wirePermission `json:"permissions"`
	Ref         string         `json:"pl:ref"`
	Type        string         `json:"type"`
	Updated     string         `json:"updated"`
}

type wireLinks struct {
	Self string `json:"_self"`
}

type wireOwnership struct {
	IsOwner bool  `json:"is_owner"`
	OwnerID int64 `json:"owner_id"`
}

type wirePermission struct {
	CanWrite bool `json:"can_write"`
}

// redacted is what Planet shows in place of a secret.
const redacted = "<REDACTED>"

// show renders a destination for the user who asks.
func (s *Simulator) show(d *destination, u *User, base string) wireDestination {
	shown := map[string]any{}
	for name, text := range d.structural {
		shown[name] = text
	}
	for _, name := range d.kind.secrets {
		shown[name] = redacted
	}
	for name, set := range d.optional {
		if set || !s.behaviour.OmitFalseOptional {
			shown[name] = set
		}
	}
	w := wireDestination{
		Links:       wireLinks{base + "/" + d.id},
		Created:     stamp(d.created),
		ID:          d.id,
		Name:        d.name,
		Ownership:   wireOwnership{d.owner.Name == u.Name, d.owner.ID},
		Parameters:  shown,
		Permissions: wirePermission{d.canWrite(u)},
		Ref:         "pl:destinations/" + d.id,
		Type:        d.kind.name,
		Updated:     stamp(d.updated),
	}
	if !d.archived.IsZero() {
		archived := stamp(d.archived)
		w.Archived = &archived
	}
	if !s.behaviour.OmitDefault {
		standard := s.org(u).standard == d
		w.Default = &standard
	}
	return w
}

// stamp is a timestamp with nanoseconds, all nine of them.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

// etag names one state of a destination.
func (d *destination) etag() string { return fmt.Sprintf(`"%x"`, d.updated.UnixNano()) }

// snapshot copies a destination for tests.
func (d *destination) snapshot() Stored {
	var secrets credential.Parameters
	for _, name := range d.secrets.Names() {
		secrets.Set(name, credential.NewValue(bytes.Clone(d.secrets.Get(name).Bytes())))
	}
	return Stored{
		ID: d.id, Name: d.name, Type: d.kind.name, Owner: d.owner.Name,
		Structural: maps.Clone(d.structural), Credentials: secrets, Optional: maps.Clone(d.optional),
		Created: d.created, Updated: d.updated, Archived: !d.archived.IsZero(),
	}
}

// encode renders an answer; < stays readable.
func encode(v any) []byte {
	var buf bytes.Buffer
	encoder := json.NewEncoder(&buf)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil { // our own structs only
		panic("planettest: an answer that is no JSON")
	}
	return buf.Bytes()
}
