package aws

import (
	"context"
	"errors"
	"strings"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/awsclient"
	"github.com/rotatord/rotatord/providers"
)

// The actions, as permissions name them.
const (
	actionDescribe = "secretsmanager:DescribeSecret"
	actionGet      = "secretsmanager:GetSecretValue"
	actionMove     = "secretsmanager:UpdateSecretVersionStage"
)

const hintKMS = "allow kms:Decrypt on the secret's KMS key, in the key policy too; a secret of another account can't use the default key aws/secretsmanager"

// problem is a providers.Error before it knows what was asked and of which
// secret.
type problem struct {
	reason providers.Reason
	hint   string
	err    error
	// renew says that AWS did not accept the key, so that the chain is to be
	// built anew.
	renew bool
}

func (p *problem) Error() string { return p.err.Error() }

func (p *problem) Unwrap() error { return p.err }

func asError(op string, s credential.Secret, err error) error {
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{reason: providers.ReasonUnavailable, err: errors.New("something unforeseen went wrong")}
	}
	return &providers.Error{Op: op, Secret: s, Reason: p.reason, Hint: p.hint, Err: p.err}
}

// misplaced is for answers that can't be right.
func misplaced(what string) error {
	return &problem{reason: providers.ReasonUnavailable, err: errors.New(what), hint: "does something stand between rotatord and AWS? check the endpoint"}
}

// because says why a request failed.
func (p *Provider) because(ctx context.Context, c *client, action string, err error) error {
	reason := explain(ctx, c, action, err)
	if reason.renew {
		p.forget()
	}
	return reason
}

func explain(ctx context.Context, c *client, action string, err error) *problem {
	if ended := ended(ctx, err); ended != nil {
		return ended
	}
	if f := awsclient.OfCredentials(err); f != nil {
		return ofFailure(f)
	}
	if r := awsclient.RefusalOf(err); r != nil {
		return ofRefusal(r, c, action)
	}
	f := awsclient.Unspoken(err)
	if f.Answered {
		f.Hint = "does something stand between rotatord and AWS? check the endpoint and the proxy"
	}
	return ofFailure(f)
}

// reasons are what failures mean that every service of Amazon's has. Whatever
// answers in place of Secrets Manager may be gone the next time.
var reasons = map[awsclient.Kind]providers.Reason{
	awsclient.Throttled:   providers.ReasonThrottled,
	awsclient.Unavailable: providers.ReasonUnavailable,
	awsclient.Denied:      providers.ReasonDenied,
	awsclient.Unreadable:  providers.ReasonUnavailable,
	awsclient.Other:       providers.ReasonUnavailable,
}

func ofFailure(f *awsclient.Failure) *problem {
	return &problem{reason: reasons[f.Kind], hint: f.Hint, err: f.Err, renew: f.Renew}
}

// ended is for calls whose context has ended.
func ended(ctx context.Context, err error) *problem {
	cause := providers.GivenUp(ctx, err)
	if cause == nil {
		return nil
	}
	return &problem{reason: providers.ReasonUnavailable, err: cause}
}

func ofRefusal(r *awsclient.Refusal, c *client, action string) *problem {
	kind := r.Kind()
	p := &problem{reason: reasons[kind], err: r}
	switch {
	case r.Code == "LimitExceededException" && action == actionMove:
		// The SDK takes this for throttling.
		p.reason, p.hint = providers.ReasonInvalid, "a version has at most 20 labels: take one away that nobody needs"
	case kind == awsclient.Denied:
		p.renew, p.hint = true, hintOfKey(r, c)
	case kind != awsclient.Other:
	case r.Code == "ResourceNotFoundException":
		notThere(p, r, action)
	case isKMS(r):
		ofKMS(p, r)
	case r.Code == "AccessDeniedException":
		p.reason = providers.ReasonDenied
		p.hint = "allow " + action + " on the secret; its resource policy and that of a VPC endpoint count too, " +
			"and a secret that does not exist may be denied as well"
	case r.Code == "InvalidRequestException" && strings.Contains(r.Message, "marked for deletion"):
		p.reason, p.hint = providers.ReasonDisabled, `"aws secretsmanager restore-secret" takes that back`
	case r.Code == "InvalidRequestException":
		p.reason = providers.ReasonDisabled
	case r.Code == "ValidationException", r.Code == "InvalidParameterException":
		p.reason, p.hint = providers.ReasonInvalid, howToFind
	default:
		p.hint = "is this an endpoint of Secrets Manager?"
	}
	return p
}

// notThere tells a missing version from a missing secret. Only AWS's words do,
// except where the secret has just been described.
func notThere(p *problem, r *awsclient.Refusal, action string) {
	if action == actionMove || action == actionGet && (strings.Contains(r.Message, "secret value") || strings.Contains(r.Message, "version")) {
		p.reason = providers.ReasonGone
		p.hint = "the version was never filled, or Secrets Manager has removed it"
		return
	}
	p.reason = providers.ReasonNotFound
	p.hint = "check region, account and name; a secret that was made anew has another suffix; " +
		"a name that ends in a hyphen and six characters needs its whole ARN"
}

func isKMS(r *awsclient.Refusal) bool {
	return strings.HasPrefix(r.Code, "KMS") || strings.HasPrefix(r.Code, "DecryptionFailure") ||
		strings.Contains(r.Message, "KMS") || strings.Contains(r.Message, "kms:")
}

// ofKMS tells a key that may not be used from one that nobody can use.
func ofKMS(p *problem, r *awsclient.Refusal) {
	said := strings.ToLower(r.Code + " " + r.Message)
	for _, state := range []string{"disabled", "pending deletion", "pendingdeletion", "pending import", "invalid state", "invalidstate", "does not exist", "unavailable"} {
		if strings.Contains(said, state) && !strings.Contains(said, "not allowed") && !strings.Contains(said, "not authorized") {
			p.reason, p.hint = providers.ReasonDisabled, "the secret's KMS key can't be used: enable it, or cancel its deletion"
			return
		}
	}
	p.reason, p.hint = providers.ReasonDenied, hintKMS
}

func hintOfKey(r *awsclient.Refusal, c *client) string {
	whose := c.keys.Origin()
	switch {
	case r.IsOfTheClock():
		return "check the clock of this machine; " + whose
	case strings.HasPrefix(r.Code, "UnrecognizedClient"), r.Code == "OptInRequired":
		return "AWS does not know rotatord's own key, or the region is not enabled for its account; " + whose
	}
	return "AWS does not accept rotatord's own key; " + whose
}
