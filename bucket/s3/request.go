package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/encoding/httpbinding"

	"github.com/rotatord/rotatord/bucket"
)

// maxAnswer bounds what is read of an answer that is no download.
const maxAnswer = 256 << 10

// newClient makes a client that follows no redirect.
func newClient(t http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// request is what the four operations differ by.
type request struct {
	op     bucket.Op
	method string
	key    string // empty: the bucket itself
	query  url.Values
	header http.Header
	body   []byte
	limit  int64 // of what is read of a success
}

// reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	body   []byte
	date   time.Time // the server's clock, zero where it says nothing of use
}

// ask makes one attempt. What it returns as an error is one of this package's,
// and never quotes the request.
func (b *s3Bucket) ask(ctx context.Context, q request) (reply, error) {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r, err := b.signed(call, q)
	if err != nil {
		return reply{}, &bucket.Error{Op: q.op, Kind: bucket.KindConfig,
			Message: "no request can be made for this bucket; check its name, its region and its endpoint"}
	}
	got, err := b.send(r, q.limit)
	switch {
	case err != nil:
		return reply{}, b.silence(ctx, q.op, err)
	case got.status < http.StatusOK || got.status >= http.StatusMultipleChoices:
		return reply{}, b.refusal(q.op, got)
	}
	return got, nil
}

// signed makes a request and signs it. The body is part of what is signed, with
// TLS or without.
func (b *s3Bucket) signed(ctx context.Context, q request) (*http.Request, error) {
	u := b.where.base
	if q.key != "" || u.Path == "" {
		u.Path += "/" + q.key
	}
	// S3 signs the path as it is sent, and takes each byte that is not unreserved
	// in RFC 3986 for escaped: a "+" too, which Go leaves as it is.
	u.RawPath = httpbinding.EscapePath(u.Path, false)
	u.RawQuery = q.query.Encode()
	r, err := http.NewRequestWithContext(ctx, q.method, u.String(), bytes.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if q.header != nil {
		r.Header = q.header
	}
	sum := sha256.Sum256(q.body)
	payload := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", payload)
	err = v4.NewSigner().SignHTTP(ctx, b.keys, r, payload, "s3", b.where.region, time.Now(),
		func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	// What follows is not signed, so that a proxy may change it on the way.
	r.Header.Set("User-Agent", "rotatord")
	r.Header.Set("Accept-Encoding", "identity")
	return r, err
}

// send makes the attempt and reads the answer, a refusal up to maxAnswer.
func (b *s3Bucket) send(r *http.Request, limit int64) (reply, error) {
	resp, err := b.http.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	got := reply{status: resp.StatusCode, header: resp.Header}
	if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		got.date = at
	}
	if resp.StatusCode >= http.StatusMultipleChoices || limit == 0 {
		limit = maxAnswer
	}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, limit))
	if err != nil && resp.StatusCode >= http.StatusMultipleChoices {
		// The status says enough, however the rest of it ended.
		err = nil
	}
	return got, err
}
