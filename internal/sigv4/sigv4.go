// Package sigv4 verifies AWS Signature Version 4 for test servers.
//
// A test server that believes every signature proves nothing about who signs:
// a wrong secret, a wrong region, a body that was changed on its way all look
// right to it. So the test servers here do what Amazon does. They take the
// Authorization header apart ([Parse]), look up the key that it claims, and sign
// the request again with that key ([Claim.Check]); if the two signatures are the
// same, whoever sent the request has the secret.
//
// Signing again is left to the SDK's own signer, which makes this short, and
// which means that a mistake that is in that signer would not be found. What is
// in question is whether a client uses it rightly.
//
// Which faults there are is said here, and how they are worded is the server's
// business: S3, STS and the JSON services have words of their own. Nothing here
// is meant for a server that guards anything.
package sigv4

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	// MaxSkew is how far a client's clock may be off, as with Amazon.
	MaxSkew = 15 * time.Minute
	// TimeFormat is that of the header X-Amz-Date, in UTC.
	TimeFormat = "20060102T150405Z"
)

// Claim is an Authorization header taken apart. Nothing in it is proved.
type Claim struct {
	// ID is the access key's.
	ID string
	// Day, Region and Service are the scope that is signed for.
	Day, Region, Service string
	// Headers are the names of the headers that are signed, in small letters.
	Headers []string

	signature string
}

// Parse reads "AWS4-HMAC-SHA256 Credential=id/day/region/service/aws4_request,
// SignedHeaders=a;b, Signature=hex". It is not ok without an id, or if the host
// is not signed. An id may hold slashes, as those of some S3-compatible stores
// do.
func Parse(header string) (c Claim, ok bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return Claim{}, false
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			n := len(scope)
			if n < 5 || scope[n-1] != "aws4_request" {
				return Claim{}, false
			}
			c.ID = strings.Join(scope[:n-4], "/")
			c.Day, c.Region, c.Service = scope[n-4], scope[n-3], scope[n-2]
		case "SignedHeaders":
			c.Headers = strings.Split(value, ";")
		case "Signature":
			c.signature = value
		}
	}
	return c, c.ID != "" && c.Signs("host")
}

// Signs tells whether a header, named in small letters, is signed.
func (c Claim) Signs(header string) bool { return slices.Contains(c.Headers, header) }

// Key is what a server knows of a client.
type Key struct {
	Secret string
	// Token is the session token of a temporary key; empty for a lasting one.
	Token string
}

// HasToken tells whether a request comes with the session token of the key,
// and has it signed; or without one, if the key is a lasting one.
func (c Claim) HasToken(r *http.Request, k Key) bool {
	return subtle.ConstantTimeCompare([]byte(k.Token), []byte(r.Header.Get("X-Amz-Security-Token"))) == 1 &&
		(k.Token == "" || c.Signs("x-amz-security-token"))
}

// Fault is what is wrong with a signature.
type Fault int

const (
	// None: the request was signed with this key.
	None Fault = iota
	// BadDate: there is no X-Amz-Date, or it is not of the day in the scope.
	BadDate
	// Skewed: it was signed more than MaxSkew ago, or as far in the future.
	Skewed
	// Mismatch: another secret, other headers or another body were signed.
	Mismatch
)

// Check signs a request again as its sender claims to have done it, and
// compares. hash is what counts as the hash of the body: [HashOf] what arrived,
// or, for S3, what the header X-Amz-Content-Sha256 says, which may be that the
// body is not signed. The path is taken as S3 does for S3, and as all others do
// for all others. The clock is time.Now.
func (c Claim) Check(r *http.Request, k Key, hash string) Fault {
	at, err := time.Parse(TimeFormat, r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != c.Day {
		return BadDate
	}
	if time.Since(at).Abs() > MaxSkew {
		return Skewed
	}
	want, ok := c.again(r, k, hash, at)
	if !ok || subtle.ConstantTimeCompare([]byte(want), []byte(c.signature)) != 1 {
		return Mismatch
	}
	return None
}

func (c Claim) again(r *http.Request, k Key, hash string, at time.Time) (signature string, ok bool) {
	u := *r.URL
	u.Scheme, u.Host = "", r.Host
	again := &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: http.Header{}}
	for _, name := range c.Headers {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			name = textproto.CanonicalMIMEHeaderKey(name)
			if values, ok := r.Header[name]; ok {
				again.Header[name] = slices.Clone(values)
			}
		}
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = c.Service == "s3" })
	err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: c.ID, SecretAccessKey: k.Secret, SessionToken: k.Token},
		again, hash, c.Service, c.Region, at)
	if err != nil {
		return "", false
	}
	redone, ok := Parse(again.Header.Get("Authorization"))
	return redone.signature, ok && redone.signature != ""
}

// HashOf is the hash of a body as signatures have it.
func HashOf(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
