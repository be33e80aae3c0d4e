package sqs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"
)

const (
	// patience is how long an answer may take beyond what a poll waits.
	patience = 10 * time.Second
	// maxAnswer bounds what is read of any answer: ten messages of 1 MiB each,
	// which JSON may make six times as long.
	maxAnswer = 64 << 20
)

// carrier has the HTTP clients under the SDK. They speak HTTP/1.1: GODEBUG can
// make Go dump HTTP/2 frames, and with them session tokens.
type carrier struct {
	// poll is for receives, which wait; quick for everything else.
	poll, quick *httpClient
	// secret is for keys of assumed roles: each on a connection of its own, so
	// that no buffer of an idle connection keeps them.
	secret *httpClient
	close  func()
}

func newCarrier(given http.RoundTripper, roots *x509.CertPool, wait time.Duration) carrier {
	plain, secret, done := given, given, func() {}
	if given == nil {
		own, alone := newTransport(roots), newTransport(roots)
		alone.DisableKeepAlives = true
		plain, secret, done = own, alone, own.CloseIdleConnections
	}
	return carrier{
		poll: newHTTPClient(plain, wait+patience), quick: newHTTPClient(plain, patience), secret: newHTTPClient(secret, patience),
		close: done,
	}
}

// discreet makes a transport of the SDK's, for the chain, as discreet as ours.
func discreet(t *http.Transport) {
	t.ForceAttemptHTTP2 = false
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.Proxy = proxy
}

func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil { // its text quotes the address, with its password
		return nil, errProxy
	}
	return u, nil
}

func newTransport(roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: patience, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: patience,
		IdleConnTimeout:     50 * time.Second,
		MaxIdleConnsPerHost: 2 * maxOpen,
		DisableCompression:  true, // what is read is what is bounded
	}
	discreet(t)
	return t
}

var errProxy = errors.New("the proxy's address is not a URL; check HTTPS_PROXY and HTTP_PROXY")

// httpClient follows no redirect, waits for no answer without end and reads none
// without end.
type httpClient struct{ http http.Client }

func newHTTPClient(t http.RoundTripper, timeout time.Duration) *httpClient {
	return &httpClient{http.Client{
		Transport:     t,
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do implements the SDK's HTTPClient.
func (c *httpClient) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	resp.Body = bounded{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

type bounded struct {
	io.Reader
	io.Closer
}

// isCut tells whether an answer began and did not end.
func isCut(err error) bool {
	var timeout net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.As(err, &timeout) && timeout.Timeout()
}

// unheard says in fixed words why there was no answer. Causes may quote what
// was sent or received, so that none is passed on as it is.
func unheard(err error) string {
	var (
		dns       *net.DNSError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		verify    *tls.CertificateVerificationError
		timeout   net.Error
	)
	switch {
	case errors.Is(err, errProxy):
		return errProxy.Error()
	case errors.As(err, &dns):
		return "the endpoint's name does not resolve; check the region, the endpoint and DNS"
	case errors.As(err, &record):
		return "the endpoint does not speak TLS; one without TLS is written http://host"
	case errors.As(err, &authority):
		return "the endpoint's certificate comes from an authority that is not trusted here"
	case errors.As(err, &hostname):
		return "the endpoint's certificate is for another host name"
	case errors.As(err, &verify):
		return "the endpoint's certificate is not valid; check the clock too"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused; check the endpoint and its port"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to the endpoint"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "no answer came in time"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was cut before the answer was complete"
	}
	return "no answer came that can be read; something else may listen at this address"
}
