package awsclient

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/rotatord/rotatord/internal/httpclient"
)

const (
	// sessionName is how an assumed role shows up in CloudTrail.
	sessionName = "rotatord"
	// renewBefore is how long before their end the keys of a role are replaced.
	renewBefore = time.Minute
)

// Options say what to load.
type Options struct {
	// Region to ask in, whatever the environment says; empty leaves it to that.
	Region string
	// DefaultRegion is for an environment that says none.
	DefaultRegion string
	// Credentials are used in place of the default chain.
	Credentials sdk.CredentialsProvider
	// Retryer decides which requests are sent again. Required: it puts out of
	// force what environment and shared configuration say of retries.
	Retryer func() sdk.Retryer
	// Transport carries all requests but those of the default chain itself; nil
	// means transports of our own, which honour HTTPS_PROXY, NO_PROXY and
	// AWS_CA_BUNDLE.
	Transport http.RoundTripper
	// Timeout bounds each request of a client made from the Access's Config; 0
	// leaves that to its context.
	Timeout time.Duration
	// MaxAnswer bounds what is read of an answer, in bytes. Required.
	MaxAnswer int64
	// MaxIdle bounds the connections that are kept, a host.
	MaxIdle int
	// Logger is told where keys come from. Required.
	Logger *slog.Logger
}

// Access is all that clients of Amazon's services are made of.
type Access struct {
	// Config has the Chain for its keys, and a client of Carrier.Kept.
	Config  sdk.Config
	Carrier *httpclient.Carrier
	Chain   *KeySource
	log     *slog.Logger
}

// Load builds the default chain. It makes few requests or none; keys are asked
// for when they are needed. OfCredentials understands its errors.
func Load(ctx context.Context, o Options) (*Access, error) {
	cfg, err := config.LoadDefaultConfig(ctx, func(l *config.LoadOptions) error {
		silent := sdk.ClientLogMode(0)
		l.ClientLogMode, l.Logger = &silent, logging.Nop{}
		if o.Region != "" {
			l.Region = o.Region
		}
		l.DefaultRegion = o.DefaultRegion
		l.Credentials, l.Retryer = o.Credentials, o.Retryer
		// A client of the SDK's own kind: it takes AWS_CA_BUNDLE, and knows not to
		// use a proxy for instance metadata.
		l.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(httpclient.MakeDiscreet)
		return nil
	})
	if err != nil {
		return nil, &unloaded{err}
	}
	if cfg.Credentials == nil {
		return nil, &unloaded{errNoChain}
	}
	a := &Access{
		Carrier: httpclient.NewCarrier(httpclient.CarrierOptions{
			Transport: o.Transport, Roots: rootsOf(cfg), MaxIdle: o.MaxIdle, MaxAnswer: o.MaxAnswer,
		}),
		Chain: &KeySource{source: cfg.Credentials, log: o.Logger}, log: o.Logger,
	}
	cfg.Credentials, cfg.HTTPClient = a.Chain, a.Carrier.Kept(o.Timeout)
	// The SDK can write requests and answers down: never.
	cfg.ClientLogMode, cfg.Logger = 0, logging.Nop{}
	a.Config = cfg
	return a, nil
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

// Role is a role to assume.
type Role struct {
	// ARN names it, "arn:aws:iam::123456789012:role/rotatord".
	ARN string
	// ExternalID is what the role's trust policy asks for; empty for nothing.
	ExternalID string
	// Region is where STS is asked.
	Region string
	// Endpoint is asked instead of Amazon's own in that region, unless empty.
	Endpoint string
	// Timeout bounds each request; 0 leaves that to its context.
	Timeout time.Duration
}

// Assume gives the keys of a role, which are asked for with the chain's when
// they are needed.
func (a *Access) Assume(r Role) *KeySource {
	cfg := a.Config.Copy()
	cfg.Region, cfg.HTTPClient = r.Region, a.Carrier.Alone(r.Timeout) // the answer holds a key
	api := sts.NewFromConfig(cfg, func(o *sts.Options) {
		if r.Endpoint != "" {
			o.BaseEndpoint = &r.Endpoint
		}
	})
	source := stscreds.NewAssumeRoleProvider(api, r.ARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		if r.ExternalID != "" {
			o.ExternalID = &r.ExternalID
		}
	})
	cached := sdk.NewCredentialsCache(source, func(o *sdk.CredentialsCacheOptions) { o.ExpiryWindow = renewBefore })
	return &KeySource{source: cached, role: r.ARN, by: a.Chain, log: a.log}
}

// KeySource is one source of keys. It marks its failures, so that they are told from
// those of the request they were wanted for, and remembers by what name the
// source goes.
type KeySource struct {
	source sdk.CredentialsProvider
	role   string     // that it assumes; empty for the chain
	by     *KeySource // whose key assumes the role; nil for the chain
	log    *slog.Logger
	found  atomic.Pointer[string]
}

// Retrieve implements the SDK's CredentialsProvider.
func (s *KeySource) Retrieve(ctx context.Context) (sdk.Credentials, error) {
	c, err := s.source.Retrieve(ctx)
	if err != nil {
		return sdk.Credentials{}, &keyless{role: s.role, sso: sdk.IsCredentialsProvider(s.source, (*ssocreds.Provider)(nil)), err: err}
	}
	if before := s.found.Swap(&c.Source); before == nil || *before != c.Source {
		s.log.DebugContext(ctx, "aws credentials found", "source", c.Source, "role", s.role)
	}
	return c, nil
}

// Origin says where the key comes from, in a clause for a hint: the SDK's name
// for the source, and the role if one is assumed with it.
func (s *KeySource) Origin() string {
	if s.role != "" {
		return "the key comes from assuming " + s.role + ", by one from " + s.by.name()
	}
	return "the key comes from " + s.name()
}

func (s *KeySource) name() string {
	if found := s.found.Load(); found != nil {
		return *found
	}
	return "none"
}

var errNoChain = errors.New("no credentials")

// unloaded says that the shared configuration can't be used.
type unloaded struct{ err error }

func (u *unloaded) Error() string { return "no configuration" }

func (u *unloaded) Unwrap() error { return u.err }

// keyless says that a source gave no credentials.
type keyless struct {
	role string // that could not be assumed; empty for the chain
	sso  bool   // the chain has led to an SSO session
	err  error
}

func (u *keyless) Error() string { return "no credentials" }

func (u *keyless) Unwrap() error { return u.err }
