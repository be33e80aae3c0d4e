package conformance

import (
	"context"
	"errors"
	"testing"

	"github.com/rotatord/rotatord/bucket"
)

const kept = "conformance/kept.txt"

// versions holds for kinds of bucket that are a bucket.Versioner; others skip
// it.
func (s *suite) versions(t *testing.T) {
	if _, ok := s.h.Open(t, Owner).(bucket.Versioner); !ok {
		t.Skip("this kind of bucket does not count versions")
	}
	t.Run("a bucket without versions has one of what is there", func(t *testing.T) {
		s.count(t, 0)
		s.h.Store(t, kept, []byte("1"))
		s.h.Store(t, kept+".2", []byte("another"))
		s.h.Store(t, kept, []byte("2"))
		s.count(t, 1)
		s.clear(t, kept, kept+".2")
		s.count(t, 0)
	})
	t.Run("what was replaced or deleted counts where it is kept", func(t *testing.T) {
		if s.h.Versioning == nil {
			t.Skip("this server keeps no versions")
		}
		s.h.Versioning(t, true)
		defer s.h.Versioning(t, false)
		s.count(t, 0)
		s.h.Store(t, kept, []byte("1"))
		s.h.Store(t, kept, []byte("22"))
		s.h.Store(t, kept+".2", []byte("another"))
		s.count(t, 2)
		s.clear(t, kept)
		s.count(t, 2)
		s.clear(t, kept)
		s.count(t, 2)
		if _, err := s.h.Open(t, Owner).Get(t.Context(), kept); bucket.KindOf(err) != bucket.KindNotFound {
			t.Errorf("a deleted object of which versions are kept gives %v", err)
		}
		s.clear(t, kept+".2")
	})
	t.Run("one who may not list them is denied", func(t *testing.T) {
		_, err := s.versioner(t, Planets).Versions(t.Context(), kept)
		s.checkDenied(t, err, bucket.OpList)
	})
	for _, tc := range []struct {
		who  Who
		kind bucket.Kind
	}{
		{UnknownKey, bucket.KindBadCredential},
		{WrongSecret, bucket.KindBadCredential},
		{MissingBucket, bucket.KindNoBucket},
		{Unreachable, bucket.KindUnreachable},
	} {
		t.Run(string(tc.who), func(t *testing.T) {
			_, err := s.versioner(t, tc.who).Versions(t.Context(), kept)
			s.check(t, err, bucket.OpList, tc.kind)
		})
	}
	t.Run("an ended context ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.versioner(t, Owner).Versions(ctx, kept)
		s.check(t, err, bucket.OpList, bucket.KindUnreachable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is not context.Canceled: %v", err)
		}
	})
}

func (s *suite) count(t *testing.T, want int) {
	t.Helper()
	got, err := s.versioner(t, Owner).Versions(t.Context(), kept)
	must(t, err)
	if got != want {
		t.Errorf("%d versions, want %d", got, want)
	}
}

func (s *suite) clear(t *testing.T, keys ...string) {
	t.Helper()
	for _, key := range keys {
		must(t, s.h.Open(t, Owner).Delete(t.Context(), key))
	}
}

func (s *suite) versioner(t *testing.T, who Who) bucket.Versioner {
	t.Helper()
	v, ok := s.h.Open(t, who).(bucket.Versioner)
	if !ok {
		t.Fatal("some buckets of this kind count versions and others don't")
	}
	return v
}

// presence: a delete that is denied tells whether there is anything to delete.
func (s *suite) presence(t *testing.T) {
	b := s.h.Open(t, NoDelete)
	must(t, b.Put(t.Context(), kept, []byte("x")))
	for _, want := range []bucket.Presence{bucket.PresenceThere, bucket.PresenceGone} {
		e := s.failure(t, b.Delete(t.Context(), kept), bucket.OpDelete, bucket.KindDenied)
		if e != nil && e.Object != want {
			t.Errorf("the object is %q, want %q", e.Object, want)
		}
		s.clear(t, kept)
	}
}
