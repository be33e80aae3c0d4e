package aws

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

var _ providers.Checker = (*Provider)(nil)

// actionDecrypt is what reading a value needs on the secret's KMS key.
const actionDecrypt = "kms:Decrypt"

// Missing implements providers.Checker. It asks DescribeSecret and
// GetSecretValue both, whatever the first answers; the value is dropped at
// once. KMS is only heard of when GetSecretValue itself is permitted.
func (p *Provider) Missing(ctx context.Context, s credential.Secret) ([]string, error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return nil, asError(opCurrent, s, err)
	}
	var missing []string
	_, err = c.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &n.arn})
	lacking, err := p.lacking(ctx, c, actionDescribe, err)
	switch {
	case err != nil:
		return nil, asError(opCurrent, s, err)
	case lacking != "":
		missing = append(missing, lacking)
	}
	// By label: without DescribeSecret there is no version id to ask for.
	out, err := c.api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &n.arn, VersionStage: &n.label}, c.carryValue)
	if out != nil {
		clear(out.SecretBinary)
	}
	switch lacking, err = p.lacking(ctx, c, actionGet, err); {
	case err != nil:
		return missing, asError(opRead, s, err)
	case lacking == actionDecrypt:
		missing = append([]string{lacking}, missing...)
	case lacking != "":
		missing = append(missing, lacking)
	}
	return missing, nil
}

// MissingToMark implements providers.MarkChecker. Where the label is can be
// asked. Amazon has no way to ask whether it may be moved: its simulator of
// policies needs permissions on IAM itself, and knows nothing of the policies of
// secrets.
func (p *Provider) MissingToMark(ctx context.Context, s credential.Secret) (missing, untold []string, err error) {
	n, c, err := p.markable(ctx, s)
	if err != nil {
		return nil, nil, asError(opMark, s, err)
	}
	_, err = c.api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &n.arn})
	lacking, err := p.lacking(ctx, c, actionDescribe, err)
	switch {
	case err != nil:
		return nil, nil, asError(opMark, s, err)
	case lacking != "":
		missing = []string{lacking}
	}
	return missing, []string{actionMove}, nil
}

// lacking tells which permission an answer says is missing. What else may be
// wrong with a secret is not asked here; that nobody answered, or that our own
// key was not accepted, is an error.
func (p *Provider) lacking(ctx context.Context, c *client, action string, err error) (string, error) {
	if err == nil {
		return "", nil
	}
	err = p.because(ctx, c, action, err)
	var why *problem
	if !errors.As(err, &why) || why.renew || why.reason == providers.ReasonThrottled || why.reason == providers.ReasonUnavailable {
		return "", err
	}
	switch {
	case why.reason != providers.ReasonDenied:
		return "", nil
	case why.hint == hintKMS:
		return actionDecrypt, nil
	}
	return action, nil
}
