package sqs

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
)

const (
	// attempts bounds how often one request is sent, mostly for an idle
	// connection that has gone. Whoever asks has patience of his own.
	attempts   = 2
	maxBackoff = 250 * time.Millisecond
	// sessionName is how an assumed role shows up in CloudTrail.
	sessionName = "rotatord"
	// renewBefore is how long before their end the keys of a role are replaced.
	renewBefore = time.Minute
)

// client asks the queue.
type client struct {
	api     *sqs.Client
	carrier carrier
	chain   *link
	role    string
}

// quickly is an option of one call that does not wait for messages.
func (c *client) quickly(o *sqs.Options) { o.HTTPClient = c.carrier.quick }

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
		return nil, &unloaded{err}
	}
	t.mu.Lock()
	t.client = c
	t.mu.Unlock()
	return c, nil
}

// load builds the default chain. It makes few requests or none; credentials are
// asked for when they are needed.
func (t *Transport) load(ctx context.Context) (*client, error) {
	retryer := func() sdk.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
			// The SDK's budget for retries would run out in a long outage, and its
			// error would then hide the cause.
			o.RateLimiter = ratelimit.None
			o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(unlessTimedOut)}, o.Retryables...)
		})
	}
	cfg, err := config.LoadDefaultConfig(ctx, func(o *config.LoadOptions) error {
		silent := sdk.ClientLogMode(0)
		o.ClientLogMode, o.Logger = &silent, logging.Nop{}
		o.Region = t.queue.region
		// One's own retryer puts out of force what environment and shared
		// configuration say of retries.
		o.Credentials, o.Retryer = t.options.Credentials, retryer
		// A client of the SDK's own kind: it takes AWS_CA_BUNDLE, and knows not to
		// use a proxy for instance metadata.
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(discreet)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if cfg.Credentials == nil {
		return nil, errNoChain
	}
	c := &client{
		carrier: newCarrier(t.options.Transport, rootsOf(cfg), t.options.Wait),
		chain:   &link{source: cfg.Credentials, log: t.log}, role: t.options.RoleARN,
	}
	cfg.Credentials, cfg.HTTPClient = c.chain, c.carrier.poll
	// The SDK can write requests and answers down: never.
	cfg.ClientLogMode, cfg.Logger = 0, logging.Nop{}
	if t.options.RoleARN != "" {
		cfg.Credentials = t.assume(cfg, c.carrier)
	}
	c.api = sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		if t.queue.endpoint != "" {
			o.BaseEndpoint = &t.queue.endpoint
		}
	})
	return c, nil
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

// rootsOf finds the certificates of AWS_CA_BUNDLE, or of ca_bundle in the shared
// configuration, which the SDK gives to an HTTP client of its own only; nil for
// the system's.
func rootsOf(cfg sdk.Config) *x509.CertPool {
	own, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok || own.GetTransport().TLSClientConfig == nil {
		return nil
	}
	return own.GetTransport().TLSClientConfig.RootCAs
}

// assume makes credentials that are those of the role, asked for in the queue's
// region.
func (t *Transport) assume(cfg sdk.Config, with carrier) sdk.CredentialsProvider {
	cfg.HTTPClient = with.secret // the answer holds a key
	api := sts.NewFromConfig(cfg, func(o *sts.Options) {
		if t.options.STSEndpoint != "" {
			o.BaseEndpoint = &t.options.STSEndpoint
		}
	})
	source := stscreds.NewAssumeRoleProvider(api, t.options.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		if t.options.ExternalID != "" {
			o.ExternalID = &t.options.ExternalID
		}
	})
	cached := sdk.NewCredentialsCache(source, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore })
	return &link{source: cached, role: t.options.RoleARN, log: t.log}
}

// forget drops a client, so that the next request builds the chain anew: a key
// that AWS refuses may have been replaced in its file.
func (t *Transport) forget(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.client == nil || c != nil && t.client != c {
		return
	}
	t.client.carrier.close()
	t.client = nil
}

var errNoChain = errors.New("no credentials")

// unloaded says that the shared configuration can't be used.
type unloaded struct{ err error }

func (u *unloaded) Error() string { return "no configuration" }

func (u *unloaded) Unwrap() error { return u.err }

// link is one source of credentials. It marks its failures, so that they are
// told from those of the request they were wanted for, and remembers by what
// name the source goes.
type link struct {
	source sdk.CredentialsProvider
	role   string // that it assumes; empty for the chain
	log    *slog.Logger
	found  atomic.Pointer[string]
}

// Retrieve implements the SDK's CredentialsProvider.
func (l *link) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	c, err := l.source.Retrieve(ctx)
	if err != nil {
		return sdk.Credentials{}, &unlinked{role: l.role, sso: sdk.IsCredentialsProvider(l.source, (*ssocreds.Provider)(nil)), err: err}
	}
	if before := l.found.Swap(&c.Source); before == nil || *before != c.Source {
		l.log.DebugContext(ctx, "aws credentials found", "source", c.Source, "role", l.role)
	}
	return c, nil
}

// name is where the credentials come from, in the SDK's words.
func (l *link) name() string {
	if l == nil || l.found.Load() == nil {
		return "none"
	}
	return *l.found.Load()
}

// unlinked says that a link gave no credentials.
type unlinked struct {
	role string // that could not be assumed; empty for the chain
	sso  bool   // the chain has led to an SSO session
	err  error
}

func (u *unlinked) Error() string { return "no credentials" }

func (u *unlinked) Unwrap() error { return u.err }
