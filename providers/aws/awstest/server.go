package awstest

import (
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// Where secrets are made unless their ARN says otherwise.
const (
	DefaultRegion  = "us-west-2"
	DefaultAccount = "123456789012"
)

// Key is an access key of somebody who asks.
type Key struct {
	ID, Secret string
	// Token is the session token of a temporary key; empty for a lasting one.
	Token string
	// Account owns the key; empty means DefaultAccount. Secrets of other
	// accounts are denied to it.
	Account string
	// Expires is when the key stops to work; zero for never.
	Expires time.Time
	// role is the ARN of the role that a temporary key acts as.
	role string
}

// Role may be assumed by keys that the server knows.
type Role struct {
	// ARN names it, "arn:aws:iam::123456789012:role/reader".
	ARN string
	// ExternalID must be given by who assumes it, unless empty.
	ExternalID string
	// WebIdentity is the token that AssumeRoleWithWebIdentity takes for it;
	// empty refuses that way.
	WebIdentity string
	// Lasts is how long its keys work; 0 means what was asked for.
	Lasts time.Duration
}

// Options say what a Server begins with.
type Options struct {
	// Keys are known from the start.
	Keys []Key
	// Roles may be assumed.
	Roles []Role
}

// Request is one request as the server saw it, for tests to judge by. It holds
// no value.
type Request struct {
	Time    time.Time
	Service string // "secretsmanager" or "sts"
	Action  string // "GetSecretValue"
	Secret  string // as asked for: a name or an ARN
	Version string // the version id asked for
	Stage   string // the staging label asked for
	KeyID   string // of the credential, as claimed
	Region  string // that it is signed for
	Session string // of AssumeRole: the session's name
	Proto   string // "HTTP/1.1"
	Status  int    // 0 if there was no answer
	Code    string // AWS's error code, empty for a success
}

// Server is the Secrets Manager. Make one with New. All its methods are safe
// for concurrent use.
type Server struct {
	// Server serves it: over TCP between Start and Close, at URL, or in memory by
	// RoundTripper. What is stored outlives a Close.
	*testserver.Server

	mu       sync.Mutex
	keys     map[string]Key
	roles    []Role
	secrets  map[string]*secret // by complete ARN
	made     int                // counts ids, keys and request ids
	trouble  trouble
	requests []Request
}

// New makes a server without secrets.
func New(o Options) *Server {
	s := &Server{keys: map[string]Key{}, secrets: map[string]*secret{}, roles: slices.Clone(o.Roles)}
	s.Server = testserver.New("secrets manager", s.serve)
	for _, k := range o.Keys {
		s.AddKey(k)
	}
	return s
}

// AddKey adds a key, or replaces the one of the same ID.
func (s *Server) AddKey(k Key) {
	if k.Account == "" {
		k.Account = DefaultAccount
	}
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

// Requests lists all requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count is the number of requests of an action so far, "GetSecretValue",
// whatever became of them.
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
