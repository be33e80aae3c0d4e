package google

import (
	"context"
	"errors"
	"fmt"
	"maps"

	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
	"github.com/rotatord/rotatord/providers"
)

const (
	opMark      = "mark"
	defaultMark = "rotatord-accepted"
)

// marks are keys of annotations by Google's rules.
var marks = shape.Of(`^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$`, 63)

var _ providers.Marker = (*Provider)(nil)

// Mark implements providers.Marker: the version's number is the value of an
// annotation of the secret, Options.Mark. Annotations are, in Google's words,
// there for the state of client tools. The secret's etag goes with the update,
// so that annotations which others write meanwhile are not lost.
//
// An alias of the version (versions/rotatord-accepted) would need the same
// permission, and a rotation job could ask for it as for a version. But whoever
// may read the secret could read by it too: a new name under which values are
// had is nothing that a mark should make. There are fifty aliases a secret at
// most, they may lag for minutes, and one may be left on a version that is
// destroyed. An annotation is read by whom it is meant for and by nobody else.
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
	defer p.release(c)
	if version != "" && number(version) == 0 {
		return &problem{reason: providers.ReasonGone, err: errors.New("Secret Manager has no version numbers like this one")}
	}
	err = p.annotate(ctx, n, c, version)
	if errors.Is(err, errMoved) {
		err = p.annotate(ctx, n, c, version)
	}
	return err
}

// errMoved says that the secret was changed between reading and writing it, or
// that the read came from a replica that is behind.
var errMoved = errors.New("the secret is not as it was read")

// annotate writes the annotation if it is not there.
func (p *Provider) annotate(ctx context.Context, n name, c *client, version string) error {
	x, err := c.api.GetSecret(ctx, &pb.GetSecretRequest{Name: n.String()}, p.retry()...)
	if err != nil {
		return p.because(ctx, permissionSecret, err)
	}
	if of, err := parse(credential.Secret(x.GetName())); err != nil || !p.isOf(n, of) {
		return misplaced("the answer is about another secret")
	}
	if x.GetAnnotations()[p.options.Mark] == version {
		return nil
	}
	annotations := maps.Clone(x.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	delete(annotations, p.options.Mark)
	if version != "" {
		if err := p.exists(ctx, n, c, number(version)); err != nil {
			return err
		}
		annotations[p.options.Mark] = version
	}
	_, err = c.api.UpdateSecret(ctx, &pb.UpdateSecretRequest{
		Secret:     &pb.Secret{Name: n.String(), Etag: x.GetEtag(), Annotations: annotations},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"annotations"}},
	})
	switch {
	case err == nil:
		return nil
	case status.Code(err) == codes.FailedPrecondition || status.Code(err) == codes.Aborted:
		return &problem{reason: providers.ReasonUnavailable, err: fmt.Errorf("%w: %w", errMoved, refusalOf(err)),
			hint: "somebody else changes it at the same time; does another rotatord mark it?"}
	}
	return p.because(ctx, permissionUpdate, err)
}

// exists holds that there is a version of that number, in whatever state: what
// Planet still uses may be disabled here.
func (p *Provider) exists(ctx context.Context, n name, c *client, wanted int64) error {
	v, err := c.api.GetSecretVersion(ctx, &pb.GetSecretVersionRequest{Name: n.version(wanted)})
	if status.Code(err) == codes.NotFound && ctx.Err() == nil {
		return &problem{reason: providers.ReasonGone, err: fmt.Errorf("there is no version %d", wanted)}
	}
	if err != nil {
		return p.because(ctx, permissionGet, err)
	}
	if of, got := parseVersion(v.GetName()); got != wanted || !p.isOf(n, of) {
		return misplaced("the answer is about another secret or version")
	}
	return nil
}
