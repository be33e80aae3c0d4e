package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/azureblob"
	"github.com/rotatord/rotatord/bucket/gcs"
	"github.com/rotatord/rotatord/bucket/s3"
)

// BucketKinds is the list of what buckets are reached with. A kind is one
// folder below bucket/ and one line here.
func BucketKinds(t http.RoundTripper) bucket.Kinds {
	open := s3.Opener(s3.Options{Transport: t})
	return bucket.Kinds{
		bucket.TypeAmazonS3:           open,
		bucket.TypeOracleCloudStorage: open,
		bucket.TypeS3Compatible:       open,
		bucket.TypeGoogleCloudStorage: gcs.Opener(gcs.Options{Transport: t}),
		bucket.TypeAzureBlobStorage:   azureblob.Opener(azureblob.Options{Transport: t}),
	}
}

// transports are what buckets are reached with: one for each set of
// certificates, shared by all destinations, so that they share connections.
type transports struct {
	given http.RoundTripper            // in place of all others, unless nil
	own   map[string]http.RoundTripper // by the file of the certificates
}

// trusting gives a transport that trusts the certificates of a file beside the
// system's; for "" the system's alone.
func (ts transports) trusting(caFile string) (http.RoundTripper, error) {
	if ts.given != nil {
		return ts.given, nil
	}
	if t, ok := ts.own[caFile]; ok {
		return t, nil
	}
	pool, err := certificates(caFile)
	if err != nil {
		return nil, err
	}
	t, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, errors.New("the default transport is not one that certificates can be added to")
	}
	t = t.Clone()
	if pool != nil {
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	// One host may hold all buckets; two connections, Go's default, would be
	// opened anew for each of fifty preflights.
	t.MaxIdleConnsPerHost = idleToOneHost
	ts.own[caFile] = t
	return t, nil
}

// idleToOneHost is how many connections wait for the next preflight on one host.
const idleToOneHost = 16

// hangUp ends idle connections.
func (ts transports) hangUp() {
	for _, t := range ts.own {
		if c, ok := t.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// certificates gives the system's certificates and those of a file; nil for "".
func certificates(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read certificates: %s holds none in PEM form", caFile)
	}
	return pool, nil
}
