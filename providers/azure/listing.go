package azure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// maxPages bounds how long a list may be: ten thousand versions, of 25 a page.
const maxPages = 400

// version is what a list says of one version.
type version struct {
	id               string
	enabled          bool
	created, updated time.Time
	notBefore        time.Time // zero for none
	expires          time.Time // zero for none
	tags             map[string]*string
	// first says that Key Vault itself calls it the newest of those that were made
	// in the same second.
	first bool
}

// newer is the order of versions. When a version was last updated says nothing
// of it: enabling an old one, or tagging it, makes it no newer.
func (v version) newer(than version) bool {
	if c := v.created.Compare(than.created); c != 0 {
		return c > 0
	}
	if v.first != than.first {
		return v.first
	}
	return v.id > than.id
}

// listing is all versions of one secret, of which there is at least one.
type listing []version

// list asks for all versions of a secret.
func (p *Provider) list(ctx context.Context, c *azsecrets.Client, n name) (listing, error) {
	var l listing
	pager := c.NewListSecretPropertiesVersionsPager(n.secret, nil)
	for page := 0; pager.More(); page++ {
		if page == maxPages {
			return nil, misplaced(fmt.Sprintf("the list of versions does not end after %d pages", maxPages))
		}
		out, err := within(ctx, pager.NextPage)
		if err != nil {
			return nil, p.because(ctx, n, opList, err)
		}
		if out.Value == nil {
			return nil, misplaced("the answer has no list in it")
		}
		for _, item := range out.Value {
			v, err := versionOf(n, item)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
	}
	if len(l) == 0 {
		return nil, &problem{reason: providers.ReasonNotFound, err: errors.New("it has no versions"), hint: hintNotFound}
	}
	return l, nil
}

func versionOf(n name, item *azsecrets.SecretProperties) (version, error) {
	if item == nil || item.ID == nil || item.Attributes == nil || item.Attributes.Created == nil {
		return version{}, misplaced("the list has a version without its id or its date")
	}
	of, err := parse(credential.Secret(*item.ID))
	if err != nil || !n.is(of) || of.version == "" {
		return version{}, misplaced("the list is about another secret")
	}
	a := item.Attributes
	v := version{
		id: of.version, enabled: a.Enabled == nil || *a.Enabled, created: *a.Created, updated: *a.Created, tags: item.Tags,
	}
	for to, from := range map[*time.Time]*time.Time{&v.updated: a.Updated, &v.notBefore: a.NotBefore, &v.expires: a.Expires} {
		if from != nil {
			*to = *from
		}
	}
	return v, nil
}

// mark is when the secret was last changed, as far as the list knows.
func (l listing) mark() time.Time {
	var at time.Time
	for _, v := range l {
		if v.updated.After(at) {
			at = v.updated
		}
		if v.created.After(at) {
			at = v.created
		}
	}
	return at
}

func (l listing) has(id string) bool {
	for _, v := range l {
		if strings.EqualFold(v.id, id) {
			return true
		}
	}
	return false
}

// inForce tells whether a version may be current.
func (v version) inForce(now time.Time) bool { return v.enabled && !v.notBefore.After(now) }

// tied lists the ids of the versions that would be current by their dates, if
// there is more than one: dates have whole seconds.
func (l listing) tied(now time.Time) []string {
	best, _ := l.newest(func(v version) bool { return v.inForce(now) })
	var ids []string
	for _, v := range l {
		if v.inForce(now) && v.created.Equal(best.created) {
			ids = append(ids, v.id)
		}
	}
	if len(ids) < 2 {
		return nil
	}
	slices.Sort(ids)
	return ids
}

// errOvertaken says that there is a newer version than the list has.
var errOvertaken = misplaced("versions are made faster than they can be listed")

// settled is a tie that Key Vault has decided: which of these ids is the newest.
type settled struct{ ids, newest string }

// settle marks the newest of versions made in one second. Their order is in no
// list; only a get without a version tells it, once for each tie. If another
// version altogether is the newest, one that is disabled say, their ids decide.
func (p *Provider) settle(ctx context.Context, c *azsecrets.Client, n name, l listing) error {
	tied := l.tied(time.Now())
	if tied == nil {
		return nil
	}
	ids := strings.Join(tied, " ")
	p.mu.Lock()
	decided := p.settled[n.place()]
	p.mu.Unlock()
	if decided.ids != ids {
		newest, err := p.newest(ctx, c, n)
		if err != nil {
			return err
		}
		switch {
		case newest != "" && !l.has(newest):
			return errOvertaken
		case !slices.Contains(tied, newest):
			return nil
		}
		decided = settled{ids, newest}
		p.mu.Lock()
		p.settled[n.place()] = decided
		p.mu.Unlock()
	}
	for i := range l {
		l[i].first = l[i].id == decided.newest
	}
	return nil
}

// settledList is a list whose newest version is beyond doubt.
func (p *Provider) settledList(ctx context.Context, c *azsecrets.Client, n name) (listing, error) {
	for tries := 3; ; tries-- {
		l, err := p.list(ctx, c, n)
		if err != nil {
			return nil, err
		}
		if err = p.settle(ctx, c, n, l); err == nil {
			return l, nil
		}
		if !errors.Is(err, errOvertaken) || tries == 1 {
			return nil, err
		}
	}
}

// newest asks Key Vault for the id of the newest version; "" if that is
// disabled. The value that comes with it is dropped.
func (p *Provider) newest(ctx context.Context, c *azsecrets.Client, n name) (string, error) {
	out, err := within(ctx, func(ctx context.Context) (azsecrets.GetSecretResponse, error) {
		return c.GetSecret(ctx, n.secret, "", nil)
	})
	if err != nil {
		why := p.because(ctx, n, opGet, err)
		if why.reason == providers.ReasonDisabled {
			return "", nil
		}
		return "", why
	}
	if out.ID == nil {
		return "", misplaced("the answer has no id")
	}
	of, err := parse(credential.Secret(*out.ID))
	if err != nil || !n.is(of) {
		return "", misplaced("the answer is about another secret")
	}
	return of.version, nil
}

// newest is the newest version of those that are wanted.
func (l listing) newest(wanted func(version) bool) (version, bool) {
	var best version
	found := false
	for _, v := range l {
		if wanted(v) && (!found || v.newer(best)) {
			best, found = v, true
		}
	}
	return best, found
}

// current is the newest version that is enabled and in force.
func (l listing) current(now time.Time) (credential.Version, error) {
	best, found := l.newest(func(v version) bool { return v.inForce(now) })
	// What is newer, enabled, and not yet in force will replace it.
	var next time.Time
	for _, v := range l {
		if v.enabled && !v.inForce(now) && (!found || v.newer(best)) && (next.IsZero() || v.notBefore.Before(next)) {
			next = v.notBefore
		}
	}
	switch {
	case found:
		return credential.Version{ID: best.id, Created: best.created, Expires: best.expires, NextRotation: next}, nil
	case !next.IsZero():
		return credential.Version{}, &problem{reason: providers.ReasonDisabled,
			err:  fmt.Errorf("no version is in force before %s", next.UTC().Format(time.RFC3339)),
			hint: `it becomes current then; "az keyvault secret set-attributes --not-before" changes that`}
	}
	return credential.Version{}, &problem{reason: providers.ReasonDisabled, err: errors.New("all its versions are disabled"),
		hint: `"az keyvault secret set-attributes --enabled true --version …" takes that back`}
}

// maxLag is how long a list that knows less than one before counts as a
// replica's that is behind. After that it is believed, for then it is the
// secret that went back: it was restored from a backup, say.
const maxLag = time.Minute

// known is the answer that the list with the latest change has led to.
type known struct {
	mark    time.Time
	newest  string // id of the newest version, in whatever state
	count   int    // of versions
	created time.Time
	version credential.Version
	err     error
	at      time.Time
}

func (k known) overtakes(l listing, now time.Time) bool {
	if now.Sub(k.at) >= maxLag {
		return false
	}
	mark := l.mark()
	return mark.Before(k.mark) || mark.Equal(k.mark) && len(l) < k.count
}

// answer is a look at a list: what is current by it or by a list that knew more.
func (p *Provider) answer(n name, l listing) known {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if k, ok := p.known[n.place()]; ok && k.overtakes(l, now) {
		return k
	}
	top, _ := l.newest(func(version) bool { return true })
	k := known{mark: l.mark(), newest: top.id, count: len(l), created: top.created, at: now}
	k.version, k.err = l.current(now)
	p.known[n.place()] = k
	return k
}
