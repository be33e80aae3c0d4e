package pubsub

import (
	"context"
	"errors"
	"strings"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2/apierror"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// acknowledge says that messages are done. Without exactly-once delivery the
// server has nothing to say about single messages.
func (s *session) acknowledge(ids []string) map[string]error {
	refused := s.tell(ids, s.timing.confirm, func(ctx context.Context, ids []string) error {
		return s.service.Acknowledge(ctx, &pubsubpb.AcknowledgeRequest{Subscription: s.options.Subscription, AckIds: ids})
	})
	s.note(refused)
	return refused
}

// note logs whether acknowledgements get through, when that changes.
func (s *session) note(refused map[string]error) {
	s.mu.Lock()
	before := s.refusing
	s.refusing = len(refused) > 0
	s.mu.Unlock()
	switch {
	case len(refused) > 0 && !before:
		for _, err := range refused {
			s.log.WarnContext(s.talking, "acknowledgements don't get through; the messages come again",
				"source", s.options.Name, "error", s.because(opAcknowledge, err))
			return
		}
	case len(refused) == 0 && before:
		s.log.InfoContext(s.talking, "acknowledgements get through again", "source", s.options.Name)
	}
}

// giveBack makes messages available again. If that does not get through they
// come when their leases are over.
func (s *session) giveBack(ids []string) map[string]error {
	return s.tell(ids, s.timing.confirm, s.deadline(0))
}

// renew makes leases longer. Half of each is left, and that is the time for it.
func (s *session) renew(ids []string) {
	lease := s.lease()
	for id := range s.tell(ids, lease/2, s.deadline(lease)) {
		if s.once.Load() {
			s.hand.let(id) // it isn't ours any more, and comes again
		}
	}
}

// receipt is for exactly-once delivery: only what the server confirms to be ours
// is delivered.
func (s *session) receipt(messages []*pubsubpb.ReceivedMessage) []*pubsubpb.ReceivedMessage {
	ids := make([]string, 0, len(messages))
	for _, m := range messages {
		ids = append(ids, m.GetAckId())
	}
	refused := s.tell(ids, s.lease()/2, s.deadline(s.lease()))
	ours := make([]*pubsubpb.ReceivedMessage, 0, len(messages))
	for _, m := range messages {
		err := refused[m.GetAckId()]
		if err == nil {
			ours = append(ours, m)
			continue
		}
		s.hand.let(m.GetAckId())
		s.log.InfoContext(s.talking, "a message was not ours any more when it came; it comes again",
			"source", s.options.Name, "message", m.GetMessage().GetMessageId(), "error", s.because(opReceive, err))
	}
	return ours
}

func (s *session) deadline(d time.Duration) func(context.Context, []string) error {
	return func(ctx context.Context, ids []string) error {
		return s.service.ModifyAckDeadline(ctx, &pubsubpb.ModifyAckDeadlineRequest{
			Subscription: s.options.Subscription, AckIds: ids, AckDeadlineSeconds: seconds(d)})
	}
}

// tell calls until nothing is left that could go better next time, or the time
// is over, and gives what became of those that were refused.
func (s *session) tell(ids []string, limit time.Duration, call func(context.Context, []string) error) map[string]error {
	ctx, cancel := context.WithTimeout(s.talking, limit)
	defer cancel()
	refused := map[string]error{}
	for _, portion := range portions(ids) {
		for n := 1; len(portion) > 0; n++ {
			try, done := context.WithTimeout(ctx, s.timing.call)
			err := call(try, portion)
			done()
			again := judge(err, portion, refused)
			if len(again) > 0 && !sleep(ctx, s.timing.repeat.after(n)) {
				for _, id := range again {
					refused[id] = err
				}
				break
			}
			portion = again
		}
	}
	return refused
}

// What Pub/Sub says of single deliveries, with exactly-once delivery: the reason
// stands behind the id in the metadata of an ErrorInfo. For good is, above all,
// PERMANENT_FAILURE_INVALID_ACK_ID: the lease was over.
const transient = "TRANSIENT_"

// judge tells those that are worth another try from those that are refused.
func judge(err error, ids []string, refused map[string]error) (again []string) {
	if err == nil {
		return nil
	}
	var reasons map[string]string
	if e, ok := apierror.FromError(err); ok {
		reasons = e.Metadata()
	}
	for _, id := range ids {
		reason, ok := reasons[id]
		switch {
		case strings.HasPrefix(reason, transient), !ok && passing(err):
			again = append(again, id)
		case ok:
			refused[id] = errors.New(plain(reason))
		default:
			refused[id] = err
		}
	}
	return again
}

// passing says whether a call may succeed in a moment.
func passing(err error) bool {
	switch status.Code(err) {
	case codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.Internal, codes.Unavailable:
		return true
	}
	return false
}
