package azureblob

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// apiVersion is the version of the REST API that requests are made in. It is
// the oldest that knows all we do with a container that keeps versions, so that
// private clouds and gateways know it too. A token's own version (sv) decides
// how the token is read, not this one.
const apiVersion = "2020-10-02"

// maxAnswer bounds what is read of any answer.
const maxAnswer = 64 << 10

// request is one request in the making.
type request struct {
	op     bucket.Op
	method string
	key    string
	query  string // beside the token, with an "&" at its end
	header map[string]string
	body   []byte
	read   int64 // how much of a good answer's body to read
	good   []int // the statuses of a good answer
}

// answer is what the server said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) date() time.Time     { return headerTime(a.header, "Date") }
func (a answer) modified() time.Time { return headerTime(a.header, "Last-Modified") }

func headerTime(h http.Header, name string) time.Time {
	at, err := http.ParseTime(h.Get(name))
	if err != nil {
		return time.Time{}
	}
	return at
}

// do sends a request once and reads the answer. Every error is an
// *bucket.Error; it is nil for the good answers that the request names.
func (c *container) do(ctx context.Context, r request) (answer, *bucket.Error) {
	call, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	in := (&http.Request{
		Method: r.method,
		URL:    c.where.url(r.key, r.query+c.sas.query),
		Host:   c.where.host,
		Proto:  "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"X-Ms-Version": {apiVersion},
			"User-Agent":   {"rotatord"},
			// What is counted and compared are the bytes of the blob.
			"Accept-Encoding": {"identity"},
		},
		Body: http.NoBody,
	}).WithContext(call)
	for name, value := range r.header {
		in.Header.Set(name, value)
	}
	if len(r.body) > 0 { // net/http can't be sure of the length of an empty reader, and Put Blob refuses chunks
		in.Body, in.ContentLength = io.NopCloser(bytes.NewReader(r.body)), int64(len(r.body))
	}
	resp, err := c.transport.RoundTrip(in)
	if err != nil {
		return answer{}, c.unheard(ctx, r.op, err)
	}
	defer func() { _ = resp.Body.Close() }()
	a := answer{status: resp.StatusCode, header: resp.Header}
	limit := int64(maxAnswer)
	if r.isGood(a) && r.read > 0 {
		limit = r.read
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, limit)); err != nil {
		return answer{}, c.unheard(ctx, r.op, err)
	}
	if !r.isGood(a) {
		return a, c.classify(r.op, a)
	}
	return a, nil
}

// isGood wants Azure's own mark beside the status: portals and proxies say 200
// to everything.
func (r request) isGood(a answer) bool {
	for _, status := range r.good {
		if a.status == status {
			return a.header.Get("X-Ms-Request-Id") != ""
		}
	}
	return false
}

// Put implements bucket.Bucket.
func (c *container) Put(ctx context.Context, key string, body []byte) error {
	if err := named(bucket.OpPut, key); err != nil {
		return err
	}
	_, err := c.do(ctx, request{
		op: bucket.OpPut, method: http.MethodPut, key: key, body: body, good: []int{http.StatusCreated},
		header: map[string]string{"X-Ms-Blob-Type": "BlockBlob", "Content-Type": "text/plain; charset=utf-8"},
	})
	return asError(err)
}

// Get implements bucket.Bucket.
func (c *container) Get(ctx context.Context, key string) (bucket.Object, error) {
	if err := named(bucket.OpGet, key); err != nil {
		return bucket.Object{}, err
	}
	r := request{
		op: bucket.OpGet, method: http.MethodGet, key: key, read: bucket.MaxBody,
		good:   []int{http.StatusOK, http.StatusPartialContent},
		header: map[string]string{"Range": "bytes=0-" + strconv.Itoa(bucket.MaxBody-1)},
	}
	a, err := c.do(ctx, r)
	if err != nil && err.Status == http.StatusRequestedRangeNotSatisfiable {
		// An empty blob has no first byte, so that no range of it can be given.
		r.header = nil
		a, err = c.do(ctx, r)
	}
	if err != nil {
		return bucket.Object{}, err
	}
	return bucket.Object{Key: key, Body: a.body, Size: sizeOf(a), LastModified: a.modified(), ServerTime: a.date()}, nil
}

// sizeOf takes the size of the whole blob from the answer to a ranged GET:
// "bytes 0-1023/5000". A server that ignores ranges sends all, and its length.
func sizeOf(a answer) int64 {
	_, total, _ := strings.Cut(a.header.Get("Content-Range"), "/")
	for _, s := range []string{total, a.header.Get("Content-Length")} {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= int64(len(a.body)) {
			return n
		}
	}
	return int64(len(a.body))
}

// Delete implements bucket.Bucket. A blob that has snapshots is not deleted:
// they are somebody's.
func (c *container) Delete(ctx context.Context, key string) error {
	if err := named(bucket.OpDelete, key); err != nil {
		return err
	}
	_, err := c.do(ctx, request{op: bucket.OpDelete, method: http.MethodDelete, key: key, good: []int{http.StatusAccepted}})
	switch {
	case err == nil, err.Kind == bucket.KindNotFound:
		return nil
	case err.Kind == bucket.KindDenied:
		_, getErr := c.Get(ctx, key)
		err.Object = bucket.PresenceFrom(getErr)
	}
	return err
}

// List implements bucket.Lister.
func (c *container) List(ctx context.Context, prefix string) error {
	query := "restype=container&comp=list&maxresults=1&"
	if prefix != "" {
		query += "prefix=" + escape(prefix, "") + "&"
	}
	_, err := c.do(ctx, request{op: bucket.OpList, method: http.MethodGet, query: query, good: []int{http.StatusOK}})
	return asError(err)
}

// versionsPage is how many versions one page holds, and maxVersions bounds what
// is read of it: Azure tells some 1,500 bytes of each.
const (
	versionsPage = 1000
	maxVersions  = 4 << 20
)

// Versions implements bucket.Versioner. It needs the permission to list and no
// other. A list is in the order of names, so that of all that begin with this
// one it comes first. A deleted blob has no mark in it: what was current before
// is an older version then. Snapshots are not asked for.
func (c *container) Versions(ctx context.Context, key string) (int, error) {
	if err := named(bucket.OpList, key); err != nil {
		return 0, err
	}
	a, err := c.do(ctx, request{op: bucket.OpList, method: http.MethodGet, read: maxVersions, good: []int{http.StatusOK},
		query: "restype=container&comp=list&include=versions&maxresults=" + strconv.Itoa(versionsPage) + "&prefix=" + escape(key, "") + "&"})
	if err != nil {
		return 0, err
	}
	var list struct {
		XMLName xml.Name `xml:"EnumerationResults"`
		Names   []string `xml:"Blobs>Blob>Name"`
	}
	if xml.Unmarshal(bytes.TrimPrefix(a.body, []byte("\xef\xbb\xbf")), &list) != nil { // the error quotes its input
		return 0, &bucket.Error{Op: bucket.OpList, Kind: bucket.KindUnknown, Status: a.status, ServerTime: a.date(),
			Message: "the answer is no list of blobs; check the endpoint, and proxies on the way"}
	}
	n := 0
	for _, name := range list.Names {
		if name == key {
			n++
		}
	}
	return n, nil
}

// named refuses what would address the container instead of a blob.
func named(op bucket.Op, key string) error {
	if strings.Trim(key, "/") == "" {
		return &bucket.Error{Op: op, Kind: bucket.KindConfig, Message: "the object has no name"}
	}
	return nil
}

// asError keeps a nil pointer from becoming an error that is not nil.
func asError(err *bucket.Error) error {
	if err == nil {
		return nil
	}
	return err
}
