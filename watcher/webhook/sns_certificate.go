package webhook

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxCertificate = 64 << 10
	// certificateAge is how long a certificate is used before it is fetched
	// again; SNS gives a new one another name.
	certificateAge = 24 * time.Hour
	// maxCertificates bounds how many are kept. SNS uses one or two at a time.
	maxCertificates = 16
	// Names of files are free to invent, so fetching is bounded.
	fetchEvery, fetchBurst = 10 * time.Second, 3
)

var (
	errNoCertificate = errors.New("the certificate that SNS signs with can't be had at the moment")
	errCertificate   = errors.New("the certificate is none that SNS signs with")
)

// certificates holds the keys that SNS signs with, by the URL of their
// certificate.
//
// A certificate is trusted because it was fetched over TLS from the host of
// SNS, whose own chain is verified against the system's roots, and because it
// bears the name of SNS and is in its time; these are the checks of the AWS
// SDKs. The file holds the certificate alone, without those in between, so a
// chain can't be built from it. With roots, it has to lead to them.
type certificates struct {
	client *http.Client
	roots  *x509.CertPool // nil for none
	limit  *rate.Limiter

	mu     sync.Mutex
	known  map[string]certificate
	asking map[string]chan struct{}
}

type certificate struct {
	key   *rsa.PublicKey
	until time.Time
}

func newCertificates(client *http.Client, roots *x509.CertPool) *certificates {
	return &certificates{
		client: client, roots: roots,
		limit: rate.NewLimiter(rate.Every(fetchEvery), fetchBurst),
		known: map[string]certificate{}, asking: map[string]chan struct{}{},
	}
}

// key gives the public key of the certificate at a path of a topic's host.
// errCertificate is final; errNoCertificate may pass.
func (c *certificates) key(ctx context.Context, t *topic, path string) (*rsa.PublicKey, error) {
	address := "https://" + t.host + path
	for {
		c.mu.Lock()
		if found, ok := c.known[address]; ok && time.Now().Before(found.until) {
			c.mu.Unlock()
			return found.key, nil
		}
		wait, asking := c.asking[address]
		if !asking {
			// A key that was found before tells more than a name alone: it may
			// be renewed although strangers have used up the budget.
			_, before := c.known[address]
			if !before && !c.limit.Allow() {
				c.mu.Unlock()
				return nil, errNoCertificate
			}
			wait = make(chan struct{})
			c.asking[address] = wait
			c.mu.Unlock()
			return c.fetch(ctx, t, address, wait)
		}
		c.mu.Unlock()
		select {
		case <-wait:
			c.mu.Lock()
			_, ok := c.known[address]
			c.mu.Unlock()
			if !ok {
				return nil, errNoCertificate
			}
		case <-ctx.Done():
			return nil, errNoCertificate
		}
	}
}

func (c *certificates) fetch(ctx context.Context, t *topic, address string, wait chan struct{}) (*rsa.PublicKey, error) {
	var found *certificate
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.asking, address)
		delete(c.known, address)
		if found != nil {
			c.makeRoom()
			c.known[address] = *found
		}
		close(wait)
	}()
	body, err := get(ctx, c.client, address, maxCertificate)
	if err != nil {
		return nil, errNoCertificate
	}
	found, err = c.parse(body, t)
	if err != nil {
		return nil, err
	}
	return found.key, nil
}

// makeRoom drops the certificate that ends first.
func (c *certificates) makeRoom() {
	for len(c.known) >= maxCertificates {
		var first string
		for address, one := range c.known {
			if first == "" || one.until.Before(c.known[first].until) {
				first = address
			}
		}
		delete(c.known, first)
	}
}

// parse takes the certificate out of a file of SNS.
func (c *certificates) parse(body []byte, t *topic) (*certificate, error) {
	block, rest := pem.Decode(body)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errCertificate
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, errCertificate
	}
	public, ok := cert.PublicKey.(*rsa.PublicKey)
	now := time.Now()
	if !ok || public.N.BitLen() < minBits || now.Before(cert.NotBefore) || now.After(cert.NotAfter) || !bears(cert, t.names) {
		return nil, errCertificate
	}
	if c.roots != nil {
		between := x509.NewCertPool()
		between.AppendCertsFromPEM(rest)
		if _, err := cert.Verify(x509.VerifyOptions{Roots: c.roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
			return nil, errCertificate
		}
	}
	until := now.Add(certificateAge)
	if cert.NotAfter.Before(until) {
		until = cert.NotAfter
	}
	return &certificate{key: public, until: until}, nil
}

func bears(cert *x509.Certificate, names []string) bool {
	for _, name := range names {
		if cert.VerifyHostname(name) == nil {
			return true
		}
	}
	return false
}
