package azureblobtest

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// Server is a Blob Storage in memory. Make one with NewServer. All its methods
// are safe for concurrent use; those that name an account or a container that
// is not there do nothing.
type Server struct {
	// Server serves it: over TCP between Start and Close, at URL
	// (to which an account is added), or in memory by
	// RoundTripper. What is stored outlives a Close.
	*testserver.Server

	mu       sync.Mutex
	accounts map[string]*account
	down     bool
	latency  time.Duration
	requests []Request
}

type account struct {
	keys       [][]byte
	firewall   bool
	containers map[string]*container
}

type container struct {
	policies  map[string]Policy
	blobs     map[string]blob
	immutable bool
	// versioning keeps what is replaced or deleted, oldest first.
	versioning bool
	older      map[string][]blob
}

// put and remove change a container under the server's lock.
func (c *container) put(key string, body []byte) {
	c.keep(key)
	c.blobs[key] = blob{bytes.Clone(body), time.Now()}
}

func (c *container) remove(key string) {
	c.keep(key)
	delete(c.blobs, key)
}

// keep makes an older version of what is there. Azure has no marks of a
// deletion: a deleted blob has older versions only.
func (c *container) keep(key string) {
	if b, there := c.blobs[key]; there && c.versioning {
		c.older[key] = append(c.older[key], b)
	}
}

// policyOf works for a container that is not there, too: its policies are gone.
func (c *container) policyOf(id string) (Policy, bool) {
	if c == nil {
		return Policy{}, false
	}
	p, ok := c.policies[id]
	return p, ok
}

type blob struct {
	body     []byte
	modified time.Time
}

// Policy is a stored access policy. What a token says itself is not taken from
// there.
type Policy struct {
	Permissions string
	Start, End  time.Time
}

// Request is one request as the server saw it, for tests to judge by. It holds
// the token.
type Request struct {
	Time                   time.Time
	Method, URI            string
	Account, Container     string
	Key                    string // of the blob
	Header                 http.Header
	Status                 int    // 0 while the server was down
	Code                   string // Azure's error code, empty for a success
	ContentLength          int64
	ContentLengthAnnounced bool
}

// NewServer makes a server without accounts.
func NewServer() *Server {
	s := &Server{accounts: map[string]*account{}}
	s.Server = testserver.New("blob server", s.serve)
	return s
}

// SetKeys makes an account, or replaces the keys of one: tokens that were
// signed with a key that is gone are no longer taken.
func (s *Server) SetKeys(name string, keys ...[]byte) {
	own := make([][]byte, len(keys))
	for i, k := range keys {
		own[i] = bytes.Clone(k)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.accounts[name] == nil {
		s.accounts[name] = &account{containers: map[string]*container{}}
	}
	s.accounts[name].keys = own
}

// SetFirewall lets the account's firewall refuse every address, or none.
func (s *Server) SetFirewall(name string, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accounts[name]; a != nil {
		a.firewall = closed
	}
}

// CreateContainer makes an empty container, unless there is one of that name.
func (s *Server) CreateContainer(in, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accounts[in]; a != nil && a.containers[name] == nil {
		a.containers[name] = &container{policies: map[string]Policy{}, blobs: map[string]blob{}, older: map[string][]blob{}}
	}
}

// DeleteContainer removes a container with its blobs and policies.
func (s *Server) DeleteContainer(in, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accounts[in]; a != nil {
		delete(a.containers, name)
	}
}

// with does something to a container that is there.
func (s *Server) with(in, name string, do func(*container)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.accounts[in]; a != nil && a.containers[name] != nil {
		do(a.containers[name])
	}
}

// SetPolicy stores an access policy.
func (s *Server) SetPolicy(in, name, id string, p Policy) {
	s.with(in, name, func(c *container) { c.policies[id] = p })
}

// RemovePolicy revokes all tokens of a stored access policy.
func (s *Server) RemovePolicy(in, name, id string) {
	s.with(in, name, func(c *container) { delete(c.policies, id) })
}

// SetImmutable lets a policy keep what is in the container from being replaced
// or deleted, or not any more.
func (s *Server) SetImmutable(in, name string, on bool) {
	s.with(in, name, func(c *container) { c.immutable = on })
}

// SetVersioning lets a container keep versions from now on, or not any more.
// With Azure it is the whole account that does. What is kept stays.
func (s *Server) SetVersioning(in, name string, on bool) {
	s.with(in, name, func(c *container) { c.versioning = on })
}

// PutBlob stores a blob, past all access control.
func (s *Server) PutBlob(in, name, key string, body []byte) {
	s.with(in, name, func(c *container) { c.put(key, body) })
}

// Blobs lists the names of a container's blobs in order; nil for none.
func (s *Server) Blobs(in, name string) []string {
	var keys []string
	s.with(in, name, func(c *container) { keys = slices.Sorted(maps.Keys(c.blobs)) })
	return keys
}

// SetDown lets the server vanish from the network, or come back: connections
// are closed without an answer.
func (s *Server) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// SetLatency makes each answer take that long.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

// Requests lists all requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
