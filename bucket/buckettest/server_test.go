package buckettest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/bucket/buckettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	id     = "AKIATEST"
	secret = "canarySecret"
)

func server(allow ...buckettest.Action) *buckettest.Server {
	s := buckettest.NewServer()
	s.CreateBucket("b")
	s.AddKey(buckettest.Key{ID: id, Secret: secret, Buckets: []string{"b"}, Allow: allow})
	return s
}

// signed makes a request as a client would. It is signed for now.
func signed(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(body))
	sign(t, r, hex.EncodeToString(sum[:]), time.Now())
	return r
}

func sign(t *testing.T, r *http.Request, hash string, at time.Time) {
	t.Helper()
	r.Header.Set("X-Amz-Content-Sha256", hash)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, r, hash, "s3", "eu-west-1", at)
	if err != nil {
		t.Fatal(err)
	}
}

// send gives the status and S3's error code of an answer.
func send(t *testing.T, s *buckettest.Server, r *http.Request) (int, string) {
	t.Helper()
	resp, err := s.RoundTripper().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return resp.StatusCode, code
}

func TestOnlySignedRequestsAreServed(t *testing.T) {
	const where = "http://s3.test/b/k"
	for _, tc := range []struct {
		name   string
		change func(*testing.T, *http.Request)
		status int
		code   string
	}{
		{"a good signature", func(*testing.T, *http.Request) {}, 200, ""},
		{"no signature", func(_ *testing.T, r *http.Request) { r.Header.Del("Authorization") }, 403, "AccessDenied"},
		{"a password instead", func(_ *testing.T, r *http.Request) { r.SetBasicAuth(id, secret) }, 403, "AccessDenied"},
		{"a signature of junk", func(_ *testing.T, r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }, 403, "AccessDenied"},
		{"an empty signature", func(_ *testing.T, r *http.Request) {
			cut, _, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
			r.Header.Set("Authorization", cut+"Signature=")
		}, 403, "SignatureDoesNotMatch"},
		{"another object", func(_ *testing.T, r *http.Request) { r.URL.Path = "/b/other" }, 403, "SignatureDoesNotMatch"},
		{"another method", func(_ *testing.T, r *http.Request) { r.Method = http.MethodDelete }, 403, "SignatureDoesNotMatch"},
		{"another host", func(_ *testing.T, r *http.Request) { r.Host = "evil.test" }, 403, "SignatureDoesNotMatch"},
		{"a further query", func(_ *testing.T, r *http.Request) { r.URL.RawQuery = "x-id=PutObject" }, 403, "SignatureDoesNotMatch"},
		{"another hash of the body", func(_ *testing.T, r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD") }, 403, "SignatureDoesNotMatch"},
		{"another body", func(_ *testing.T, r *http.Request) { r.Body = io.NopCloser(strings.NewReader("else")) }, 400, "XAmzContentSHA256Mismatch"},
		{"a body left unsigned on purpose", func(t *testing.T, r *http.Request) { sign(t, r, "UNSIGNED-PAYLOAD", time.Now()) }, 200, ""},
		{"signed chunks", func(t *testing.T, r *http.Request) { sign(t, r, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", time.Now()) }, 501, "NotImplemented"},
		{"a clock 16 minutes late", func(t *testing.T, r *http.Request) {
			sign(t, r, r.Header.Get("X-Amz-Content-Sha256"), time.Now().Add(-16*time.Minute))
		}, 403, "RequestTimeTooSkewed"},
		{"a clock 14 minutes ahead", func(t *testing.T, r *http.Request) {
			sign(t, r, r.Header.Get("X-Amz-Content-Sha256"), time.Now().Add(14*time.Minute))
		}, 200, ""},
		{"another date than the one signed", func(_ *testing.T, r *http.Request) {
			r.Header.Set("X-Amz-Date", time.Now().Add(time.Second).UTC().Format("20060102T150405Z"))
		}, 403, "SignatureDoesNotMatch"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			// In virtual time, so that no midnight comes between two clocks.
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(12 * time.Hour)
				s := server(buckettest.Put, buckettest.Delete)
				r := signed(t, http.MethodPut, where, "body")
				tc.change(t, r)
				if status, code := send(t, s, r); status != tc.status || code != tc.code {
					t.Errorf("got %d %s, want %d %s", status, code, tc.status, tc.code)
				}
				if stored := len(s.Objects("b")) == 1; stored != (tc.status == 200) {
					t.Errorf("stored: %v", stored)
				}
			})
		})
	}
}

func TestPermissions(t *testing.T) {
	const p, g, d, l = buckettest.Put, buckettest.Get, buckettest.Delete, buckettest.List
	for _, tc := range []struct {
		name, method, path string
		allow              []buckettest.Action
		status             int
		code               string
	}{
		{"put", "PUT", "/b/new", []buckettest.Action{p}, 200, ""},
		{"put denied", "PUT", "/b/new", []buckettest.Action{g, d, l}, 403, "AccessDenied"},
		{"get", "GET", "/b/there", []buckettest.Action{g}, 200, ""},
		{"get denied", "GET", "/b/there", []buckettest.Action{p, d, l}, 403, "AccessDenied"},
		{"get of what is missing, listing allowed", "GET", "/b/none", []buckettest.Action{g, l}, 404, "NoSuchKey"},
		{"get of what is missing, listing denied", "GET", "/b/none", []buckettest.Action{g}, 403, "AccessDenied"},
		{"head of what is missing, listing allowed", "HEAD", "/b/none", []buckettest.Action{g, l}, 404, ""},
		{"head of what is missing, listing denied", "HEAD", "/b/none", []buckettest.Action{g}, 403, ""},
		{"delete", "DELETE", "/b/there", []buckettest.Action{d}, 204, ""},
		{"delete denied", "DELETE", "/b/there", []buckettest.Action{p, g, l}, 403, "AccessDenied"},
		{"delete of what is missing", "DELETE", "/b/none", []buckettest.Action{d}, 204, ""},
		{"list", "GET", "/b?list-type=2", []buckettest.Action{l}, 200, ""},
		{"list denied", "GET", "/b?list-type=2", []buckettest.Action{p, g, d}, 403, "AccessDenied"},
		{"list of versions", "GET", "/b?versions=&prefix=t", []buckettest.Action{buckettest.ListVersions}, 200, ""},
		{"list of versions denied", "GET", "/b?versions=&prefix=t", []buckettest.Action{p, g, d, l}, 403, "AccessDenied"},
		{"a bucket of others", "GET", "/others/there", []buckettest.Action{p, g, d, l}, 403, "AccessDenied"},
		{"a missing bucket", "GET", "/none/there", []buckettest.Action{p, g, d, l}, 404, "NoSuchBucket"},
		{"many deletes at once are another operation", "POST", "/b?delete=", []buckettest.Action{p, g, d, l}, 501, "NotImplemented"},
		{"so are access lists", "PUT", "/b/there?acl=", []buckettest.Action{p, g, d, l}, 501, "NotImplemented"},
		{"so is removing the bucket", "DELETE", "/b", []buckettest.Action{p, g, d, l}, 501, "NotImplemented"},
		{"so is listing buckets", "GET", "/", []buckettest.Action{p, g, d, l}, 501, "NotImplemented"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := server(tc.allow...)
			s.CreateBucket("others")
			if err := s.PutObject("b", "there", []byte("x")); err != nil {
				t.Fatal(err)
			}
			status, code := send(t, s, signed(t, tc.method, "http://s3.test"+tc.path, ""))
			if status != tc.status || code != tc.code {
				t.Errorf("got %d %s, want %d %s", status, code, tc.status, tc.code)
			}
			if r := s.Requests(); len(r) != 1 || r[0].Status != tc.status || r[0].KeyID != id || (tc.method != "HEAD" && r[0].Code != tc.code) {
				t.Errorf("recorded: %+v", r)
			}
		})
	}
}

// What the SDK sends of its own accord over https: chunks, with a checksum as
// a trailer.
func TestTheSDKsDefaultsAreUnderstood(t *testing.T) {
	s := server(buckettest.Put, buckettest.Get, buckettest.List)
	client := s3.New(s3.Options{
		Region: "us-west-2", Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
		HTTPClient: &http.Client{Transport: s.RoundTripper()},
	})
	body := bytes.Repeat([]byte("0123456789"), 20_000)
	if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("a/b c"), Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	stored, _ := s.Object("b", "a/b c")
	if !bytes.Equal(stored, body) {
		t.Errorf("%d bytes are stored of %d", len(stored), len(body))
	}
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
	if err != nil || len(list.Contents) != 1 || aws.ToString(list.Contents[0].Key) != "a/b c" {
		t.Errorf("listed %+v, %v", list, err)
	}
}

func TestKeysComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}
		s := server(all...)
		expect := func(when string, works bool, wantCode string) {
			t.Helper()
			if got := s.Works(id, secret, "b"); got != works {
				t.Errorf("%s: works %v, want %v", when, got, works)
			}
			if _, code := send(t, s, signed(t, http.MethodDelete, "http://s3.test/b/k", "")); code != wantCode {
				t.Errorf("%s: %q, want %q", when, code, wantCode)
			}
		}
		expect("at first", true, "")
		s.Allow(id, buckettest.Put, buckettest.Get)
		expect("without delete", false, "AccessDenied")
		s.Allow(id, all...)
		expect("with delete again", true, "")
		s.Revoke(id)
		expect("revoked", false, "InvalidAccessKeyId")
		s.Allow(id, all...)
		expect("allowed what is revoked", false, "InvalidAccessKeyId")
		s.AddKey(buckettest.Key{ID: id, Secret: secret, Buckets: []string{"b"}, Allow: all, From: time.Now().Add(30 * time.Second)})
		time.Sleep(30*time.Second - time.Nanosecond)
		expect("a moment too early", false, "InvalidAccessKeyId")
		time.Sleep(time.Nanosecond)
		expect("in time", true, "")
		if s.Works(id, "other", "b") || s.Works("other", secret, "b") || s.Works(id, secret, "none") {
			t.Error("a wrong secret, key or bucket works")
		}
	})
}

func TestOverTheNetwork(t *testing.T) {
	s := server(buckettest.Put, buckettest.Get)
	if s.URL() != "" {
		t.Errorf("a URL before the start: %s", s.URL())
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	put := func() error {
		resp, err := transport.RoundTrip(signed(t, http.MethodPut, s.URL()+"/b/k", "body"))
		if err == nil {
			err = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("status %s", resp.Status)
			}
		}
		return err
	}
	for range 2 { // it can be started again
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err == nil {
			t.Error("started twice at once")
		}
		if err := put(); err != nil {
			t.Error(err)
		}
		s.SetDown(true)
		if put() == nil {
			t.Error("an answer from a server that is down")
		}
		s.SetDown(false)
		if err := put(); err != nil {
			t.Error(err)
		}
		s.Close()
		s.Close()
	}
	if diff := cmp.Diff([]string{"k"}, s.Objects("b")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.DeleteObject("b", "k"); err != nil || s.Objects("b") != nil {
		t.Errorf("deleted with %v, left %q", err, s.Objects("b"))
	}
}
