package aws

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/rotatord/rotatord/providers"
)

const (
	// attempts bounds how often one request is sent: after throttling, a 5xx, or
	// no answer. The engine has patience of its own.
	attempts = 3
	// sessionName is how an assumed role shows up in CloudTrail.
	sessionName = "rotatord"
	// renewBefore is how long before their end the keys of a role are replaced.
	renewBefore = time.Minute
)

// place is what a client is for.
type place struct {
	region string
	role   Role // none if empty
}

// client asks in one place.
type client struct {
	api     *secretsmanager.Client
	carrier carrier
	chain   *link
	role    string
}

// base is what all clients have in common.
type base struct {
	config  sdk.Config
	carrier carrier
	chain   *link
}

// client gives the client for a secret. It makes one if there is none yet.
func (p *Provider) client(ctx context.Context, n name) (*client, error) {
	at := place{region: n.region, role: p.options.Roles[n.account]}
	p.mu.Lock()
	c := p.clients[at]
	p.mu.Unlock()
	if c != nil {
		return c, nil
	}
	select {
	case p.gate <- struct{}{}:
		defer func() { <-p.gate }()
	case <-ctx.Done():
		return nil, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()}
	}
	p.mu.Lock()
	c, b := p.clients[at], p.base
	p.mu.Unlock()
	if c != nil {
		return c, nil
	}
	if b == nil {
		loaded, err := p.load(ctx, n.region)
		if err != nil {
			return nil, ofLoading(ctx, err)
		}
		b = loaded
	}
	c = p.connect(b, at)
	p.mu.Lock()
	p.base, p.clients[at] = b, c
	p.mu.Unlock()
	return c, nil
}

// load builds the default chain. It makes few requests or none; credentials are
// asked for when they are needed.
func (p *Provider) load(ctx context.Context, region string) (*base, error) {
	cfg, err := config.LoadDefaultConfig(ctx, func(o *config.LoadOptions) error {
		silent := sdk.ClientLogMode(0)
		o.ClientLogMode, o.Logger = &silent, logging.Nop{}
		if p.options.Region != "" {
			o.Region = p.options.Region
		}
		o.DefaultRegion = region
		// One's own retryer puts out of force what environment and shared
		// configuration say of retries.
		o.Credentials, o.Retryer = p.options.Credentials, p.retryer
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
	chain := &link{source: cfg.Credentials, log: p.log}
	b := &base{carrier: newCarrier(p.options.Transport, rootsOf(cfg)), chain: chain}
	cfg.Credentials, cfg.HTTPClient = chain, b.carrier.plain
	// The SDK can write requests and answers down: never.
	cfg.ClientLogMode, cfg.Logger = 0, logging.Nop{}
	b.config = cfg
	return b, nil
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

var errNoChain = errors.New("no credentials")

func (p *Provider) retryer() sdk.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, p.options.MaxBackoff
	})
}

// connect makes the client of a place.
func (p *Provider) connect(b *base, at place) *client {
	cfg := b.config.Copy()
	cfg.Region = at.region
	if at.role.ARN != "" {
		cfg.Credentials = p.assume(cfg, b.carrier, at.role)
	}
	api := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
		if p.options.Endpoint != "" {
			o.BaseEndpoint = &p.options.Endpoint
		}
	})
	return &client{api: api, carrier: b.carrier, chain: b.chain, role: at.role.ARN}
}

// assume makes credentials that are those of a role, asked for in the secret's
// region.
func (p *Provider) assume(cfg sdk.Config, with carrier, role Role) sdk.CredentialsProvider {
	cfg.HTTPClient = with.value // the answer holds a key
	api := sts.NewFromConfig(cfg, func(o *sts.Options) {
		if p.options.STSEndpoint != "" {
			o.BaseEndpoint = &p.options.STSEndpoint
		}
	})
	source := stscreds.NewAssumeRoleProvider(api, role.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		if role.ExternalID != "" {
			o.ExternalID = &role.ExternalID
		}
	})
	cached := sdk.NewCredentialsCache(source, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore })
	return &link{source: cached, role: role.ARN, log: p.log}
}

// forget drops all clients and the chain, so that the next look builds them
// anew: a key that AWS refuses may have been replaced in its file.
func (p *Provider) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base != nil {
		p.base.carrier.close()
	}
	p.base = nil
	clear(p.clients)
}

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
