package sqs

import (
	"context"
	"errors"
	"strings"

	"github.com/rotatord/rotatord/internal/awsclient"
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

const hintEndpoint = "does something stand between rotatord and AWS? check the Queue's URL, the endpoint and the proxy"

// problem is a watcher.Error before it knows what was asked.
type problem struct {
	reason watcher.Reason
	hint   string
	err    error
	// renew says that AWS did not accept the key, so that the chain is to be
	// built anew.
	renew bool
}

// because says why a request failed, as a *watcher.Error. c may be nil.
func (t *Transport) because(ctx context.Context, c *client, a action, err error) error {
	p := explain(ctx, c, a, err)
	if p.renew {
		t.forget(c)
	}
	return &watcher.Error{Op: a.op, Source: t.queue.url, Reason: p.reason, Hint: p.hint, Err: p.err}
}

func explain(ctx context.Context, c *client, a action, err error) *problem {
	if cause := ctx.Err(); cause != nil {
		return &problem{reason: watcher.ReasonUnavailable, err: cause}
	}
	if f := awsclient.OfCredentials(err); f != nil {
		return ofFailure(f)
	}
	if r := awsclient.RefusalOf(err); r != nil {
		return ofRefusal(r, c, a)
	}
	if strings.Contains(err.Error(), "checksum") {
		return &problem{reason: watcher.ReasonInvalid, err: errors.New("the body of a message has not the checksum that the queue gave"), hint: hintEndpoint}
	}
	f := awsclient.Unspoken(err)
	if f.Answered {
		f.Hint = hintEndpoint
	}
	return ofFailure(f)
}

// reasons are what failures mean that every service of Amazon's has. Whatever
// answers in place of SQS is what the configuration names.
var reasons = map[awsclient.Kind]watcher.Reason{
	awsclient.Throttled:   watcher.ReasonThrottled,
	awsclient.Unavailable: watcher.ReasonUnavailable,
	awsclient.Denied:      watcher.ReasonDenied,
	awsclient.Unreadable:  watcher.ReasonInvalid,
	awsclient.Other:       watcher.ReasonInvalid,
}

func ofFailure(f *awsclient.Failure) *problem {
	return &problem{reason: reasons[f.Kind], hint: f.Hint, err: f.Err, renew: f.Renew}
}

// ofRefusal takes codes as the newer protocol has them and as the older one,
// which the SDK prefers where an answer has both.
func ofRefusal(r *awsclient.Refusal, c *client, a action) *problem {
	kind := r.Kind()
	p := &problem{reason: reasons[kind], err: r}
	code := strings.TrimPrefix(r.Code, "AWS.SimpleQueueService.")
	switch {
	case code == "OverLimit" && kind != awsclient.Throttled:
		p.reason, p.hint = watcher.ReasonThrottled, "too many messages of the queue are in flight; does something receive without deleting?"
	case kind == awsclient.Denied:
		p.renew, p.hint = true, hintOfKey(r, c)
	case kind != awsclient.Other:
	case code == "NonExistentQueue", code == "QueueDoesNotExist", code == "ResourceNotFoundException":
		p.reason = watcher.ReasonNotFound
		p.hint = "check region, account and name in the Queue's URL; a queue that was just made or deleted takes a minute"
	case strings.HasPrefix(strings.ToUpper(code), "KMS"):
		ofKMS(p, code, a)
	case code == "AccessDenied", code == "AccessDeniedException":
		p.reason = watcher.ReasonDenied
		p.hint = "allow " + a.permission + " on the queue; its queue policy and that of a VPC endpoint count too, " +
			"and a queue of another account that does not exist may be denied as well"
		if strings.Contains(r.Message, "kms:") {
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

func hintOfKey(r *awsclient.Refusal, c *client) string {
	whose := c.keys.Origin()
	switch {
	case r.IsOfTheClock():
		return "check the clock of this machine; " + whose
	case r.Code == "UnrecognizedClientException", r.Code == "InvalidClientTokenId", r.Code == "OptInRequired":
		return "AWS does not know rotatord's own key, or the region is not enabled for its account; " + whose
	}
	return "AWS does not accept rotatord's own key; check the Region too; " + whose
}
