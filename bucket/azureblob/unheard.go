package azureblob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/rotatord/rotatord/bucket"
)

// unheard makes the error of a request that got no answer. A transport's error
// may quote the URL, so only what is known by its type is told, in words of our
// own.
func (c *container) unheard(ctx context.Context, op bucket.Op, err error) *bucket.Error {
	say, cause := silence(ctx, err)
	return &bucket.Error{Op: op, Kind: bucket.KindUnreachable, Message: c.where.host + ": " + say, Err: cause}
}

// silence says why there was no answer, and gives the part of the cause that
// is worth errors.Is.
func silence(ctx context.Context, err error) (say string, cause error) {
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "the request was given up before an answer came", context.Canceled
	case errors.As(err, new(*net.DNSError)):
		return nameless(err)
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
	if say := insecure(err); say != "" {
		return say, nil
	}
	return "no answer came", nil
}

// nameless explains a name that can't be looked up. Azure has no name for an
// account that does not exist, and a private DNS zone that lacks a record gives
// the same for one that does. So it says nothing of the account.
func nameless(err error) (say string, cause error) {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsTimeout {
		return "its name could not be looked up in time; check DNS", context.DeadlineExceeded
	}
	return "its name does not resolve: there is no such storage account, or DNS here does not know it (a private DNS zone without a record, a wrong storage_endpoint_suffix)", nil
}

// insecure explains what is wrong with TLS; empty for anything else.
func insecure(err error) string {
	var (
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &record):
		return "it does not speak TLS; an endpoint without TLS is written http://host"
	case errors.As(err, &authority):
		return "its certificate comes from an authority that is not trusted here"
	case errors.As(err, &hostname):
		return "its certificate is for another host name"
	case errors.As(err, &invalid):
		return "its certificate is expired or not valid for this use; check the clock too"
	case errors.As(err, &verify), errors.As(err, &alert):
		return "no TLS connection came about"
	}
	return ""
}
