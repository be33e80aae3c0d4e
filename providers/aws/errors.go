package aws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

// The actions, as permissions name them.
const (
	actionDescribe = "secretsmanager:DescribeSecret"
	actionGet      = "secretsmanager:GetSecretValue"
	actionMove     = "secretsmanager:UpdateSecretVersionStage"
)

const (
	hintChain = "credentials are looked for in: environment variables, shared files and SSO (AWS_PROFILE), " +
		"a web identity (IRSA), EKS pod identity or ECS, the instance profile"
	hintKMS = "allow kms:Decrypt on the secret's KMS key, in the key policy too; a secret of another account can't use the default key aws/secretsmanager"
)

// problem is a providers.Error before it knows what was asked and of which
// secret.
type problem struct {
	reason providers.Reason
	hint   string
	err    error
	// chain says that AWS did not accept the key, so that the chain is to be
	// built anew.
	chain bool
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

// refusal is what AWS said, and all that is kept of it.
type refusal struct {
	code, message, request string
	status                 int
}

func (r *refusal) Error() string {
	var b strings.Builder
	b.WriteString(r.code)
	if r.message != "" {
		b.WriteString(": " + r.message)
	}
	if r.request != "" {
		b.WriteString(" (request id " + r.request + ")")
	}
	return b.String()
}

// refusalOf takes AWS's words out of an error of the SDK; nil if there are
// none.
func refusalOf(err error) *refusal {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return nil
	}
	r := &refusal{code: plain(api.ErrorCode(), 100), message: plain(api.ErrorMessage(), 600)}
	// A refused signature is explained with all that should have been signed,
	// the session token included.
	if i := strings.Index(strings.ToLower(r.message), "the canonical string"); i >= 0 {
		r.message = strings.TrimSpace(r.message[:i])
	}
	r.status, r.request = response(err)
	return r
}

// response gives the status of the answer, 0 if there was none, and its id.
func response(err error) (status int, request string) {
	var answered *smithyhttp.ResponseError
	if errors.As(err, &answered) {
		status = answered.HTTPStatusCode()
		if answered.Response != nil && answered.Response.Response != nil {
			request = plain(answered.Response.Header.Get("X-Amzn-Requestid"), 64)
		}
	}
	return status, request
}

// plain is text that can stand in a line of a log, of bounded length.
func plain(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// because says why a request failed.
func (p *Provider) because(ctx context.Context, c *client, action string, err error) error {
	reason := explain(ctx, c, action, err)
	if reason.chain {
		p.forget()
	}
	return reason
}

func explain(ctx context.Context, c *client, action string, err error) *problem {
	if ended := ended(ctx, err); ended != nil {
		return ended
	}
	var u *unlinked
	if errors.As(err, &u) {
		return ofCredentials(u)
	}
	if r := refusalOf(err); r != nil {
		return ofRefusal(r, c, action)
	}
	if status, _ := response(err); status != 0 {
		p := &problem{reason: providers.ReasonUnavailable, err: fmt.Errorf("the answer with status %d can't be read", status),
			hint: "does something stand between rotatord and AWS? check the endpoint and the proxy"}
		if status == http.StatusTooManyRequests {
			p.reason = providers.ReasonThrottled
		}
		return p
	}
	return &problem{reason: providers.ReasonUnavailable, err: errors.New(unheard(err))}
}

// ended is for calls whose context has ended.
func ended(ctx context.Context, err error) *problem {
	cause := ctx.Err()
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if cause == nil && errors.Is(err, end) {
			cause = end
		}
	}
	if cause == nil {
		return nil
	}
	return &problem{reason: providers.ReasonUnavailable, err: cause}
}

// What AWS says about the key that signed, in the words of Secrets Manager and
// of STS.
var keyCodes = []string{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId",
	"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
	"ExpiredToken", "ExpiredTokenException", "RequestExpired", "MissingAuthenticationToken",
	"MissingAuthenticationTokenException", "InvalidIdentityToken", "NotAuthorizedException", "OptInRequired"}

func ofRefusal(r *refusal, c *client, action string) *problem {
	p := &problem{reason: providers.ReasonUnavailable, err: r}
	_, throttled := retry.DefaultThrottleErrorCodes[r.code]
	switch {
	case r.code == "LimitExceededException" && action == actionMove:
		// The SDK takes this for throttling.
		p.reason, p.hint = providers.ReasonInvalid, "a version has at most 20 labels: take one away that nobody needs"
	case throttled, r.status == http.StatusTooManyRequests:
		p.reason = providers.ReasonThrottled
	case r.status >= http.StatusInternalServerError:
	case slices.Contains(keyCodes, r.code):
		p.reason, p.chain, p.hint = providers.ReasonDenied, true, hintOfKey(r, c)
	case r.code == "ResourceNotFoundException":
		notThere(p, r, action)
	case isKMS(r):
		ofKMS(p, r)
	case r.code == "AccessDeniedException":
		p.reason = providers.ReasonDenied
		p.hint = "allow " + action + " on the secret; its resource policy and that of a VPC endpoint count too, " +
			"and a secret that does not exist may be denied as well"
	case r.code == "InvalidRequestException" && strings.Contains(r.message, "marked for deletion"):
		p.reason, p.hint = providers.ReasonDisabled, `"aws secretsmanager restore-secret" takes that back`
	case r.code == "InvalidRequestException":
		p.reason = providers.ReasonDisabled
	case r.code == "ValidationException", r.code == "InvalidParameterException":
		p.reason, p.hint = providers.ReasonInvalid, howToFind
	default:
		p.hint = "is this an endpoint of Secrets Manager?"
	}
	return p
}

// notThere tells a missing version from a missing secret. Only AWS's words do,
// except where the secret has just been described.
func notThere(p *problem, r *refusal, action string) {
	if action == actionMove || action == actionGet && (strings.Contains(r.message, "secret value") || strings.Contains(r.message, "version")) {
		p.reason = providers.ReasonGone
		p.hint = "the version was never filled, or Secrets Manager has removed it"
		return
	}
	p.reason = providers.ReasonNotFound
	p.hint = "check region, account and name; a secret that was made anew has another suffix; " +
		"a name that ends in a hyphen and six characters needs its whole ARN"
}

func isKMS(r *refusal) bool {
	return strings.HasPrefix(r.code, "KMS") || strings.HasPrefix(r.code, "DecryptionFailure") ||
		strings.Contains(r.message, "KMS") || strings.Contains(r.message, "kms:")
}

// ofKMS tells a key that may not be used from one that nobody can use.
func ofKMS(p *problem, r *refusal) {
	said := strings.ToLower(r.code + " " + r.message)
	for _, state := range []string{"disabled", "pending deletion", "pendingdeletion", "pending import", "invalid state", "invalidstate", "does not exist", "unavailable"} {
		if strings.Contains(said, state) && !strings.Contains(said, "not allowed") && !strings.Contains(said, "not authorized") {
			p.reason, p.hint = providers.ReasonDisabled, "the secret's KMS key can't be used: enable it, or cancel its deletion"
			return
		}
	}
	p.reason, p.hint = providers.ReasonDenied, hintKMS
}

func hintOfKey(r *refusal, c *client) string {
	whose := "the key comes from " + c.chain.name()
	if c.role != "" {
		whose = "the key comes from assuming " + c.role + ", by one from " + c.chain.name()
	}
	switch {
	case strings.HasPrefix(r.message, "Signature expired"), strings.HasPrefix(r.message, "Signature not yet current"):
		return "check the clock of this machine; " + whose
	case strings.HasPrefix(r.code, "UnrecognizedClient"), r.code == "OptInRequired":
		return "AWS does not know rotatord's own key, or the region is not enabled for its account; " + whose
	}
	return "AWS does not accept rotatord's own key; " + whose
}

// ofCredentials is for requests that were not made for want of a key.
func ofCredentials(u *unlinked) *problem {
	p := &problem{reason: providers.ReasonDenied, err: errors.New("no credentials were found"), hint: hintChain, chain: true}
	var inner *unlinked
	if u.role != "" {
		if errors.As(u.err, &inner) {
			return ofCredentials(inner)
		}
		p.err, p.hint = errors.New("the role "+u.role+" can't be assumed"), ""
	}
	r := refusalOf(u.err)
	status, _ := response(u.err)
	switch {
	case r != nil:
		ofToken(p, r, u.role)
	case status >= http.StatusInternalServerError, u.role != "", isUnheard(u.err):
		p.reason, p.chain = providers.ReasonUnavailable, false
		p.err = fmt.Errorf("%w: %s", p.err, unheard(u.err))
	case u.sso:
		p.err = errors.New("there is no valid SSO session")
		p.hint = `run "aws sso login" as the user that rotatord runs as; a server is better off with a role of its own`
	}
	return p
}

// ofToken is for a token service that refuses.
func ofToken(p *problem, r *refusal, role string) {
	p.err = fmt.Errorf("%w: %w", p.err, r)
	_, throttled := retry.DefaultThrottleErrorCodes[r.code]
	switch {
	case throttled:
		p.reason, p.chain = providers.ReasonThrottled, false
	case r.status >= http.StatusInternalServerError:
		p.reason, p.chain = providers.ReasonUnavailable, false
	case slices.Contains(keyCodes, r.code):
		p.hint = "the token service does not accept the key or token that rotatord has; " + hintChain
	case role != "":
		p.hint = "allow sts:AssumeRole on it to rotatord's own identity, let the role's trust policy name that identity, and check the external id"
	}
}

// isUnheard tells whether a token service could not be reached. Where there is
// no instance metadata there is no instance, hence no credentials.
func isUnheard(err error) bool {
	var operation *smithy.OperationError
	return errors.As(err, &operation) && operation.ServiceID != "ec2imds"
}

// ofLoading is for a shared configuration that can't be used. The SDK's text may
// quote a line of it, so only what is known to be harmless is said.
func ofLoading(ctx context.Context, err error) error {
	if ended := ended(ctx, err); ended != nil {
		return ended
	}
	var (
		profile config.SharedConfigProfileNotExistError
		assumes config.SharedConfigAssumeRoleError
	)
	p := &problem{reason: providers.ReasonDenied, err: errors.New("the shared AWS configuration can't be used"), hint: "check AWS_PROFILE, AWS_CONFIG_FILE and the files they name"}
	switch {
	case errors.As(err, &profile):
		p.err = fmt.Errorf("there is no profile %q in the shared AWS configuration", plain(profile.Profile, 100))
	case errors.As(err, &assumes):
		p.err = fmt.Errorf("the profile %q assumes a role without complete credentials", plain(assumes.Profile, 100))
	case errors.Is(err, errNoChain):
		p.err, p.hint = errors.New("no credentials were found"), hintChain
	}
	return p
}
