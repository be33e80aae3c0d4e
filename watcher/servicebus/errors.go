package servicebus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"github.com/rotatord/rotatord/internal/entra"
	"github.com/rotatord/rotatord/internal/oneline"
	"github.com/rotatord/rotatord/internal/shape"
	"github.com/rotatord/rotatord/watcher"
)

const (
	opReceive = "receive from"
	opSettle  = "settle a message of"
	opSend    = "send to"
)

const (
	hintReceive = `rotatord needs the role "Azure Service Bus Data Receiver" on the queue or subscription, or a key with the claim Listen; ` +
		"a new role takes minutes to work"
	hintSend = `to send, rotatord needs the role "Azure Service Bus Data Sender" on the queue or topic, or a key with the claim Send`
)

var errUnusable = errors.New("the ConnectionString or the Namespace can't be used")

// Conditions of Service Bus that go-amqp has no names for.
const (
	condDisabled = amqp.ErrCond("com.microsoft:entity-disabled")
	condBusy     = amqp.ErrCond("com.microsoft:server-busy")
)

// asError makes the error that is shown.
func (t *Transport) asError(op string, err error) error {
	e := explain(op, err)
	e.Op, e.Source = op, t.place.String()
	return e
}

func explain(op string, err error) *watcher.Error {
	var refused entra.NoToken
	switch {
	case err == nil:
		return &watcher.Error{Reason: watcher.ReasonUnavailable, Err: errors.New("the connection ended")}
	case errors.Is(err, errUnreadable):
		return &watcher.Error{Reason: watcher.ReasonInvalid, Err: errUnreadable,
			Hint: "Service Bus moves the message to the dead-letter queue after some deliveries; who may send to the queue?"}
	case errors.Is(err, errUnusable):
		return &watcher.Error{Reason: watcher.ReasonInvalid, Err: errUnusable}
	case errors.As(err, &refused):
		return ofToken(refused.Cause)
	}
	if condition, description := answered(err); condition != "" {
		reason, hint := ofCondition(condition, op)
		return &watcher.Error{Reason: reason, Hint: hint, Err: errors.New(said(string(condition), description))}
	}
	if status := statusOf(err); status != 0 {
		reason, hint := ofStatus(status, op)
		return &watcher.Error{Reason: reason, Hint: hint, Err: fmt.Errorf("status %d", status)}
	}
	var coded *azservicebus.Error
	if errors.As(err, &coded) {
		switch coded.Code {
		case azservicebus.CodeUnauthorizedAccess:
			return &watcher.Error{Reason: watcher.ReasonDenied, Hint: missing(op), Err: errors.New("not authorized")}
		case azservicebus.CodeNotFound:
			return &watcher.Error{Reason: watcher.ReasonNotFound, Hint: hintMissing, Err: errors.New("there is none of this name")}
		case azservicebus.CodeLockLost:
			return &watcher.Error{Reason: watcher.ReasonUnavailable, Err: errors.New("the lock is lost")}
		}
	}
	return &watcher.Error{Reason: watcher.ReasonUnavailable, Err: errors.New(unheard(err))}
}

// The SDK wraps what was answered in an error that shows it as text only.
var (
	inWords    = shape.Of(`\*Error\{Condition: ([A-Za-z0-9.:_-]+), Description: (.*?), Info: `, 0, 100)
	statusCode = shape.Of(`status code ([0-9]{3}) and description`, 0)
)

// answered is the condition of AMQP's that the server answered with, and what
// it says of it; none if it was something else that went wrong.
func answered(err error) (amqp.ErrCond, string) {
	var e *amqp.Error
	if errors.As(err, &e) {
		return e.Condition, e.Description
	}
	if m := inWords.FindStringSubmatch(err.Error()); m != nil {
		return amqp.ErrCond(m[1]), m[2]
	}
	return "", ""
}

// statusOf is the status of an answer on the links for claims and management;
// 0 if it was something else that went wrong.
func statusOf(err error) int {
	var e interface{ RPCCode() int }
	if errors.As(err, &e) {
		return e.RPCCode()
	}
	if m := statusCode.FindStringSubmatch(err.Error()); m != nil {
		status, _ := strconv.Atoi(m[1])
		return status
	}
	return 0
}

const hintMissing = "make the queue or subscription, or check the names"

// ofCondition sorts what AMQP and Service Bus answer.
func ofCondition(c amqp.ErrCond, op string) (watcher.Reason, string) {
	switch c {
	case amqp.ErrCondUnauthorizedAccess:
		return watcher.ReasonDenied, missing(op)
	case amqp.ErrCondNotFound:
		return watcher.ReasonNotFound, hintMissing
	case condDisabled:
		return watcher.ReasonInvalid, "enable the queue or subscription again"
	case amqp.ErrCondNotAllowed, amqp.ErrCondNotImplemented:
		return watcher.ReasonInvalid, "a queue with sessions can't be received from; make one without"
	case condBusy, amqp.ErrCondResourceLimitExceeded:
		return watcher.ReasonThrottled, "the namespace is at a limit of its tier; see its metrics for throttled requests"
	}
	return watcher.ReasonUnavailable, ""
}

// ofStatus sorts answers on the links for claims and management.
func ofStatus(status int, op string) (watcher.Reason, string) {
	switch status {
	case http.StatusUnauthorized:
		return watcher.ReasonDenied, "the key, SAS or token is not accepted: was the key rotated, has the SAS expired, is this machine's clock right?"
	case http.StatusForbidden:
		return watcher.ReasonDenied, missing(op)
	case http.StatusNotFound:
		return watcher.ReasonNotFound, hintMissing
	case http.StatusTooManyRequests:
		return watcher.ReasonThrottled, ""
	}
	return watcher.ReasonUnavailable, ""
}

// ofToken is for Entra's refusals, of which the number is kept: it can be
// looked up, and the text around it may hold anything.
func ofToken(err error) *watcher.Error {
	e := &watcher.Error{Reason: watcher.ReasonDenied, Hint: entra.HintChain}
	var n net.Error
	switch code := entra.Code(err); {
	case code != "":
		e.Err = errors.New("no token from Entra: " + code)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &n):
		e.Reason, e.Err = watcher.ReasonUnavailable, errors.New("no token from Entra: "+unheard(err))
	default:
		e.Err = errors.New("no token from Entra: no credential that works was found")
	}
	return e
}

func missing(op string) string {
	if op == opSend {
		return hintSend
	}
	return hintReceive
}

// unheard says why there was no answer, in words that hold none of ours.
func unheard(err error) string {
	var n net.Error
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	var name x509.HostnameError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &n) && n.Timeout():
		return "no answer in time; is port 5671 open?"
	case errors.Is(err, context.Canceled):
		return "it was called off"
	case errors.As(err, &op):
		return plain(op.Error())
	case errors.As(err, &certificate), errors.As(err, &name):
		return "the certificate is not the namespace's: " + plain(certificateText(certificate, name))
	}
	return "the connection ended"
}

func certificateText(c *tls.CertificateVerificationError, name x509.HostnameError) string {
	if c != nil {
		return c.Err.Error()
	}
	return name.Error()
}

// said is a condition with its description. A description has no business to
// hold a token; if it does, all from there on is left out.
func said(condition, description string) string {
	if i := strings.Index(strings.ToLower(description), "sharedaccess"); i >= 0 {
		description = description[:i]
	}
	if description == "" {
		return plain(condition)
	}
	return plain(condition + ": " + description)
}

// plain is text that can stand in a line of a log, of bounded length.
func plain(s string) string { return oneline.Plain(s, 300) }
