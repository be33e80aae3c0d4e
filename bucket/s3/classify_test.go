package s3_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
)

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// says answers every request alike.
func says(status int, header http.Header, body string) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		if header == nil {
			header = http.Header{}
		}
		header.Set("Date", "Sun, 01 Mar 2026 12:00:00 GMT")
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)),
			ContentLength: int64(len(body)), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}, nil
	}
}

// xmlError is an error as S3 sends it, with all that must never be repeated.
func xmlError(code, message string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` + message + `</Message>` +
		`<AWSAccessKeyId>AKIACANARY</AWSAccessKeyId><StringToSign>` + secret + `</StringToSign>` +
		`<CanonicalRequest>X-Amz-Date ` + secret + `</CanonicalRequest><RequestId>1</RequestId><HostId>` + secret + `</HostId></Error>`
}

func TestAnswersAreClassified(t *testing.T) {
	region := func(r string) http.Header { return http.Header{"X-Amz-Bucket-Region": {r}} }
	const missingAction = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: kms:GenerateDataKey on resource: " +
		"arn:aws:kms:x because no identity-based policy allows the kms:GenerateDataKey action " + secret
	const explicitDeny = "User: arn:aws:iam::123456789012:user/x is not authorized to perform: s3:PutObject on resource: r " +
		"with an explicit deny in a resource-based policy"
	for _, tc := range []struct {
		name   string
		status int
		header http.Header
		body   string
		kind   bucket.Kind
		want   string // of the error for a put
	}{
		{"access denied", 403, nil, xmlError("AccessDenied", "Access Denied"), bucket.KindDenied,
			"put object: denied (s3:PutObject): AccessDenied [HTTP 403]"},
		{"access denied for want of a key's permission", 403, nil, xmlError("AccessDenied", missingAction), bucket.KindDenied,
			"put object: denied (kms:GenerateDataKey): AccessDenied [HTTP 403]: no identity-based policy allows it"},
		{"access denied by a bucket policy", 403, nil, xmlError("AccessDenied", explicitDeny), bucket.KindDenied,
			"put object: denied (s3:PutObject): AccessDenied [HTTP 403]: an explicit deny in a resource-based policy"},
		{"unknown key", 403, nil, xmlError("InvalidAccessKeyId", "The key AKIACANARY does not exist"), bucket.KindBadCredential,
			"put object: bad credential: InvalidAccessKeyId [HTTP 403]: the access key id is not known; a new key may need some seconds"},
		{"wrong secret", 403, nil, xmlError("SignatureDoesNotMatch", secret), bucket.KindBadCredential,
			"put object: bad credential: SignatureDoesNotMatch [HTTP 403]: the secret does not belong to the access key id"},
		{"expired token", 400, nil, xmlError("ExpiredToken", "x"), bucket.KindBadCredential,
			"put object: bad credential: ExpiredToken [HTTP 400]: the credential has expired"},
		{"invalid token", 400, nil, xmlError("InvalidToken", "x"), bucket.KindBadCredential,
			"put object: bad credential: InvalidToken [HTTP 400]: the account or the key is not accepted"},
		{"malformed key at R2", 400, nil, xmlError("InvalidArgument", "Credential access key has length 20, should be 32"), bucket.KindBadCredential,
			"put object: bad credential: InvalidArgument [HTTP 400]: the access key id can't be one of this store's"},
		{"clock", 403, nil, xmlError("RequestTimeTooSkewed", "x"), bucket.KindClockSkew,
			"put object: clock skew: RequestTimeTooSkewed [HTTP 403]: the clock here and the server's differ too much; set the clock"},
		{"missing object", 404, nil, xmlError("NoSuchKey", "x"), bucket.KindNotFound, "put object: not found: NoSuchKey [HTTP 404]"},
		{"missing bucket", 404, nil, xmlError("NoSuchBucket", "x"), bucket.KindNoBucket,
			"put object: no bucket: NoSuchBucket [HTTP 404]: there is no bucket of that name"},
		{"redirect to another region", 301, region("eu-west-1"), xmlError("PermanentRedirect", "x"), bucket.KindWrongRegion,
			"put object: wrong region: PermanentRedirect [HTTP 301]: the bucket is in region eu-west-1, not in us-west-2"},
		{"redirect without a code but with a region", 301, region("eu-west-1"), "", bucket.KindWrongRegion,
			"put object: wrong region [HTTP 301]: the bucket is in region eu-west-1, not in us-west-2"},
		{"a region that is none is not repeated", 301, region(secret), xmlError("PermanentRedirect", "x"), bucket.KindWrongRegion,
			"put object: wrong region: PermanentRedirect [HTTP 301]: the bucket is not in region us-west-2 or not at this endpoint"},
		{"signed for another region", 400, nil, xmlError("AuthorizationHeaderMalformed", "the region 'us-west-2' is wrong; expecting 'eu-west-1'"), bucket.KindWrongRegion,
			"put object: wrong region: AuthorizationHeaderMalformed [HTTP 400]: the bucket is in region eu-west-1, not in us-west-2"},
		{"malformed for another reason", 400, nil, xmlError("AuthorizationHeaderMalformed", "a non-empty Access Key (AKID) must be provided"), bucket.KindBadCredential,
			"put object: bad credential: AuthorizationHeaderMalformed [HTTP 400]: the access key id can't be one"},
		{"slow down", 503, nil, xmlError("SlowDown", "x"), bucket.KindThrottled,
			"put object: throttled: SlowDown [HTTP 503]: the server asks for fewer requests"},
		{"unavailable without a code", 503, nil, "<html>", bucket.KindThrottled,
			"put object: throttled [HTTP 503]: the server asks to come back later"},
		{"too many requests without a code", 429, nil, "", bucket.KindThrottled,
			"put object: throttled [HTTP 429]: the server asks to come back later"},
		{"internal error", 500, nil, xmlError("InternalError", "x"), bucket.KindServer,
			"put object: server error: InternalError [HTTP 500]: the server failed"},
		{"bad gateway", 502, nil, "<html><body>" + secret, bucket.KindServer, "put object: server error [HTTP 502]: the server failed"},
		{"a firewall's 403 says nothing about the credential", 403, nil, "<html>blocked " + secret + "</html>", bucket.KindUnknown,
			"put object: unknown [HTTP 403]: the answer is none of S3's; check the endpoint, and proxies on the way"},
		{"XML of somebody else's is no error of S3's", 403, nil, "<fault><Code>AccessDenied</Code></fault>", bucket.KindUnknown,
			"put object: unknown [HTTP 403]: the answer is none of S3's; check the endpoint, and proxies on the way"},
		{"an error within another element", 403, nil, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>x</Message></Error></ErrorResponse>", bucket.KindDenied,
			"put object: denied (s3:PutObject): AccessDenied [HTTP 403]"},
		{"an empty 403 says nothing either", 403, nil, "", bucket.KindUnknown,
			"put object: unknown [HTTP 403]: the answer is none of S3's; check the endpoint, and proxies on the way"},
		{"a web site's 404 is no missing object", 404, nil, "not here", bucket.KindUnknown,
			"put object: unknown [HTTP 404]: the answer is none of S3's; check the endpoint, and proxies on the way"},
		{"a redirect is not followed", 302, http.Header{"Location": {"https://elsewhere.test/?" + secret}}, "", bucket.KindUnknown,
			"put object: unknown [HTTP 302]: the answer is a redirect, which is not followed; check the endpoint"},
		{"an unknown code with 403", 403, nil, xmlError("SomethingNew", "x"), bucket.KindDenied,
			"put object: denied (s3:PutObject): SomethingNew [HTTP 403]"},
		{"a code of another shape is not repeated", 400, nil, xmlError("Bad/Code=1", "x"), bucket.KindUnknown, "put object: unknown [HTTP 400]"},
		{"a code that is none is not repeated", 400, nil, xmlError(secret, secret), bucket.KindUnknown, "put object: unknown [HTTP 400]"},
		{"a code that holds the key id is not repeated", 400, nil, xmlError("BadKeyAKIACANARY", "x"), bucket.KindUnknown, "put object: unknown [HTTP 400]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests := 0
			transport := roundTrip(func(r *http.Request) (*http.Response, error) {
				requests++
				return says(tc.status, tc.header, tc.body)(r)
			})
			err := open(t, transport, amazon, "AKIACANARY", secret).Put(t.Context(), "k", []byte("x"))
			if bucket.KindOf(err) != tc.kind {
				t.Errorf("kind %q, want %q", bucket.KindOf(err), tc.kind)
			}
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			conformance.CheckNoCanary(t, err, secret, "AKIACANARY", "Signature=")
			var e *bucket.Error
			if errors.As(err, &e) && e.ServerTime.IsZero() {
				t.Error("the server's time is lost")
			}
			if requests != 1 {
				t.Errorf("%d requests, want one attempt", requests)
			}
		})
	}
}

func TestSilenceIsClassified(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		want string
		is   error
	}{
		{"name lookup", &net.DNSError{Err: "no such host " + secret, Name: secret, IsNotFound: true},
			"its name does not resolve; check the endpoint, the region and DNS", nil},
		{"refused", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "the connection was refused; check the endpoint and its port", syscall.ECONNREFUSED},
		{"reset", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, "the connection was reset", syscall.ECONNRESET},
		{"cut", io.ErrUnexpectedEOF, "the connection was cut before the answer was complete", io.ErrUnexpectedEOF},
		{"plain HTTP where TLS is meant", tls.RecordHeaderError{Msg: secret}, "it does not speak TLS; an endpoint without TLS is written http://host", nil},
		{"anything else", errors.New(secret), "no answer came", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			transport := roundTrip(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("dial %s: %w", secret, tc.err) })
			_, err := open(t, transport, other, "AKIACANARY", secret).Get(t.Context(), "k")
			if want := "get object: unreachable: s3.test: " + tc.want; err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("the cause is lost: %v", err)
			}
			conformance.CheckNoCanary(t, err, secret, "AKIACANARY")
		})
	}
}

func TestAnUntrustedCertificateIsToldAsSuch(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	_, err := open(t, tcp(t), other.WithEndpoint(srv.URL), "k", secret).Get(t.Context(), "k")
	if bucket.KindOf(err) != bucket.KindUnreachable || !strings.Contains(err.Error(), "authority that is not trusted") {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorWithoutEndIsNotReadToItsEnd(t *testing.T) {
	read := 0
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		endless := readFunc(func(p []byte) (int, error) {
			for i := range p {
				p[i] = 'x'
			}
			read += len(p)
			if read > 4<<20 {
				return 0, errors.New("too much was read")
			}
			return len(p), nil
		})
		return &http.Response{StatusCode: 500, Header: http.Header{}, Body: io.NopCloser(endless), ContentLength: -1, Request: r}, nil
	})
	err := open(t, transport, amazon, "k", secret).Delete(t.Context(), "k")
	if bucket.KindOf(err) != bucket.KindServer || read > 1<<20 {
		t.Errorf("read %d bytes for %v", read, err)
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestAServerThatIgnoresRangesIsReadNoFurther(t *testing.T) {
	b := open(t, says(200, http.Header{"Content-Length": {"5000"}}, strings.Repeat("x", 5000)), other, "k", secret)
	o, err := b.Get(t.Context(), "k")
	if err != nil || len(o.Body) != bucket.MaxBody || o.Size != 5000 {
		t.Errorf("%d bytes of %d, %v", len(o.Body), o.Size, err)
	}
}

func TestDeletingWhatAServerCallsMissingIsNoError(t *testing.T) {
	if err := open(t, says(404, nil, xmlError("NoSuchKey", "x")), other, "k", secret).Delete(t.Context(), "k"); err != nil {
		t.Error(err)
	}
	if err := open(t, says(404, nil, "gone"), other, "k", secret).Delete(t.Context(), "k"); bucket.KindOf(err) != bucket.KindUnknown {
		t.Errorf("a web site's 404 passes for a delete: %v", err)
	}
}

func TestAWrongRegionIsToldByTheServer(t *testing.T) {
	srv := guarded()
	srv.SetRegion("planet-data", "eu-west-1")
	err := open(t, srv.RoundTripper(), amazon, "AKIAOWNER", secret).Put(t.Context(), "k", nil)
	if bucket.KindOf(err) != bucket.KindWrongRegion || !strings.Contains(err.Error(), "is in region eu-west-1") {
		t.Errorf("got %v", err)
	}
}
