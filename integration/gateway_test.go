package integration

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/s3"
	"github.com/rotatord/rotatord/credential"
)

const (
	bucketName = "planet-data"
	region     = "us-east-1"
	rootID     = "rootaccess"
	rootSecret = "canaryRootSecret0123456789"
)

// denied is what the bucket's policy denies to each credential of the
// conformance suite. All else is allowed to them.
var denied = map[conformance.Who][]string{
	conformance.Owner:    nil,
	conformance.Planets:  {"s3:ListBucket", "s3:ListBucketVersions"},
	conformance.NoPut:    {"s3:PutObject"},
	conformance.NoGet:    {"s3:GetObject"},
	conformance.NoDelete: {"s3:DeleteObject"},
}

// gateway is the one versitygw of this process with the IAM service that it
// asks about every request, reached through a proxy on loopback that answers
// for missing objects as Amazon does.
var gateway struct {
	url string
	// repository is the repository's own folder, since a test's working directory
	// is versitygw's.
	repository string
	root       *awss3.Client
	iam        *iam.Client
	// keys are those of the conformance suite.
	keys map[conformance.Who]key
	// owners are the users by their access key ids, past keys included.
	owners sync.Map
}

func TestMain(m *testing.M) {
	flag.Parse()
	// The parallel tests wait for times to pass more than they work: more of them
	// at once than there are processors, unless somebody has said how many.
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("8"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	// rotatord's own key to the Secrets Manager, found as the SDK finds keys, and
	// nothing else of this machine's.
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": readerKey.ID, "AWS_SECRET_ACCESS_KEY": readerKey.Secret, "AWS_SESSION_TOKEN": "",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code, err := withGateway(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withGateway runs the gateway around the tests. All of it listens on socket
// files, so that no port can be taken from it between choosing and listening.
func withGateway(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "gw")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	here, err := os.Getwd() // versitygw changes directory
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.Chdir(here)) }()
	gateway.repository = filepath.Dir(here)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()

	accounts := start(ctx, dir, "iam", serveIAM)
	defer func() { err = errors.Join(err, accounts.end()) }()
	// The gateway asks its IAM service once as it starts, and again only after
	// two seconds.
	if err := errors.Join(accounts.ready("i"), accounts.ready("p")); err != nil {
		return 0, err
	}
	objects := start(ctx, dir, "s3", serveS3)
	defer func() { err = errors.Join(err, objects.end()) }()
	if err := objects.ready("s"); err != nil {
		return 0, err
	}
	front := httptest.NewServer(likeAmazon(objects.transport("s")))
	defer front.Close()
	gateway.url = front.URL
	who := credentials.NewStaticCredentialsProvider(rootID, rootSecret, "")
	gateway.root = awss3.New(awss3.Options{Region: region, BaseEndpoint: aws.String(front.URL), UsePathStyle: true, Credentials: who})
	gateway.iam = iam.New(iam.Options{Region: region, BaseEndpoint: aws.String("http://iam"), Credentials: who,
		HTTPClient: &http.Client{Transport: accounts.transport("i")}})
	if err := prepareBucket(ctx); err != nil {
		return 0, err
	}
	return run(), nil
}

// server is a part of versitygw that runs in this process.
type server struct {
	name, dir string
	stop      context.CancelFunc
	ended     chan error
	sockets   []*http.Transport
}

func start(ctx context.Context, dir, name string, serve func(context.Context, string) error) *server {
	ctx, stop := context.WithCancel(ctx)
	s := &server{name: name, dir: dir, stop: stop, ended: make(chan error, 1)}
	go func() { s.ended <- serve(ctx, dir) }()
	return s
}

// end stops the server and waits for it. Connections that still idle would
// keep it waiting.
func (s *server) end() error {
	for _, t := range s.sockets {
		t.CloseIdleConnections()
	}
	s.stop()
	return <-s.ended
}

// transport reaches a socket of the server, whatever the URL's host.
func (s *server) transport(socket string) http.RoundTripper {
	t := &http.Transport{MaxIdleConnsPerHost: 64, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(s.dir, socket))
	}}
	s.sockets = append(s.sockets, t)
	return t
}

// ready returns once the server listens on a socket, or has ended.
func (s *server) ready(socket string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-s.ended:
			s.ended <- nil
			return fmt.Errorf("versitygw's %s did not start: %w", s.name, err)
		case <-tick.C:
		}
		if c, err := net.Dial("unix", filepath.Join(s.dir, socket)); err == nil {
			return c.Close()
		}
	}
}

// serveIAM runs versitygw's IAM service until ctx ends: one API as Amazon's,
// and a private one for the gateway.
func serveIAM(ctx context.Context, dir string) error {
	accounts := filepath.Join(dir, "iam")
	if err := os.Mkdir(accounts, 0o700); err != nil {
		return err
	}
	return embedgw.RunIAMAPI(ctx, &embedgw.IAMConfig{
		RootUserAccess: rootID, RootUserSecret: rootSecret, IAMDir: accounts,
		Ports: []string{filepath.Join(dir, "i")}, PrivatePorts: []string{filepath.Join(dir, "p")},
		MaxConnections: 256, MaxRequests: 128, KeepAlive: true, Quiet: true,
	})
}

// serveS3 runs versitygw's S3 server until ctx ends.
func serveS3(ctx context.Context, dir string) error {
	data, side, versions := filepath.Join(dir, "data"), filepath.Join(dir, "meta"), filepath.Join(dir, "versions")
	if err := errors.Join(os.Mkdir(data, 0o700), os.Mkdir(side, 0o700), os.Mkdir(versions, 0o700)); err != nil {
		return err
	}
	// Metadata in files beside the data: not every file system has extended
	// attributes.
	sidecar, err := meta.NewSideCar(side)
	if err != nil {
		return err
	}
	store, err := posix.New(data, sidecar, posix.PosixOpts{SideCarDir: side, VersioningDir: versions})
	if err != nil {
		return err
	}
	// No cache: what IAM is told takes effect at once.
	accounts, err := auth.NewIAMServiceStandalone(auth.Account{Access: rootID, Secret: rootSecret, Role: auth.RoleAdmin},
		auth.IAMServiceStandaloneConfig{Endpoint: filepath.Join(dir, "p"), Region: region})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, store, &embedgw.Config{
		RootUserAccess: rootID, RootUserSecret: rootSecret, Region: region,
		Ports: []string{filepath.Join(dir, "s")}, IAMService: accounts,
		MaxConnections: 256, MaxRequests: 128, MultipartMaxParts: 100, KeepAlive: true, Quiet: true,
	})
}

// prepareBucket makes the conformance suite's bucket and users. IAM allows
// them everything; the bucket's policy takes some of it back.
func prepareBucket(ctx context.Context) error {
	if _, err := gateway.root.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		return err
	}
	gateway.keys = map[conformance.Who]key{}
	var statements []statement
	for who, actions := range denied {
		u, err := newUser(ctx, fmt.Sprintf("suite-%d", len(gateway.keys)))
		if err != nil {
			return err
		}
		if err := u.permit(ctx, bucketName, "s3:*"); err != nil {
			return err
		}
		u.lists.Store(!slices.Contains(actions, "s3:ListBucket"))
		if gateway.keys[who], err = u.newKey(ctx); err != nil {
			return err
		}
		if len(actions) > 0 {
			statements = append(statements, statement{Effect: "Deny", Principal: map[string]string{"AWS": u.arn},
				Action: actions, Resource: resourcesOf(bucketName, actions...)})
		}
	}
	policy, err := policyOf(statements...)
	if err != nil {
		return err
	}
	_, err = gateway.root.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: aws.String(bucketName), Policy: aws.String(policy)})
	return err
}

// likeAmazon is a proxy that keeps the Host header, which is signed, and turns
// the gateway's 404 for a missing object into Amazon's 403 where the key may
// not list. It is the one thing in which the gateway differs that matters here.
func likeAmazon(socket http.RoundTripper) http.Handler {
	return &httputil.ReverseProxy{
		Transport: socket,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "gateway"})
			r.Out.Host = r.In.Host
		},
		ModifyResponse: func(resp *http.Response) error {
			if resp.StatusCode != http.StatusNotFound || !mayNotList(resp.Request) {
				return nil
			}
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				return err
			}
			if bytes.Contains(body, []byte("<Code>NoSuchKey</Code>")) {
				body = []byte(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
				resp.StatusCode = http.StatusForbidden
				resp.Status = ""
			}
			resp.Body = io.NopCloser(bytes.NewReader(body))
			resp.ContentLength = int64(len(body))
			resp.Header.Set("Content-Length", strconv.Itoa(len(body)))
			return nil
		},
	}
}

// mayNotList tells whether a request is signed with a key of a user who may
// not list. The root user may.
func mayNotList(r *http.Request) bool {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(scope, "/")
	owner, ok := gateway.owners.Load(id)
	if !ok {
		return false
	}
	u, ok := owner.(*user)
	return ok && !u.lists.Load()
}

// location is the gateway's bucket at an endpoint.
func location(endpoint string) bucket.Location {
	return bucket.Location{Type: bucket.TypeS3Compatible, Bucket: bucketName, Region: region, Endpoint: endpoint, PathStyle: true}
}

// open opens a bucket with connections of its own, which end with the test.
func open(t *testing.T, at bucket.Location, k key, timeout time.Duration) bucket.Bucket {
	t.Helper()
	var p credential.Parameters
	p.Set("access_key_id", credential.NewValue([]byte(k.id)))
	p.Set("secret_access_key", credential.NewValue([]byte(k.secret)))
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	b, err := s3.Opener(s3.Options{Transport: transport, Timeout: timeout})(at, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// objects lists the bucket as its owner sees it.
func objects(t *testing.T) []string {
	t.Helper()
	out, err := gateway.root.ListObjectsV2(t.Context(), &awss3.ListObjectsV2Input{Bucket: aws.String(bucketName)})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, aws.ToString(o.Key))
	}
	return keys
}

// setVersioning lets a bucket keep versions from now on, or suspends it.
func setVersioning(ctx context.Context, bucket string, on bool) error {
	status := types.BucketVersioningStatusSuspended
	if on {
		status = types.BucketVersioningStatusEnabled
	}
	_, err := gateway.root.PutBucketVersioning(ctx, &awss3.PutBucketVersioningInput{Bucket: aws.String(bucket),
		VersioningConfiguration: &types.VersioningConfiguration{Status: status}})
	return err
}

// putObject puts an object as the bucket's owner.
func putObject(t *testing.T, key string, body []byte) {
	t.Helper()
	_, err := gateway.root.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: aws.String(bucketName), Key: aws.String(key), Body: bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
}

// remove deletes an object as the bucket's owner.
func remove(t *testing.T, key string) {
	t.Helper()
	_, err := gateway.root.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: aws.String(bucketName), Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
}
