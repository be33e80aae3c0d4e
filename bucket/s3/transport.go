package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// maxAnswer bounds what is read of any answer. The SDK reads an error's body
// to its end, however long a server makes it.
const maxAnswer = 256 << 10

// newClient makes the HTTP client under the SDK: no redirect is followed and
// no answer is read without end.
func newClient(t http.RoundTripper) *client {
	return &client{http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type client struct{ http http.Client }

// Do implements the SDK's HTTPClient.
func (c *client) Do(r *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	limit := int64(maxAnswer)
	if resp.StatusCode == http.StatusOK && r.URL.Query().Has("versions") {
		limit = maxVersions
	}
	resp.Body = bounded{io.LimitReader(resp.Body, limit), resp.Body}
	return resp, nil
}

type bounded struct {
	io.Reader
	io.Closer
}

// unheard says in fixed words why there was no answer, and gives the part of
// the cause that is worth errors.Is. Causes come wrapped with the request's
// URL, so none is passed on as it is.
func unheard(ctx context.Context, err error) (why string, cause error) {
	var (
		dns       *net.DNSError
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		alert     tls.AlertError
		timeout   net.Error
	)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "the request was given up before an answer came", context.Canceled
	case errors.As(err, &dns):
		if dns.IsTimeout {
			return "its name could not be looked up in time; check DNS", context.DeadlineExceeded
		}
		return "its name does not resolve; check the endpoint, the region and DNS", nil
	case errors.As(err, &record):
		return "it does not speak TLS; an endpoint without TLS is written http://host", nil
	case errors.As(err, &authority):
		return "its certificate comes from an authority that is not trusted here", nil
	case errors.As(err, &hostname):
		return "its certificate is for another host name", nil
	case errors.As(err, &invalid):
		return "its certificate is expired or not valid for this use; check the clock too", nil
	case errors.As(err, &verify), errors.As(err, &alert):
		return "no TLS connection came about", nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused; check the endpoint and its port", syscall.ECONNREFUSED
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset", syscall.ECONNRESET
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to it", syscall.EHOSTUNREACH
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "no answer came in time", context.DeadlineExceeded
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was cut before the answer was complete", io.ErrUnexpectedEOF
	}
	return "no answer came", nil
}
