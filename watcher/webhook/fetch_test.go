package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whoever stands between rotatord and SNS has a certificate, but not that of
// SNS.
func TestTheConnectionToSNSIsVerified(t *testing.T) {
	asked := false
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	trusting := x509.NewCertPool()
	trusting.AddCert(server.Certificate())
	for name, roots := range map[string]*x509.CertPool{"of an unknown authority": nil, "of another name": trusting} {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
			},
		}
		_, err := get(t.Context(), newClient(transport), "https://"+snsHost+certFile, maxCertificate)
		if err == nil || !strings.Contains(err.Error(), "certificate is not accepted") {
			t.Errorf("a certificate %s: %v", name, err)
		}
		s := amazon(t, func(o *SNSOptions) { o.Transport = transport })
		s.expect(t, s.call(fromSNS(t, sign(t, keyPair(), notification()))), 503, RefusedKeys)
	}
	if asked {
		t.Error("a request was sent over a connection that is not to SNS")
	}
	if transport, ok := newClient(nil).Transport.(*http.Transport); !ok || transport.TLSClientConfig != nil && transport.TLSClientConfig.InsecureSkipVerify {
		t.Error("the transport that is used unless set verifies nothing")
	}
}

func TestErrorsHoldNoAddress(t *testing.T) {
	const secret = "a-token-in-the-query"
	for _, address := range []string{"http://127.0.0.1:1/?" + secret, "::" + secret, "gopher://127.0.0.1/" + secret} {
		_, err := get(t.Context(), newClient(&http.Transport{}), address, 10)
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", address, err)
		}
	}
}
