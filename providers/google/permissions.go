package google

import (
	"context"
	"errors"
	"slices"

	"cloud.google.com/go/iam/apiv1/iampb"
	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/api/iterator"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

var _ providers.Checker = (*Provider)(nil)

// Missing implements providers.Checker. It tries all three calls, whatever the
// first answers, and drops the value at once. TestIamPermissions would not do:
// it says nothing of perimeters and keys, and may say yes without knowing.
// "latest" is good enough here: without a list there is no number to ask for,
// and Google looks for the permission before it looks for the version.
func (p *Provider) Missing(ctx context.Context, s credential.Secret) ([]string, error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return nil, asError(opCurrent, s, err)
	}
	defer p.release(c)
	latest := n.String() + "/versions/latest"
	var missing []string
	for _, try := range []struct {
		permission string
		call       func() error
	}{
		{permissionList, func() error {
			_, err := c.api.ListSecretVersions(ctx, &pb.ListSecretVersionsRequest{Parent: n.String(), PageSize: 1}).Next()
			return err
		}},
		{permissionGet, func() error {
			_, err := c.api.GetSecretVersion(ctx, &pb.GetSecretVersionRequest{Name: latest})
			return err
		}},
		{permissionAccess, func() error {
			out, err := c.api.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: latest})
			clear(out.GetPayload().GetData())
			return err
		}},
	} {
		lacks, err := p.lacks(ctx, try.permission, try.call())
		if err != nil {
			return missing, asError(opCurrent, s, err)
		}
		if lacks {
			missing = append(missing, try.permission)
		}
	}
	slices.Sort(missing)
	return missing, nil
}

// MissingToMark implements providers.MarkChecker. Reading the secret is tried.
// Of writing it IAM is asked: its no is believed, and its yes is the best that
// can be had without a write.
func (p *Provider) MissingToMark(ctx context.Context, s credential.Secret) (missing, untold []string, err error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return nil, nil, asError(opMark, s, err)
	}
	defer p.release(c)
	_, err = c.api.GetSecret(ctx, &pb.GetSecretRequest{Name: n.String()}, p.retry()...)
	lacks, err := p.lacks(ctx, permissionSecret, err)
	if err != nil {
		return nil, nil, asError(opMark, s, err)
	}
	if lacks {
		missing = append(missing, permissionSecret)
	}
	out, err := c.api.TestIamPermissions(ctx, &iampb.TestIamPermissionsRequest{Resource: n.String(), Permissions: []string{permissionUpdate}}, p.retry()...)
	switch unasked, failed := p.lacks(ctx, permissionUpdate, err); {
	case failed != nil:
		return nil, nil, asError(opMark, s, failed)
	case unasked || err != nil: // by a perimeter, for instance
		untold = []string{permissionUpdate}
	case !slices.Contains(out.GetPermissions(), permissionUpdate):
		missing = append(missing, permissionUpdate)
	}
	slices.Sort(missing)
	return missing, untold, nil
}

// lacks tells whether an answer says that a permission is missing. What else
// may be wrong with a secret is not asked here; that nobody answered, that our
// own token was not accepted, or that the API is disabled, is an error.
func (p *Provider) lacks(ctx context.Context, permission string, err error) (bool, error) {
	if err == nil || errors.Is(err, iterator.Done) {
		return false, nil
	}
	err = p.because(ctx, permission, err)
	var why *problem
	if !errors.As(err, &why) || why.credentials || why.reason == providers.ReasonThrottled || why.reason == providers.ReasonUnavailable {
		return false, err
	}
	if why.reason != providers.ReasonDenied {
		return false, nil
	}
	var r *refusal
	if errors.As(err, &r) && slices.Contains(policies, r.reason) {
		return false, err
	}
	return true, nil
}
