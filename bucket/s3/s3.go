// Package s3 reaches buckets that speak Amazon's S3: amazon_s3 itself,
// oracle_cloud_storage through its compatibility endpoint, and s3_compatible
// for all others.
//
// Requests are made here, and signed by the AWS SDK's own signer. Its S3 client
// is left out: of more than a hundred operations four are needed, nearly
// everything that it does beyond them would have to be switched off, and it is a
// tenth of a binary that is to sit quietly in a corner. For this package is
// asked a narrower question than a program that stores files. It is asked
// whether this one credential may do this one thing now. So there is exactly one
// attempt, with the credential that was handed over and no other: no
// environment, no shared files, no instance metadata. Redirects and other
// regions are reported, never followed, as Planet would not reach the bucket
// there either. Where requests go is held by a test to where that client would
// send them.
//
// What an S3 server says in an error is useful and dangerous: it may quote the
// key id, the string that was signed or a URL. An error of this package is
// built from the error code, the status and a fixed sentence for each code;
// from the server's own text only what matches a closed pattern (a region, an
// action, the sort of policy that denies) finds its way out.
//
// The signer wants the credential as strings, so each open Bucket holds copies
// that can't be cleared; they go when the Bucket does. Open one for a task and
// drop it.
package s3

import (
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
)

// DefaultTimeout bounds one call where Options say nothing. It is long for
// three round trips and short beside the 150 seconds that Planet may take.
const DefaultTimeout = 30 * time.Second

// Options say how buckets are reached. The zero Options are fine.
type Options struct {
	// Transport carries the requests. Nil means one transport of the opener's
	// own, with Go's defaults, HTTPS_PROXY included. Tests put an in-memory one
	// here, private clouds one that knows their certificate authority.
	Transport http.RoundTripper
	// Timeout bounds one call from dialling to the last byte; zero means
	// DefaultTimeout. A negative one fails each opening.
	Timeout time.Duration
}

// Opener gives a bucket.Opener for amazon_s3, oracle_cloud_storage and
// s3_compatible. All buckets that it opens share one transport, so they share
// idle connections too.
func Opener(o Options) bucket.Opener {
	if o.Transport == nil {
		o.Transport = defaultTransport()
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return func(at bucket.Location, with credential.Parameters) (bucket.Bucket, error) {
		if o.Timeout < 0 {
			return nil, config("the time-out for bucket requests is negative: %v", o.Timeout)
		}
		return open(o, at, with)
	}
}

func defaultTransport() http.RoundTripper {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone()
	}
	return http.DefaultTransport
}

// s3Bucket is one bucket reached with one credential.
type s3Bucket struct {
	http    *http.Client
	at      bucket.Location
	where   place
	keys    aws.Credentials
	timeout time.Duration
}

var (
	_ bucket.Bucket    = (*s3Bucket)(nil)
	_ bucket.Versioner = (*s3Bucket)(nil)
)

func open(o Options, at bucket.Location, with credential.Parameters) (bucket.Bucket, error) {
	where, err := find(at)
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(at.Type, with)
	if err != nil {
		return nil, err
	}
	return &s3Bucket{
		http:    newClient(o.Transport),
		at:      at,
		where:   where,
		keys:    aws.Credentials{AccessKeyID: keys.id, SecretAccessKey: keys.secret},
		timeout: o.Timeout,
	}, nil
}

func config(format string, args ...any) *bucket.Error {
	return &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindConfig, Message: fmt.Sprintf(format, args...)}
}
