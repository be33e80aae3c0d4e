package azure

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rotatord/rotatord/providers"
)

const (
	// retries bounds how often one request is sent again: after throttling, a 5xx,
	// or no answer. The engine has patience of its own.
	retries = 2
	// firstDelay doubles and more: together the two waits take about a second.
	firstDelay = 200 * time.Millisecond
	// applicationID is how requests show up in the vault's logs.
	applicationID = "rotatord"
	// authorityHost names the Entra to ask, where it is set.
	authorityHost = "AZURE_AUTHORITY_HOST"
)

// client gives the client for a vault. It makes one if there is none yet, and
// asks nobody for that.
func (p *Provider) client(n name) (*azsecrets.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.clients[n.host]; c != nil {
		return c, nil
	}
	chain := p.chains[n.domain]
	if chain == nil {
		source, err := p.source(n.domain)
		if err != nil {
			return nil, unmade()
		}
		chain = &link{source: source, log: p.log}
		p.chains[n.domain] = chain
	}
	c, err := azsecrets.NewClient(n.vault(), chain, &azsecrets.ClientOptions{
		ClientOptions: p.clientOptions(toVault{p.carrier, n.host}),
	})
	if err != nil {
		return nil, &problem{reason: providers.ReasonInvalid, err: errors.New("there can be no client for this vault"), hint: howToFind}
	}
	p.clients[n.host] = c
	return c, nil
}

func (p *Provider) clientOptions(t policy.Transporter) azcore.ClientOptions {
	return azcore.ClientOptions{
		Transport: t,
		Retry: policy.RetryOptions{
			MaxRetries: retries, RetryDelay: min(firstDelay, p.options.MaxBackoff), MaxRetryDelay: p.options.MaxBackoff,
		},
		Telemetry: policy.TelemetryOptions{ApplicationID: applicationID},
		// Never what is in a request or an answer, whatever the environment says.
		Logging: policy.LogOptions{IncludeBody: false},
	}
}

// source makes where tokens for the vaults of a domain come from.
func (p *Provider) source(domain string) (azcore.TokenCredential, error) {
	if p.options.Credential != nil {
		return p.options.Credential, nil
	}
	o := p.clientOptions(toEntra{p.carrier})
	if os.Getenv(authorityHost) == "" {
		for _, d := range domains {
			if d.name == domain {
				o.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: d.cloud.ActiveDirectoryAuthorityHost}
			}
		}
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: p.options.DisableInstanceDiscovery,
	})
}

// forget drops all clients and chains, so that the next look builds them anew:
// a certificate that is refused may have been replaced in its file, and a token
// that a vault refuses would be kept until it expires.
func (p *Provider) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.carrier.Close()
	clear(p.clients)
	clear(p.chains)
}

// link is one source of tokens. It marks its failures, so that they are told
// from those of the request they were wanted for.
type link struct {
	source azcore.TokenCredential
	log    *slog.Logger
	works  atomic.Bool
}

// GetToken implements azcore.TokenCredential.
func (l *link) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	heard := &trail{}
	t, err := l.source.GetToken(context.WithValue(ctx, trailKey{}, heard), o)
	if err != nil {
		return azcore.AccessToken{}, &unlinked{tenant: o.TenantID, err: err, heard: heard.err}
	}
	if !l.works.Swap(true) {
		l.log.DebugContext(ctx, "azure credentials found", "tenant", o.TenantID)
	}
	return t, nil
}

// unlinked says that there was no token.
type unlinked struct {
	tenant string // that the vault wants it from
	err    error  // never shown: it may quote the answer, a token included
	heard  error  // why the last request for one was not answered; nil if it was
}

func (u *unlinked) Error() string { return "no token" }

// NonRetriable implements the SDK's errorinfo.NonRetriable: the credential has
// tried again already.
func (*unlinked) NonRetriable() {}

// within gives what f gives, or that ctx has ended. While one request waits for
// a token, the SDK lets all others wait for that one, whatever their contexts
// say; so each call has a goroutine, and who gave up does not wait for it. It
// ends by itself, at the latest with the context of the request it waits for.
func within[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f(ctx)
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
