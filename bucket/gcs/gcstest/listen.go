package gcstest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

type serving struct {
	server *http.Server
	url    string
	done   chan struct{}
}

// Start listens on a free port of 127.0.0.1 until Close.
func (s *Server) Start() error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	run := &serving{
		server: &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second},
		url:    "http://" + l.Addr().String(),
		done:   make(chan struct{}),
	}
	s.mu.Lock()
	if s.serving != nil {
		s.mu.Unlock()
		_ = l.Close()
		return errors.New("the server has been started already")
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

// TokenURL is what a key's JSON names as token_uri while the server is
// started; Google's own otherwise, which RoundTripper serves too.
func (s *Server) TokenURL() string {
	if u := s.URL(); u != "" {
		return u + "/token"
	}
	return "https://oauth2.googleapis.com/token"
}

// Close stops listening and closes all connections. What is stored stays, and
// the server can be started again, on another port.
func (s *Server) Close() {
	s.mu.Lock()
	run := s.serving
	s.serving = nil
	s.mu.Unlock()
	if run == nil {
		return
	}
	_ = run.server.Close()
	<-run.done
}
