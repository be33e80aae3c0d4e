package sqstest

import (
	"context"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Where queues are, unless Options say otherwise.
const (
	DefaultRegion  = "us-west-2"
	DefaultAccount = "123456789012"
)

// Key is an access key of somebody who asks. Each may do everything.
type Key struct {
	ID, Secret string
	// Token is the session token of a temporary key; empty for a lasting one.
	Token string
}

// Options say what a Server begins with.
type Options struct {
	// Keys are known from the start.
	Keys []Key
	// Region is the one that requests have to be signed for; empty means
	// DefaultRegion.
	Region string
	// Account owns the queues; empty means DefaultAccount.
	Account string
}

// Request is one request as the server saw it, for tests to judge by.
type Request struct {
	Time    time.Time
	Action  string // "ReceiveMessage"
	Queue   string // its name
	KeyID   string // of the credential, as claimed
	Region  string // that it is signed for
	Proto   string // "HTTP/1.1"
	Entries int    // of a batch
	Wait    int    // seconds that a receive may last
	Status  int    // 0 if there was no answer
	Code    string // the type of the error, empty for a success
}

// Server is the SQS. Make one with New. All its methods are safe for concurrent
// use.
type Server struct {
	region, account string

	mu       sync.Mutex
	keys     map[string]Key
	queues   map[string]*Queue
	made     int // counts ids and handles
	trouble  trouble
	order    *rand.Rand // nil for the order of arrival
	wake     chan struct{}
	requests []Request
	serving  *serving
}

type serving struct {
	server *http.Server
	url    string
	done   chan struct{}
	stop   context.CancelFunc
}

// New makes a server without queues.
func New(o Options) *Server {
	s := &Server{
		region: o.Region, account: o.Account,
		keys: map[string]Key{}, queues: map[string]*Queue{}, trouble: trouble{denied: map[string]bool{}}, wake: make(chan struct{}),
	}
	if s.region == "" {
		s.region = DefaultRegion
	}
	if s.account == "" {
		s.account = DefaultAccount
	}
	for _, k := range o.Keys {
		s.AddKey(k)
	}
	return s
}

// AddKey adds a key, or replaces the one of the same ID.
func (s *Server) AddKey(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[k.ID] = k
}

// Revoke makes the server forget a key.
func (s *Server) Revoke(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, id)
}

// Requests lists all requests so far that have ended.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count is the number of requests of an action that have ended so far,
// "DeleteMessageBatch", whatever became of them.
func (s *Server) Count(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if r.Action == action {
			n++
		}
	}
	return n
}

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
		return errors.Join(errors.New("start sqs: it is running already"), l.Close())
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

// Close stops listening and ends all requests. What is in the queues stays, and
// the server can be started again, on another port.
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
// testing/synctest bubbles, where no loopback is.
func (s *Server) RoundTripper() http.RoundTripper { return roundTripper{s} }

type roundTripper struct{ s *Server }

func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() { _ = in.Body.Close() }()
	a, err := t.s.serve(in)
	if err != nil {
		return nil, err
	}
	return a.response(r), nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := s.serve(r)
	if err != nil {
		panic(http.ErrAbortHandler) // net/http closes the connection silently
	}
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}
