package planettest

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"time"
)

// Server is a Simulator that listens on a port of 127.0.0.1.
type Server struct {
	// URL is scheme, host and port, as httptest has it.
	URL string
	// BaseURL is what a client of the API wants: URL and "/destinations/v1".
	BaseURL string

	group  *group
	server *http.Server
	served chan struct{}
}

// Start listens on a free port of 127.0.0.1 and panics if there is none. A
// Simulator may be started again after its Server was closed, which is how a
// test makes Planet go away and come back.
func (s *Simulator) Start() *Server {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic("planettest: no port of 127.0.0.1 is free")
	}
	return s.StartOn(listener)
}

// StartOn serves on a listener of the caller's choice and owns it from then on.
func (s *Simulator) StartOn(listener net.Listener) *Server {
	url := "http://" + listener.Addr().String()
	server := &Server{
		URL: url, BaseURL: url + root,
		group: newGroup(), served: make(chan struct{}),
	}
	server.server = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return server.group.life },
		// Nothing that it could say concerns a test, and it quotes requests.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(server.served)
		_ = server.server.Serve(listener) // always an error: it was closed
	}()
	return server
}

// Close ends all connections, drops what is under way (late effects that are
// still to come do not come) and waits for all that the server started.
func (s *Server) Close() {
	s.group.cancel()
	_ = s.server.Close() // the listener is of no more use, whatever it says
	<-s.served
	s.group.wait()
}

// Wait returns when no request and no late effect of this server is under way.
func (s *Server) Wait() { s.group.wait() }
