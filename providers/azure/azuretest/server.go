package azuretest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// What a Server has unless its Options say otherwise.
const (
	DefaultVault  = "my-vault.vault.azure.net"
	DefaultTenant = "72f988bf-0000-4000-8000-2d7cd011db47"
	// Entra is where the tokens come from.
	Entra = "login.microsoftonline.com"
	// metadata is where a machine asks for the token of its own identity.
	metadata = "169.254.169.254"
)

// App is an identity that gets tokens: a service principal or a managed
// identity.
type App struct {
	ID string
	// Secret is what it proves itself with; empty refuses that way.
	Secret string
	// Federated is the token, a Kubernetes service account's say, that is
	// accepted in place of a secret; empty refuses that way.
	Federated string
	// Tenant it belongs to; empty means DefaultTenant.
	Tenant string
}

// Options say what a Server begins with.
type Options struct {
	// Vaults are the host names of the vaults; nil means DefaultVault alone.
	Vaults []string
	// Tenant is the vaults'; empty means DefaultTenant.
	Tenant string
	// Apps are known from the start.
	Apps []App
	// Machine is the identity that the metadata service gives tokens for; empty
	// means that there is no such service.
	Machine string
	// TokenLife is how long a token is good; 0 means an hour.
	TokenLife time.Duration
	// PageSize is how many versions a page of a list has; 0 means 25, as the real
	// one's.
	PageSize int
}

// Request is one request as the server saw it, for tests to judge by. It holds
// no value and no token.
type Request struct {
	Time    time.Time
	Host    string
	Action  string // "list", "get", "update", "token", "discovery", "machine", or "" for none of these
	Secret  string // as asked for
	Version string // as asked for
	Page    int    // of a list, from 0
	App     string // whose token came with it, "" for none or a bad one
	Tenant  string // of "token": as asked for
	Remote  string // the client's end of the connection
	Proto   string // "HTTP/1.1"
	Status  int    // 0 if there was no answer
	Code    string // the error code, the innermost one; empty for a success
}

// Server is the Key Vault and the Entra. Make one with New. All its methods are
// safe for concurrent use.
type Server struct {
	options Options
	roots   *authority

	mu       sync.Mutex
	apps     map[string]App
	tokens   map[string]token
	vaults   map[string]map[string]*secret // by host and lower-case name
	made     int                           // counts ids of versions, tokens and requests
	vault    trouble
	entra    trouble
	firewall Firewall
	next     string // in place of the real link to the next page
	foreign  int
	requests []Request
	serving  *serving
	http     *testserver.Server // for all but listening, which takes two ports
}

type serving struct {
	server      *http.Server
	tls, plain  string
	transport   *http.Transport
	done, other chan struct{}
}

// New makes a server without secrets.
func New(o Options) *Server {
	if o.Vaults == nil {
		o.Vaults = []string{DefaultVault}
	}
	if o.Tenant == "" {
		o.Tenant = DefaultTenant
	}
	if o.TokenLife == 0 {
		o.TokenLife = time.Hour
	}
	if o.PageSize == 0 {
		o.PageSize = 25
	}
	s := &Server{options: o, roots: newAuthority(o.Vaults), apps: map[string]App{}, tokens: map[string]token{}, vaults: map[string]map[string]*secret{}}
	s.http = testserver.New("key vault", s.serve)
	for _, v := range o.Vaults {
		s.vaults[v] = map[string]*secret{}
	}
	for _, a := range o.Apps {
		s.AddApp(a)
	}
	return s
}

// AddApp adds an identity, or replaces the one of the same ID.
func (s *Server) AddApp(a App) {
	if a.Tenant == "" {
		a.Tenant = DefaultTenant
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[a.ID] = a
}

// RevokeTokens makes all tokens bad that were given so far.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Requests lists all requests so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count is the number of requests of an action so far, whatever became of them
// but for those that were answered with the challenge to bring a token.
func (s *Server) Count(action string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Action == action && r.Status != http.StatusUnauthorized {
			n++
		}
	}
	return n
}

// Roots is the authority of the server's certificates, in PEM.
func (s *Server) Roots() []byte { return slices.Clone(s.roots.pem) }

// Start listens on free ports of 127.0.0.1 until Close.
func (s *Server) Start() error {
	var lc net.ListenConfig
	secure, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	plain, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, secure.Close())
	}
	run := &serving{
		server: &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.roots.leaf}, MinVersion: tls.VersionTLS12}},
		tls: secure.Addr().String(), plain: plain.Addr().String(),
		done: make(chan struct{}), other: make(chan struct{}),
	}
	run.transport = &http.Transport{DialContext: s.dial, MaxIdleConnsPerHost: 64,
		TLSClientConfig: &tls.Config{RootCAs: s.roots.pool, MinVersion: tls.VersionTLS12}}
	s.mu.Lock()
	if s.serving != nil {
		s.mu.Unlock()
		return errors.Join(errors.New("start key vault: it is running already"), secure.Close(), plain.Close())
	}
	s.serving = run
	s.mu.Unlock()
	go func() {
		defer close(run.done)
		_ = run.server.ServeTLS(secure, "", "") // ends with ErrServerClosed
	}()
	go func() {
		defer close(run.other)
		_ = run.server.Serve(plain)
	}()
	return nil
}

// Dial connects to the server, whatever part of it addr names, as
// net.Dialer.DialContext would to Azure.
func (s *Server) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.dial(ctx, network, addr)
}

func (s *Server) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	run := s.serving
	_, known := s.vaults[host]
	s.mu.Unlock()
	var to string
	switch {
	case run == nil:
		to = "127.0.0.1:1" // refused: nobody listens there
	case host == metadata && s.options.Machine != "":
		to = run.plain
	case host == metadata:
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no route to host")}
	case known || host == Entra:
		to = run.tls
	default:
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, to)
}

// Transport connects names of Azure's to this server; nil unless started. It
// lives until Close.
func (s *Server) Transport() *http.Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == nil {
		return nil
	}
	return s.serving.transport
}

// Address is where the server listens for TLS; empty unless started.
func (s *Server) Address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == nil {
		return ""
	}
	return s.serving.tls
}

// Close stops listening and closes all connections. What is stored stays.
func (s *Server) Close() {
	s.mu.Lock()
	run := s.serving
	s.serving = nil
	s.mu.Unlock()
	if run == nil {
		return
	}
	run.transport.CloseIdleConnections()
	_ = run.server.Close()
	<-run.done
	<-run.other
}

// RoundTripper serves requests without a network: for testing/synctest bubbles,
// where no loopback is.
func (s *Server) RoundTripper() http.RoundTripper { return s.http.RoundTripper() }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.http.ServeHTTP(w, r) }
