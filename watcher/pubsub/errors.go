package pubsub

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/internal/oneline"
	"github.com/rotatord/rotatord/watcher"
)

const (
	opReceive     = "receive from"
	opAcknowledge = "acknowledge to"
	opSend        = "send to"
)

const (
	hintConsume = "grant roles/pubsub.subscriber (pubsub.subscriptions.consume) on the subscription; " +
		"the Pub/Sub API must be enabled in its project"
	hintPublish  = "grant roles/pubsub.publisher (pubsub.topics.publish) on the topic; only \"rotatord events test\" needs it"
	hintIdentity = "credentials are looked for in: GOOGLE_APPLICATION_CREDENTIALS, gcloud's application default credentials, " +
		"the metadata server (workload identity)"
)

// because says why something failed, in a watcher.Error. Of what Google said
// its code and message are kept.
func (t *Transport) because(op string, err error) *watcher.Error {
	e := &watcher.Error{Op: op, Source: t.options.Subscription}
	if op == opSend {
		e.Source = t.options.Topic
	}
	var u *unidentified
	var ca *untrusted
	switch {
	case errors.As(err, &ca):
		e.Reason, e.Err = watcher.ReasonInvalid, ca.err
	case errors.As(err, &u):
		e.Reason, e.Err, e.Hint = watcher.ReasonDenied, errors.New(u.Error()), hintIdentity
	case errors.Is(err, io.EOF):
		e.Reason, e.Err = watcher.ReasonUnavailable, errors.New("the stream was closed")
	case errors.Is(err, context.DeadlineExceeded):
		e.Reason, e.Err = watcher.ReasonUnavailable, errors.New("no answer in time")
	default:
		if s, ok := status.FromError(err); ok {
			ofStatus(e, s)
		} else {
			e.Reason, e.Err = watcher.ReasonUnavailable, errors.New(plain(err.Error()))
		}
	}
	return e
}

// said is what Google, or gRPC in its place, said.
type said struct {
	code    codes.Code
	message string
}

func (s *said) Error() string {
	if s.message == "" {
		return s.code.String()
	}
	return s.code.String() + ": " + s.message
}

// ofStatus tells reasons apart by gRPC's codes, as Pub/Sub documents them.
func ofStatus(e *watcher.Error, s *status.Status) {
	message := plain(s.Message())
	e.Err = &said{s.Code(), message}
	e.Reason = watcher.ReasonUnavailable
	switch s.Code() {
	case codes.PermissionDenied:
		e.Reason, e.Hint = watcher.ReasonDenied, hintConsume
		if e.Op == opSend {
			e.Hint = hintPublish
		}
	case codes.Unauthenticated:
		e.Reason, e.Hint = watcher.ReasonDenied, hintIdentity
		if strings.Contains(s.Message(), perRPC) {
			ofToken(e, s.Message())
		}
	case codes.NotFound:
		e.Reason, e.Hint = watcher.ReasonNotFound, "check project and name; a subscription that is not used expires after 31 days unless it is told not to"
		if e.Op == opSend {
			e.Hint = "check project and name of the topic"
		}
	case codes.ResourceExhausted:
		e.Reason = watcher.ReasonThrottled
	case codes.InvalidArgument, codes.FailedPrecondition, codes.Unimplemented, codes.OutOfRange:
		e.Reason, e.Hint = watcher.ReasonInvalid, "is it a pull subscription, neither push nor export nor detached?"
		if e.Op != opReceive {
			e.Hint = ""
		}
	}
}

// perRPC is how gRPC begins when it did not get the token to send along.
const perRPC = "per-RPC creds failed"

// ofToken is for requests that were not made for want of a token. Who gave none
// is far from Pub/Sub, and its words are not passed on but for OAuth's codes.
func ofToken(e *watcher.Error, message string) {
	lower := strings.ToLower(message)
	words := "Google gave no token for rotatord's own identity"
	for _, code := range []string{"invalid_grant", "invalid_client", "unauthorized_client", "invalid_target", "invalid_request", "access_denied", "invalid_rapt"} {
		if strings.Contains(lower, code) {
			e.Err = errors.New(words + ": " + code)
			return
		}
	}
	e.Err = errors.New(words)
	for _, sign := range []string{"dial tcp", "timeout", "deadline exceeded", "connection re", "no such host", "eof", "status code 5"} {
		if strings.Contains(lower, sign) {
			e.Reason = watcher.ReasonUnavailable
			return
		}
	}
}

// plain is text that can stand in a line of a log, of bounded length.
func plain(s string) string { return oneline.Plain(s, 400) }
