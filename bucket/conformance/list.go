package conformance

import (
	"context"
	"errors"
	"testing"

	"github.com/rotatord/rotatord/bucket"
)

// lister holds for kinds of bucket that are a bucket.Lister; others skip it.
func (s *suite) lister(t *testing.T) {
	if _, ok := s.h.Open(t, Owner).(bucket.Lister); !ok {
		t.Skip("this kind of bucket does not list")
	}
	t.Run("one who may list is told nothing else", func(t *testing.T) {
		l := s.opened(t, Owner)
		must(t, l.List(t.Context(), ""))
		must(t, l.List(t.Context(), "no/such prefix+&="))
		s.h.Store(t, sample, []byte("x"))
		s.h.Store(t, sample+".2", []byte("x"))
		must(t, l.List(t.Context(), sample))
		must(t, l.List(t.Context(), ""))
		b := s.h.Open(t, Owner)
		must(t, b.Delete(t.Context(), sample))
		must(t, b.Delete(t.Context(), sample+".2"))
		s.noneLeft(t)
	})
	t.Run("one who may not is denied", func(t *testing.T) {
		s.checkDenied(t, s.opened(t, Planets).List(t.Context(), ""), bucket.OpList)
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
			s.check(t, s.opened(t, tc.who).List(t.Context(), ""), bucket.OpList, tc.kind)
		})
	}
	t.Run("an ended context ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := s.opened(t, Owner).List(ctx, "")
		s.check(t, err, bucket.OpList, bucket.KindUnreachable)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is not context.Canceled: %v", err)
		}
	})
}

func (s *suite) opened(t *testing.T, who Who) bucket.Lister {
	t.Helper()
	l, ok := s.h.Open(t, who).(bucket.Lister)
	if !ok {
		t.Fatal("some buckets of this kind list and others don't")
	}
	return l
}
