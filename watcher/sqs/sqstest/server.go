package sqstest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
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
	// Server serves it: over TCP between Start and Close, at URL, or in memory by
	// RoundTripper. What is stored outlives a Close.
	*testserver.Server

	region, account string

	mu       sync.Mutex
	keys     map[string]Key
	queues   map[string]*Queue
	made     int // counts ids and handles
	trouble  trouble
	order    *rand.Rand // nil for the order of arrival
	wake     chan struct{}
	requests []Request
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
	s.Server = testserver.New("sqs", s.serve)
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
