package gcs

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
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// maxAnswer bounds what is read of an answer that is no download.
const maxAnswer = 256 << 10

// reply is an answer that was read. Its status and date are told even when the
// reading did not come to an end.
type reply struct {
	status int
	header http.Header
	body   []byte
	date   time.Time
}

// send makes one attempt and reads at most limit bytes of the answer; zero
// stands for what Get reads of a download, and for maxAnswer of a refusal.
func (b *gcsBucket) send(r *http.Request, limit int64) (reply, error) {
	resp, err := b.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	got := reply{status: resp.StatusCode, header: resp.Header}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		got.date = at
	}
	if limit == 0 {
		limit = maxAnswer
		if resp.StatusCode < 300 {
			limit = bucket.MaxBody
		}
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, limit))
	return got, err
}

// silence makes the error of a request without an answer.
func (b *gcsBucket) silence(ctx context.Context, op bucket.Op, host string, err error) *bucket.Error {
	why, cause := unheard(ctx, err)
	return &bucket.Error{Op: op, Kind: bucket.KindUnreachable, Message: host + ": " + why, Err: cause}
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
		return "its name does not resolve; check the endpoint and DNS", nil
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
