package azure

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/httpclient"
	"github.com/rotatord/rotatord/providers"
)

const (
	opCurrent = "read current version of"
	opRead    = "read"

	defaultMaxBackoff = time.Second
)

// Options say how a Provider works. The zero Options are right for most.
type Options struct {
	// Credential is used in place of DefaultAzureCredential.
	Credential azcore.TokenCredential
	// DisableInstanceDiscovery keeps DefaultAzureCredential from asking Microsoft
	// about the authority in AZURE_AUTHORITY_HOST first: for clouds that are cut
	// off, where that authority is known to be right.
	DisableInstanceDiscovery bool
	// RootCAs are who may vouch for Key Vault and Entra, where a proxy looks into
	// TLS say; nil means the system's.
	RootCAs *x509.CertPool
	// Transport carries all requests; nil means transports of the Provider's own,
	// which honour HTTPS_PROXY and NO_PROXY.
	Transport http.RoundTripper
	// MaxBackoff bounds the wait before a request is tried again; 0 means a
	// second. Who is asked to wait longer by a Retry-After gives up instead.
	MaxBackoff time.Duration
	// Mark is the name of the tag that Mark sets; empty means "rotatord-accepted".
	Mark string
	// Logger is told that there are credentials; nil means none.
	Logger *slog.Logger
}

// Provider reads secrets from Key Vault. It implements providers.Provider.
type Provider struct {
	options Options
	log     *slog.Logger
	carrier *httpclient.Carrier

	mu      sync.Mutex
	chains  map[string]*link             // by domain
	clients map[string]*azsecrets.Client // by host
	known   map[place]known
	settled map[place]settled
}

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Follower = (*Provider)(nil)
	_ providers.Namer    = (*Provider)(nil)
)

// New makes a Provider. It reads no file and no environment and asks nobody.
func New(o Options) (*Provider, error) {
	if o.MaxBackoff < 0 {
		return nil, errors.New("make azure provider: the MaxBackoff is negative; leave it 0 for a second")
	}
	if o.Transport != nil && o.RootCAs != nil {
		return nil, errors.New("make azure provider: there is a Transport, which has root certificates of its own, so that RootCAs would not be used")
	}
	if o.Mark == "" {
		o.Mark = defaultMark
	}
	if !marks.MatchString(o.Mark) {
		return nil, errors.New("make azure provider: the Mark is no name of a tag: up to 256 letters, digits and ._-")
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = defaultMaxBackoff
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Provider{
		options: o, log: o.Logger, carrier: httpclient.NewCarrier(httpclient.CarrierOptions{
			Transport: o.Transport, Roots: o.RootCAs, Proxy: proxy, MaxIdle: maxIdle, MaxAnswer: maxAnswer,
		}),
		chains: map[string]*link{}, clients: map[string]*azsecrets.Client{}, known: map[place]known{}, settled: map[place]settled{},
	}, nil
}

// Kind is the Provider's entry in the program's list. It may be asked of a nil
// Provider, by who wants to know names only.
func (p *Provider) Kind() providers.Kind {
	return providers.Kind{Name: "azure", Matches: isVault, Example: example, Provider: p}
}

// Close ends connections that nobody uses any more. The Provider goes on to
// work.
func (p *Provider) Close() { p.carrier.Close() }

// open takes a name apart and finds the client for it.
func (p *Provider) open(ctx context.Context, s credential.Secret) (name, *azsecrets.Client, error) {
	n, err := unpinned(s)
	if err != nil {
		return name{}, nil, err
	}
	if err := ctx.Err(); err != nil {
		return name{}, nil, &problem{reason: providers.ReasonUnavailable, err: err}
	}
	c, err := p.client(n)
	return n, c, err
}

// Current implements providers.Provider: one list of versions.
func (p *Provider) Current(ctx context.Context, s credential.Secret) (credential.Version, error) {
	v, _, err := p.look(ctx, s, providers.Hint{})
	return v, err
}

// look is Current that also tells whether the answer has heard of a hint.
func (p *Provider) look(ctx context.Context, s credential.Secret, hint providers.Hint) (_ credential.Version, heard bool, _ error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return credential.Version{}, false, asError(opCurrent, s, err)
	}
	l, err := p.settledList(ctx, c, n)
	if err != nil {
		return credential.Version{}, false, asError(opCurrent, s, err)
	}
	k := p.answer(n, l)
	heard = l.has(hint.Version) || strings.EqualFold(k.newest, hint.Version) ||
		!hint.Time.IsZero() && k.created.After(hint.Time.Add(2*time.Second))
	if k.err != nil {
		return credential.Version{}, heard, asError(opCurrent, s, k.err)
	}
	return k.version, heard, nil
}

// lags are the waits between the questions of CurrentAfter.
var lags = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second}

// CurrentAfter implements providers.Follower: it asks again until the list has
// the version of the hint, whatever its state, or one that was made after the
// hint, for some eight seconds, and then says what it sees.
func (p *Provider) CurrentAfter(ctx context.Context, s credential.Secret, hint providers.Hint) (credential.Version, error) {
	v, heard, err := p.look(ctx, s, hint)
	for _, lag := range lags {
		if heard || !mayLag(err) {
			break
		}
		timer := time.NewTimer(lag)
		select {
		case <-ctx.Done():
			timer.Stop()
			return credential.Version{}, asError(opCurrent, s, &problem{reason: providers.ReasonUnavailable, err: ctx.Err()})
		case <-timer.C:
		}
		v, heard, err = p.look(ctx, s, hint)
	}
	return v, err
}

// mayLag tells whether an answer may come from a replica that is behind: a
// version, or that a new secret is not there.
func mayLag(err error) bool {
	switch providers.ReasonOf(err) {
	case "", providers.ReasonNotFound, providers.ReasonDisabled:
		return true
	}
	return false
}

// Same implements providers.Namer: with or without a version, whatever the case
// of host and name. A configured name that is refused for its version is not
// the same as any.
func (p *Provider) Same(configured, named credential.Secret) bool {
	a, err := unpinned(configured)
	if err != nil {
		return false
	}
	b, err := parse(named)
	return err == nil && a.is(b)
}

// Read implements providers.Provider: one get of that version.
func (p *Provider) Read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	v, err := p.read(ctx, s, version)
	if err != nil {
		return credential.Value{}, asError(opRead, s, err)
	}
	return v, nil
}

func (p *Provider) read(ctx context.Context, s credential.Secret, version string) (credential.Value, error) {
	n, c, err := p.open(ctx, s)
	if err != nil {
		return credential.Value{}, err
	}
	// Nor would the SDK ask for an empty version: that reads whatever is newest by
	// then.
	if !versionIDs.MatchString(version) {
		return credential.Value{}, &problem{reason: providers.ReasonGone, err: errors.New("Key Vault has no version ids like this one")}
	}
	out, err := within(ctx, func(ctx context.Context) (azsecrets.GetSecretResponse, error) {
		return c.GetSecret(ctx, n.secret, version, nil)
	})
	if err != nil {
		return credential.Value{}, p.whyUnread(ctx, c, n, version, p.because(ctx, n, opGet, err))
	}
	return valueOf(n, version, out)
}

// valueOf takes the value out of an answer, after looking whose it is.
func valueOf(n name, version string, out azsecrets.GetSecretResponse) (credential.Value, error) {
	var of name
	var err error
	if out.ID != nil {
		of, err = parse(credential.Secret(*out.ID))
	}
	switch {
	case out.ID == nil, err != nil, !n.is(of), !strings.EqualFold(of.version, version):
		return credential.Value{}, misplaced("the answer is about another secret or version")
	case out.Value == nil || *out.Value == "":
		return credential.Value{}, &problem{reason: providers.ReasonInvalid, err: errors.New("this version holds no value"),
			hint: "set a new version with a value"}
	}
	return credential.NewValue([]byte(*out.Value)), nil
}

// whyUnread tells a version that is gone from a secret that is, which Key Vault
// words alike, and a version that was disabled from a secret without another:
// it lists once more.
func (p *Provider) whyUnread(ctx context.Context, c *azsecrets.Client, n name, version string, why *problem) error {
	if why.reason != providers.ReasonNotFound && why.reason != providers.ReasonDisabled {
		return why
	}
	gone := &problem{reason: providers.ReasonGone, err: fmt.Errorf("this version can't be read any more: %w", why.err), hint: "another version is current by now"}
	l, err := p.list(ctx, c, n)
	if err == nil {
		v, current := l.current(time.Now())
		switch {
		case why.reason == providers.ReasonNotFound:
			gone.hint = ""
			return gone
		case current == nil && !strings.EqualFold(v.ID, version):
			return gone
		}
		return why
	}
	var other *problem
	switch {
	case !errors.As(err, &other):
		return why
	case other.reason == providers.ReasonNotFound || other.reason == providers.ReasonDisabled:
		return why
	case other.reason == providers.ReasonDenied:
		// Who may get and not list: a version that was named once is what is asked.
		if why.reason == providers.ReasonNotFound {
			gone.hint = ""
			return gone
		}
		return why
	}
	return other
}
