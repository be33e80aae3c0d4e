// Package azureblob reaches containers of Azure Blob Storage with a shared
// access signature.
//
// A SAS is a query string that somebody with the account's key has signed:
// what it permits, from when, until when. Whoever has it appends it to a URL
// and is let in. Nothing is signed here, so there is no SDK here either: four
// requests over net/http do (Put Blob, Get Blob with a range, Delete Blob, List
// Blobs). Each is sent once, with this token and no other, and no redirect is
// followed.
//
// That the credential is a part of the URL is what makes it dangerous. Every
// HTTP library quotes URLs in its errors, and servers quote what they were
// asked for. So the transport is used without http.Client, whose errors name
// the URL; no error of a transport is passed on; and of what the server says,
// only its error code, the three times of an expired token, and the choice
// between sentences of our own come out. The token goes into the query byte for
// byte as it was stored: decoding and encoding "sig" again is the classic way to
// break one.
//
// Azure says no in many ways, and not all of them are about the token. A
// storage account's firewall and a token's own range of addresses (sip) refuse
// whoever asks from the wrong place; Planet asks from another. These come out as
// unknown, not as denied, since nothing has been said about what Planet may do.
//
// A blob that was deleted from a container with soft delete or versions is gone
// for a Get. Versions counts what a container with versions keeps of it; what
// soft delete keeps is not looked for.
//
// The token is held as a string that can't be cleared; it goes when the Bucket
// does. Open one for a task and drop it.
package azureblob

import (
	"fmt"
	"net/http"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
)

// DefaultTimeout bounds one call where Options say nothing.
const DefaultTimeout = 30 * time.Second

// DefaultSuffix is the part of host names that follows "blob." where a
// destination has no storage_endpoint_suffix.
const DefaultSuffix = "core.windows.net"

// Options say how containers are reached. The zero Options are fine.
type Options struct {
	// Transport carries the requests. Nil means one transport of the opener's
	// own, with Go's defaults, HTTPS_PROXY included. Its errors are never shown.
	Transport http.RoundTripper
	// Timeout bounds one call from dialling to the last byte; zero means
	// DefaultTimeout. A negative one fails each opening.
	Timeout time.Duration
}

// Opener gives a bucket.Opener for azure_blob_storage. All containers that it
// opens share one transport. Each is a bucket.Lister too.
//
// Location.Endpoint replaces https://ACCOUNT.blob.SUFFIX. The account becomes
// the first part of the path there, as Azurite has it, unless it is the first
// label of the endpoint's host or the end of its path already.
func Opener(o Options) bucket.Opener {
	if o.Transport == nil {
		o.Transport = defaultTransport()
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return func(at bucket.Location, with credential.Parameters) (bucket.Bucket, error) {
		if o.Timeout < 0 {
			return nil, unusable("the time-out for bucket requests is negative: %v", o.Timeout)
		}
		where, err := find(at)
		if err != nil {
			return nil, err
		}
		sas, err := parseToken(with.Get("sas_token").Bytes())
		if err != nil {
			return nil, err
		}
		return &container{transport: o.Transport, timeout: o.Timeout, where: where, sas: sas}, nil
	}
}

func defaultTransport() http.RoundTripper {
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		return t.Clone()
	}
	return http.DefaultTransport
}

// container is one container reached with one token.
type container struct {
	transport http.RoundTripper
	timeout   time.Duration
	where     place
	sas       *token // behind a pointer, where fmt does not look
}

var (
	_ bucket.Bucket    = (*container)(nil)
	_ bucket.Lister    = (*container)(nil)
	_ bucket.Versioner = (*container)(nil)
)

func unusable(format string, args ...any) *bucket.Error {
	return &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindConfig, Message: fmt.Sprintf(format, args...)}
}
