package integration

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/s3"
	"github.com/rotatord/rotatord/credential"
)

var s3Actions = map[bucket.Op][]string{
	opPut: {"s3:PutObject"}, opGet: {"s3:GetObject"}, opDelete: {"s3:DeleteObject"}, opList: {"s3:ListBucket", "s3:ListBucketVersions"},
}

// s3World is a kind that speaks S3, on the gateway.
func s3World(kind string) world {
	fresh := func(t *testing.T, lacking ...bucket.Op) *spot {
		t.Helper()
		g := newGatewaySpot(t, kind, lacking)
		return g.spot()
	}
	return world{kind: kind, fresh: fresh, versioned: func(t *testing.T, lacking ...bucket.Op) *spot {
		t.Helper()
		g := newGatewaySpot(t, kind, lacking)
		must(t, setVersioning(t.Context(), g.bucket, true))
		return g.spot()
	}}
}

// gatewaySpot is a bucket and a user of the gateway.
type gatewaySpot struct {
	t            *testing.T
	kind, bucket string
	user         *user
	key          key
}

func newGatewaySpot(t *testing.T, kind string, lacking []bucket.Op) *gatewaySpot {
	t.Helper()
	g := &gatewaySpot{t: t, kind: kind, bucket: fmt.Sprintf("matrix-%d", serial.Add(1))}
	_, err := gateway.root.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: aws.String(g.bucket)})
	must(t, err)
	g.user, err = newUser(t.Context(), g.bucket)
	must(t, err)
	must(t, g.user.permit(t.Context(), g.bucket, permitted(s3Actions, lacking)...))
	g.key, err = g.user.newKey(t.Context())
	must(t, err)
	return g
}

func (g *gatewaySpot) spot() *spot {
	ctx := g.t.Context()
	s := &spot{url: gateway.url, endpoint: gateway.url, open: g.open}
	s.put = func(key string) {
		_, err := gateway.root.PutObject(ctx, &awss3.PutObjectInput{Bucket: aws.String(g.bucket), Key: aws.String(key), Body: strings.NewReader("left")})
		must(g.t, err)
	}
	s.remove = func(key string) {
		_, err := gateway.root.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: aws.String(g.bucket), Key: aws.String(key)})
		must(g.t, err)
	}
	s.has = func(key string) bool {
		_, err := gateway.root.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: aws.String(g.bucket), Key: aws.String(key)})
		var missing *types.NotFound
		if err != nil && !errors.As(err, &missing) {
			must(g.t, err)
		}
		return err == nil
	}
	s.drop = func() {
		_, err := gateway.root.DeleteBucket(ctx, &awss3.DeleteBucketInput{Bucket: aws.String(g.bucket)})
		must(g.t, err)
	}
	s.revoke = func() { must(g.t, g.user.revoke(ctx, g.key)) }
	s.wrong = func() { g.key.secret = "canaryWrongSecret0123456789" }
	s.unknown = func() { g.key.id = "AKIAOFNOBODYOFNOBODY" }
	s.asleep = func() { must(g.t, g.user.setActive(ctx, g.key, false)); s.note = noteInactive }
	s.awake = func() { must(g.t, g.user.setActive(ctx, g.key, true)) }
	s.skew = func() { s.note = noteSigned }
	return s
}

func (g *gatewaySpot) open(t *testing.T, s *spot) bucket.Bucket {
	t.Helper()
	at := bucket.Location{Type: g.kind, Bucket: g.bucket, Region: region, PathStyle: true}
	idField, secretField := "access_key_id", "secret_access_key"
	var transport http.RoundTripper = tcp(t)
	switch g.kind {
	case bucket.TypeAmazonS3:
		at.Endpoint = s.endpoint
		idField, secretField = "aws_access_key_id", "aws_secret_access_key"
	case bucket.TypeS3Compatible:
		at.Endpoint = s.endpoint
	case bucket.TypeOracleCloudStorage:
		at.Namespace = "rotatord"
		idField, secretField = "customer_access_key_id", "customer_secret_key"
		to, err := url.Parse(s.endpoint)
		must(t, err)
		transport = insteadOf{to.Host, "rotatord.compat.objectstorage." + region + ".oraclecloud.com", transport}
	}
	if s.clock != 0 {
		transport = signedAt{g.key, s.clock, transport}
	}
	var p credential.Parameters
	p.Set(idField, credential.NewValue([]byte(g.key.id)))
	p.Set(secretField, credential.NewValue([]byte(g.key.secret)))
	defer p.Clear()
	b, err := s3.Opener(s3.Options{Transport: transport, Timeout: s.wait})(at, p)
	must(t, err)
	return b
}

// insteadOf sends what is meant for one host to another, and leaves the name
// that is signed.
type insteadOf struct {
	host, meant string
	next        http.RoundTripper
}

func (i insteadOf) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != i.meant || r.URL.Scheme != "https" {
		return nil, errors.New("a request went elsewhere than to Oracle")
	}
	out := r.Clone(r.Context())
	out.Host = i.meant
	out.URL.Scheme, out.URL.Host = "http", i.host
	return i.next.RoundTrip(out)
}

// signedAt signs requests again as somebody does whose clock is wrong.
type signedAt struct {
	key  key
	off  time.Duration
	next http.RoundTripper
}

func (s signedAt) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Header.Del("Authorization")
	err := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }).SignHTTP(context.WithoutCancel(r.Context()),
		aws.Credentials{AccessKeyID: s.key.id, SecretAccessKey: s.key.secret}, out, out.Header.Get("X-Amz-Content-Sha256"), "s3", region, time.Now().Add(s.off))
	if err != nil {
		return nil, err
	}
	return s.next.RoundTrip(out)
}
