package pubsub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"sync"
	"time"

	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// mostReceived is how large one answer on a stream may be; Google's own client
// says the same. A message has at most 10 MB.
const mostReceived = 20 << 20

// protocol asks the server to answer keep-alives.
const protocol = 1

// stream is one StreamingPull.
type stream struct {
	*session
	begun             time.Time
	cancel            context.CancelCauseFunc
	patience, silence *time.Timer
	heard             bool          // there was an answer
	told              time.Duration // the lease that the server was told of
}

// stream opens a stream and reads from it until it ends. heard says that there
// was an answer; well that its end is nothing special: it was open for a while,
// and ends as Pub/Sub ends streams. err is never nil.
func (s *session) stream(ctx context.Context) (heard, well bool, err error) {
	// It outlives ctx by what it takes to say goodbye.
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	st := &stream{session: s, begun: time.Now(), cancel: cancel, told: s.lease()}
	defer cancel(nil)
	st.patience = time.AfterFunc(s.timing.patience, func() { st.unanswered(inner) })
	defer st.patience.Stop()
	st.silence = time.AfterFunc(s.timing.silence, func() { st.silent(inner) })
	defer st.silence.Stop()
	opening := context.AfterFunc(ctx, func() { cancel(nil) })
	pull, err := st.open(inner)
	if !opening() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = st.read(ctx, inner, pull)
	}
	if cause := context.Cause(inner); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause // we have ended it
	}
	ends := errors.Is(err, io.EOF) || status.Code(err) == codes.Unavailable
	return st.heard, st.heard && ends && time.Since(st.begun) >= s.timing.settled, err
}

// open sends the first request, and a keep-alive right behind it, which the
// server answers at once.
func (s *stream) open(ctx context.Context) (pubsubpb.Subscriber_StreamingPullClient, error) {
	// Generated code adds it to other calls: it finds the way for the request.
	ctx = gax.InsertMetadataIntoOutgoingContext(ctx, "x-goog-request-params", "subscription="+url.QueryEscape(s.options.Subscription))
	pull, err := s.service.StreamingPull(ctx, gax.WithGRPCOptions(grpc.MaxCallRecvMsgSize(mostReceived)))
	if err != nil {
		return nil, err
	}
	err = pull.Send(&pubsubpb.StreamingPullRequest{
		Subscription: s.options.Subscription, ClientId: s.client, StreamAckDeadlineSeconds: seconds(s.told),
		MaxOutstandingMessages: mostMessages, MaxOutstandingBytes: mostBytes, ProtocolVersion: protocol,
	})
	if err == nil {
		err = pull.Send(&pubsubpb.StreamingPullRequest{})
	}
	if err != nil && !errors.Is(err, io.EOF) { // of a stream that has ended Recv knows why
		return nil, err
	}
	return pull, nil
}

// read takes what comes, until the stream ends.
func (s *stream) read(ctx, inner context.Context, pull pubsubpb.Subscriber_StreamingPullClient) error {
	var talk sync.WaitGroup
	defer talk.Wait()
	defer s.cancel(nil)
	talk.Go(func() { s.keepAlive(ctx, inner, pull) })
	defer context.AfterFunc(ctx, func() { sleep(inner, s.timing.goodbye); s.cancel(nil) })()
	for {
		answer, err := pull.Recv()
		if err != nil {
			return err
		}
		s.heard = true
		s.patience.Stop()
		s.silence.Stop() // while we don't listen
		s.health.Up()
		s.take(ctx, answer)
		s.silence.Reset(s.timing.silence)
	}
}

// keepAlive is the only one that sends after the stream is open. At the end it
// tells the server that nothing more is to come.
func (s *stream) keepAlive(ctx, inner context.Context, pull pubsubpb.Subscriber_StreamingPullClient) {
	tick := time.NewTicker(s.timing.keepAlive)
	defer tick.Stop()
	for {
		select {
		case <-inner.Done():
			return
		case <-ctx.Done():
			_ = pull.CloseSend()
			return
		case <-tick.C:
		}
		request := &pubsubpb.StreamingPullRequest{}
		if lease := s.lease(); lease != s.told {
			s.told = lease
			request.StreamAckDeadlineSeconds = seconds(lease)
		}
		if pull.Send(request) != nil {
			return // Recv knows why
		}
	}
}

// unanswered is called when the first answer is overdue. The stream is left
// open: perhaps it is only slow.
func (s *stream) unanswered(inner context.Context) {
	if !over(inner) {
		s.health.Down(s.because(opReceive, fmt.Errorf("no answer for %v", s.timing.patience)))
	}
}

// silent is called when nothing was heard for too long.
func (s *stream) silent(inner context.Context) {
	if over(inner) {
		return
	}
	err := fmt.Errorf("nothing was heard for %v", s.timing.silence)
	s.health.Down(s.because(opReceive, err))
	s.cancel(err)
}

func seconds(d time.Duration) int32 { return int32(d / time.Second) }
