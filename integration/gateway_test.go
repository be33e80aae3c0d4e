package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
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
	userSecret = "canaryUserSecret0123456789"
)

// users are the access keys of the conformance suite and what the bucket's
// policy denies to each. All else is allowed to them.
var users = map[conformance.Who]struct {
	id   string
	deny []string
}{
	conformance.Owner:    {"owner", nil},
	conformance.Planets:  {"planets", []string{"s3:ListBucket"}},
	conformance.NoPut:    {"noput", []string{"s3:PutObject"}},
	conformance.NoGet:    {"noget", []string{"s3:GetObject"}},
	conformance.NoDelete: {"nodelete", []string{"s3:DeleteObject"}},
}

// gateway is the one versitygw of this process, reached through a proxy on
// loopback that answers for missing objects as Amazon does.
var gateway struct {
	url  string
	root *awss3.Client
}

func TestMain(m *testing.M) {
	code, err := withGateway(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withGateway runs the gateway around the tests. It listens on a socket file,
// so that no port can be taken from it between choosing and listening.
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

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, dir) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()

	socket := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(dir, "s"))
	}}
	defer socket.CloseIdleConnections()
	if err := awaitSocket(socket, ended); err != nil {
		return 0, err
	}
	front := httptest.NewServer(likeAmazon(socket))
	defer front.Close()
	gateway.url = front.URL
	gateway.root = awss3.New(awss3.Options{
		Region: region, BaseEndpoint: aws.String(front.URL), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(rootID, rootSecret, ""),
	})
	if err := prepareBucket(ctx); err != nil {
		return 0, err
	}
	return run(), nil
}

// serve runs versitygw until ctx ends.
func serve(ctx context.Context, dir string) error {
	data, side, accounts := filepath.Join(dir, "data"), filepath.Join(dir, "meta"), filepath.Join(dir, "iam")
	for _, d := range []string{data, side, accounts} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	// Metadata in files beside the data: not every file system has extended
	// attributes.
	sidecar, err := meta.NewSideCar(side)
	if err != nil {
		return err
	}
	store, err := posix.New(data, sidecar, posix.PosixOpts{SideCarDir: side})
	if err != nil {
		return err
	}
	iam, err := auth.NewInternal(auth.Account{Access: rootID, Secret: rootSecret, Role: auth.RoleAdmin}, accounts)
	if err != nil {
		return err
	}
	for _, u := range users {
		if err := iam.CreateAccount(auth.Account{Access: u.id, Secret: userSecret, Role: auth.RoleUser}); err != nil {
			return err
		}
	}
	return embedgw.RunVersityGW(ctx, store, &embedgw.Config{
		RootUserAccess: rootID, RootUserSecret: rootSecret, Region: region,
		Ports: []string{filepath.Join(dir, "s")}, IAMService: iam,
		MaxConnections: 256, MaxRequests: 128, MultipartMaxParts: 100, Quiet: true,
	})
}

// awaitSocket returns once the gateway answers, or has ended.
func awaitSocket(socket http.RoundTripper, ended chan error) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Transport: socket}
	for {
		select {
		case err := <-ended:
			ended <- nil
			return fmt.Errorf("the gateway did not start: %w", err)
		case <-tick.C:
		}
		resp, err := client.Get("http://gateway/")
		if err == nil {
			return resp.Body.Close()
		}
	}
}

// prepareBucket makes the bucket, and the policy that binds each user.
func prepareBucket(ctx context.Context) error {
	if _, err := gateway.root.CreateBucket(ctx, &awss3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		return err
	}
	resources := []string{"arn:aws:s3:::" + bucketName, "arn:aws:s3:::" + bucketName + "/*"}
	type statement struct {
		Effect    string
		Principal map[string][]string
		Action    []string
		Resource  []string
	}
	var statements []statement
	for _, u := range users {
		who := map[string][]string{"AWS": {u.id}}
		statements = append(statements, statement{"Allow", who, []string{"s3:*"}, resources})
		for _, action := range u.deny {
			resource := resources[1:]
			if action == "s3:ListBucket" {
				resource = resources[:1]
			}
			statements = append(statements, statement{"Deny", who, []string{action}, resource})
		}
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		return err
	}
	_, err = gateway.root.PutBucketPolicy(ctx, &awss3.PutBucketPolicyInput{Bucket: aws.String(bucketName), Policy: aws.String(string(policy))})
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

func mayNotList(r *http.Request) bool {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	id, _, _ := strings.Cut(scope, "/")
	for _, u := range users {
		if u.id == id {
			return slices.Contains(u.deny, "s3:ListBucket")
		}
	}
	return false
}

// location is the gateway's bucket at an endpoint.
func location(endpoint string) bucket.Location {
	return bucket.Location{Type: bucket.TypeS3Compatible, Bucket: bucketName, Region: region, Endpoint: endpoint, PathStyle: true}
}

// open opens a bucket with connections of its own, which end with the test.
func open(t *testing.T, at bucket.Location, id, secret string, timeout time.Duration) bucket.Bucket {
	t.Helper()
	var p credential.Parameters
	p.Set("access_key_id", credential.NewValue([]byte(id)))
	p.Set("secret_access_key", credential.NewValue([]byte(secret)))
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

// store puts an object as the bucket's owner.
func store(t *testing.T, key string, body []byte) {
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
