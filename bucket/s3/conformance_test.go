package s3_test

import (
	"net/http"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/s3"
	"github.com/rotatord/rotatord/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "canarySecret/0123456789+abcdefghijkl"

// parameters makes a credential for a type.
func parameters(typ, id, secret string) credential.Parameters {
	idField, secretField := "access_key_id", "secret_access_key"
	switch typ {
	case bucket.TypeAmazonS3:
		idField, secretField = "aws_access_key_id", "aws_secret_access_key"
	case bucket.TypeOracleCloudStorage:
		idField, secretField = "customer_access_key_id", "customer_secret_key"
	}
	var p credential.Parameters
	p.Set(idField, credential.NewValue([]byte(id)))
	p.Set(secretField, credential.NewValue([]byte(secret)))
	return p
}

// open opens a bucket and clears the credential at once, as callers may.
func open(t *testing.T, transport http.RoundTripper, at bucket.Location, id, secret string) bucket.Bucket {
	t.Helper()
	p := parameters(at.Type, id, secret)
	b, err := s3.Opener(s3.Options{Transport: transport})(at, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	amazon = bucket.Location{Type: bucket.TypeAmazonS3, Bucket: "planet-data", Region: "us-west-2"}
	oracle = bucket.Location{Type: bucket.TypeOracleCloudStorage, Bucket: "planet-data", Region: "eu-frankfurt-1", Namespace: "ns"}
	other  = bucket.Location{Type: bucket.TypeS3Compatible, Bucket: "planet-data", Region: "eu-de", Endpoint: "s3.test"}
)

// guarded makes a server with a bucket and the keys that the suite asks for.
func guarded() *buckettest.Server {
	srv := buckettest.NewServer()
	srv.CreateBucket("planet-data")
	const p, g, d, l = buckettest.Put, buckettest.Get, buckettest.Delete, buckettest.List
	for who, allow := range map[conformance.Who][]buckettest.Action{
		conformance.Owner:    {p, g, d, l, buckettest.ListVersions},
		conformance.Planets:  {p, g, d},
		conformance.NoPut:    {g, d, l},
		conformance.NoGet:    {p, d, l},
		conformance.NoDelete: {p, g, l},
	} {
		srv.AddKey(buckettest.Key{ID: ids[who], Secret: secret, Buckets: []string{"planet-data", "none-such"}, Allow: allow})
	}
	return srv
}

var ids = map[conformance.Who]string{
	conformance.Owner: "AKIAOWNER", conformance.Planets: "AKIAPLANETS", conformance.NoPut: "AKIANOPUT",
	conformance.NoGet: "AKIANOGET", conformance.NoDelete: "AKIANODELETE", conformance.UnknownKey: "AKIAUNKNOWN",
	conformance.WrongSecret: "AKIAOWNER", conformance.MissingBucket: "AKIAOWNER", conformance.Unreachable: "AKIAOWNER",
}

func harness(srv *buckettest.Server, transport func(*testing.T) http.RoundTripper, at bucket.Location, nowhere bucket.Location) conformance.Harness {
	return conformance.Harness{
		Open: func(t *testing.T, who conformance.Who) bucket.Bucket {
			here, key := at, secret
			switch who {
			case conformance.WrongSecret:
				key = "another" + secret
			case conformance.MissingBucket:
				here.Bucket = "none-such"
			case conformance.Unreachable:
				here = nowhere
			}
			return open(t, transport(t), here, ids[who], key)
		},
		Store: func(t *testing.T, key string, body []byte) {
			if err := srv.PutObject("planet-data", key, body); err != nil {
				t.Fatal(err)
			}
		},
		Objects:    func(*testing.T) []string { return srv.Objects("planet-data") },
		Versioning: func(_ *testing.T, on bool) { srv.SetVersioning("planet-data", on) },
		Permissions: map[bucket.Op]string{
			bucket.OpPut: "s3:PutObject", bucket.OpGet: "s3:GetObject", bucket.OpDelete: "s3:DeleteObject",
			bucket.OpList: "s3:ListBucketVersions",
		},
		HiddenMissing: bucket.KindDenied,
		Canaries:      []string{secret, "canarySecret", "Signature=", "X-Amz-Date"},
	}
}

// tcp gives each test a transport of its own, without connections afterwards.
func tcp(t *testing.T) http.RoundTripper {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return transport
}

func TestConformanceOverTheNetwork(t *testing.T) {
	for _, at := range []bucket.Location{amazon, oracle, other} {
		t.Run(at.Type, func(t *testing.T) {
			srv := guarded()
			if err := srv.Start(); err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
			gone := buckettest.NewServer()
			if err := gone.Start(); err != nil {
				t.Fatal(err)
			}
			nowhere := at.WithEndpoint(gone.URL())
			gone.Close()
			conformance.Test(t, harness(srv, tcp, at.WithEndpoint(srv.URL()), nowhere))
		})
	}
}

// down answers as a dead server for one host and hands on all others.
type down struct {
	host string
	next http.RoundTripper
	dead http.RoundTripper
}

func (d down) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == d.host {
		return d.dead.RoundTrip(r)
	}
	return d.next.RoundTrip(r)
}

func TestConformanceWithoutANetwork(t *testing.T) {
	virtual := other
	virtual.Region = "eu-de"
	path := other
	path.PathStyle = true
	for name, at := range map[string]bucket.Location{
		"at Amazon's own hosts":              amazon,
		"at Oracle's own hosts":              oracle,
		"with the bucket in the host's name": virtual,
		"with the bucket in the path":        path,
	} {
		t.Run(name, func(t *testing.T) {
			srv, dead := guarded(), buckettest.NewServer()
			dead.SetDown(true)
			transport := func(*testing.T) http.RoundTripper {
				return down{"dead.s3.test", srv.RoundTripper(), dead.RoundTripper()}
			}
			nowhere := at.WithEndpoint("https://dead.s3.test")
			nowhere.PathStyle = true
			conformance.Test(t, harness(srv, transport, at, nowhere))
			for _, r := range srv.Requests() {
				if r.Method == http.MethodHead || r.Method == http.MethodPost {
					t.Errorf("a %s was sent", r.Method)
				}
			}
		})
	}
}

func TestVirtualTimeReachesObjectsAndKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bubble(t)
	})
}
