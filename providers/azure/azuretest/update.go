package azuretest

import (
	"encoding/json"
	"maps"
	"strings"
	"time"
)

// maxTags is how many tags a version may have.
const maxTags = 15

// update is PATCH of a version: what is not in the request stays, and tags that
// are there take the place of all that were. Nothing is published: Event Grid
// hears of new versions and of expiries alone.
func (s *Server) update(host string, x *secret, id string, body []byte) (any, *refusal) {
	v, ok := x.versions[id]
	if !ok {
		return nil, notFound(x.name + "/" + id)
	}
	var in struct {
		ContentType *string            `json:"contentType"`
		Tags        *map[string]string `json:"tags"`
		Attributes  *struct {
			Enabled   *bool  `json:"enabled"`
			NotBefore *int64 `json:"nbf"`
			Expires   *int64 `json:"exp"`
		} `json:"attributes"`
	}
	if json.Unmarshal(body, &in) != nil || in.Tags != nil && len(*in.Tags) > maxTags {
		return nil, &refusal{400, "BadParameter", "", "The parameter is incorrect."}
	}
	x.remember()
	if in.ContentType != nil {
		v.contentType = *in.ContentType
	}
	if in.Tags != nil {
		v.tags = maps.Clone(*in.Tags)
	}
	if a := in.Attributes; a != nil {
		if a.Enabled != nil {
			v.attributes.Disabled = !*a.Enabled
		}
		for to, from := range map[*time.Time]*int64{&v.attributes.NotBefore: a.NotBefore, &v.attributes.Expire: a.Expires} {
			if from != nil {
				*to = time.Unix(*from, 0)
			}
		}
	}
	v.updated = time.Now().Truncate(time.Second)
	x.versions[id] = v
	return s.item(host, x, v), nil
}

// Tag replaces the tags of a version and its content type, as an owner does.
func (s *Server) Tag(vault, name, id, contentType string, tags map[string]string) {
	s.with(vault, name, func(x *secret) {
		x.remember()
		v := x.versions[id]
		v.contentType, v.tags, v.updated = contentType, maps.Clone(tags), time.Now().Truncate(time.Second)
		x.versions[id] = v
	})
}

// Version is what Key Vault keeps of a version beside its value.
type Version struct {
	Attributes
	ContentType string
	Tags        map[string]string
}

// Describe gives that of a version.
func (s *Server) Describe(vault, name, id string) (d Version) {
	s.with(vault, name, func(x *secret) {
		v := x.versions[strings.ToLower(id)]
		d = Version{v.attributes, v.contentType, maps.Clone(v.tags)}
	})
	return d
}
