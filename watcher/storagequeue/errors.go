package storagequeue

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue/v2/queueerror"

	"github.com/rotatord/rotatord/internal/entra"
	"github.com/rotatord/rotatord/internal/oneline"
	"github.com/rotatord/rotatord/watcher"
)

const (
	opReceive = "receive from"
	opDelete  = "delete from"
	opUpdate  = "give back to"
	opSend    = "send to"
)

const (
	hintKey = "the key, SAS or token is not accepted: was the key rotated, has the SAS expired, is this machine's clock right?"
	hintWay = "does something stand between rotatord and Azure? check the address and the proxy"
)

var errNoAddress = errors.New("the Queue is no address")

// asError makes the error that is shown. Nothing of the SDK's text goes into
// it: the URL of a request holds the SAS.
func (t *Transport) asError(op string, err error) error {
	e := explain(op, err)
	e.Op, e.Source = op, t.options.Queue
	return e
}

func explain(op string, err error) *watcher.Error {
	var refused entra.NoToken
	if errors.As(err, &refused) {
		return ofToken(refused.Cause)
	}
	var answered *azcore.ResponseError
	if errors.As(err, &answered) {
		return ofAnswer(op, answered)
	}
	return &watcher.Error{Reason: watcher.ReasonUnavailable, Err: errors.New(unheard(err))}
}

// ofToken is for Entra's refusals, of which the number is kept: it can be
// looked up, and the text around it may hold anything.
func ofToken(err error) *watcher.Error {
	e := &watcher.Error{Reason: watcher.ReasonDenied, Hint: entra.HintChain}
	code := entra.Code(err)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isNet(err):
		e.Reason, e.Err = watcher.ReasonUnavailable, errors.New("no token from Entra: "+unheard(err))
	case code != "":
		e.Err = errors.New("no token from Entra: " + code)
	default:
		e.Err = errors.New("no token from Entra: no credential that works was found")
	}
	return e
}

// ofAnswer is for what the queue service says.
func ofAnswer(op string, r *azcore.ResponseError) *watcher.Error {
	reason, hint := reasonOf(r.StatusCode, queueerror.Code(r.ErrorCode), op)
	what := plain(r.ErrorCode)
	if what == "" {
		what = "an answer without a code"
		if reason != watcher.ReasonUnavailable {
			hint = hintWay
		}
	}
	text := fmt.Sprintf("%s, status %d", what, r.StatusCode)
	if r.RawResponse != nil {
		if id := plain(r.RawResponse.Header.Get("X-Ms-Request-Id")); id != "" {
			text += " (request id " + id + ")"
		}
	}
	return &watcher.Error{Reason: reason, Hint: hint, Err: errors.New(text)}
}

// reasonOf sorts Azure's codes; what is not among them goes by its status.
func reasonOf(status int, code queueerror.Code, op string) (watcher.Reason, string) {
	switch code {
	case queueerror.AuthorizationPermissionMismatch, queueerror.InsufficientAccountPermissions:
		return watcher.ReasonDenied, missing(op)
	case queueerror.AuthenticationFailed, queueerror.InvalidAuthenticationInfo, "NoAuthenticationInformation":
		return watcher.ReasonDenied, hintKey
	case queueerror.AuthorizationFailure:
		return watcher.ReasonDenied, "the SAS has expired or was revoked, or the account's firewall does not let this machine in"
	case queueerror.AuthorizationProtocolMismatch, queueerror.AuthorizationResourceTypeMismatch,
		queueerror.AuthorizationServiceMismatch, queueerror.AuthorizationSourceIPMismatch:
		return watcher.ReasonDenied, "the SAS is for another protocol, service, kind of resource or network address; make one for this queue"
	case queueerror.AccountIsDisabled, "KeyBasedAuthenticationNotPermitted":
		return watcher.ReasonDenied, "the storage account is disabled, or forbids keys: use Entra"
	case queueerror.QueueNotFound, queueerror.ResourceNotFound, queueerror.QueueBeingDeleted:
		return watcher.ReasonNotFound, "make the queue, or check its name"
	case queueerror.ServerBusy:
		return watcher.ReasonThrottled, "a queue serves some 2,000 messages a second; do others use it too?"
	case queueerror.QueueDisabled:
		return watcher.ReasonInvalid, "the queue is disabled"
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return watcher.ReasonDenied, missing(op)
	case status == http.StatusNotFound:
		return watcher.ReasonNotFound, "make the queue, or check its address"
	case status == http.StatusTooManyRequests:
		return watcher.ReasonThrottled, ""
	case status >= http.StatusInternalServerError || status == http.StatusRequestTimeout:
		return watcher.ReasonUnavailable, ""
	}
	return watcher.ReasonInvalid, "check that the address is one of a queue"
}

func missing(op string) string {
	switch op {
	case opSend:
		return `to send, rotatord needs the role "Storage Queue Data Message Sender" on the queue, or a SAS with permission a`
	case opUpdate:
		return `to give messages back early, rotatord needs the role "Storage Queue Data Contributor" on the queue, or a SAS with permission u`
	}
	return `rotatord needs the role "Storage Queue Data Message Processor" on the queue, or a SAS with permission p; a new role takes minutes to work`
}

func isNet(err error) bool {
	var n net.Error
	return errors.As(err, &n)
}

// unheard says why there was no answer.
func unheard(err error) string {
	var n net.Error
	var way noAnswer
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "it was called off"
	case errors.As(err, &op):
		return plain(op.Error())
	case errors.As(err, &way):
		return plain(way.Error())
	}
	return "the answer can't be read"
}

// plain is text that can stand in a line of a log, of bounded length.
func plain(s string) string { return oneline.Plain(s, 300) }
