package google

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// isNetwork tells whether a request over HTTP got no answer.
func isNetwork(err error) bool {
	var (
		op *net.OpError
		u  *url.Error
	)
	return errors.As(err, &op) || errors.As(err, &u)
}

// unheard says in fixed words why there was no answer. gRPC gives its causes as
// text only, which may quote what was sent or received, and a proxy's address
// with its password; so it is looked at and not passed on.
func unheard(said string) string {
	for _, c := range []struct{ mark, words string }{
		{"certificate signed by unknown authority", "the endpoint's certificate comes from an authority that is not trusted here"},
		{"certificate is not trusted", "the endpoint's certificate comes from an authority that is not trusted here"},
		{"certificate is valid for", "the endpoint's certificate is for another host name"},
		{"cannot validate certificate", "the endpoint's certificate is for another host name"},
		{"certificate has expired", "the endpoint's certificate is not valid; check the clock too"},
		{"first record does not look like a TLS handshake", "the endpoint does not speak TLS"},
		{"authentication handshake failed", "there is no secure connection to the endpoint"},
		{"no such host", "the endpoint's name does not resolve; check the location, the endpoint and DNS"},
		{"server misbehaving", "the endpoint's name does not resolve; check the location, the endpoint and DNS"},
		{"connection refused", "the connection was refused; check the endpoint and its port"},
		{"connection reset", "the connection was reset"},
		{"broken pipe", "the connection was reset"},
		{"no route to host", "there is no route to the endpoint"},
		{"network is unreachable", "there is no route to the endpoint"},
		{"proxy", "the proxy does not lead to the endpoint; check HTTPS_PROXY"},
		{"i/o timeout", "no answer came in time"},
		{"deadline exceeded", "no answer came in time"},
		{"EOF", "the connection was cut before the answer was complete"},
		{"closed", "the connection was cut before the answer was complete"},
	} {
		if strings.Contains(said, c.mark) {
			return c.words
		}
	}
	return "no answer came that can be read, or the service is not available for the moment"
}
