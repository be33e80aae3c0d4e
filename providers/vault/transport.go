package vault

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

// maxAnswer bounds what is read of any answer. Vault stores at most 1 MiB under
// a key, unless configured otherwise.
const maxAnswer = 4 << 20

// carrier has the HTTP clients under the SDK. They speak HTTP/1.1: GODEBUG can
// make Go dump HTTP/2 frames, and with them values and tokens.
type carrier struct {
	plain *http.Client
	// value is for answers with a secret: values, and tokens of logins. Each has
	// a connection of its own, so that no buffer of an idle connection keeps
	// the bytes.
	value *http.Client
	close func()
}

func newCarrier(given http.RoundTripper, roots *x509.CertPool) carrier {
	if given != nil {
		c := newHTTPClient(given)
		return carrier{plain: c, value: c, close: func() {}}
	}
	plain, value := newTransport(roots), newTransport(roots)
	value.DisableKeepAlives = true
	return carrier{plain: newHTTPClient(plain), value: newHTTPClient(value), close: plain.CloseIdleConnections}
}

func newTransport(roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy:               proxy,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     50 * time.Second,
		MaxIdleConnsPerHost: 8,
		DisableCompression:  true, // what is read is what is bounded
		Protocols:           new(http.Protocols),
	}
	t.Protocols.SetHTTP1(true)
	return t
}

var errProxy = errors.New("the proxy's address is not a URL; check HTTPS_PROXY and HTTP_PROXY")

func proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if err != nil { // its text quotes the address, with its password
		return nil, errProxy
	}
	return u, nil
}

// newHTTPClient follows no redirect and reads no answer without end.
func newHTTPClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     bounding{t},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounding cuts answers short. A cut one is no JSON, and refused as such.
type bounding struct{ http.RoundTripper }

func (b bounding) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
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
		return "the server's name does not resolve; check the address and DNS"
	case errors.As(err, &record):
		return "the server does not speak TLS; one without TLS is written http://host"
	case errors.As(err, &authority):
		return "the server's certificate comes from an authority that is not trusted here; name it with ca_file"
	case errors.As(err, &hostname):
		return "the server's certificate is for another host name"
	case errors.As(err, &verify):
		return "the server's certificate is not valid; check the clock too"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused; check the address and its port"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to the server"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "no answer came in time"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was cut before the answer was complete"
	}
	return "no answer came that can be read; something else may listen at this address"
}
