package gcs_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/gcs"
)

func TestSilenceIsClassified(t *testing.T) {
	quoting := func(err error) error {
		return &url.Error{Op: "Post", URL: "https://h/?assertion=" + canary, Err: err}
	}
	for _, tc := range []struct {
		name string
		err  error
		want string
	}{
		{"no such host", &net.DNSError{Err: canary, Name: canary, IsNotFound: true}, "its name does not resolve; check the endpoint and DNS"},
		{"DNS is silent", &net.DNSError{Err: canary, IsTimeout: true}, "its name could not be looked up in time; check DNS"},
		{"connection refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "the connection was refused; check the endpoint and its port"},
		{"connection reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, "the connection was reset"},
		{"no route", syscall.ENETUNREACH, "there is no route to it"},
		{"no TLS", tls.RecordHeaderError{Msg: canary}, "it does not speak TLS; an endpoint without TLS is written http://host"},
		{"TLS alert", tls.AlertError(40), "no TLS connection came about"},
		{"cut", io.ErrUnexpectedEOF, "the connection was cut before the answer was complete"},
		{"anything else", errors.New(canary), "no answer came"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, gcs.Options{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, quoting(tc.err) })}, here, aKey(t))
			err := b.Put(t.Context(), "k", nil)
			wantError(t, err, "put object: unreachable: oauth2.googleapis.com: "+tc.want)
			conformance.CheckNoCanary(t, err, canary)
		})
	}
}

// endless is a body without end that counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error { return nil }

func TestNoAnswerIsReadWithoutEnd(t *testing.T) {
	for _, tc := range []struct {
		name   string
		op     bucket.Op
		status int
		most   int
	}{
		{"a download", bucket.OpGet, 206, 8 << 10},
		{"a download that is refused", bucket.OpGet, 403, 1 << 20},
		{"a put", bucket.OpPut, 200, 1 << 20},
		{"a delete", bucket.OpDelete, 503, 1 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			body := &endless{}
			b := open(t, gcs.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "oauth2.googleapis.com" {
					return said{200, nil, granted}.to(r), nil
				}
				resp := said{tc.status, http.Header{"X-Goog-Generation": {"1"}, "Content-Range": {"bytes 0-1023/9000"},
					"Last-Modified": {"Sun, 01 Mar 2026 11:00:00 GMT"}}, ""}.to(r)
				resp.Body = body
				return resp, nil
			})}, here, aKey(t))
			if err := do(t, b, tc.op); (err == nil) != (tc.status == 206) {
				t.Error(err)
			}
			if body.read > tc.most {
				t.Errorf("%d bytes were read", body.read)
			}
		})
	}
}
