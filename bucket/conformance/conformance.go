// Package conformance is the suite that every kind of bucket passes: what an
// implementation of bucket.Bucket must do, and above all how it must fail. It
// asks less about storing than about refusals: that each comes as the right
// Kind, names the right permission, and holds nothing of the credential.
package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/rotatord/rotatord/bucket"
)

// Who names the credentials and places that the suite opens a bucket with.
type Who string

// What each may do, or what is wrong with it.
const (
	Owner         Who = "a key that may put, get, delete and list"
	Planets       Who = "a key that may put, get and delete, as Planet asks for"
	NoPut         Who = "a key that may do all but put"
	NoGet         Who = "a key that may do all but get"
	NoDelete      Who = "a key that may do all but delete"
	UnknownKey    Who = "a key that the server does not know"
	WrongSecret   Who = "a known key with another secret"
	MissingBucket Who = "a good key for a bucket that does not exist"
	Unreachable   Who = "a good key for a server that is not there"
)

// Harness is what the suite needs to know of one kind of bucket.
type Harness struct {
	// Open gives the bucket as seen by that credential. All but MissingBucket
	// and Unreachable see the same bucket. It may skip the test for what the
	// kind of bucket does not have.
	Open func(t *testing.T, who Who) bucket.Bucket
	// Store puts an object into that bucket and Objects lists it, both past
	// the bucket.Bucket under test. Objects need not be in order.
	Store   func(t *testing.T, key string, body []byte)
	Objects func(t *testing.T) []string
	// Versioning lets that bucket keep versions, or keep none from now on. Nil
	// where the server can't; its case is skipped then.
	Versioning func(t *testing.T, on bool)
	// Permissions are the provider's names for what each operation needs; of
	// OpList only where the buckets are a bucket.Lister or a bucket.Versioner.
	Permissions map[bucket.Op]string
	// HiddenMissing is what getting a missing object is for Planets, who may
	// not list: KindDenied for S3, KindNotFound where the two don't hang
	// together.
	HiddenMissing bucket.Kind
	// Canaries are the secret parts of all credentials that Open uses, which
	// must never show in an error.
	Canaries []string
}

// Test runs the conformance suite. It leaves the bucket as empty as it
// found it.
func Test(t *testing.T, h Harness) {
	t.Helper()
	s := &suite{h}
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"an object can be put, read and deleted", s.roundTrip},
		{"a put replaces what was there", s.replace},
		{"keys may hold slashes, spaces and other letters", s.oddKeys},
		{"no more than MaxBody of an object is read", s.largeObject},
		{"an empty object is read", s.emptyObject},
		{"a missing object is not found by one who may list", s.missing},
		{"a missing object looks as documented to one who may not list", s.hiddenMissing},
		{"deleting what is not there is no error", s.deleteTwice},
		{"a missing permission is denied and named", s.denied},
		{"a credential that is not accepted is told from a missing permission", s.badCredential},
		{"a missing bucket is told from a missing object", s.missingBucket},
		{"a server that is not there is unreachable", s.unreachable},
		{"an ended context ends the request", s.canceled},
		{"several goroutines may use one bucket", s.concurrent},
		{"a bucket that can list tells whether it may", s.lister},
		{"a delete that is denied tells whether there is an object", s.presence},
		{"a bucket that can count versions does", s.versions},
	} {
		t.Run(test.name, test.run)
	}
	if left := h.Objects(t); len(left) != 0 {
		t.Errorf("the suite left objects behind: %q", left)
	}
}

type suite struct{ h Harness }

const sample = "conformance/sample.txt"

func (s *suite) roundTrip(t *testing.T) {
	b, body := s.h.Open(t, Planets), []byte("the body of the sample")
	must(t, b.Put(t.Context(), sample, body))
	o, err := b.Get(t.Context(), sample)
	must(t, err)
	if o.Key != sample || !bytes.Equal(o.Body, body) || o.Size != int64(len(body)) {
		t.Errorf("got %q of %d bytes for key %q, want %q for %q", o.Body, o.Size, o.Key, body, sample)
	}
	if o.LastModified.IsZero() || o.ServerTime.IsZero() {
		t.Errorf("last modified %v, server time %v: both must be told", o.LastModified, o.ServerTime)
	}
	if age := o.ServerTime.Sub(o.LastModified); age.Abs().Minutes() > 5 {
		t.Errorf("an object just made is %v old by the server's own clock", age)
	}
	must(t, b.Delete(t.Context(), sample))
	s.noneLeft(t)
}

func (s *suite) replace(t *testing.T) {
	b := s.h.Open(t, Owner)
	must(t, b.Put(t.Context(), sample, []byte("the first and longer one")))
	must(t, b.Put(t.Context(), sample, []byte("second")))
	o, err := b.Get(t.Context(), sample)
	must(t, err)
	if string(o.Body) != "second" || o.Size != 6 {
		t.Errorf("got %q of %d bytes", o.Body, o.Size)
	}
	must(t, b.Delete(t.Context(), sample))
	s.noneLeft(t)
}

func (s *suite) oddKeys(t *testing.T) {
	b := s.h.Open(t, Owner)
	for _, key := range []string{"a b.txt", "deep/er/x.txt", "plus+and=and&.txt", "größe-日本.txt", "per%20cent.txt", "tilde~(1)!.txt"} {
		must(t, b.Put(t.Context(), key, []byte(key)))
		if left := s.h.Objects(t); len(left) != 1 || left[0] != key {
			t.Errorf("key %q is stored as %q", key, left)
		}
		o, err := b.Get(t.Context(), key)
		must(t, err)
		if string(o.Body) != key {
			t.Errorf("key %q gives %q", key, o.Body)
		}
		must(t, b.Delete(t.Context(), key))
		s.noneLeft(t)
	}
}

func (s *suite) largeObject(t *testing.T) {
	body := bytes.Repeat([]byte("0123456789abcdef"), 40*bucket.MaxBody/16)
	s.h.Store(t, sample, body)
	b := s.h.Open(t, Planets)
	o, err := b.Get(t.Context(), sample)
	must(t, err)
	if !bytes.Equal(o.Body, body[:bucket.MaxBody]) || o.Size != int64(len(body)) {
		t.Errorf("read %d bytes and a size of %d, want %d and %d", len(o.Body), o.Size, bucket.MaxBody, len(body))
	}
	must(t, b.Delete(t.Context(), sample))
}

func (s *suite) emptyObject(t *testing.T) {
	s.h.Store(t, sample, nil)
	b := s.h.Open(t, Planets)
	o, err := b.Get(t.Context(), sample)
	must(t, err)
	if len(o.Body) != 0 || o.Size != 0 || o.LastModified.IsZero() {
		t.Errorf("got %q, size %d, last modified %v", o.Body, o.Size, o.LastModified)
	}
	must(t, b.Delete(t.Context(), sample))
}

func (s *suite) missing(t *testing.T) {
	_, err := s.h.Open(t, Owner).Get(t.Context(), "conformance/none.txt")
	e := s.failure(t, err, bucket.OpGet, bucket.KindNotFound)
	if e != nil && e.ServerTime.IsZero() {
		t.Error("the server's time is not told, though it answered")
	}
}

func (s *suite) hiddenMissing(t *testing.T) {
	_, err := s.h.Open(t, Planets).Get(t.Context(), "conformance/none.txt")
	s.check(t, err, bucket.OpGet, s.h.HiddenMissing)
}

func (s *suite) deleteTwice(t *testing.T) {
	b := s.h.Open(t, Planets)
	must(t, b.Put(t.Context(), sample, []byte("x")))
	must(t, b.Delete(t.Context(), sample))
	must(t, b.Delete(t.Context(), sample))
}

func (s *suite) denied(t *testing.T) {
	for _, tc := range []struct {
		who Who
		op  bucket.Op
	}{{NoPut, bucket.OpPut}, {NoGet, bucket.OpGet}, {NoDelete, bucket.OpDelete}} {
		t.Run(string(tc.op), func(t *testing.T) {
			b := s.h.Open(t, tc.who)
			s.h.Store(t, sample, []byte("there before"))
			for _, op := range []bucket.Op{bucket.OpPut, bucket.OpGet} {
				err := attempt(t.Context(), b, op)
				if op != tc.op {
					must(t, err)
					continue
				}
				s.checkDenied(t, err, op)
			}
			if tc.op == bucket.OpDelete {
				s.checkDenied(t, b.Delete(t.Context(), sample), bucket.OpDelete)
				if left := s.h.Objects(t); len(left) != 1 {
					t.Errorf("a delete that was denied left %q", left)
				}
				b = s.h.Open(t, Owner)
			}
			must(t, b.Delete(t.Context(), sample))
			s.noneLeft(t)
		})
	}
}

func (s *suite) badCredential(t *testing.T) {
	for _, who := range []Who{UnknownKey, WrongSecret} {
		t.Run(string(who), func(t *testing.T) {
			b := s.h.Open(t, who)
			for _, op := range allOps {
				s.check(t, attempt(t.Context(), b, op), op, bucket.KindBadCredential)
			}
		})
	}
}

func (s *suite) missingBucket(t *testing.T) {
	b := s.h.Open(t, MissingBucket)
	for _, op := range allOps {
		s.check(t, attempt(t.Context(), b, op), op, bucket.KindNoBucket)
	}
}

func (s *suite) unreachable(t *testing.T) {
	b := s.h.Open(t, Unreachable)
	for _, op := range allOps {
		e := s.failure(t, attempt(t.Context(), b, op), op, bucket.KindUnreachable)
		if e != nil && e.Status != 0 {
			t.Errorf("an answer of %d from nobody", e.Status)
		}
	}
}

func (s *suite) canceled(t *testing.T) {
	b := s.h.Open(t, Owner)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, op := range allOps {
		err := attempt(ctx, b, op)
		s.check(t, err, op, bucket.KindUnreachable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error is not context.Canceled: %v", op, err)
		}
	}
}

func (s *suite) concurrent(t *testing.T) {
	b := s.h.Open(t, Owner)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			key, body := fmt.Sprintf("conformance/%d.txt", i), fmt.Appendf(nil, "body %d", i)
			if err := b.Put(t.Context(), key, body); err != nil {
				t.Error(err)
			}
			if o, err := b.Get(t.Context(), key); err != nil || !bytes.Equal(o.Body, body) {
				t.Errorf("got %q, %v", o.Body, err)
			}
			if err := b.Delete(t.Context(), key); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s.noneLeft(t)
}

var allOps = [...]bucket.Op{bucket.OpPut, bucket.OpGet, bucket.OpDelete}

func attempt(ctx context.Context, b bucket.Bucket, op bucket.Op) error {
	switch op {
	case bucket.OpPut:
		return b.Put(ctx, sample, []byte("x"))
	case bucket.OpGet:
		_, err := b.Get(ctx, sample)
		return err
	default:
		return b.Delete(ctx, sample)
	}
}

// check looks at an error that must be there.
func (s *suite) check(t *testing.T, err error, op bucket.Op, kind bucket.Kind) {
	t.Helper()
	_ = s.failure(t, err, op, kind) // a nil one has been reported
}

// failure is check for those who look further; nil when there is no such
// error, which fails the test.
func (s *suite) failure(t *testing.T, err error, op bucket.Op, kind bucket.Kind) *bucket.Error {
	t.Helper()
	var e *bucket.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want a *bucket.Error of kind %s", op, err, kind)
		return nil
	}
	if e.Op != op || e.Kind != kind {
		t.Errorf("got %s of kind %s, want %s of kind %s: %v", e.Op, e.Kind, op, kind, err)
	}
	CheckNoCanary(t, err, s.h.Canaries...)
	return e
}

func (s *suite) checkDenied(t *testing.T, err error, op bucket.Op) {
	t.Helper()
	e := s.failure(t, err, op, bucket.KindDenied)
	if e == nil {
		return
	}
	if want := s.h.Permissions[op]; e.Permission != want {
		t.Errorf("%s: permission %q, want %q", op, e.Permission, want)
	}
	if !e.Kind.Refused() {
		t.Errorf("%s: a denial does not count as refused", op)
	}
}

func (s *suite) noneLeft(t *testing.T) {
	t.Helper()
	if left := s.h.Objects(t); len(left) != 0 {
		t.Errorf("left in the bucket: %q", left)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// CheckNoCanary fails the test when an error, one that it wraps, or a way of
// printing it shows one of the canaries.
func CheckNoCanary(t *testing.T, err error, canaries ...string) {
	t.Helper()
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, shown := range []string{e.Error(), fmt.Sprintf("%+v", e), fmt.Sprintf("%#v", e)} {
			for i, canary := range canaries {
				if canary != "" && strings.Contains(shown, canary) {
					t.Errorf("an error of type %T shows canary %d", e, i)
				}
			}
		}
	}
}
