package google

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	grpccreds "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

const (
	// scope is the only one that Secret Manager takes. What may be done is a
	// matter of permissions.
	scope = "https://www.googleapis.com/auth/cloud-platform"
	// maxAnswer bounds what is taken of any answer: a value has at most 64 KiB.
	maxAnswer = 1 << 20
)

// client asks in one location.
type client struct {
	api     *secretmanager.Client
	users   int  // calls under way
	retired bool // closed when the last user has left
}

// open takes a name apart and finds the client for it, which the caller has to
// release. It sees to it that there is a token, so that a call which fails does
// not fail for want of one.
func (p *Provider) open(ctx context.Context, s credential.Secret) (name, *client, error) {
	n, err := parse(s)
	if err != nil {
		return name{}, nil, &problem{reason: providers.ReasonInvalid, err: err, hint: howToFind}
	}
	if err := ctx.Err(); err != nil {
		return name{}, nil, &problem{reason: providers.ReasonUnavailable, err: err}
	}
	creds, err := p.authorize(ctx)
	if err != nil {
		return name{}, nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.clients[n.location]
	if c == nil {
		if c, err = p.connect(creds, n.location); err != nil {
			return name{}, nil, err
		}
		p.clients[n.location] = c
	}
	c.users++
	return n, c, nil
}

func (p *Provider) release(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.users--
	if c.retired && c.users == 0 {
		_ = c.api.Close()
	}
}

// Close ends the connections, those in use as soon as nobody uses them any
// more. The Provider goes on to work, on new ones.
func (p *Provider) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retire()
}

func (p *Provider) retire() {
	for location, c := range p.clients {
		delete(p.clients, location)
		c.retired = true
		if c.users == 0 {
			_ = c.api.Close()
		}
	}
}

// forget drops all clients and the credentials, so that the next look finds them
// anew: a key that Google refuses may have been replaced in its file.
func (p *Provider) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retire()
	p.creds = p.options.Credentials
}

// authorize gives credentials that have a token at hand. Only one asks at a
// time, since the SDK's cache makes others wait whatever their context says.
func (p *Provider) authorize(ctx context.Context) (*auth.Credentials, error) {
	select {
	case p.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()}
	}
	p.mu.Lock()
	creds := p.creds
	p.mu.Unlock()
	if creds == nil {
		var err error
		if creds, err = p.detect(ctx); err != nil { // has given the gate back
			return nil, err
		}
		select {
		case p.gate <- struct{}{}:
		case <-ctx.Done():
			return nil, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()}
		}
	}
	defer func() { <-p.gate }()
	if _, err := creds.Token(ctx); err != nil {
		why := ofToken(ctx, err)
		if why.credentials {
			p.forget()
		}
		return nil, why
	}
	return creds, nil
}

// detect finds Application Default Credentials. Looking for a metadata server
// may take seconds and has no context, so that it goes on by itself, with the
// gate, when ours ends.
func (p *Provider) detect(ctx context.Context) (*auth.Credentials, error) {
	type found struct {
		creds *auth.Credentials
		err   error
	}
	done := make(chan found, 1)
	go func() {
		defer func() { <-p.gate }()
		creds, err := credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{scope}, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			p.mu.Lock()
			p.creds = creds
			p.mu.Unlock()
		}
		done <- found{creds, err}
	}()
	select {
	case <-ctx.Done():
		return nil, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()}
	case f := <-done:
		if f.err != nil {
			return nil, ofDetecting(f.err)
		}
		p.log.DebugContext(ctx, "google credentials found", "file", os.Getenv(credentialsEnv))
		return f.creds, nil
	}
}

// connect makes the client of a location. It opens no connection yet.
func (p *Provider) connect(creds *auth.Credentials, location string) (*client, error) {
	options := []option.ClientOption{
		option.WithAuthCredentials(creds),
		// The SDK writes requests and answers, values included, to a logger of
		// its own when GOOGLE_SDK_GO_LOGGING_LEVEL says so: not to this one.
		option.WithLogger(slog.New(slog.DiscardHandler)),
		option.WithTelemetryDisabled(),
		option.WithUserAgent("rotatord"),
		option.WithGRPCDialOption(grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer))),
		option.WithGRPCDialOption(grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: min(pauses[0], p.options.MaxBackoff), Multiplier: 1.6, Jitter: 0.2, MaxDelay: 10 * p.options.MaxBackoff},
			MinConnectTimeout: 10 * time.Second,
		})),
		option.WithGRPCDialOption(experimental.WithBufferPool(wiped{})),
		option.WithGRPCDialOption(grpc.WithReadBufferSize(0)),
		option.WithGRPCDialOption(grpc.WithDisableServiceConfig()),
	}
	switch {
	case p.options.Endpoint != "":
		options = append(options, option.WithEndpoint(p.options.Endpoint))
	case location != "":
		options = append(options, option.WithEndpoint("secretmanager."+location+".rep.googleapis.com:443"))
	}
	if p.options.Dial != nil {
		options = append(options, option.WithGRPCDialOption(grpc.WithContextDialer(p.options.Dial)))
	}
	if p.options.CAFile != "" {
		roots, err := rootsOf(p.options.CAFile)
		if err != nil {
			return nil, err
		}
		options = append(options, option.WithGRPCDialOption(grpc.WithTransportCredentials(
			grpccreds.NewTLS(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))))
	}
	api, err := secretmanager.NewClient(context.Background(), options...)
	if err != nil {
		return nil, &problem{reason: providers.ReasonUnavailable, err: errors.New("the client for the endpoint can't be made"),
			hint: "check the endpoint, and GOOGLE_API_USE_CLIENT_CERTIFICATE if it is set"}
	}
	retry := p.retry()
	api.CallOptions.ListSecretVersions = retry
	api.CallOptions.GetSecretVersion = retry
	api.CallOptions.AccessSecretVersion = retry
	api.CallOptions.UpdateSecret = retry
	api.CallOptions.GetSecret = nil
	return &client{api: api}, nil
}

// retry makes one call be made again after a failure in between.
func (p *Provider) retry() []gax.CallOption {
	return []gax.CallOption{gax.WithRetry(func() gax.Retryer { return &retryer{most: p.options.MaxBackoff} })}
}

func rootsOf(file string) (*x509.CertPool, error) {
	b, err := os.ReadFile(file)
	roots := x509.NewCertPool()
	if err != nil || !roots.AppendCertsFromPEM(b) {
		return nil, &problem{reason: providers.ReasonUnavailable, err: errors.New("the CAFile can't be read, or holds no certificate in PEM"), hint: "check its path and permissions"}
	}
	return roots, nil
}

// pauses are those before a call is made again after a failure in between. The
// SDK itself would go on until the context ends; the engine has patience of its
// own, and knows what else there is to do.
var pauses = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond}

// retryer implements gax.Retryer, for one call. Being throttled is no reason to
// ask again: quotas are counted by the minute.
type retryer struct {
	most time.Duration
	made int
}

// Retry implements gax.Retryer.
func (r *retryer) Retry(err error) (time.Duration, bool) {
	if r.made >= len(pauses) || status.Code(err) != codes.Unavailable {
		return 0, false
	}
	r.made++
	return min(pauses[r.made-1], r.most), true
}

// wiped is gRPC's pool of buffers without a pool: what is given back, which may
// have been part of a value, is overwritten and dropped.
type wiped struct{}

// Get implements gRPC's mem.BufferPool.
func (wiped) Get(length int) *[]byte {
	b := make([]byte, length)
	return &b
}

// Put implements gRPC's mem.BufferPool.
func (wiped) Put(b *[]byte) { clear((*b)[:cap(*b)]) }
