package planettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"syscall"
	"time"
)

// RoundTripper is a transport that brings requests to the simulator without a
// socket, whatever their host. It behaves as a network where a client can
// tell: see the package comment. Its network's delays are [Behaviour.Network].
func (s *Simulator) RoundTripper() http.RoundTripper { return &transport{s} }

type transport struct{ s *Simulator }

// outcome is what comes back over the wire.
type outcome struct {
	response *http.Response
	err      error
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := takeBody(r)
	if err != nil {
		return nil, fmt.Errorf("read the request body: %w", err)
	}
	ctx := r.Context()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	trace := httptrace.ContextClientTrace(ctx)
	if trace != nil && trace.WroteHeaders != nil {
		trace.WroteHeaders()
	}
	if trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	done := make(chan outcome, 1)
	out, back := t.s.legs(r)
	t.s.group.run(func(life context.Context) {
		done <- t.carry(life, r, body, out, back)
	})
	select {
	case o := <-done:
		if o.response != nil {
			o.response.Request = r
			if trace != nil && trace.GotFirstResponseByte != nil {
				trace.GotFirstResponseByte()
			}
		}
		return o.response, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// takeBody reads and closes the body, as a RoundTripper must.
func takeBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	body, err := io.ReadAll(r.Body)
	return body, errors.Join(err, r.Body.Close())
}

// legs draws how long a request and its answer are under way.
func (s *Simulator) legs(r *http.Request) (out, back time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.behaviour.Network
	dice := s.dice("network", r.Method, r.URL.Path)
	span := float64(n.Max - n.Min)
	return n.Min + time.Duration(span*dice.Float64()), n.Min + time.Duration(span*dice.Float64())
}

// carry brings a request to the handler and its answer back. A request that
// is under way arrives, whether or not its sender still waits.
func (t *transport) carry(life context.Context, r *http.Request, body []byte, out, back time.Duration) outcome {
	if pause(life, out) != nil {
		return outcome{nil, errClosed}
	}
	// The server learns that the client hung up, as it would from a socket.
	ctx, cancel := context.WithCancel(life)
	defer cancel()
	defer context.AfterFunc(r.Context(), cancel)()
	w := &memoryWriter{header: http.Header{}}
	t.serve(w, serverSide(ctx, r, body))
	if pause(life, back) != nil {
		return outcome{nil, errClosed}
	}
	return w.outcome(r.Method)
}

var errClosed = errors.New("planettest: the simulator was closed")

// serverSide is the request as a server would have parsed it.
func serverSide(ctx context.Context, r *http.Request, body []byte) *http.Request {
	in := r.Clone(ctx)
	in.Body = io.NopCloser(bytes.NewReader(body))
	in.ContentLength = int64(len(body))
	in.RequestURI = r.URL.RequestURI()
	in.RemoteAddr = "127.0.0.1:1"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	return in
}

// serve calls the handler; a handler that aborts cuts the connection.
func (t *transport) serve(w *memoryWriter, r *http.Request) {
	defer func() {
		switch p := recover(); p {
		case nil:
		case http.ErrAbortHandler:
			w.cut = true
		default:
			panic(p)
		}
	}()
	t.s.ServeHTTP(w, r)
}

// memoryWriter is the ResponseWriter of the in-memory transport.
type memoryWriter struct {
	header   http.Header
	sent     http.Header // the header when the status was written
	status   int
	body     bytes.Buffer
	cut      bool
	wasReset bool
}

func (w *memoryWriter) Header() http.Header { return w.header }

func (w *memoryWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher; there is nothing between the two sides.
func (w *memoryWriter) Flush() {}

func (w *memoryWriter) reset() { w.wasReset = true }

// outcome is what the client gets of all that was written.
func (w *memoryWriter) outcome(method string) outcome {
	broken := io.ErrUnexpectedEOF
	if w.wasReset {
		broken = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	if w.cut && w.status == 0 {
		return outcome{nil, broken}
	}
	w.WriteHeader(http.StatusOK)
	length := int64(w.body.Len())
	if declared, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64); err == nil {
		length = declared
	}
	var body io.Reader = bytes.NewReader(w.body.Bytes())
	if w.cut {
		body = io.MultiReader(body, brokenReader{broken})
	}
	if method == http.MethodHead || w.status == http.StatusNoContent {
		body, length = http.NoBody, 0
	}
	return outcome{response: &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(body), ContentLength: length,
	}}
}

// brokenReader fails where the connection broke.
type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }
