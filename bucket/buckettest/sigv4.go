package buckettest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// maxSkew is how far a client's clock may be off, as with Amazon.
const maxSkew = 15 * time.Minute

const amzTime = "20060102T150405Z"

// claim is an Authorization header taken apart.
type claim struct {
	id, day, region, service string
	signedHeaders            []string
}

// parseAuthorization reads "AWS4-HMAC-SHA256 Credential=id/day/region/s3/aws4_request,
// SignedHeaders=a;b, Signature=hex". The signature itself is compared within
// the whole header later.
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
			n := len(scope)
			if n < 5 || scope[n-1] != "aws4_request" {
				return claim{}, false
			}
			c.id = strings.Join(scope[:n-4], "/")
			c.day, c.region, c.service = scope[n-4], scope[n-3], scope[n-2]
		case "SignedHeaders":
			c.signedHeaders = strings.Split(value, ";")
		}
	}
	return c, c.id != "" && slices.Contains(c.signedHeaders, "host")
}

// signatureOf takes the signature out of an Authorization header.
func signatureOf(header string) string {
	_, signature, _ := strings.Cut(header, "Signature=")
	return strings.TrimSpace(signature)
}

// authenticate finds the key that signed a request, or says why there is none.
func (s *Server) authenticate(r *http.Request) (Key, claim, *refusal) {
	c, ok := parseAuthorization(r.Header.Get("Authorization"))
	if !ok || c.service != "s3" {
		return Key{}, c, &refusal{http.StatusForbidden, "AccessDenied", "Access Denied"}
	}
	now := time.Now()
	k, known := s.keys[c.id]
	if !known || now.Before(k.From) {
		return Key{}, c, &refusal{http.StatusForbidden, "InvalidAccessKeyId",
			"The AWS Access Key Id you provided does not exist in our records."}
	}
	at, err := time.Parse(amzTime, r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != c.day {
		return Key{}, c, &refusal{http.StatusForbidden, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"}
	}
	if now.Sub(at).Abs() > maxSkew {
		return Key{}, c, &refusal{http.StatusForbidden, "RequestTimeTooSkewed",
			"The difference between the request time and the current time is too large."}
	}
	want, err := sign(r, c, k, at)
	got := signatureOf(r.Header.Get("Authorization"))
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(got)) != 1 {
		return Key{}, c, &refusal{http.StatusForbidden, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your key and signing method."}
	}
	return k, c, nil
}

// sign signs the request again as its sender claims to have done it.
func sign(r *http.Request, c claim, k Key, at time.Time) (string, error) {
	u := *r.URL
	u.Scheme, u.Host = "", r.Host
	again := &http.Request{Method: r.Method, URL: &u, Host: r.Host, Header: http.Header{}}
	for _, name := range c.signedHeaders {
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
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: k.ID, SecretAccessKey: k.Secret}, again,
		r.Header.Get("X-Amz-Content-Sha256"), c.service, c.region, at)
	return signatureOf(again.Header.Get("Authorization")), err
}

// payload checks the body against what was signed of it, and takes it out of
// the chunks that SDKs send it in when a checksum follows as a trailer.
func payload(r *http.Request, body []byte) ([]byte, *refusal) {
	if len(body) > maxObject {
		return nil, &refusal{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"}
	}
	switch hash := r.Header.Get("X-Amz-Content-Sha256"); {
	case hash == "UNSIGNED-PAYLOAD":
		return body, nil
	case hash == "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
		plain, ok := dechunk(body)
		if !ok || r.Header.Get("X-Amz-Decoded-Content-Length") != strconv.Itoa(len(plain)) {
			return nil, &refusal{http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly"}
		}
		return plain, nil
	case strings.HasPrefix(hash, "STREAMING-"):
		return nil, &refusal{http.StatusNotImplemented, "NotImplemented", "Chunks with signatures are not implemented."}
	default:
		sum := sha256.Sum256(body)
		if hex.EncodeToString(sum[:]) != hash {
			return nil, &refusal{http.StatusBadRequest, "XAmzContentSHA256Mismatch",
				"The provided 'x-amz-content-sha256' header does not match what was computed."}
		}
		return body, nil
	}
}

// dechunk reads aws-chunked encoding without signatures: a size in hex, the
// bytes, and so on to a chunk of size 0, which trailers follow.
func dechunk(body []byte) ([]byte, bool) {
	in := bufio.NewReader(bytes.NewReader(body))
	plain := []byte{}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, false
		}
		size, err := strconv.ParseUint(strings.TrimRight(line, "\r\n"), 16, 31)
		if err != nil {
			return nil, false
		}
		if size == 0 {
			return plain, true
		}
		if size > uint64(in.Buffered())+uint64(len(body)) {
			return nil, false
		}
		chunk := make([]byte, size+2)
		if _, err := io.ReadFull(in, chunk); err != nil || string(chunk[size:]) != "\r\n" {
			return nil, false
		}
		plain = append(plain, chunk[:size]...)
	}
}
