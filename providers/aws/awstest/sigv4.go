package awstest

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
	// maxSkew is how far a client's clock may be off, as with Amazon.
	maxSkew = 15 * time.Minute
	amzTime = "20060102T150405Z"
)

// claim is an Authorization header taken apart.
type claim struct {
	id, day, region, service string
	signedHeaders            []string
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=id/day/region/service/aws4_request,
// SignedHeaders=a;b, Signature=hex".
func parseAuthorization(header string) (claim, bool) {
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return claim{}, false
	}
	var c claim
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return claim{}, false
			}
			c.id, c.day, c.region, c.service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			c.signedHeaders = strings.Split(value, ";")
		}
	}
	// Secrets Manager refuses a signature that leaves out what decides.
	return c, c.id != "" && slices.Contains(c.signedHeaders, "host") && slices.Contains(c.signedHeaders, "x-amz-date")
}

func signatureOf(header string) string {
	_, signature, _ := strings.Cut(header, "Signature=")
	return strings.TrimSpace(signature)
}

// authenticate finds the key that signed a request for this service, or says
// why there is none. STS has other words for the same.
func (s *Server) authenticate(r *http.Request, service string, body []byte) (Key, claim, *refusal) {
	unknown, wrong := "UnrecognizedClientException", "InvalidSignatureException"
	if service == "sts" {
		unknown, wrong = "InvalidClientTokenId", "SignatureDoesNotMatch"
	}
	status := http.StatusBadRequest
	if service == "sts" {
		status = http.StatusForbidden
	}
	header := r.Header.Get("Authorization")
	if header == "" {
		return Key{}, claim{}, &refusal{status, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	c, ok := parseAuthorization(header)
	if !ok {
		return Key{}, c, &refusal{status, "IncompleteSignatureException", "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders'."}
	}
	if c.service != service {
		return Key{}, c, &refusal{status, wrong, "Credential should be scoped to correct service: '" + service + "'."}
	}
	k, known := s.keys[c.id]
	if !known || subtle.ConstantTimeCompare([]byte(k.Token), []byte(r.Header.Get("X-Amz-Security-Token"))) != 1 ||
		k.Token != "" && !slices.Contains(c.signedHeaders, "x-amz-security-token") {
		return Key{}, c, &refusal{status, unknown, "The security token included in the request is invalid."}
	}
	now := time.Now()
	if !k.Expires.IsZero() && !now.Before(k.Expires) {
		code := "ExpiredTokenException"
		if service == "sts" {
			code = "ExpiredToken"
		}
		return Key{}, c, &refusal{status, code, "The security token included in the request is expired"}
	}
	at, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != c.day {
		return Key{}, c, &refusal{status, wrong, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP"}
	}
	if now.Sub(at).Abs() > maxSkew {
		return Key{}, c, &refusal{status, wrong, "Signature expired: " + r.Header.Get("X-Amz-Date") + " is now earlier than " +
			now.Add(-maxSkew).UTC().Format(amzTime)}
	}
	want, err := sign(r, c, k, at, body)
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(signatureOf(header))) != 1 {
		return Key{}, c, &refusal{status, wrong, "The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n" +
			// Amazon goes on to quote what was to be signed, the token with it.
			"The Canonical String for this request should have been\n'POST\n/\n\nx-amz-security-token:" + k.Token + "\n'"}
	}
	return k, c, nil
}

// sign signs the request again as its sender claims to have done it, over the
// body that arrived.
func sign(r *http.Request, c claim, k Key, at time.Time, body []byte) (string, error) {
	u := *r.URL
	u.Scheme, u.Host = "", r.Host
	again := &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: http.Header{}}
	for _, name := range c.signedHeaders {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = int64(len(body))
		default:
			name = textproto.CanonicalMIMEHeaderKey(name)
			if values, ok := r.Header[name]; ok {
				again.Header[name] = slices.Clone(values)
			}
		}
	}
	sum := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret, SessionToken: k.Token}
	err := v4.NewSigner().SignHTTP(context.Background(), credentials, again, hex.EncodeToString(sum[:]), c.service, c.region, at)
	return signatureOf(again.Header.Get("Authorization")), err
}
