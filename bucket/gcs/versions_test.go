package gcs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/bucket/gcs"
	"github.com/rotatord/rotatord/bucket/gcs/gcstest"
)

func versionsOf(t *testing.T, b bucket.Bucket, key string) (int, error) {
	t.Helper()
	v, ok := b.(bucket.Versioner)
	if !ok {
		t.Fatal("it is no bucket.Versioner")
	}
	return v.Versions(t.Context(), key)
}

func TestAnswersToAListOfVersionsAreClassified(t *testing.T) {
	lacks := email("x") + " does not have storage.objects.list access to the Google Cloud Storage bucket."
	for _, tc := range []struct {
		name   string
		answer said
		kind   bucket.Kind
		want   string
	}{
		{"may not list", said{403, nil, apiError("forbidden", lacks)}, bucket.KindDenied,
			"list object: denied (storage.objects.list): forbidden [HTTP 403]"},
		{"forbidden without a word", said{403, nil, apiError("forbidden", "Forbidden")}, bucket.KindDenied,
			"list object: denied (storage.objects.list): forbidden [HTTP 403]"},
		{"no bucket", said{404, nil, apiError("notFound", "Not Found")}, bucket.KindNoBucket,
			"list object: no bucket: notFound [HTTP 404]: there is no bucket of that name"},
		{"a portal's success is no list", said{200, nil, "<html>" + canary}, bucket.KindUnknown,
			"list object: unknown [HTTP 200]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"a success of another kind is no list", said{200, nil, `{"kind":"storage#object","name":"k"}`}, bucket.KindUnknown,
			"list object: unknown [HTTP 200]: the answer is none of Google's; check the endpoint, and proxies on the way"},
		{"an empty list", said{200, nil, `{"kind":"storage#objects"}`}, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			requests := 0
			b := open(t, gcs.Options{Transport: scripted(said{200, nil, granted}, tc.answer, &requests)}, here, aKey(t))
			n, err := versionsOf(t, b, "k")
			if n != 0 || bucket.KindOf(err) != tc.kind {
				t.Errorf("%d versions, kind %q, want none and %q", n, bucket.KindOf(err), tc.kind)
			}
			if tc.kind != "" {
				wantError(t, err, tc.want)
			}
			conformance.CheckNoCanary(t, err, canary, "ya29.")
			if requests != 2 {
				t.Errorf("%d requests, want one for a token and one attempt", requests)
			}
		})
	}
}

func TestVersionsAreCountedUpToOnePage(t *testing.T) {
	w := newWorld(t)
	w.srv.Set(planetData, gcstest.Settings{Versioning: true})
	for range 1002 {
		if err := w.srv.PutObject(planetData, "k", nil); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := versionsOf(t, w.inMemory(t, conformance.Owner), "k"); n != 1000 || err != nil {
		t.Errorf("%d versions, %v", n, err)
	}
}

func TestWhatABucketKeepsFromBeingReplacedIsThere(t *testing.T) {
	w := newWorld(t)
	b := w.inMemory(t, conformance.Owner)
	if err := b.Put(t.Context(), "k", []byte("x")); err != nil {
		t.Fatal(err)
	}
	w.srv.Set(planetData, gcstest.Settings{Retention: time.Hour})
	for _, err := range []error{b.Put(t.Context(), "k", []byte("y")), b.Delete(t.Context(), "k")} {
		if e, ok := errors.AsType[*bucket.Error](err); !ok || e.Kind != bucket.KindDenied || e.Object != bucket.PresenceThere {
			t.Errorf("got %+v", err)
		}
	}
}

// Whoever may neither list nor delete is never told whether there is anything.
func TestADeniedDeleteOfWhatIsHiddenTellsNothingOfIt(t *testing.T) {
	w := newWorld(t)
	w.srv.Grant(email("no-delete"), planetData, gcstest.Create, gcstest.Get)
	err := w.inMemory(t, conformance.NoDelete).Delete(t.Context(), "none")
	if e, ok := errors.AsType[*bucket.Error](err); !ok || e.Kind != bucket.KindDenied || e.Object != bucket.PresenceUnknown {
		t.Errorf("got %+v", err)
	}
	if !strings.Contains(err.Error(), "storage.objects.delete") {
		t.Errorf("the permission is not named: %v", err)
	}
}
