// Package testserver serves a simulated service to tests, in either of two ways.
//
// A server for tests is asked over TCP by those that want to see what a real
// connection does: one that is cut, one that is reused. Tests that wait for
// minutes want a testing/synctest bubble with its virtual time instead, and no
// loopback is in there; for these the same service is an http.RoundTripper that
// calls it without a network in between. What a test sees must not depend on
// which of them it took. So the service is one function ([Service]) that never
// gets hold of a connection, and gives an answer or says what the network did.
//
// Whoever simulates something embeds a [Server], and has Start, URL, Close,
// RoundTripper and ServeHTTP by that.
package testserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Answer is a response before it is written.
type Answer struct {
	Status int
	Header http.Header // not nil
	Body   []byte
	// Cut breaks off in the middle of the body; without a body there is no answer.
	Cut bool
}

// Service answers one request. An error is what the network would do: over TCP
// the connection is closed without an answer, in memory the caller gets the
// error. The request's body is not nil, and its TLS is set where the client has
// asked for https. A service that waits ends with the request's context.
type Service func(*http.Request) (*Answer, error)

// Server serves a Service. Make one with New. All its methods are safe for
// concurrent use.
type Server struct {
	name    string
	service Service

	mu      sync.Mutex
	serving *serving
}

type serving struct {
	server *http.Server
	url    string
	done   chan struct{}
	stop   context.CancelFunc
}

// New makes a Server that does not listen yet. Its errors call it by the name.
func New(name string, s Service) *Server { return &Server{name: name, service: s} }

// Start listens on a free port of 127.0.0.1 until Close.
func (s *Server) Start() error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	run := &serving{
		server: &http.Server{
			Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
			BaseContext: func(net.Listener) context.Context { return ctx },
		},
		url: "http://" + l.Addr().String(), done: make(chan struct{}), stop: stop,
	}
	s.mu.Lock()
	if s.serving != nil {
		s.mu.Unlock()
		stop()
		return errors.Join(errors.New("start "+s.name+": it is running already"), l.Close())
	}
	s.serving = run
	s.mu.Unlock()
	go func() {
		defer close(run.done)
		_ = run.server.Serve(l) // ends with ErrServerClosed
	}()
	return nil
}

// URL is the endpoint to give to clients; empty unless started.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == nil {
		return ""
	}
	return s.serving.url
}

// Close stops listening, closes all connections and ends all requests. The
// server can be started again, on another port.
func (s *Server) Close() {
	s.mu.Lock()
	run := s.serving
	s.serving = nil
	s.mu.Unlock()
	if run == nil {
		return
	}
	run.stop()
	_ = run.server.Close()
	<-run.done
}

// RoundTripper serves requests to whatever host without a network: for
// testing/synctest bubbles, where no loopback is. It needs no Start.
func (s *Server) RoundTripper() http.RoundTripper { return roundTripper{s.service} }

type roundTripper struct{ service Service }

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	in, err := arrived(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Body.Close() }()
	a, err := t.service(in)
	if err != nil {
		return nil, err
	}
	var body io.Reader = bytes.NewReader(a.Body)
	if a.Cut {
		if len(a.Body) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		body = io.MultiReader(bytes.NewReader(a.Body[:len(a.Body)/2]), broken{})
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.Header, Body: io.NopCloser(body), ContentLength: int64(len(a.Body)), Request: r,
	}, nil
}

// arrived is a client's request as a server gets it: its path is what the server
// makes of the request line, and not what the client meant.
func arrived(r *http.Request) (*http.Request, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	line, err := url.ParseRequestURI(in.RequestURI)
	if err != nil {
		return nil, err
	}
	in.URL.Path, in.URL.RawPath = line.Path, line.RawPath
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if r.URL.Scheme == "https" {
		in.TLS = &tls.ConnectionState{}
	}
	return in, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := s.service(r)
	if err != nil {
		panic(http.ErrAbortHandler) // net/http closes the connection silently
	}
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if a.Cut && len(a.Body) == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(a.Status)
	if !a.Cut {
		_, _ = w.Write(a.Body) // the client may have gone
		return
	}
	_, _ = w.Write(a.Body[:len(a.Body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// Wait passes the time that an answer takes: latency, or without end where the
// service hangs. It ends with the context at the latest, and gives its error.
func Wait(ctx context.Context, latency time.Duration, hang bool) error {
	if hang {
		<-ctx.Done()
	}
	if latency > 0 {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}
