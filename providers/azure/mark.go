package azure

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
	"github.com/rotatord/rotatord/providers"
)

const (
	opMark      = "mark"
	defaultMark = "rotatord-accepted"
	// marked is the value of the tag. It says nothing: that the tag is there does.
	marked = "true"
)

// marks are names of tags that need no quoting anywhere.
var marks = shape.Of(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`, 256)

var _ providers.Marker = (*Provider)(nil)

// Mark implements providers.Marker: a tag on the version, Options.Mark, since in
// Key Vault tags belong to versions. The list of versions tells which has it.
// What is sent are all tags of that version and nothing else, so that its dates,
// its state and its content type stay as they are.
//
// The new version is tagged first and the tag taken from others after that: who
// looks in between, or after we have died in between, sees two versions in use,
// and never none. Key Vault knows no etags: a tag that somebody else sets on
// the same version within the same moment may be lost.
//
// An update makes no event of Key Vault's. In the list the version's date of
// update changes, which says nothing of what is current.
func (p *Provider) Mark(ctx context.Context, s credential.Secret, version string) error {
	if err := p.mark(ctx, s, version); err != nil {
		return asError(opMark, s, err)
	}
	return nil
}

func (p *Provider) mark(ctx context.Context, s credential.Secret, version string) error {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return err
	}
	if version != "" && !versionIDs.MatchString(version) {
		return &problem{reason: providers.ReasonGone, err: errors.New("Key Vault has no version ids like this one")}
	}
	l, err := p.list(ctx, c, n)
	if err != nil {
		return err
	}
	if version != "" && !l.has(version) {
		return &problem{reason: providers.ReasonGone, err: errors.New("the secret has no such version")}
	}
	for _, v := range l {
		if strings.EqualFold(v.id, version) && !v.has(p.options.Mark) {
			if err := p.tag(ctx, c, n, v, true); err != nil {
				return err
			}
		}
	}
	for _, v := range l {
		if !strings.EqualFold(v.id, version) && v.has(p.options.Mark) {
			if err := p.tag(ctx, c, n, v, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// has tells whether a version has a tag.
func (v version) has(tag string) bool {
	_, ok := v.tags[tag]
	return ok
}

// tag sets the mark on a version, or takes it away.
func (p *Provider) tag(ctx context.Context, c *azsecrets.Client, n name, v version, on bool) error {
	tags := maps.Clone(v.tags)
	if tags == nil {
		tags = map[string]*string{}
	}
	delete(tags, p.options.Mark)
	if on {
		tags[p.options.Mark] = to.Ptr(marked)
	}
	_, err := within(ctx, func(ctx context.Context) (azsecrets.UpdateSecretPropertiesResponse, error) {
		return c.UpdateSecretProperties(ctx, n.secret, v.id, azsecrets.UpdateSecretPropertiesParameters{Tags: tags}, nil)
	})
	if err == nil {
		return nil
	}
	why := p.because(ctx, n, opTag, err)
	switch why.reason {
	case providers.ReasonNotFound: // the list has just had it
		return &problem{reason: providers.ReasonGone, err: why.err, hint: "the version, or all of the secret, was removed meanwhile"}
	case providers.ReasonInvalid:
		why.hint = "a version has at most 15 tags: take one away that nobody needs"
	}
	return why
}
