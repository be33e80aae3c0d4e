package pubsub

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/watcher"
)

// certified gives a certificate for 127.0.0.1, and the file to trust it by.
func certified(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

func TestAPrivateEndpointIsReachedByTLSAndToken(t *testing.T) {
	t.Parallel()
	certificate, file := certified(t)
	s := newServer(t)
	s.start(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	secure := func(ca string) func(*Options) {
		return func(o *Options) {
			o.ClientOptions, o.CAFile = nil, ca
			o.Credentials = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "token-of-rotatord"})
		}
	}
	r := run(t, s.transport(t, secure(file)), done)
	s.send([]byte("over TLS"), nil)
	r.next()
	r.becomesUp()
	if got := (*s.headers.Load())["authorization"]; len(got) != 1 || got[0] != "Bearer token-of-rotatord" {
		t.Errorf("the server was shown %d tokens, or another than ours", len(got))
	}
	if err := run(t, s.transport(t, secure("")), done).becomesDown(); watcher.ReasonOf(err) != watcher.ReasonUnavailable {
		t.Errorf("without the certificate it is down for %v", err)
	}
}

func TestACAFileThatCantBeUsedIsAState(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{empty: "holds no PEM certificate", empty + ".not": "no such file"} {
		s := newServer(t)
		err := run(t, s.transport(t, func(o *Options) { o.CAFile = file }), done).becomesDown()
		if watcher.ReasonOf(err) != watcher.ReasonInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("it is down for %v, want %q", err, want)
		}
	}
}

type noToken struct{ err error }

func (n noToken) Token() (*oauth2.Token, error) { return nil, n.err }

func TestATokenThatIsRefusedIsDenied(t *testing.T) {
	t.Parallel()
	certificate, file := certified(t)
	s := newServer(t)
	s.start(t, grpc.Creds(credentials.NewServerTLSFromCert(&certificate)))
	for name, c := range map[string]struct {
		err    error
		reason watcher.Reason
		want   string
	}{
		"a deleted key":  {errors.New(`oauth2: "invalid_grant" "Invalid JWT Signature." assertion=eyJhbGciOi`), watcher.ReasonDenied, "invalid_grant"},
		"no network":     {errors.New("Post https://oauth2.googleapis.com: dial tcp: i/o timeout assertion=eyJhbGciOi"), watcher.ReasonUnavailable, "Google gave no token"},
		"something else": {errors.New("assertion=eyJhbGciOi"), watcher.ReasonDenied, "Google gave no token"},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, s.transport(t, func(o *Options) {
				o.ClientOptions, o.CAFile, o.Credentials = nil, file, noToken{c.err}
			}), done)
			err := r.becomesDown()
			if watcher.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it is down for %v, want %s, %q", err, c.reason, c.want)
			}
			if strings.Contains(err.Error(), "eyJ") {
				t.Errorf("the error quotes what it got: %v", err)
			}
		})
	}
}

func TestNoCredentialsAtAllIsDeniedWithAdvice(t *testing.T) {
	s := newServer(t)
	file := filepath.Join(t.TempDir(), "key.json")
	if err := os.WriteFile(file, []byte(`{"type": "service_account", "private_key": "very private`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	err := run(t, s.transport(t, func(o *Options) { o.ClientOptions = nil }), done).becomesDown()
	if watcher.ReasonOf(err) != watcher.ReasonDenied || !strings.Contains(err.Error(), "GOOGLE_APPLICATION_CREDENTIALS") {
		t.Errorf("it is down for %v", err)
	}
	if strings.Contains(err.Error(), "very private") {
		t.Errorf("the error quotes the file: %v", err)
	}
}

func TestReasonsFollowTheCodes(t *testing.T) {
	t.Parallel()
	tr := &Transport{options: Options{Subscription: testSubscription, Topic: testTopic}}
	for _, c := range []struct {
		err    error
		reason watcher.Reason
	}{
		{status.Error(codes.PermissionDenied, "x"), watcher.ReasonDenied},
		{status.Error(codes.Unauthenticated, "x"), watcher.ReasonDenied},
		{status.Error(codes.NotFound, "x"), watcher.ReasonNotFound},
		{status.Error(codes.ResourceExhausted, "x"), watcher.ReasonThrottled},
		{status.Error(codes.InvalidArgument, "x"), watcher.ReasonInvalid},
		{status.Error(codes.FailedPrecondition, "x"), watcher.ReasonInvalid},
		{status.Error(codes.Unavailable, "x"), watcher.ReasonUnavailable},
		{status.Error(codes.Internal, "x"), watcher.ReasonUnavailable},
		{status.Error(codes.Canceled, "x"), watcher.ReasonUnavailable},
		{io.EOF, watcher.ReasonUnavailable},
		{context.DeadlineExceeded, watcher.ReasonUnavailable},
		{errors.New("x"), watcher.ReasonUnavailable},
	} {
		if got := tr.because(opReceive, c.err); got.Reason != c.reason || got.Err == nil || got.Source != testSubscription {
			t.Errorf("%v counts as %+v, want %s", c.err, got, c.reason)
		}
	}
	long := tr.because(opSend, status.Error(codes.Unavailable, "line\nline\x00"+strings.Repeat("x", 1000)+"\xff")).Error()
	if len(long) > 600 || strings.ContainsAny(long, "\n\x00") {
		t.Errorf("what the server said is passed on as it is: %q", long)
	}
}

// Google's client would log whole messages if asked to.
func TestTheClientLogsNothing(t *testing.T) {
	t.Setenv("GOOGLE_SDK_GO_LOGGING_LEVEL", "debug")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = write
	output := make(chan []byte)
	go func() { b, _ := io.ReadAll(read); output <- b }()
	s := newServer(t)
	tr := s.transport(t)
	r := run(t, tr, done)
	sent := tr.Send(t.Context(), []byte("confidential"))
	r.next()
	until(t, "it is acknowledged", func() bool { return s.left() == 0 })
	r.stop()
	os.Stderr = stderr
	_ = write.Close()
	logged := <-output
	if sent != nil || len(bytes.TrimSpace(logged)) > 0 {
		t.Errorf("Send: %v; on standard error stands:\n%s", sent, logged)
	}
}
