package httpclient

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"time"
)

// CarrierOptions say what a Carrier is made of.
type CarrierOptions struct {
	// Transport carries everything; nil means transports of our own.
	Transport http.RoundTripper
	// Roots are who is trusted; nil for the system's.
	Roots *x509.CertPool
	// Proxy is asked instead of Proxy of this package, unless nil.
	Proxy func(*http.Request) (*url.URL, error)
	// MaxIdle bounds the connections that are kept, a host.
	MaxIdle int
	// MaxAnswer bounds what is read of an answer, in bytes. Required.
	MaxAnswer int64
}

// Carrier makes the clients under an SDK, for answers with secrets and for those
// without.
type Carrier struct {
	kept, alone http.RoundTripper
	limit       int64
	done        func()
}

// NewCarrier makes a Carrier. It connects to nothing.
func NewCarrier(o CarrierOptions) *Carrier {
	if o.Transport != nil {
		return &Carrier{kept: o.Transport, alone: o.Transport, limit: o.MaxAnswer, done: func() {}}
	}
	kept, alone := NewTransport(o.Roots, o.MaxIdle), NewTransport(o.Roots, o.MaxIdle)
	alone.DisableKeepAlives = true
	if o.Proxy != nil {
		kept.Proxy, alone.Proxy = o.Proxy, o.Proxy
	}
	return &Carrier{kept: kept, alone: alone, limit: o.MaxAnswer, done: kept.CloseIdleConnections}
}

// Kept gives a client for answers without secrets, whose connections are kept
// for the next request. A request may take as long as timeout; 0 means that its
// context alone bounds it.
func (c *Carrier) Kept(timeout time.Duration) *http.Client { return New(c.kept, timeout, c.limit) }

// Alone gives a client for answers with a secret: each has a connection of its
// own, so that no buffer of an idle connection keeps the bytes.
func (c *Carrier) Alone(timeout time.Duration) *http.Client { return New(c.alone, timeout, c.limit) }

// Close ends connections that nobody uses any more. The clients go on to work.
func (c *Carrier) Close() { c.done() }
