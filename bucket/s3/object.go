package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // Content-MD5 is what S3 asks for; nothing is secured by it
	"encoding/base64"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/rotatord/rotatord/bucket"
)

// Put implements bucket.Bucket.
func (b *s3Bucket) Put(ctx context.Context, key string, body []byte) error {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	sum := md5.Sum(body) //nolint:gosec // see the import
	in := &s3.PutObjectInput{
		Bucket:        aws.String(b.at.Bucket),
		Key:           aws.String(key),
		Body:          bytes.NewReader(body),
		ContentLength: aws.Int64(int64(len(body))),
		ContentMD5:    aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		ContentType:   aws.String("text/plain; charset=utf-8"),
	}
	if b.at.ExplicitSSE {
		in.ServerSideEncryption = types.ServerSideEncryptionAes256
	}
	if _, err := b.client.PutObject(call, in); err != nil {
		return b.classify(ctx, bucket.OpPut, err)
	}
	return nil
}

// Get implements bucket.Bucket.
func (b *s3Bucket) Get(ctx context.Context, key string) (bucket.Object, error) {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	in := &s3.GetObjectInput{
		Bucket: aws.String(b.at.Bucket),
		Key:    aws.String(key),
		Range:  aws.String("bytes=0-" + strconv.Itoa(bucket.MaxBody-1)),
	}
	out, err := b.client.GetObject(call, in)
	if err != nil && answered(err).code == codeInvalidRange {
		// An empty object has no first byte, so that no range of it can be
		// given. That answer tells neither age nor size: ask for the whole of it,
		// of which no more than MaxBody is read below.
		in.Range = nil
		out, err = b.client.GetObject(call, in)
	}
	if err != nil {
		return bucket.Object{}, b.classify(ctx, bucket.OpGet, err)
	}
	defer func() { _ = out.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(out.Body, bucket.MaxBody))
	if err != nil {
		return bucket.Object{}, b.classify(ctx, bucket.OpGet, err)
	}
	o := bucket.Object{
		Key:          key,
		Body:         body,
		Size:         sizeOf(out.ContentRange, out.ContentLength, len(body)),
		LastModified: aws.ToTime(out.LastModified),
	}
	if at, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok {
		o.ServerTime = at
	}
	return o, nil
}

// sizeOf takes the size of the whole object from the answer to a ranged GET:
// "bytes 0-1023/5000". A server that ignores ranges sends all, and its length.
func sizeOf(contentRange *string, length *int64, read int) int64 {
	if _, total, ok := strings.Cut(aws.ToString(contentRange), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil && n >= 0 {
			return n
		}
	}
	return max(aws.ToInt64(length), int64(read))
}

// Delete implements bucket.Bucket.
func (b *s3Bucket) Delete(ctx context.Context, key string) error {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	_, err := b.client.DeleteObject(call, &s3.DeleteObjectInput{
		Bucket: aws.String(b.at.Bucket),
		Key:    aws.String(key),
	})
	if err == nil {
		return nil
	}
	// Amazon answers 204 whether the object was there or not; some others say
	// that it was not.
	e := b.classify(ctx, bucket.OpDelete, err)
	switch e.Kind {
	case bucket.KindNotFound:
		return nil
	case bucket.KindDenied:
		_, err := b.Get(ctx, key)
		e.Object = bucket.PresenceFrom(err)
	}
	return e
}
