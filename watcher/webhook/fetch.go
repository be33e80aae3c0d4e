package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// fetchTimeout bounds each request that an endpoint makes itself.
const fetchTimeout = 5 * time.Second

// newClient follows no redirects: where a request goes is decided here.
func newClient(rt http.RoundTripper) *http.Client {
	if rt == nil {
		rt = http.DefaultTransport
		if t, ok := rt.(*http.Transport); ok {
			rt = t.Clone()
		}
	}
	return &http.Client{
		Transport:     rt,
		Timeout:       fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// get fetches one small document. Its errors hold neither the address nor
// anything that was answered.
func get(ctx context.Context, client *http.Client, address string, most int64) ([]byte, error) {
	// The caller who caused it may hang up; others wait for it as well.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("no request can be made of the address")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, plainly(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, plainly(err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the answer has status %d", resp.StatusCode)
	case int64(len(body)) > most:
		return nil, errors.New("the answer is too long")
	}
	return body, nil
}

// plainly says why a request got no answer, without its address.
func plainly(err error) error {
	var (
		timeout interface{ Timeout() bool }
		dns     *net.DNSError
		op      *net.OpError
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		cert    *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &cert):
		return errors.New("the server's certificate is not accepted")
	case errors.As(err, &dns):
		return fmt.Errorf("the host %s was not found", dns.Name)
	case errors.As(err, &op):
		return fmt.Errorf("no connection: %s", op.Op)
	case errors.Is(err, context.Canceled):
		return context.Canceled
	}
	return errors.New("the request did not succeed")
}
