package azure

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
	"strings"
	"syscall"
	"time"
)

// maxAnswer bounds what is read of any answer: a value has at most 25,000 bytes,
// which JSON may make six times as long.
const maxAnswer = 1 << 20

// carrier has the HTTP clients under the SDK. They speak HTTP/1.1: GODEBUG can
// make Go dump HTTP/2 frames, and with them answers and tokens.
type carrier struct {
	// plain is for answers without secrets.
	plain *http.Client
	// value is for answers with one: values and tokens. Each has a connection of
	// its own, so that no buffer of an idle connection keeps the bytes.
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
		DialContext:         dialer.DialContext,
		Proxy:               proxy,
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

// proxy is that of the environment, but never for the metadata service of the
// machine, which a proxy would answer for a machine of its own.
func proxy(r *http.Request) (*url.URL, error) {
	if ip := net.ParseIP(r.URL.Hostname()); ip != nil && (ip.IsLinkLocalUnicast() || ip.IsLoopback()) {
		return nil, nil
	}
	u, err := http.ProxyFromEnvironment(r)
	if err != nil { // its text quotes the address, with its password
		return nil, errProxy
	}
	return u, nil
}

var (
	errProxy     = errors.New("the proxy's address is not a URL; check HTTPS_PROXY and HTTP_PROXY")
	errElsewhere = errors.New("the answer points to another host, which was not asked")
	errChallenge = errors.New("the answer asks for a token in a way that is not Key Vault's")
)

func newHTTPClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// toVault is the way to one vault, a Transporter of the SDK's.
type toVault struct {
	carrier
	host string
}

// Do implements policy.Transporter.
func (t toVault) Do(r *http.Request) (*http.Response, error) {
	// The SDK follows a link to the next page wherever it leads, with the token.
	if r.URL.Scheme != "https" || !strings.EqualFold(strings.TrimSuffix(r.URL.Host, ":443"), t.host) || r.Host != "" && r.Host != r.URL.Host {
		return nil, &final{errElsewhere}
	}
	client := t.value
	if strings.HasSuffix(r.URL.Path, "/versions") {
		client = t.plain
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized && !wellAsked(resp.Header.Get("WWW-Authenticate")) {
		_ = resp.Body.Close()
		return nil, &final{errChallenge}
	}
	resp.Body = bounded{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// wellAsked tells whether a challenge names its authority by a URL with a path.
// The SDK takes the tenant from there without a look, and panics.
func wellAsked(challenge string) bool {
	for _, part := range strings.Split(challenge, " ") {
		_, authority, ok := strings.Cut(part, "authorization=")
		authority = strings.Trim(authority, `",`)
		if ok && authority != "" && strings.Count(authority, "/") < 3 {
			return false
		}
	}
	return true
}

// final is an error that the SDK does not try again.
type final struct{ err error }

func (f *final) Error() string { return f.err.Error() }

func (f *final) Unwrap() error { return f.err }

// NonRetriable implements the SDK's errorinfo.NonRetriable.
func (*final) NonRetriable() {}

// toEntra is the way to whoever gives tokens.
type toEntra struct{ carrier }

// Do implements policy.Transporter. It notes what went wrong, since the SDK's
// credentials make plain text of it.
func (t toEntra) Do(r *http.Request) (*http.Response, error) {
	resp, err := t.value.Do(r)
	if heard, ok := r.Context().Value(trailKey{}).(*trail); ok {
		heard.err = err
	}
	if err != nil {
		return nil, err
	}
	resp.Body = bounded{io.LimitReader(resp.Body, maxAnswer), resp.Body}
	return resp, nil
}

// trail is how the last request for a token ended. Requests for one token come
// one after the other.
type trail struct{ err error }

type trailKey struct{}

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
	for _, own := range []error{errProxy, errElsewhere, errChallenge} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	switch {
	case errors.As(err, &dns):
		return "the name of the host does not resolve"
	case errors.As(err, &record):
		return "what listens there does not speak TLS"
	case errors.As(err, &authority):
		return "the certificate comes from an authority that is not trusted here"
	case errors.As(err, &hostname):
		return "the certificate is for another host name"
	case errors.As(err, &verify):
		return "the certificate is not valid; check the clock too"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to the host"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "no answer came in time"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the connection was cut before the answer was complete"
	}
	return "no answer came that can be read; something else may listen at this address"
}
