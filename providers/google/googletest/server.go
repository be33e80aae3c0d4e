package googletest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/test/bufconn"
)

// Where secrets are made in most tests.
const (
	DefaultProject = "my-project"
	DefaultNumber  = "123456789012"
)

// Options say what a Server begins with.
type Options struct {
	// Projects are the projects that there are, id → number. Nil means
	// DefaultProject alone.
	Projects map[string]string
}

// Request is one call as the server saw it, for tests to judge by. It holds no
// value.
type Request struct {
	Time   time.Time
	Method string // "AccessSecretVersion"
	Name   string // the resource asked for, as it was written
	Filter string // of ListSecretVersions
	Quota  string // the project that the call asks to be counted for
	Code   string // gRPC's, "OK"; empty if there was no answer
}

// Server is the Secret Manager. Make one with New. All its methods are safe for
// concurrent use.
type Server struct {
	pb.UnimplementedSecretManagerServiceServer

	mu       sync.Mutex
	projects map[string]string  // id → number
	disabled map[string]bool    // numbers of projects whose API is disabled
	secrets  map[string]*secret // by canonical name
	trouble  trouble
	requests []Request
	tokens   map[string]time.Time // access token → its end
	accounts map[string]account   // by e-mail address
	issued   int
	serving  *serving
}

type serving struct {
	grpc    *grpc.Server
	tokens  *http.Server
	address string
	url     string // of the token service
	roots   []byte
	memory  *bufconn.Listener
	conns   *conns
	ended   chan struct{} // no call hangs any longer
	done    sync.WaitGroup
}

// New makes a server without secrets.
func New(o Options) *Server {
	if o.Projects == nil {
		o.Projects = map[string]string{DefaultProject: DefaultNumber}
	}
	return &Server{
		projects: maps.Clone(o.Projects), disabled: map[string]bool{}, secrets: map[string]*secret{},
		tokens: map[string]time.Time{}, accounts: map[string]account{},
	}
}

// Start listens on free ports of 127.0.0.1 until Close.
func (s *Server) Start() error {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	t, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, l.Close())
	}
	run := &serving{address: l.Addr().String(), url: "http://" + t.Addr().String() + "/token"}
	run.tokens = &http.Server{Handler: http.HandlerFunc(s.serveToken), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	if err := s.serve(run, l); err != nil {
		return errors.Join(err, l.Close(), t.Close())
	}
	run.done.Go(func() { _ = run.tokens.Serve(t) }) // ends with ErrServerClosed
	return nil
}

// StartInMemory listens on a network of its own, which Dial leads to, until
// Close. There is no token service there.
func (s *Server) StartInMemory() error {
	l := bufconn.Listen(1 << 20)
	run := &serving{address: "127.0.0.1:443", memory: l}
	if err := s.serve(run, l); err != nil {
		return errors.Join(err, l.Close())
	}
	return nil
}

func (s *Server) serve(run *serving, l net.Listener) error {
	certificate, roots, err := selfSigned()
	if err != nil {
		return err
	}
	run.roots, run.ended = roots, make(chan struct{})
	run.conns = &conns{Listener: l, open: map[net.Conn]bool{}}
	run.grpc = grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})),
		grpc.UnaryInterceptor(s.intercept), grpc.WaitForHandlers(true))
	pb.RegisterSecretManagerServiceServer(run.grpc, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving != nil {
		return errors.New("start secret manager: it is running already")
	}
	s.serving = run
	run.done.Go(func() { _ = run.grpc.Serve(run.conns) }) // ends with ErrServerStopped
	return nil
}

// Close stops listening and closes all connections. What is stored stays, and
// the server can be started again, on other ports.
func (s *Server) Close() {
	s.mu.Lock()
	run := s.serving
	s.serving = nil
	s.mu.Unlock()
	if run == nil {
		return
	}
	close(run.ended)
	run.grpc.Stop()
	if run.tokens != nil {
		_ = run.tokens.Close()
	}
	run.done.Wait()
}

func (s *Server) running() *serving {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serving
}

// Address is the host and port to give to clients; empty unless started.
func (s *Server) Address() string {
	if run := s.running(); run != nil {
		return run.address
	}
	return ""
}

// Roots is the server's certificate in PEM, which clients have to trust; empty
// unless started.
func (s *Server) Roots() []byte {
	if run := s.running(); run != nil {
		return slices.Clone(run.roots)
	}
	return nil
}

// Dial leads to a server that was started in memory, whatever the address.
func (s *Server) Dial(ctx context.Context, _ string) (net.Conn, error) {
	if run := s.running(); run != nil && run.memory != nil {
		return run.memory.DialContext(ctx)
	}
	return nil, errors.New("dial secret manager: it does not run in memory")
}

// Requests lists all calls so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count is the number of calls of a method so far, "AccessSecretVersion",
// whatever became of them.
func (s *Server) Count(method string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Method == method {
			n++
		}
	}
	return n
}

// conns is a listener that knows its open connections, so that they can be cut.
type conns struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (c *conns) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn] = true
	return known{conn, c}, nil
}

// cut closes the connections of a peer.
func (c *conns) cut(peer net.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		if peer == nil || conn.RemoteAddr().String() == peer.String() {
			_ = conn.Close()
		}
	}
}

type known struct {
	net.Conn
	of *conns
}

func (k known) Close() error {
	k.of.mu.Lock()
	delete(k.of.open, k.Conn)
	k.of.mu.Unlock()
	return k.Conn.Close()
}

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func selfSigned() (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "googletest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("make certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
