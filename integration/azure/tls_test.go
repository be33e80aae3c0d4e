package azure

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"
)

// front takes TLS off for a server that has none, under a name of Azure's.
type front struct {
	listener net.Listener
	roots    *x509.CertPool
	running  sync.WaitGroup
}

func tlsFront(t testing.TB, server, name string) *front {
	t.Helper()
	own := certificate(t, name)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12})
	must(t, err)
	f := &front{listener: l, roots: x509.NewCertPool()}
	f.roots.AddCert(own.Leaf)
	f.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.running.Go(func() { join(c, server) })
		}
	})
	t.Cleanup(func() {
		must(t, l.Close())
		f.running.Wait()
	})
	return f
}

// join connects c with a server until one of them has had enough.
func join(c net.Conn, server string) {
	s, err := net.Dial("tcp", server)
	if err != nil {
		_ = c.Close()
		return
	}
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{c, s}, {s, c}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = c.Close()
			_ = s.Close()
		})
	}
	both.Wait()
}

func (f *front) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, f.listener.Addr().String())
}

func certificate(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
