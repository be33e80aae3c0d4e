package planet

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultBaseURL is where Planet serves the Destinations API.
	DefaultBaseURL = "https://api.planet.com/destinations/v1"
	// MinPatchTimeout is the least time that a modifying call must be given:
	// Planet verifies credentials inside of it, for up to two minutes.
	MinPatchTimeout = 130 * time.Second

	defaultTimeout      = 30 * time.Second
	defaultPatchTimeout = 150 * time.Second
	defaultAttempts     = 5
	defaultBackoff      = 500 * time.Millisecond
	maxBackoff          = 30 * time.Second
	defaultMaxConns     = 64
	defaultUserAgent    = "rotatord-planet-go"
)

// Options configure a [Client]. Only Auth is required.
type Options struct {
	// BaseURL is the API's address, with or without a slash at its end; empty
	// means DefaultBaseURL. It holds no user, query or fragment.
	BaseURL string
	// Auth proves who calls.
	Auth Auth
	// Limiter is the account's, shared by all clients of one account in a
	// process; nil makes one with Planet's documented limit.
	Limiter *Limiter
	// Transport carries the requests; nil makes ones that honour HTTPS_PROXY,
	// HTTP_PROXY and NO_PROXY, RootCAs and MaxConnsPerHost. One of your own
	// that wraps an http.Transport must hand on the request's context, from
	// which the limiter learns when a request was written. One that does not
	// report this (in-memory ones in tests) is taken to write at once.
	Transport http.RoundTripper
	// RootCAs are the certificates to trust; nil means the system's. Only for
	// the client's own transport.
	RootCAs *x509.CertPool
	// Proxy chooses the proxy; nil means the environment. Only for the
	// client's own transport.
	Proxy func(*http.Request) (*url.URL, error)
	// MaxConnsPerHost bounds the connections; 0 means 64. A request that waits
	// for one holds its turn under the rate limit. Only for the client's own
	// transport.
	MaxConnsPerHost int
	// UserAgent is sent with each request; empty means a default.
	UserAgent string
	// Timeout is for one attempt of a GET, and for setting the default; 0
	// means 30 s. Waiting for a turn does not count.
	Timeout time.Duration
	// PatchTimeout is for Modify and Create; 0 means 150 s, less than
	// MinPatchTimeout is refused.
	PatchTimeout time.Duration
	// Attempts bounds how often a GET is tried; 0 means 5.
	Attempts int
	// Backoff is the first wait between two attempts of a GET, which doubles up
	// to 30 s, half of it random; 0 means 500 ms.
	Backoff time.Duration
	// Observer, if set, is told of each attempt. It must be quick and safe for
	// concurrent use.
	Observer func(Observation)
	// Logger takes a debug line an attempt and a warning when Planet throttles;
	// nil means none.
	Logger *slog.Logger
}

// Observation is one attempt, for metrics: its labels are from closed sets.
type Observation struct {
	// Method is the HTTP method.
	Method string
	// Route is the path as a template, "/destinations/v1/{id}".
	Route string
	// Status is the answer's status; 0 if none came.
	Status int
	// Duration is the time from sending to the end of the answer, without the
	// wait for a turn.
	Duration time.Duration
	// Attempt counts from 1.
	Attempt int
	// Kind is empty for success.
	Kind Kind
}

func (o *Options) setDefaults() {
	if o.BaseURL == "" {
		o.BaseURL = DefaultBaseURL
	}
	if o.UserAgent == "" {
		o.UserAgent = defaultUserAgent
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.PatchTimeout == 0 {
		o.PatchTimeout = defaultPatchTimeout
	}
	if o.Attempts == 0 {
		o.Attempts = defaultAttempts
	}
	if o.Backoff == 0 {
		o.Backoff = defaultBackoff
	}
	if o.MaxConnsPerHost == 0 {
		o.MaxConnsPerHost = defaultMaxConns
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

func (o *Options) validate() error {
	var errs []error
	if o.Auth == nil {
		errs = append(errs, errors.New("no Auth: use APIKey(KeyFromEnv(EnvKey)), for instance"))
	}
	if o.Timeout < 0 {
		errs = append(errs, fmt.Errorf("the timeout of %v is negative", o.Timeout))
	}
	if o.PatchTimeout < MinPatchTimeout {
		errs = append(errs, fmt.Errorf("the patch timeout of %v is too short: Planet may verify for two minutes, use %v or more", o.PatchTimeout, MinPatchTimeout))
	}
	if o.Attempts < 0 || o.Backoff < 0 || o.MaxConnsPerHost < 0 {
		errs = append(errs, errors.New("attempts, backoff and connections must not be negative"))
	}
	if strings.ContainsFunc(o.UserAgent, func(r rune) bool { return r < ' ' || r > '~' }) {
		errs = append(errs, errors.New("the user agent holds a control character or one that is not ASCII"))
	}
	if o.Transport != nil && (o.RootCAs != nil || o.Proxy != nil) {
		errs = append(errs, errors.New("RootCAs and Proxy are for the client's own transport: set them on yours"))
	}
	return errors.Join(errs...)
}

func parseBase(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil: // its text would quote the address, and a password in it
		return nil, errors.New("the base URL is not a URL: use one like " + DefaultBaseURL)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return nil, errors.New("the base URL must begin with https:// and a host: use one like " + DefaultBaseURL)
	case u.User != nil:
		return nil, errors.New("the base URL holds a user or password: keys belong into Auth")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("the base URL holds a query or fragment: leave them out")
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/")
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// newTransport makes a transport that reports to httptrace, keeps connections
// to one host within a bound, and notices a dead HTTP/2 connection long before
// a PATCH would time out on it.
func newTransport(o Options) *http.Transport {
	proxy := o.Proxy
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			u, err := proxy(r)
			if err != nil { // its text quotes the address, with its password
				return nil, errors.New("the proxy's address is not a URL: check HTTPS_PROXY and HTTP_PROXY")
			}
			return u, nil
		},
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       50 * time.Second, // below the 60 s of common load balancers
		MaxConnsPerHost:       o.MaxConnsPerHost,
		MaxIdleConnsPerHost:   8,
		DisableCompression:    true, // what is read is what is bounded
		ForceAttemptHTTP2:     true, // a TLS config of one's own turns it off
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 20 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// newPushTransport makes the transport of requests that carry credentials. It
// has a connection of its own for each, closed afterwards. So no buffer of an
// idle connection keeps the bytes, and no PATCH is ever written to a
// connection that the other side has given up meanwhile: nobody could tell
// whether it took effect. At three requests a second a handshake is cheap.
func newPushTransport(o Options) *http.Transport {
	t := newTransport(o)
	t.DisableKeepAlives = true
	return t
}
