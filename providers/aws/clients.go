package aws

import (
	"context"
	"net/http"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/rotatord/rotatord/internal/awsclient"
	"github.com/rotatord/rotatord/providers"
)

const (
	// attempts bounds how often one request is sent: after throttling, a 5xx, or
	// no answer. The engine has patience of its own.
	attempts = 3
	// maxAnswer bounds what is read of any answer: a value has at most 64 KiB,
	// which JSON may make six times as long.
	maxAnswer = 1 << 20
	// maxIdle bounds the connections that are kept for DescribeSecret.
	maxIdle = 8
)

// place is what a client is for.
type place struct {
	region string
	role   Role // none if empty
}

// client asks in one place.
type client struct {
	api   *secretsmanager.Client
	keys  *awsclient.KeySource
	value *http.Client
}

// carryValue is an option of one call: its answer holds a value.
func (c *client) carryValue(o *secretsmanager.Options) { o.HTTPClient = c.value }

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
			return nil, explain(ctx, nil, "", err)
		}
		b = loaded
	}
	c = p.connect(b, at)
	p.mu.Lock()
	p.base, p.clients[at] = b, c
	p.mu.Unlock()
	return c, nil
}

// load builds the default chain, which all clients have in common. It makes few
// requests or none; credentials are asked for when they are needed.
func (p *Provider) load(ctx context.Context, region string) (*awsclient.Access, error) {
	return awsclient.Load(ctx, awsclient.Options{
		Region: p.options.Region, DefaultRegion: region,
		Credentials: p.options.Credentials, Retryer: p.retryer,
		Transport: p.options.Transport, MaxAnswer: maxAnswer, MaxIdle: maxIdle,
		Logger: p.log,
	})
}

func (p *Provider) retryer() sdk.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, p.options.MaxBackoff
	})
}

// connect makes the client of a place. A role is asked for in the secret's
// region.
func (p *Provider) connect(b *awsclient.Access, at place) *client {
	cfg, keys := b.Config.Copy(), b.Chain
	cfg.Region = at.region
	if at.role.ARN != "" {
		keys = b.Assume(awsclient.Role{ARN: at.role.ARN, ExternalID: at.role.ExternalID, Region: at.region, Endpoint: p.options.STSEndpoint})
		cfg.Credentials = keys
	}
	api := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) {
		if p.options.Endpoint != "" {
			o.BaseEndpoint = &p.options.Endpoint
		}
	})
	return &client{api: api, keys: keys, value: b.Carrier.Alone(0)}
}

// forget drops all clients and the chain, so that the next look builds them
// anew: a key that AWS refuses may have been replaced in its file.
func (p *Provider) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.base != nil {
		p.base.Carrier.Close()
	}
	p.base = nil
	clear(p.clients)
}
