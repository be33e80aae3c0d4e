package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Silence is why a request got no answer. The set is closed.
type Silence string

// The kinds of silence.
const (
	BadProxy         Silence = "bad_proxy"         // ErrProxy
	NoName           Silence = "no_name"           // the host's name does not resolve
	NameTimeout      Silence = "name_timeout"      // DNS did not answer in time
	NoTLS            Silence = "no_tls"            // what listens there does not speak TLS
	UnknownAuthority Silence = "unknown_authority" // nobody here trusts who signed the certificate
	OtherHost        Silence = "other_host"        // the certificate is for another name
	Expired          Silence = "expired"           // the certificate is expired, or not valid for this use
	Unverified       Silence = "unverified"        // anything else is wrong with the certificate
	Alert            Silence = "alert"             // the other side has ended the TLS handshake
	Refused          Silence = "refused"           // nobody listens there
	Reset            Silence = "reset"             // the connection was reset
	NoRoute          Silence = "no_route"          // there is no way to the host or its network
	Timeout          Silence = "timeout"           // no answer came in time
	Cut              Silence = "cut"               // the connection was closed before the answer was complete
	Unknown          Silence = "unknown"           // none of these
)

// SilenceOf tells why a request got no answer, by types alone. Whether its sender
// has given up is for the sender to see, by the context.
func SilenceOf(err error) Silence {
	if tls := ofTLS(err); tls != "" {
		return tls
	}
	var (
		dns     *net.DNSError
		timeout net.Error
	)
	switch {
	case errors.Is(err, ErrProxy):
		return BadProxy
	case errors.As(err, &dns):
		if dns.IsTimeout {
			return NameTimeout
		}
		return NoName
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return NoRoute
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Cut
	}
	return Unknown
}

// ofTLS tells what is wrong with TLS; empty for anything else.
func ofTLS(err error) Silence {
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
		return NoTLS
	case errors.As(err, &authority):
		return UnknownAuthority
	case errors.As(err, &hostname):
		return OtherHost
	case errors.As(err, &invalid):
		return Expired
	case errors.As(err, &verify):
		return Unverified
	case errors.As(err, &alert):
		return Alert
	}
	return ""
}

// Cause is the part of an error that is worth errors.Is; nil where there is none.
func (s Silence) Cause() error {
	switch s {
	case NameTimeout, Timeout:
		return context.DeadlineExceeded
	case Refused:
		return syscall.ECONNREFUSED
	case Reset:
		return syscall.ECONNRESET
	case NoRoute:
		return syscall.EHOSTUNREACH
	case Cut:
		return io.ErrUnexpectedEOF
	}
	return nil
}
