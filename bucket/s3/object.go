package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5 is what S3 asks for; nothing is secured by it
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/bucket"
)

// Put implements bucket.Bucket. It sends Content-MD5, which every store knows and
// a bucket with object lock asks for; the newer checksums of Amazon's are refused
// by several others.
func (b *s3Bucket) Put(ctx context.Context, key string, body []byte) error {
	sum := md5.Sum(body) //nolint:gosec // see the import
	h := http.Header{
		"Content-Md5":  {base64.StdEncoding.EncodeToString(sum[:])},
		"Content-Type": {"text/plain; charset=utf-8"},
	}
	if b.at.ExplicitSSE {
		h.Set("X-Amz-Server-Side-Encryption", "AES256")
	}
	_, err := b.ask(ctx, request{op: bucket.OpPut, method: http.MethodPut, key: key, header: h, body: body})
	return err
}

// Get implements bucket.Bucket.
func (b *s3Bucket) Get(ctx context.Context, key string) (bucket.Object, error) {
	q := request{op: bucket.OpGet, method: http.MethodGet, key: key, limit: bucket.MaxBody,
		header: http.Header{"Range": {"bytes=0-" + strconv.Itoa(bucket.MaxBody-1)}}}
	got, err := b.ask(ctx, q)
	if e, ok := errors.AsType[*bucket.Error](err); ok && e.Code == codeInvalidRange {
		// An empty object has no first byte, so that no range of it can be
		// given. That answer tells neither age nor size: ask for the whole of it,
		// of which no more than MaxBody is read.
		q.header = nil
		got, err = b.ask(ctx, q)
	}
	if err != nil {
		return bucket.Object{}, err
	}
	o := bucket.Object{Key: key, Body: got.body, Size: sizeOf(got), ServerTime: got.date}
	if at, err := http.ParseTime(got.header.Get("Last-Modified")); err == nil {
		o.LastModified = at
	}
	return o, nil
}

// sizeOf takes the size of the whole object from the answer to a ranged GET:
// "bytes 0-1023/5000". A server that ignores ranges sends all, and its length.
func sizeOf(got reply) int64 {
	if _, total, ok := strings.Cut(got.header.Get("Content-Range"), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil && n >= 0 {
			return n
		}
	}
	n, _ := strconv.ParseInt(got.header.Get("Content-Length"), 10, 64)
	return max(n, int64(len(got.body)))
}

// Delete implements bucket.Bucket.
func (b *s3Bucket) Delete(ctx context.Context, key string) error {
	_, err := b.ask(ctx, request{op: bucket.OpDelete, method: http.MethodDelete, key: key})
	e, ok := errors.AsType[*bucket.Error](err)
	if !ok {
		return err
	}
	// Amazon answers 204 whether the object was there or not; some others say
	// that it was not.
	switch e.Kind {
	case bucket.KindNotFound:
		return nil
	case bucket.KindDenied:
		_, err := b.Get(ctx, key)
		e.Object = bucket.PresenceFrom(err)
	}
	return e
}
