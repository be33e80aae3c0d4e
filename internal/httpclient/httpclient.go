// Package httpclient is what every adapter wants of HTTP, whichever service it
// asks.
//
// Requests of ours carry credentials, and some answers are nothing else. So a
// client made by [New] follows no redirect, which would take a signed request to
// somebody else, and reads no answer without end, however long a server makes
// it. A transport made by [NewTransport] speaks HTTP/1.1 only, since GODEBUG can
// make Go dump HTTP/2 frames, and with them values and tokens; and its errors do
// not quote the proxy's address, which may have a password in it.
//
// When no answer comes, the errors of net, net/http and crypto/tls quote what was
// asked, and what a proxy or a resolver adds to that is anybody's guess. None of
// them should be passed on as it is. [SilenceOf] tells by its type alone what kind
// of silence it was, one of a closed set. The words for it are the adapter's: only
// it knows what the operator calls the thing that is silent, and which setting to
// check.
package httpclient

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// patience is how long a connection may take to be made, and then its TLS.
const patience = 10 * time.Second

// ErrProxy is what a request fails with whose proxy can't be used. Its text may
// be shown.
var ErrProxy = errors.New("the proxy's address is not a URL; check HTTPS_PROXY and HTTP_PROXY")

// Proxy is http.ProxyFromEnvironment with an error that quotes nothing: ErrProxy.
func Proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil { // its text quotes the address, with its password
		return nil, ErrProxy
	}
	return u, nil
}

// MakeDiscreet makes a transport of somebody else's as discreet as ours are.
func MakeDiscreet(t *http.Transport) {
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.Proxy = Proxy
}

// NewTransport makes a transport that trusts roots, nil for the system's, and
// keeps that many idle connections a host.
func NewTransport(roots *x509.CertPool, idle int) *http.Transport {
	dialer := &net.Dialer{Timeout: patience, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: patience,
		IdleConnTimeout:     50 * time.Second,
		MaxIdleConnsPerHost: idle,
		DisableCompression:  true, // what is read is what is bounded
	}
	MakeDiscreet(t)
	return t
}

// New makes a client that follows no redirect and cuts answers after limit
// bytes. A request may take as long as timeout; 0 means that its context alone
// bounds it.
func New(t http.RoundTripper, timeout time.Duration, limit int64) *http.Client {
	return &http.Client{
		Transport:     bounding{t, limit},
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type bounding struct {
	http.RoundTripper
	limit int64
}

func (b bounding) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = bounded{io.LimitReader(resp.Body, b.limit), resp.Body}
	return resp, nil
}

type bounded struct {
	io.Reader
	io.Closer
}
