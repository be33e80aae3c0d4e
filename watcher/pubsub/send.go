package pubsub

import (
	"context"
	"errors"

	vkit "cloud.google.com/go/pubsub/v2/apiv1"
	"cloud.google.com/go/pubsub/v2/apiv1/pubsubpb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/rotatord/rotatord/watcher"
)

// Send implements watcher.Sender: it publishes to the topic.
func (t *Transport) Send(ctx context.Context, body []byte) error {
	if t.options.Topic == "" {
		return &watcher.Error{Op: opSend, Source: t.options.Subscription, Reason: watcher.ReasonInvalid,
			Err:  errors.New("the topic that the subscription is of is not configured"),
			Hint: `add topic = "projects/PROJECT/topics/NAME" to the source; "gcloud pubsub subscriptions describe" shows it`}
	}
	ctx, cancel := context.WithTimeout(ctx, t.timing.send)
	defer cancel()
	last := &lastCall{}
	client, err := connect(ctx, t, vkit.NewTopicAdminClient, option.WithGRPCDialOption(grpc.WithChainUnaryInterceptor(last.note)))
	if err != nil {
		return t.because(opSend, err)
	}
	defer func() { _ = client.Close() }()
	_, err = client.Publish(ctx, &pubsubpb.PublishRequest{
		Topic: t.options.Topic, Messages: []*pubsubpb.PubsubMessage{{Data: body}},
	})
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && last.err != nil {
		err = last.err
	}
	return t.because(opSend, err)
}

// lastCall remembers why the last attempt went wrong: after the time is up the
// client tells no more than that. Attempts follow one another.
type lastCall struct{ err error }

func (l *lastCall) note(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	err := invoker(ctx, method, req, reply, cc, opts...)
	if err != nil && ctx.Err() == nil {
		l.err = err
	}
	return err
}
