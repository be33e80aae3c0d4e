package sigv4_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rotatord/rotatord/internal/sigv4"
)

func TestParse(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/sqs/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff"
	want := sigv4.Claim{ID: "AKIA", Day: "20260301", Region: "eu-west-1", Service: "sqs", Headers: []string{"host", "x-amz-date"}}
	for header, id := range map[string]string{good: "AKIA", strings.Replace(good, "AKIA", "tenant/user", 1): "tenant/user"} {
		want.ID = id
		got, ok := sigv4.Parse(header)
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(sigv4.Claim{})); !ok || diff != "" {
			t.Errorf("%s: ok %v, (-want +got):\n%s", header, ok, diff)
		}
	}
	for _, bad := range []string{
		"", "Basic QUtJQTpz", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host",
		strings.Replace(good, "AKIA", "", 1),
		strings.Replace(good, "host;", "", 1),
		strings.Replace(good, "aws4_request", "other", 1),
	} {
		if _, ok := sigv4.Parse(bad); ok {
			t.Errorf("accepted %q", bad)
		}
	}
}

const (
	secret = "a/secret+key"
	token  = "a-session"
	body   = `{"a":1}`
)

// signed is a request as a client's SDK signs it, s seconds from now, and as a
// server sees it.
func signed(t *testing.T, service, path string, skew time.Duration) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AmazonSQS.ReceiveMessage")
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = service == "s3" })
	credentials := aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: secret, SessionToken: token}
	if err := signer.SignHTTP(t.Context(), credentials, r, sigv4.HashOf([]byte(body)), service, "eu-west-1", time.Now().Add(skew)); err != nil {
		t.Fatal(err)
	}
	r.Host, r.URL.Host, r.URL.Scheme = "example.com", "", ""
	return r
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name   string
		path   string
		skew   time.Duration
		change func(r *http.Request, k *sigv4.Key)
		body   string
		want   sigv4.Fault
	}{
		{name: "as it was signed"},
		{name: "a path that has to be escaped", path: "/a%20b/c=d"},
		{name: "at the edge of what a clock may be off", skew: -sigv4.MaxSkew},
		{name: "a clock that is behind", skew: -sigv4.MaxSkew - time.Second, want: sigv4.Skewed},
		{name: "a clock that is ahead", skew: sigv4.MaxSkew + time.Second, want: sigv4.Skewed},
		{name: "another secret", change: func(_ *http.Request, k *sigv4.Key) { k.Secret = "other" }, want: sigv4.Mismatch},
		{name: "another token", change: func(_ *http.Request, k *sigv4.Key) { k.Token = "other" }, want: sigv4.Mismatch},
		{name: "another body", body: `{"a":2}`, want: sigv4.Mismatch},
		{name: "another path", change: func(r *http.Request, _ *sigv4.Key) { r.URL.Path = "/other" }, want: sigv4.Mismatch},
		{name: "another host", change: func(r *http.Request, _ *sigv4.Key) { r.Host = "example.org" }, want: sigv4.Mismatch},
		{name: "another length", change: func(r *http.Request, _ *sigv4.Key) { r.ContentLength++ }, want: sigv4.Mismatch},
		{name: "a signed header changed", change: func(r *http.Request, _ *sigv4.Key) { r.Header.Set("X-Amz-Target", "AmazonSQS.DeleteMessage") }, want: sigv4.Mismatch},
		{name: "no date", change: func(r *http.Request, _ *sigv4.Key) { r.Header.Del("X-Amz-Date") }, want: sigv4.BadDate},
		{name: "the date of another day", change: func(r *http.Request, _ *sigv4.Key) { r.Header.Set("X-Amz-Date", "20200101T000000Z") }, want: sigv4.BadDate},
	} {
		for _, service := range []string{"s3", "sqs"} {
			t.Run(tc.name+" for "+service, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { // so that edges are exact
					if tc.path == "" {
						tc.path = "/"
					}
					r, k := signed(t, service, tc.path, tc.skew), sigv4.Key{Secret: secret, Token: token}
					if tc.change != nil {
						tc.change(r, &k)
					}
					if tc.body == "" {
						tc.body = body
					}
					c, ok := sigv4.Parse(r.Header.Get("Authorization"))
					if got := c.Check(r, k, sigv4.HashOf([]byte(tc.body))); !ok || got != tc.want {
						t.Errorf("%v, fault %d, want %d", ok, got, tc.want)
					}
				})
			})
		}
	}
}

func TestASessionTokenHasToBeTheRightOneAndSigned(t *testing.T) {
	r := signed(t, "sqs", "/", 0)
	c, _ := sigv4.Parse(r.Header.Get("Authorization"))
	unsigned := c
	unsigned.Headers = []string{"host", "x-amz-date"}
	for _, tc := range []struct {
		name  string
		claim sigv4.Claim
		key   sigv4.Key
		want  bool
	}{
		{"the right one", c, sigv4.Key{Token: token}, true},
		{"another", c, sigv4.Key{Token: "other"}, false},
		{"one for a lasting key", c, sigv4.Key{}, false},
		{"the right one, but not signed", unsigned, sigv4.Key{Token: token}, false},
	} {
		if got := tc.claim.HasToken(r, tc.key); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
	r.Header.Del("X-Amz-Security-Token")
	if c.HasToken(r, sigv4.Key{Token: token}) || !c.HasToken(r, sigv4.Key{}) {
		t.Error("without a token")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=00")
	f.Add("AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=host")
	f.Fuzz(func(t *testing.T, header string) {
		if c, ok := sigv4.Parse(header); ok && (c.ID == "" || !slices.Contains(c.Headers, "host")) {
			t.Errorf("accepted %q as %+v", header, c)
		}
	})
}
