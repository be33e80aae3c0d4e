package google

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

const (
	// onlyEnabled is Google's filter syntax.
	onlyEnabled = "state:ENABLED"
	// pageSize is how many versions are listed at once, newest first: the first
	// page has the answer.
	pageSize = 50
	// maxProbes bounds how many versions above a list are asked for by number. A
	// list that is further behind puts itself right.
	maxProbes = 16
	// maxLag is how long a version that was there counts as there although its
	// metadata is said not to be. After that it is believed: the secret was
	// deleted and made anew.
	maxLag = time.Minute
)

// known is the version that was last found current, by its number.
type known struct {
	number  int64
	created time.Time
	at      time.Time // when it was last seen
}

// look is one search for the current version.
type look struct {
	p      *Provider
	n      name
	c      *client
	listed []*pb.SecretVersion // enabled, highest first
	asked  map[int64]*pb.SecretVersion
	known  known
}

// current finds the current version. heard tells whether the hinted one, if
// there is one, is known to the source.
func (p *Provider) current(ctx context.Context, s credential.Secret, hinted int64) (v credential.Version, heard bool, err error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return credential.Version{}, false, err
	}
	defer p.release(c)
	l := &look{p: p, n: n, c: c, asked: map[int64]*pb.SecretVersion{}}
	if l.listed, err = l.list(ctx, onlyEnabled, pageSize); err != nil {
		return credential.Version{}, hinted == 0, err
	}
	p.mu.Lock()
	l.known = p.known[n]
	p.mu.Unlock()
	found, heard, err := l.settle(ctx, hinted)
	if err != nil {
		return credential.Version{}, heard, err
	}
	p.mu.Lock()
	p.known[n] = found
	p.mu.Unlock()
	v = credential.Version{ID: strconv.FormatInt(found.number, 10), Created: found.created}
	v.Expires, v.NextRotation = l.details(ctx)
	return v, heard, nil
}

// settle decides which version is current. The list is a hint: it may show what
// was minutes ago. It is believed while it shows the version that is known.
// Whatever else is to become current is asked for by number first.
func (l *look) settle(ctx context.Context, hinted int64) (found known, heard bool, err error) {
	top := l.top()
	heard = hinted <= top
	if top > 0 && top == l.known.number && hinted < top {
		return known{top, l.listed[0].GetCreateTime().AsTime(), time.Now()}, heard, nil
	}
	from := max(top, l.known.number)
	if hinted > from {
		v, err := l.get(ctx, hinted)
		if err != nil {
			return known{}, false, err
		}
		if v != nil {
			from = hinted
		}
	}
	if l.known.number == 0 { // the very first list may lag as well
		if from, err = l.climb(ctx, from); err != nil {
			return known{}, heard, err
		}
	}
	heard = heard || hinted <= from
	found, err = l.descend(ctx, from)
	return found, heard, err
}

func (l *look) top() int64 {
	if len(l.listed) == 0 {
		return 0
	}
	_, n := parseVersion(l.listed[0].GetName())
	return n
}

// climb goes up while there are versions: numbers have no gaps.
func (l *look) climb(ctx context.Context, from int64) (int64, error) {
	for range maxProbes {
		v, err := l.get(ctx, from+1)
		if err != nil {
			return 0, err
		}
		if v == nil {
			break
		}
		from++
	}
	return from, nil
}

// descend gives the first enabled version from a number on down: above the
// list it tries each, within the list those that it shows.
func (l *look) descend(ctx context.Context, from int64) (known, error) {
	var candidates []int64
	for n := from; n > l.top() && len(candidates) < maxProbes; n-- {
		candidates = append(candidates, n)
	}
	for _, v := range l.listed {
		_, n := parseVersion(v.GetName())
		candidates = append(candidates, n)
	}
	for _, n := range candidates {
		v, err := l.get(ctx, n)
		switch {
		case err != nil:
			return known{}, err
		case v == nil && n == l.known.number && time.Since(l.known.at) < maxLag:
			return l.known, nil
		case v.GetState() == pb.SecretVersion_ENABLED:
			return known{n, v.GetCreateTime().AsTime(), time.Now()}, nil
		}
	}
	return known{}, l.noneEnabled(ctx)
}

// get asks for a version by number, once a look; nil if there is none.
func (l *look) get(ctx context.Context, n int64) (*pb.SecretVersion, error) {
	if v, ok := l.asked[n]; ok {
		return v, nil
	}
	v, err := l.c.api.GetSecretVersion(ctx, &pb.GetSecretVersionRequest{Name: l.n.version(n)})
	if status.Code(err) == codes.NotFound && ctx.Err() == nil {
		v, err = nil, nil
	}
	if err != nil {
		return nil, l.p.because(ctx, permissionGet, err)
	}
	if v != nil {
		if of, got := parseVersion(v.GetName()); got != n || !l.p.isOf(l.n, of) {
			return nil, misplaced("the answer is about another secret or version")
		}
	}
	l.asked[n] = v
	return v, nil
}

// list gives the versions on the first page that has any which match, highest
// number first. A server that does not know filters is put up with.
func (l *look) list(ctx context.Context, filter string, size int) ([]*pb.SecretVersion, error) {
	it := l.c.api.ListSecretVersions(ctx, &pb.ListSecretVersionsRequest{Parent: l.n.String(), Filter: filter, PageSize: int32(size)})
	var all []*pb.SecretVersion
	for {
		v, err := it.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, l.p.because(ctx, permissionList, err)
		}
		if of, n := parseVersion(v.GetName()); n == 0 || !l.p.isOf(l.n, of) {
			return nil, misplaced("the list is one of another secret")
		}
		if filter == "" || v.GetState() == pb.SecretVersion_ENABLED {
			all = append(all, v)
		}
		if it.PageInfo().Remaining() == 0 && len(all) > 0 {
			break
		}
	}
	slices.SortFunc(all, func(a, b *pb.SecretVersion) int {
		_, x := parseVersion(a.GetName())
		_, y := parseVersion(b.GetName())
		return int(min(1, max(-1, y-x)))
	})
	return all, nil
}

// noneEnabled says what there is instead of an enabled version.
func (l *look) noneEnabled(ctx context.Context) error {
	all, err := l.list(ctx, "", 10)
	if err != nil {
		return err
	}
	p := &problem{reason: providers.ReasonDisabled, err: errors.New("no version of it is enabled")}
	if len(all) == 0 {
		p.hint = "it holds no value yet: add a version"
		return p
	}
	var there []string
	for _, v := range all {
		_, n := parseVersion(v.GetName())
		state := strings.ToLower(v.GetState().String())
		if at := v.GetScheduledDestroyTime(); at.IsValid() {
			state += ", to be destroyed on " + at.AsTime().Format(time.RFC3339)
		}
		there = append(there, fmt.Sprintf("%d (%s)", n, state))
	}
	p.hint = "enable one or add a new one; the newest that are there: " + strings.Join(there, "; ")
	return p
}

const (
	// detailsKept is how long a secret's own times are taken as they are.
	detailsKept = 10 * time.Minute
	// detailsWait bounds the question for them: nothing depends on them.
	detailsWait = 2 * time.Second
)

// details is what the secret says of itself and its versions don't.
type details struct {
	expires, nextRotation time.Time
	at                    time.Time
}

// details asks for the secret's times now and then. GetSecret needs a
// permission of its own and is free of charge; without it the times are zero.
func (l *look) details(ctx context.Context) (expires, nextRotation time.Time) {
	now := time.Now()
	l.p.mu.Lock()
	d := l.p.details[l.n]
	fresh := !d.at.IsZero() && now.Sub(d.at) < detailsKept
	l.p.mu.Unlock()
	if fresh {
		return d.expires, d.nextRotation
	}
	short, cancel := context.WithTimeout(ctx, detailsWait)
	defer cancel()
	d.at = now
	out, err := l.c.api.GetSecret(short, &pb.GetSecretRequest{Name: l.n.String()})
	switch {
	case err == nil:
		d.expires, d.nextRotation = time.Time{}, time.Time{}
		if at := out.GetExpireTime(); at.IsValid() {
			d.expires = at.AsTime()
		}
		if at := out.GetRotation().GetNextRotationTime(); at.IsValid() {
			d.nextRotation = at.AsTime()
		}
	case ctx.Err() != nil:
		return d.expires, d.nextRotation
	default:
		l.p.log.DebugContext(ctx, "times of the secret are not known", "secret", l.n.String(), "code", status.Code(err).String())
	}
	l.p.mu.Lock()
	l.p.details[l.n] = d
	l.p.mu.Unlock()
	return d.expires, d.nextRotation
}
