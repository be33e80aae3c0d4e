// Package gcs reaches buckets of Google Cloud Storage with the key of a
// service account, over Google's JSON interface. Google's own client library
// would add 17 MB for four requests, so the requests are made here.
//
// A key of a service account opens nothing by itself. It signs a short
// statement (a JWT), which Google's token endpoint exchanges for an access
// token, and the token goes with each request to the bucket. So a refusal
// comes from one of two places, and they say different things: the token
// endpoint speaks about the key, storage about permissions. A key that was
// deleted and one that is so new that Google does not know it yet look alike;
// the latter lasts a minute as a rule and up to seven.
//
// No credential but the one handed over is ever used: no environment, no
// application default, no metadata server. The credential itself names the
// address that its signature is sent to, and whoever can write a secret could
// have us send signatures anywhere. So only Google's own token endpoints are
// accepted, and the origin of an endpoint that the operator has configured.
//
// A token outlives its key: Google goes on accepting it for up to an hour after
// the key was deleted. A token that is kept would hide what this package is
// asked for. Each Bucket has a token of its own and keeps it for a minute, long
// enough for the steps of one task.
//
// Two habits of Google's matter to whoever reads the errors. Replacing an
// object needs storage.objects.delete beside storage.objects.create: where an
// object was left behind, a key without that permission is refused at its next
// put and not only at the delete. Planet's own check fails so too. The error says
// then that an object is there (bucket.PresenceThere). And to those who may
// not list, an object that is not there may answer 403, as if reading it were
// forbidden: whoever may neither list nor delete can't tell whether there is
// anything left to delete, and such a delete is denied for ever.
//
// What Google says in an error may hold names of accounts, and a server that
// is none of Google's may say anything. An error of this package is built from
// codes of a closed list, the names of permissions, and sentences of its own.
//
// Some copies of the credential can't be cleared and go when the Bucket does:
// the parsed private key (its numbers, and what crypto/rsa precomputes), and
// while a request is under way the signed statement in its body and the token
// in its header, of which net/http makes copies of its own. The decoded JSON
// and the PEM text are cleared before Open returns; encoding/pem may leave a
// copy behind where the text holds spaces or tabs. Open a Bucket for a task and
// drop it.
package gcs

import (
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/credential"
)

// DefaultTimeout bounds one call, the exchange for a token included, where
// Options say nothing.
const DefaultTimeout = 30 * time.Second

// DefaultEndpoint is where Google Cloud Storage is.
const DefaultEndpoint = "https://storage.googleapis.com"

// Options say how buckets are reached. The zero Options are fine.
type Options struct {
	// Transport carries the requests. Nil means one transport of the opener's
	// own, with Go's defaults, HTTPS_PROXY included. Tests put an in-memory one
	// here, private clouds one that knows their certificate authority.
	Transport http.RoundTripper
	// Timeout bounds one call from dialling to the last byte; zero means
	// DefaultTimeout. A negative one fails each opening.
	Timeout time.Duration
	// TokenURL is one more token endpoint that a credential may name beside
	// Google's own, and the one of credentials that name none. For tests.
	TokenURL string
}

// Opener gives a bucket.Opener for google_cloud_storage. All buckets that it
// opens share one transport, so they share idle connections too; they share no
// token.
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

// gcsBucket is one bucket reached with one key.
type gcsBucket struct {
	http     *http.Client
	endpoint string // without a slash at the end
	host     string // for messages
	name     string
	timeout  time.Duration

	email, keyID string
	key          *rsa.PrivateKey
	tokenURL     string
	tokenHost    string // for messages
	// token is a lock with the token in it: whoever has received it may use and
	// replace it, and puts it back. A mutex would make a virtual clock wait.
	token chan token
}

var (
	_ bucket.Bucket    = (*gcsBucket)(nil)
	_ bucket.Versioner = (*gcsBucket)(nil)
)

func open(o Options, at bucket.Location, with credential.Parameters) (bucket.Bucket, error) {
	if at.Type != bucket.TypeGoogleCloudStorage {
		return nil, &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindUnsupported, Message: "this is no google_cloud_storage bucket"}
	}
	if err := checkBucketName(at.Bucket); err != nil {
		return nil, err
	}
	where, err := parseEndpoint(at.Endpoint)
	if err != nil {
		return nil, err
	}
	who, err := parseAccount(with.Get("credentials").Bytes())
	if err != nil {
		return nil, err
	}
	var override *url.URL
	if at.Endpoint != "" {
		override = where
	}
	exchange, err := tokenEndpoint(who.tokenURI, o.TokenURL, override)
	if err != nil {
		return nil, err
	}
	b := &gcsBucket{
		http: &http.Client{
			Transport:     o.Transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		endpoint:  where.String(),
		host:      where.Host,
		name:      at.Bucket,
		timeout:   o.Timeout,
		email:     who.email,
		keyID:     who.keyID,
		key:       who.key,
		tokenURL:  exchange.String(),
		tokenHost: exchange.Host,
		token:     make(chan token, 1),
	}
	b.token <- token{}
	return b, nil
}

// parseEndpoint reads an endpoint as people write it: with a scheme or
// without, which means https; empty means Google's. The text is never quoted,
// as a URL may hold a password.
func parseEndpoint(endpoint string) (*url.URL, error) {
	if endpoint == "" {
		endpoint = DefaultEndpoint
	}
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || u.Hostname() == "":
		return nil, config("the endpoint of this bucket is no URL; give it as https://host or https://host:port")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, config("the endpoint of this bucket is neither https nor http")
	case u.User != nil:
		return nil, config("the endpoint of this bucket holds a user name or a password; credentials belong into the secret")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, config("the endpoint of this bucket holds a query or a fragment; give it as https://host or https://host:port")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

// checkBucketName refuses what would address something else than a bucket.
// Whether a name is a good one is the server's business.
func checkBucketName(name string) error {
	if name == "" {
		return config("the bucket of this google_cloud_storage destination is missing")
	}
	for _, r := range name {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
		default:
			return config("the bucket of this google_cloud_storage destination holds characters that no bucket name has; give the name alone, without gs://")
		}
	}
	if strings.Trim(name, ".") == "" {
		return config("the bucket of this google_cloud_storage destination is no name")
	}
	return nil
}

// urlOf is the address of an object. Its name is one segment of the path,
// whatever slashes it holds.
func (b *gcsBucket) urlOf(key, query string) string {
	return b.endpoint + "/storage/v1/b/" + url.PathEscape(b.name) + "/o/" + escapeKey(key) + query
}

func (b *gcsBucket) uploadURL(key string) string {
	return b.endpoint + "/upload/storage/v1/b/" + url.PathEscape(b.name) + "/o?uploadType=media&name=" + escapeKey(key)
}

// listURL asks for the names of one page of versions.
func (b *gcsBucket) listURL(prefix string) string {
	return b.endpoint + "/storage/v1/b/" + url.PathEscape(b.name) + "/o?versions=true&maxResults=" + strconv.Itoa(versionsPage) +
		"&fields=kind%2Citems%2Fname&prettyPrint=false&prefix=" + escapeKey(prefix)
}

// escapeKey writes a name so that it survives both in a path and in a query:
// all but letters, digits and a few signs as %XX.
func escapeKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "+", "%20")
}

func config(format string, args ...any) *bucket.Error {
	return &bucket.Error{Op: bucket.OpOpen, Kind: bucket.KindConfig, Message: fmt.Sprintf(format, args...)}
}
