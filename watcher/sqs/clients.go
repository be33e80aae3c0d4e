package sqs

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/rotatord/rotatord/internal/awsclient"
	"github.com/rotatord/rotatord/internal/httpclient"
)

const (
	// attempts bounds how often one request is sent, mostly for an idle
	// connection that has gone. Whoever asks has patience of his own.
	attempts   = 2
	maxBackoff = 250 * time.Millisecond
	// patience is how long an answer may take beyond what a poll waits.
	patience = 10 * time.Second
	// maxAnswer bounds what is read of any answer: ten messages of 1 MiB each,
	// which JSON may make six times as long.
	maxAnswer = 64 << 20
	// maxIdle bounds the connections that are kept.
	maxIdle = 2 * maxOpen
)

// client asks the queue. Its requests may take as long as a poll.
type client struct {
	api     *sqs.Client
	carrier *httpclient.Carrier
	keys    *awsclient.KeySource
	quick   *http.Client
}

// quickly is an option of one call that does not wait for messages.
func (c *client) quickly(o *sqs.Options) { o.HTTPClient = c.quick }

// connect gives the client. It makes one if there is none.
func (t *Transport) connect(ctx context.Context) (*client, error) {
	select {
	case t.gate <- struct{}{}:
		defer func() { <-t.gate }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	t.mu.Lock()
	c := t.client
	t.mu.Unlock()
	if c != nil {
		return c, nil
	}
	c, err := t.load(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.client = c
	t.mu.Unlock()
	return c, nil
}

// load builds the default chain. It makes few requests or none; credentials are
// asked for when they are needed. A role is asked for in the queue's region.
func (t *Transport) load(ctx context.Context) (*client, error) {
	access, err := awsclient.Load(ctx, awsclient.Options{
		Region: t.queue.region, Credentials: t.options.Credentials, Retryer: retryer,
		Transport: t.options.Transport, Timeout: t.options.Wait + patience, MaxAnswer: maxAnswer, MaxIdle: maxIdle,
		Logger: t.log,
	})
	if err != nil {
		return nil, err
	}
	cfg, keys := access.Config, access.Chain
	if t.options.RoleARN != "" {
		keys = access.Assume(awsclient.Role{
			ARN: t.options.RoleARN, ExternalID: t.options.ExternalID,
			Region: t.queue.region, Endpoint: t.options.STSEndpoint, Timeout: patience,
		})
		cfg.Credentials = keys
	}
	api := sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		if t.queue.endpoint != "" {
			o.BaseEndpoint = &t.queue.endpoint
		}
	})
	return &client{api: api, carrier: access.Carrier, keys: keys, quick: access.Carrier.Kept(patience)}, nil
}

func retryer() sdk.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
		// The SDK's budget for retries would run out in a long outage, and its
		// error would then hide the cause.
		o.RateLimiter = ratelimit.None
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(unlessTimedOut)}, o.Retryables...)
	})
}

// unlessTimedOut has nobody wait twice for an answer that did not come, before
// it is said that none comes.
func unlessTimedOut(err error) sdk.Ternary {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return sdk.FalseTernary
	}
	return sdk.UnknownTernary
}

// forget drops a client, so that the next request builds the chain anew: a key
// that AWS refuses may have been replaced in its file.
func (t *Transport) forget(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client == nil || c != nil && t.client != c {
		return
	}
	t.client.carrier.Close()
	t.client = nil
}
