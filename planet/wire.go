package planet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"sync"
)

// errNoTurn marks an exchange that was broken off because a repetition by the
// transport itself, or the ledger's note of a late write, was not granted.
var errNoTurn = errors.New("no turn under the account's rate limit")

// wire follows one RoundTrip through httptrace.
//
// A RoundTrip can be more than one request: net/http repeats a GET on a new
// connection when the reused one was dead, and the server may have counted
// the first. GotConn comes before each of them, in RoundTrip's own goroutine
// and before anything is written, so a repetition waits there for a turn of
// its own.
type wire struct {
	cancel context.CancelCauseFunc

	mu      sync.Mutex
	flight  *flight
	asked   bool // the transport reports: it asked for a connection
	wrote   bool // it reported a request as written
	tries   int  // connections that it got, each followed by one request
	aborted bool // the only connection was closed before anything was written
}

// trace makes the context to send the request on, from the one that cancel ends.
func (w *wire) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = true
			w.flight.trace()
		},
		GotConn: func(info httptrace.GotConnInfo) { w.gotConn(ctx, info) },
		// On HTTP/1 this comes a moment before the last bytes are handed to the
		// kernel, which takes them at once: a request is far smaller than a
		// socket's buffer. The allowance covers it.
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.wrote = w.wrote || info.Err == nil
			// The event may be a late one of an earlier try. Repetitions are
			// rare: their turns wait for the answer instead.
			if info.Err == nil && w.tries <= 1 {
				w.flight.wrote()
			}
		},
	})
}

func (w *wire) gotConn(ctx context.Context, info httptrace.GotConnInfo) {
	w.mu.Lock()
	w.tries++
	tries, fl := w.tries, w.flight
	w.mu.Unlock()
	var err error
	if tries == 1 {
		// Making the connection may have taken longer than a note is good for.
		err = fl.note(ctx)
	} else {
		fl.end(failed)
		fl, err = relaunch(ctx, fl.limiter)
		if err == nil {
			w.mu.Lock()
			w.flight = fl
			w.mu.Unlock()
		}
	}
	if err == nil {
		return
	}
	// A hook cannot refuse. Without its connection an HTTP/1 request has no way
	// to go; an HTTP/2 connection carries other requests, and there the ended
	// context has to do.
	w.cancel(fmt.Errorf("%w: %w", errNoTurn, err))
	conn, ok := info.Conn.(*tls.Conn)
	if info.Conn == nil || ok && conn.ConnectionState().NegotiatedProtocol == "h2" {
		return
	}
	_ = info.Conn.Close()
	w.mu.Lock()
	w.aborted = tries == 1
	w.mu.Unlock()
}

func relaunch(ctx context.Context, l *Limiter) (*flight, error) {
	turn, err := l.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	turn.spend()
	fl, err := l.launch(ctx, turn)
	if err != nil {
		return nil, err
	}
	fl.trace()
	return fl, nil
}

func (w *wire) end(how ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flight.end(how)
}

// surelyUnsent tells whether no byte of a request can have left. A transport
// that reports is believed: no connection, no request. (Name resolution,
// dialling, the TLS handshake and a proxy's refusal all come before.) Of
// others only the errors of connecting are proof.
func (w *wire) surelyUnsent(err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.wrote:
		return false
	case w.asked:
		return w.tries == 0 || w.aborted
	}
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" || isCertificate(err)
}

func isTLS(err error) bool {
	var record tls.RecordHeaderError
	var alert tls.AlertError
	return isCertificate(err) || errors.As(err, &record) || errors.As(err, &alert)
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid)
}
