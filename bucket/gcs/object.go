package gcs

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rotatord/rotatord/bucket"
)

// Put implements bucket.Bucket.
func (b *gcsBucket) Put(ctx context.Context, key string, body []byte) error {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r, bearer, e := b.request(ctx, call, bucket.OpPut, http.MethodPost, b.uploadURL(key), body)
	if e != nil {
		return e
	}
	r.Header.Set("Content-Type", "text/plain; charset=utf-8")
	got, e := b.answered(ctx, bucket.OpPut, r, bearer)
	if e != nil {
		return e
	}
	if _, ok := resourceOf(got, key); !ok {
		return notGoogles(bucket.OpPut, got)
	}
	return nil
}

// Get implements bucket.Bucket. As a rule it is one request: the headers of a
// download tell what there is to know.
func (b *gcsBucket) Get(ctx context.Context, key string) (bucket.Object, error) {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r, bearer, e := b.request(ctx, call, bucket.OpGet, http.MethodGet, b.urlOf(key, "?alt=media"), nil)
	if e != nil {
		return bucket.Object{}, e
	}
	// With a Range net/http does not ask for compression behind our back.
	r.Header.Set("Range", "bytes=0-"+strconv.Itoa(bucket.MaxBody-1))
	got, err := b.send(r, 0)
	if err != nil {
		return bucket.Object{}, b.cut(ctx, bucket.OpGet, got, err)
	}
	empty := got.status == http.StatusRequestedRangeNotSatisfiable
	if got.status == http.StatusNotFound && !refusalOf(got).googles {
		// A download has no JSON for its errors, and this text is none that is
		// known. What is asked for without a download has.
		if _, e := b.describe(ctx, call, key); e != nil {
			return bucket.Object{}, e
		}
	}
	if !empty && got.status != http.StatusOK && got.status != http.StatusPartialContent {
		return bucket.Object{}, b.refused(bucket.OpGet, got, bearer)
	}
	o := bucket.Object{Key: key, ServerTime: got.date}
	if !empty {
		o.Body = got.body[:min(len(got.body), bucket.MaxBody)]
	}
	o.Size = sizeOf(got)
	o.LastModified, _ = http.ParseTime(got.header.Get("Last-Modified"))
	if !empty && o.Size >= int64(len(o.Body)) && !o.LastModified.IsZero() && got.header.Get("X-Goog-Generation") != "" {
		return o, nil
	}
	// An empty object has no first byte, so that no range of it can be given,
	// and that answer tells no age. Others leave headers out.
	known, e := b.describe(ctx, call, key)
	if e != nil {
		return bucket.Object{}, e
	}
	if empty && known.Size != 0 {
		return bucket.Object{}, &bucket.Error{Op: bucket.OpGet, Kind: bucket.KindUnknown, Status: got.status, ServerTime: got.date,
			Message: "the server gives no part of an object that is not empty; it may have been replaced just now"}
	}
	o.Size, o.LastModified, o.ServerTime = known.Size, known.LastModified, known.ServerTime
	return o, nil
}

// describe asks for what is known of an object instead of the object.
func (b *gcsBucket) describe(ctx, call context.Context, key string) (bucket.Object, *bucket.Error) {
	r, bearer, e := b.request(ctx, call, bucket.OpGet, http.MethodGet, b.urlOf(key, ""), nil)
	if e != nil {
		return bucket.Object{}, e
	}
	got, e := b.answered(ctx, bucket.OpGet, r, bearer)
	if e != nil {
		return bucket.Object{}, e
	}
	known, ok := resourceOf(got, key)
	if !ok {
		return bucket.Object{}, notGoogles(bucket.OpGet, got)
	}
	return bucket.Object{Key: key, Size: known.size, LastModified: known.updated, ServerTime: got.date}, nil
}

// Delete implements bucket.Bucket.
func (b *gcsBucket) Delete(ctx context.Context, key string) error {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r, bearer, e := b.request(ctx, call, bucket.OpDelete, http.MethodDelete, b.urlOf(key, ""), nil)
	if e != nil {
		return e
	}
	got, e := b.answered(ctx, bucket.OpDelete, r, bearer)
	switch {
	case e == nil && !slices.Contains([]string{"", "null", "{}"}, string(bytes.TrimSpace(got.body))):
		return notGoogles(bucket.OpDelete, got) // Google answers 204 without a word, others 200
	case e == nil, e.Kind == bucket.KindNotFound:
		return nil
	case e.Kind == bucket.KindDenied && e.Permission == "storage.objects.list":
		// Deleting needs no permission to list. One who may delete and lacks that
		// one is being told, in Google's way, not even whether the object is there.
		return nil
	case e.Kind == bucket.KindDenied:
		_, err := b.Get(ctx, key)
		e.Object = bucket.PresenceFrom(err)
	}
	return e
}

// versionsPage is how many versions one page holds, the most that Google gives,
// and maxVersions bounds what is read of it.
const (
	versionsPage = 1000
	maxVersions  = 2 << 20
)

// Versions implements bucket.Versioner. It needs storage.objects.list. A list
// is in the order of names, so that of all that begin with this one it comes
// first. Google keeps no mark of a deletion, and what soft delete keeps is not
// in this list.
func (b *gcsBucket) Versions(ctx context.Context, key string) (int, error) {
	call, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	r, bearer, e := b.request(ctx, call, bucket.OpList, http.MethodGet, b.listURL(key), nil)
	if e != nil {
		return 0, e
	}
	got, err := b.send(r, maxVersions)
	switch {
	case err != nil:
		return 0, b.cut(ctx, bucket.OpList, got, err)
	case got.status != http.StatusOK:
		return 0, b.refused(bucket.OpList, got, bearer)
	}
	var list struct {
		Kind  string `json:"kind"`
		Items []struct {
			Name string `json:"name"`
		} `json:"items"`
	}
	if json.Unmarshal(got.body, &list) != nil || list.Kind != "storage#objects" {
		return 0, notGoogles(bucket.OpList, got)
	}
	n := 0
	for _, item := range list.Items {
		if item.Name == key {
			n++
		}
	}
	return n, nil
}

// answered sends a request and gives its answer if that is a success.
func (b *gcsBucket) answered(ctx context.Context, op bucket.Op, r *http.Request, bearer string) (reply, *bucket.Error) {
	got, err := b.send(r, maxAnswer)
	if err != nil {
		return got, b.cut(ctx, op, got, err)
	}
	if got.status < 200 || got.status > 299 {
		return got, b.refused(op, got, bearer)
	}
	return got, nil
}

// refused makes the error of an answer that is no success.
func (b *gcsBucket) refused(op bucket.Op, got reply, bearer string) *bucket.Error {
	if got.status == http.StatusUnauthorized {
		b.forget(bearer)
	}
	return classify(op, got)
}

// cut makes the error of an answer that did not come, or not to its end.
func (b *gcsBucket) cut(ctx context.Context, op bucket.Op, got reply, err error) *bucket.Error {
	e := b.silence(ctx, op, b.host, err)
	e.Status, e.ServerTime = got.status, got.date
	return e
}

// sizeOf takes the size of the whole object from the answer to a ranged
// download: "bytes 0-1023/5000". A server that ignores ranges sends all, and
// its length. Negative when not told.
func sizeOf(got reply) int64 {
	text := got.header.Get("Content-Length")
	if _, total, ok := strings.Cut(got.header.Get("Content-Range"), "/"); ok {
		text = total
	} else if got.status == http.StatusPartialContent {
		return -1
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return n
	}
	return -1
}

// resource is what Google tells of an object.
type resource struct {
	size    int64
	updated time.Time
}

// resourceOf reads an object's resource and holds it against the name that
// was asked for: a portal that answers everything with 200 has no such thing.
func resourceOf(got reply, key string) (resource, bool) {
	var o struct {
		Kind    string    `json:"kind"`
		Name    string    `json:"name"`
		Size    string    `json:"size"` // a number in quotes
		Updated time.Time `json:"updated"`
	}
	if json.Unmarshal(got.body, &o) != nil || o.Name != key {
		return resource{}, false
	}
	size, err := strconv.ParseInt(o.Size, 10, 64)
	return resource{size, o.Updated}, err == nil && size >= 0
}

func notGoogles(op bucket.Op, got reply) *bucket.Error {
	return &bucket.Error{Op: op, Kind: bucket.KindUnknown, Status: got.status, ServerTime: got.date, Message: sayNotGoogles}
}
