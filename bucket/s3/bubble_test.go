package s3_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/bucket/s3"
)

// bubble runs in virtual time: the SDK, gofakes3 and the access control all
// see it, and nothing waits on a network.
func bubble(t *testing.T) {
	srv := buckettest.NewServer()
	srv.CreateBucket("planet-data")
	begin := time.Now()
	srv.AddKey(buckettest.Key{ID: "AKIANEW", Secret: secret, Buckets: []string{"planet-data"}, From: begin.Add(20 * time.Second),
		Allow: []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}})
	b := open(t, srv.RoundTripper(), amazon, "AKIANEW", secret)

	if kind := bucket.KindOf(b.Put(t.Context(), "x", nil)); kind != bucket.KindBadCredential {
		t.Errorf("a key that is not known yet is %q", kind)
	}
	if srv.Works("AKIANEW", secret, "planet-data") {
		t.Error("the key works before its time")
	}
	time.Sleep(20 * time.Second)
	if !srv.Works("AKIANEW", secret, "planet-data") {
		t.Error("the key does not work at its time")
	}
	if err := b.Put(t.Context(), "x", []byte("y")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Hour)
	o, err := b.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if want := begin.Add(20 * time.Second); !o.LastModified.Equal(want) {
		t.Errorf("last modified %v, want %v", o.LastModified, want)
	}
	if age := o.ServerTime.Sub(o.LastModified); age != 3*time.Hour {
		t.Errorf("the object is %v old by the server's clock, want 3h", age)
	}

	// The call's own time-out, and no second attempt.
	srv.SetLatency(time.Hour)
	before, from := len(srv.Requests()), time.Now()
	_, err = b.Get(t.Context(), "x")
	if bucket.KindOf(err) != bucket.KindUnreachable || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a server that does not answer gives %v", err)
	}
	if took := time.Since(from); took != s3.DefaultTimeout {
		t.Errorf("gave up after %v, want %v", took, s3.DefaultTimeout)
	}
	if n := len(srv.Requests()) - before; n != 0 {
		t.Errorf("%d requests got through", n)
	}
	srv.SetLatency(0)
	if err := b.Delete(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if left := srv.Objects("planet-data"); left != nil {
		t.Errorf("left: %q", left)
	}
}
