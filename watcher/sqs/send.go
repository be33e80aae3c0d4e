package sqs

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Send implements watcher.Sender: one SendMessage. It needs a permission that
// nothing else needs.
func (t *Transport) Send(ctx context.Context, body []byte) error {
	c, err := t.connect(ctx)
	if err != nil {
		return t.because(ctx, nil, sending, err)
	}
	_, err = c.api.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &t.queue.url, MessageBody: sdk.String(string(body))}, c.quickly)
	if err != nil {
		return t.because(ctx, c, sending, err)
	}
	return nil
}
