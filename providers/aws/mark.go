package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/awsclient"
	"github.com/rotatord/rotatord/providers"
)

const (
	opMark      = "mark"
	defaultMark = "rotatord-accepted"
)

// amazons are the labels that Amazon moves, and gives a meaning.
var amazons = []string{labelCurrent, labelPending, "AWSPREVIOUS"}

var _ providers.Marker = (*Provider)(nil)

// Mark implements providers.Marker: Options.Mark is a staging label, moved by
// UpdateSecretVersionStage after a DescribeSecret has told where it is. Other
// labels are not touched, and a label that the secret is followed by
// ("?stage=") is refused, since moving it would make another version current.
//
// A version without any label may be removed by Secrets Manager; so the mark
// also keeps a version there that is in use and neither AWSCURRENT nor
// AWSPREVIOUS any more.
func (p *Provider) Mark(ctx context.Context, s credential.Secret, version string) error {
	if err := p.mark(ctx, s, version); err != nil {
		return asError(opMark, s, err)
	}
	return nil
}

func (p *Provider) mark(ctx context.Context, s credential.Secret, version string) error {
	n, c, err := p.markable(ctx, s)
	if err != nil {
		return err
	}
	if version != "" {
		if err := validID(version); err != nil {
			return err
		}
	}
	err = p.relabel(ctx, n, c, version)
	if errors.Is(err, errMoved) {
		err = p.relabel(ctx, n, c, version)
	}
	return err
}

// markable opens a secret whose current version is not told by the mark.
func (p *Provider) markable(ctx context.Context, s credential.Secret) (name, *client, error) {
	n, c, err := p.open(ctx, s)
	if err == nil && n.label == p.options.Mark {
		err = &problem{reason: providers.ReasonInvalid, err: errors.New("its current version is the one with the label " + n.label + ", which is the mark's too"),
			hint: "give the mark another name, or follow another label"}
	}
	return n, c, err
}

// errMoved says that the label was not where it had been described to be:
// somebody else moves it, or the description came from a replica that is behind.
var errMoved = errors.New("the label is not where DescribeSecret says")

// relabel moves the label from where it is described to be, if it has to be
// moved.
func (p *Provider) relabel(ctx context.Context, n name, c *client, version string) error {
	out, err := p.describe(ctx, n, c)
	if err != nil {
		return err
	}
	on := ""
	for id, labels := range out.VersionIdsToStages {
		if slices.Contains(labels, p.options.Mark) {
			on = id
		}
	}
	if on == version {
		return nil
	}
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: &n.arn, VersionStage: &p.options.Mark}
	if version != "" {
		in.MoveToVersionId = &version
	}
	if on != "" {
		in.RemoveFromVersionId = &on
	}
	_, err = c.api.UpdateSecretVersionStage(ctx, in)
	if r := awsclient.RefusalOf(err); r != nil && r.Code == "InvalidParameterException" {
		return &problem{reason: providers.ReasonUnavailable, err: fmt.Errorf("%w: %w", errMoved, r),
			hint: "somebody else may be moving it; does another rotatord mark this secret?"}
	}
	if err != nil {
		return p.because(ctx, c, actionMove, err)
	}
	return nil
}
