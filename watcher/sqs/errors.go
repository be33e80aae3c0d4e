package sqs

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

	"github.com/rotatord/rotatord/watcher"
)

// action is something that the queue is asked to do.
type action struct {
	op         string // as watcher.Error has it
	permission string
	kms        string // permissions on the queue's key, if it has one
}

var (
	receiving = action{"receive from", "sqs:ReceiveMessage", "kms:Decrypt"}
	deleting  = action{"delete from", "sqs:DeleteMessage", "kms:Decrypt"}
	changing  = action{"change visibility in", "sqs:ChangeMessageVisibility", "kms:Decrypt"}
	sending   = action{"send to", "sqs:SendMessage", "kms:GenerateDataKey and kms:Decrypt"}
)

const (
	hintChain = "credentials are looked for in: environment variables, shared files and SSO (AWS_PROFILE), " +
		"a web identity (IRSA), EKS pod identity or ECS, the instance profile"
	hintEndpoint = "does something stand between rotatord and AWS? check the Queue's URL, the endpoint and the proxy"
)

// problem is a watcher.Error before it knows what was asked.
type problem struct {
	reason watcher.Reason
	hint   string
	err    error
	// chain says that AWS did not accept the key, so that the chain is to be
	// built anew.
	chain bool
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

// because says why a request failed, as a *watcher.Error. c may be nil.
func (t *Transport) because(ctx context.Context, c *client, a action, err error) error {
	p := explain(ctx, c, a, err)
	if p.chain {
		t.forget(c)
	}
	return &watcher.Error{Op: a.op, Source: t.queue.url, Reason: p.reason, Hint: p.hint, Err: p.err}
}

func explain(ctx context.Context, c *client, a action, err error) *problem {
	if cause := ctx.Err(); cause != nil {
		return &problem{reason: watcher.ReasonUnavailable, err: cause}
	}
	var (
		loading *unloaded
		u       *unlinked
	)
	switch {
	case errors.As(err, &loading):
		return ofLoading(loading.err)
	case errors.As(err, &u):
		return ofCredentials(u)
	}
	if r := refusalOf(err); r != nil {
		return ofRefusal(r, c, a)
	}
	if strings.Contains(err.Error(), "checksum") {
		return &problem{reason: watcher.ReasonInvalid, err: errors.New("the body of a message has not the checksum that the queue gave"), hint: hintEndpoint}
	}
	if status, _ := response(err); status != 0 {
		p := &problem{reason: watcher.ReasonInvalid, err: fmt.Errorf("the answer with status %d can't be read", status), hint: hintEndpoint}
		switch {
		case status == http.StatusTooManyRequests:
			p.reason = watcher.ReasonThrottled
		case status >= http.StatusInternalServerError, isCut(err):
			p.reason = watcher.ReasonUnavailable
		}
		return p
	}
	return &problem{reason: watcher.ReasonUnavailable, err: errors.New(unheard(err))}
}

// What AWS says about the key that signed, in the words of SQS in both of its
// protocols and of STS.
var keyCodes = []string{"UnrecognizedClientException", "InvalidClientTokenId", "InvalidAccessKeyId",
	"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "IncompleteSignatureException",
	"ExpiredToken", "ExpiredTokenException", "RequestExpired", "MissingAuthenticationToken",
	"MissingAuthenticationTokenException", "InvalidIdentityToken", "NotAuthorizedException", "OptInRequired"}

// ofRefusal takes codes as the newer protocol has them and as the older one,
// which the SDK prefers where an answer has both.
func ofRefusal(r *refusal, c *client, a action) *problem {
	p := &problem{reason: watcher.ReasonUnavailable, err: r}
	_, throttled := retry.DefaultThrottleErrorCodes[r.code]
	code := strings.TrimPrefix(r.code, "AWS.SimpleQueueService.")
	switch {
	case throttled, r.status == http.StatusTooManyRequests:
		p.reason = watcher.ReasonThrottled
	case code == "OverLimit":
		p.reason, p.hint = watcher.ReasonThrottled, "too many messages of the queue are in flight; does something receive without deleting?"
	case r.status >= http.StatusInternalServerError:
	case slices.Contains(keyCodes, r.code):
		p.reason, p.chain, p.hint = watcher.ReasonDenied, true, hintOfKey(r, c)
	case code == "NonExistentQueue", code == "QueueDoesNotExist", code == "ResourceNotFoundException":
		p.reason = watcher.ReasonNotFound
		p.hint = "check region, account and name in the Queue's URL; a queue that was just made or deleted takes a minute"
	case strings.HasPrefix(strings.ToUpper(code), "KMS"):
		ofKMS(p, code, a)
	case code == "AccessDenied", code == "AccessDeniedException":
		p.reason = watcher.ReasonDenied
		p.hint = "allow " + a.permission + " on the queue; its queue policy and that of a VPC endpoint count too, " +
			"and a queue of another account that does not exist may be denied as well"
		if strings.Contains(r.message, "kms:") {
			p.hint = "allow " + a.kms + " on the queue's KMS key, in the key policy too"
		}
	case code == "InvalidMessageContents":
		p.reason, p.hint = watcher.ReasonInvalid, "SQS takes text without control characters only"
	case code == "InvalidSecurity":
		p.reason, p.hint = watcher.ReasonInvalid, "write the Queue's URL and the endpoint with https://"
	default:
		p.reason, p.hint = watcher.ReasonInvalid, "is this a standard queue of SQS, and an endpoint of SQS? check the Queue's URL and the endpoint"
	}
	return p
}

// ofKMS tells a key that may not be used from one that nobody can use.
func ofKMS(p *problem, code string, a action) {
	said := strings.ToLower(code)
	switch {
	case strings.Contains(said, "throttl"):
		p.reason = watcher.ReasonThrottled
	case strings.Contains(said, "accessdenied"):
		p.reason, p.hint = watcher.ReasonDenied, "allow "+a.kms+" on the queue's KMS key, in the key policy too"
	default:
		p.reason, p.hint = watcher.ReasonInvalid, "the queue's KMS key can't be used: enable it, cancel its deletion, or give the queue another"
	}
}

func hintOfKey(r *refusal, c *client) string {
	whose := "the key comes from " + c.chain.name()
	if c.role != "" {
		whose = "the key comes from assuming " + c.role + ", by one from " + c.chain.name()
	}
	switch {
	case strings.HasPrefix(r.message, "Signature expired"), strings.HasPrefix(r.message, "Signature not yet current"):
		return "check the clock of this machine; " + whose
	case r.code == "UnrecognizedClientException", r.code == "InvalidClientTokenId", r.code == "OptInRequired":
		return "AWS does not know rotatord's own key, or the region is not enabled for its account; " + whose
	}
	return "AWS does not accept rotatord's own key; check the Region too; " + whose
}

// ofCredentials is for requests that were not made for want of a key.
func ofCredentials(u *unlinked) *problem {
	p := &problem{reason: watcher.ReasonDenied, err: errors.New("no credentials were found"), hint: hintChain, chain: true}
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
		p.reason, p.chain = watcher.ReasonUnavailable, false
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
		p.reason, p.chain = watcher.ReasonThrottled, false
	case r.status >= http.StatusInternalServerError:
		p.reason, p.chain = watcher.ReasonUnavailable, false
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
func ofLoading(err error) *problem {
	var (
		profile config.SharedConfigProfileNotExistError
		assumes config.SharedConfigAssumeRoleError
	)
	p := &problem{reason: watcher.ReasonDenied, err: errors.New("the shared AWS configuration can't be used"), hint: "check AWS_PROFILE, AWS_CONFIG_FILE and the files they name"}
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
