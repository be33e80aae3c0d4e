package azure

import (
	"context"
	"errors"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

var _ providers.Checker = (*Provider)(nil)

// Missing implements providers.Checker. It asks to list and to get, whatever the
// first answers; the value is dropped at once. Permissions go by the names they
// have in the vault's own model of access.
func (p *Provider) Missing(ctx context.Context, s credential.Secret) ([]string, error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return nil, asError(opCurrent, s, err)
	}
	_, err = p.list(ctx, c, n)
	missing, err := lacking(opList, err)
	if err != nil {
		return nil, asError(opCurrent, s, err)
	}
	// Whatever is newest: without a list there is no version id to ask for.
	_, err = within(ctx, func(ctx context.Context) (azsecrets.GetSecretResponse, error) {
		return c.GetSecret(ctx, n.secret, "", nil)
	})
	if err != nil {
		err = p.because(ctx, n, opGet, err)
	}
	more, err := lacking(opGet, err)
	missing = append(missing, more...)
	if err != nil {
		err = asError(opRead, s, err)
	}
	slices.Sort(missing)
	return missing, err
}

// MissingToMark implements providers.MarkChecker. The list is tried. Whether a
// version may be tagged, Key Vault tells nobody who does not do it; it depends
// on the vault's model of access by which name it has to be asked for.
func (p *Provider) MissingToMark(ctx context.Context, s credential.Secret) (missing, untold []string, err error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return nil, nil, asError(opMark, s, err)
	}
	_, err = p.list(ctx, c, n)
	if missing, err = lacking(opList, err); err != nil {
		return nil, nil, asError(opMark, s, err)
	}
	slices.Sort(missing)
	return missing, []string{opTag.action + ", or the secret permission " + opTag.policy + " where the vault has access policies"}, nil
}

// lacking tells which permission an answer says is missing. What else may be
// wrong with a secret is not asked here; that nobody answered, that our own
// identity was not accepted, or that the network was not let in, is an error.
func lacking(op operation, err error) ([]string, error) {
	var why *problem
	if err == nil || !errors.As(err, &why) {
		return nil, err
	}
	switch {
	case why.chain, why.reason == providers.ReasonThrottled, why.reason == providers.ReasonUnavailable:
		return nil, err
	case why.reason != providers.ReasonDenied:
		return nil, nil
	}
	var missing []string
	if why.byRole {
		missing = append(missing, op.action)
	}
	if why.byPolicy {
		missing = append(missing, "secret permission "+op.policy+" in the access policy")
	}
	if missing == nil {
		return nil, err
	}
	return missing, nil
}
