package vault

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/httpclient"
	"github.com/rotatord/rotatord/providers"
)

const (
	opCurrent = "read current version of"
	opRead    = "read"
)

// Options say how a Provider works. At most one of Token, TokenFile and
// Kubernetes is set. The zero Options make a Provider that says, when it is
// asked, that it has no address.
type Options struct {
	// Address is the server's, "https://vault.example.com:8200". Nothing stands
	// in for it when it is empty: who has VAULT_ADDR hands it over.
	Address string
	// Namespace is sent with each request, "platform/team-a"; empty, none is.
	Namespace string
	// Token is a token that somebody else keeps alive.
	Token credential.Value
	// TokenFile holds such a token, the sink of an agent say. It is read for
	// each request, so that a changed one counts at once.
	TokenFile string
	// Kubernetes logs in with a service account's token.
	Kubernetes *Kubernetes
	// RootCAs are who may vouch for the server; nil means the system's.
	RootCAs *x509.CertPool
	// Transport carries all requests, with root certificates of its own; nil
	// means transports of the Provider's own, which honour HTTPS_PROXY and
	// NO_PROXY.
	Transport http.RoundTripper
	// Mark is the key of the custom metadata that Mark writes; empty means
	// "rotatord-accepted".
	Mark string
	// Logger is told of logins; nil means none.
	Logger *slog.Logger
}

// Kubernetes is a login through Vault's auth method of that name.
type Kubernetes struct {
	// Role is what to log in as.
	Role string
	// Mount is where the auth method is mounted; empty means "kubernetes".
	Mount string
	// JWTFile holds the service account's token; empty means where Kubernetes
	// puts it. It is read for each login: the kubelet replaces it.
	JWTFile string
}

const defaultJWTFile = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path

// Provider reads secrets from Vault or OpenBao. It implements
// providers.Provider.
type Provider struct {
	identity identity
	plain    *api.Client // for answers without secrets; nil without an address
	value    *api.Client // for those with one
	marked   string      // the key that Mark writes
	close    func()

	mu    sync.Mutex
	known map[credential.Secret]known
}

// known is the newest answer about a secret, and when it came.
type known struct {
	look look
	at   time.Time
}

var (
	_ providers.Provider = (*Provider)(nil)
	_ providers.Follower = (*Provider)(nil)
	_ providers.Checker  = (*Provider)(nil)
)

// New makes a Provider. It asks nobody. What the SDK would take from VAULT_…
// variables does not count, but the SDK looks at them: one that makes no sense
// is an error.
func New(o Options) (*Provider, error) {
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("make vault provider: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Provider{identity: nobody{}, close: func() {}, known: map[credential.Secret]known{}, marked: cmp.Or(o.Mark, defaultMark)}
	if o.Address != "" {
		c := httpclient.NewCarrier(httpclient.CarrierOptions{Transport: o.Transport, Roots: o.RootCAs, MaxIdle: maxIdle, MaxAnswer: maxAnswer})
		p.close = c.Close
		var err error
		if p.plain, err = newClient(o, c.Kept(0)); err == nil {
			p.value, err = newClient(o, c.Alone(0))
		}
		if err != nil {
			return nil, fmt.Errorf("make vault provider: %w", err)
		}
	}
	switch {
	case o.Kubernetes != nil:
		p.identity = newLogin(*o.Kubernetes, p.value, o.Logger)
	case o.TokenFile != "":
		p.identity = tokenFile(o.TokenFile)
	case !o.Token.Empty():
		p.identity = fixed{o.Token}
	}
	return p, nil
}

func (o Options) validate() error {
	var errs []error
	if o.Address != "" {
		u, err := url.Parse(o.Address)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			// Not quoted: there may be a password in it.
			errs = append(errs, errors.New("the Address is no plain address like https://vault.example.com:8200"))
		}
	}
	if strings.ContainsFunc(o.Namespace, func(r rune) bool { return r <= ' ' || r > '~' }) {
		errs = append(errs, errors.New("the Namespace has a character that no namespace has"))
	}
	if o.Mark != "" && !marks.MatchString(o.Mark) {
		errs = append(errs, errors.New("the Mark is no key of custom metadata: up to 128 letters, digits and ._-"))
	}
	given := 0
	for _, is := range []bool{!o.Token.Empty(), o.TokenFile != "", o.Kubernetes != nil} {
		if is {
			given++
		}
	}
	if given > 1 {
		errs = append(errs, errors.New("more than one of Token, TokenFile and Kubernetes is given"))
	}
	if o.Transport != nil && o.RootCAs != nil {
		errs = append(errs, errors.New("a Transport has root certificates of its own, so that RootCAs would not be used"))
	}
	if k := o.Kubernetes; k != nil {
		if k.Role == "" {
			errs = append(errs, errors.New("the Role to log in as is missing"))
		}
		if k.Mount != "" && segments(strings.Split(k.Mount, "/")) != nil {
			errs = append(errs, errors.New("the Mount of the auth method is no path like kubernetes"))
		}
	}
	return errors.Join(errs...)
}

// Kind is the Provider's entry in the program's list. It may be asked of a nil
// Provider, by who wants to know names only.
func (p *Provider) Kind() providers.Kind {
	return providers.Kind{Name: "vault", Matches: isName, Example: example, Provider: p}
}

// Close ends connections that nobody uses any more. The Provider goes on to
// work. A token of a login is not revoked: its lease ends it.
func (p *Provider) Close() { p.close() }
