package vaulttest

import (
	"crypto/ecdsa"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Server is a Vault in memory. All its methods are safe for concurrent use.
type Server struct {
	mu        sync.Mutex
	mounts    []*mount
	tokens    map[string]token
	noDefault bool
	roles     map[string]role
	cluster   *ecdsa.PrivateKey
	issued    int
	trouble   trouble
	requests  []Request
	logins    int
	noPatch   bool
	meddle    func() // before the next patch; called with the lock

	http *httptest.Server
}

// Request is what was asked of the server, without tokens.
type Request struct {
	Method, Path, Query, Namespace, Proto string
	Status                                int
}

// trouble is what is wrong with the whole server.
type trouble struct {
	throttle, fail, cut, garble int
	status                      int
	hang, sealed                bool
	redirect                    string
	skew                        time.Duration
}

// Forever is a number of requests that no test gets to.
const Forever = 1 << 30

// New makes a server with a KV engine of version 2 at secret/ and a root token
// "root".
func New() *Server {
	s := &Server{tokens: map[string]token{"root": {root: true}}, roles: map[string]role{}, cluster: newCluster()}
	s.Mount("", "secret", 2)
	return s
}

// StartTLS listens on a free port of loopback.
func (s *Server) StartTLS() {
	s.http = httptest.NewUnstartedServer(s)
	s.http.EnableHTTP2 = true // on offer; the client need not take it
	s.http.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.http.StartTLS()
}

// URL is the address after StartTLS.
func (s *Server) URL() string { return s.http.URL }

// Certificate is what to trust after StartTLS.
func (s *Server) Certificate() *x509.Certificate { return s.http.Certificate() }

// Close ends the server and what hangs in it.
func (s *Server) Close() {
	s.http.CloseClientConnections()
	s.http.Close()
}

// Throttle answers the next n requests with 429, as a rate limit quota does.
func (s *Server) Throttle(n int) { s.hurt(func(t *trouble) { t.throttle = n }) }

// Fail answers the next n requests with a status from 500.
func (s *Server) Fail(n, status int) { s.hurt(func(t *trouble) { t.fail, t.status = n, status }) }

// Cut closes the connection of the next n requests without an answer.
func (s *Server) Cut(n int) { s.hurt(func(t *trouble) { t.cut = n }) }

// Garble breaks off the next n successful answers in the middle.
func (s *Server) Garble(n int) { s.hurt(func(t *trouble) { t.garble = n }) }

// Hang leaves requests without an answer until their senders give up.
func (s *Server) Hang(on bool) { s.hurt(func(t *trouble) { t.hang = on }) }

// Seal seals or unseals the server.
func (s *Server) Seal(on bool) { s.hurt(func(t *trouble) { t.sealed = on }) }

// Standby makes the server a standby that can't forward and points to the
// active one; "" makes it the active one again.
func (s *Server) Standby(active string) { s.hurt(func(t *trouble) { t.redirect = active }) }

// SkewClock lets the Date of answers be off by d; what is deleted goes by our
// clock all the same.
func (s *Server) SkewClock(d time.Duration) { s.hurt(func(t *trouble) { t.skew = d }) }

func (s *Server) hurt(f func(*trouble)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.trouble)
}

// Requests gives what was asked so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Logins is how many tokens were given by logins.
func (s *Server) Logins() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins
}

// RoundTripper serves requests in memory, without any network.
func (s *Server) RoundTripper() http.RoundTripper { return inMemory{s} }

type inMemory struct{ s *Server }

func (m inMemory) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	defer func() {
		if recover() == http.ErrAbortHandler { //nolint:errorlint // the very value
			err = io.ErrUnexpectedEOF
			if r.Context().Err() != nil {
				err = r.Context().Err()
			}
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	m.s.ServeHTTP(w, r)
	resp = w.Result()
	resp.Request = r
	return resp, nil
}
