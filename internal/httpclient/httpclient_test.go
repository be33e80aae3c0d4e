package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestSilenceIsToldByTypes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		want  Silence
		cause error
	}{
		{"no proxy", ErrProxy, BadProxy, nil},
		{"no such host", &net.DNSError{Name: "canary", IsNotFound: true}, NoName, nil},
		{"a name server that is silent", &net.DNSError{Name: "canary", IsTimeout: true}, NameTimeout, context.DeadlineExceeded},
		{"no TLS", tls.RecordHeaderError{Msg: "canary"}, NoTLS, nil},
		{"a strange authority", x509.UnknownAuthorityError{}, UnknownAuthority, nil},
		{"a strange authority, as crypto/tls says it", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, UnknownAuthority, nil},
		{"another host", x509.HostnameError{Host: "canary"}, OtherHost, nil},
		{"an old certificate", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, Expired, nil},
		{"a certificate that can't be read", &tls.CertificateVerificationError{Err: errors.New("canary")}, Unverified, nil},
		{"a client that is not wanted", &net.OpError{Op: "remote error", Err: tls.AlertError(40)}, Alert, nil},
		{"nobody listens", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, Refused, syscall.ECONNREFUSED},
		{"a reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, Reset, syscall.ECONNRESET},
		{"a broken pipe", syscall.EPIPE, Reset, syscall.ECONNRESET},
		{"no route to a host", syscall.EHOSTUNREACH, NoRoute, syscall.EHOSTUNREACH},
		{"no route to a network", syscall.ENETUNREACH, NoRoute, syscall.EHOSTUNREACH},
		{"no time left", context.DeadlineExceeded, Timeout, context.DeadlineExceeded},
		{"a connection without time", os.ErrDeadlineExceeded, Timeout, context.DeadlineExceeded},
		{"an answer that is cut", io.ErrUnexpectedEOF, Cut, io.ErrUnexpectedEOF},
		{"no answer at all", io.EOF, Cut, io.ErrUnexpectedEOF},
		{"anything else", errors.New("canary"), Unknown, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := SilenceOf(&url.Error{Op: "Get", URL: "https://h/?canary", Err: fmt.Errorf("wrapped: %w", tt.err)})
			if s != tt.want || s.Cause() != tt.cause { //nolint:errorlint // the very values
				t.Errorf("got %s with %v, want %s with %v", s, s.Cause(), tt.want, tt.cause)
			}
		})
	}
}

func TestAClientFollowsNothingAndReadsNoMoreThanItMay(t *testing.T) {
	var protocols []string
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protocols = append(protocols, r.Proto)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusTemporaryRedirect)
		_, _ = io.WriteString(w, "12345678")
	}))
	s.EnableHTTP2 = true // on offer
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	for limit, want := range map[int64]string{3: "123", 8: "12345678", 9: "12345678"} {
		transport := NewTransport(roots, 1)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := New(transport, 0, limit).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || string(body) != want || resp.StatusCode != http.StatusTemporaryRedirect {
			t.Errorf("limit %d: %d %q, %v", limit, resp.StatusCode, body, err)
		}
		resp.Body.Close()
		transport.CloseIdleConnections()
	}
	if got := strings.Join(protocols, " "); got != "HTTP/1.1 HTTP/1.1 HTTP/1.1" {
		t.Errorf("asked by %s", got)
	}
}

func TestAnswersWithSecretsHaveConnectionsOfTheirOwn(t *testing.T) {
	var mu sync.Mutex
	var from []string
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		from = append(from, r.RemoteAddr)
	}))
	defer s.Close()
	c := NewCarrier(CarrierOptions{MaxIdle: 1, MaxAnswer: 8})
	defer c.Close()
	for _, client := range []*http.Client{c.Kept(0), c.Kept(time.Minute), c.Alone(0), c.Alone(0)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	if len(from) != 4 || from[0] != from[1] || from[2] == from[1] || from[3] == from[2] {
		t.Errorf("connections from %v", from)
	}
}

func TestACarrierTakesWhatItIsGiven(t *testing.T) {
	none := errors.New("canary")
	given := NewCarrier(CarrierOptions{MaxAnswer: 1, Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, none })})
	defer given.Close()
	proxied := NewCarrier(CarrierOptions{MaxAnswer: 1, Proxy: func(*http.Request) (*url.URL, error) { return nil, none }})
	defer proxied.Close()
	for name, c := range map[string]*http.Client{"kept": given.Kept(0), "alone": given.Alone(0), "kept by proxy": proxied.Kept(0), "alone by proxy": proxied.Alone(0)} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(r)
		if err == nil {
			resp.Body.Close()
		}
		if !errors.Is(err, none) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAClientWaitsNoLongerThanItMay(t *testing.T) {
	hangs := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://h", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := New(hangs, time.Millisecond, 1).Do(r)
	if err == nil {
		resp.Body.Close()
	}
	if got := SilenceOf(err); got != Timeout {
		t.Errorf("%s: %v", got, err)
	}
}

func TestAProxyThatCantBeUsedIsNotQuoted(t *testing.T) {
	if os.Getenv("REQUEST_METHOD") != "" { // the other process, which looks like one of CGI's
		_, err := Proxy(&http.Request{URL: &url.URL{Scheme: "http", Host: "example.com"}})
		if !errors.Is(err, ErrProxy) || err.Error() != ErrProxy.Error() {
			t.Error("an error of its own is missing")
		}
		return
	}
	if u, err := Proxy(&http.Request{URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}); u != nil || err != nil {
		t.Errorf("a proxy for this machine: %v, %v", u, err)
	}
	again(t, "REQUEST_METHOD=GET", "HTTP_PROXY=http://user:canary@proxy")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// again runs the test that calls it in a process with another environment.
func again(t *testing.T, environment ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), environment...)
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "canary") {
		t.Errorf("%v\n%s", err, out)
	}
}
