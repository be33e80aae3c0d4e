package azureblob_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
)

func TestAnswersToAListOfVersionsAreClassified(t *testing.T) {
	const list = "\ufeff" + `<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="orders"><Blobs>` +
		`<Blob><Name>k</Name><VersionId>1</VersionId></Blob><Blob><Name>k</Name><VersionId>2</VersionId><IsCurrentVersion>true</IsCurrentVersion></Blob>` +
		`<Blob><Name>k2</Name></Blob></Blobs><NextMarker>x</NextMarker></EnumerationResults>`
	for _, tc := range []struct {
		name   string
		answer roundTrip
		n      int
		kind   bucket.Kind
		want   string
	}{
		{"other names don't count", canned(200, list, "X-Ms-Request-Id", "1"), 2, "", ""},
		{"may not list", azures(403, "AuthorizationPermissionMismatch", "x", ""), 0, bucket.KindDenied,
			"list object: denied (SAS l): AuthorizationPermissionMismatch [HTTP 403]"},
		{"an account that keeps no versions", azures(400, "InvalidQueryParameterValue", "x", ""), 0, bucket.KindUnknown,
			"list object: unknown: InvalidQueryParameterValue [HTTP 400]"},
		{"a list that breaks off", canned(200, list[:200], "X-Ms-Request-Id", "1"), 0, bucket.KindUnknown,
			"list object: unknown [HTTP 200]: the answer is no list of blobs; check the endpoint, and proxies on the way"},
		{"a portal's success is no list", canned(200, "<html>"), 0, bucket.KindUnknown,
			"list object: unknown [HTTP 200]: the answer is none of Azure Storage's; check the endpoint, and proxies on the way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			sas := fixed(nil)
			v, ok := opened(t, tc.answer, location, sas).(bucket.Versioner)
			if !ok {
				t.Fatal("it is no bucket.Versioner")
			}
			n, err := v.Versions(t.Context(), "k")
			if n != tc.n || bucket.KindOf(err) != tc.kind {
				t.Errorf("%d versions, kind %q, want %d and %q", n, bucket.KindOf(err), tc.n, tc.kind)
			}
			if tc.kind != "" && err.Error() != tc.want {
				t.Errorf("got  %v\nwant %s", err, tc.want)
			}
			conformance.CheckNoCanary(t, err, canaries(sas)...)
		})
	}
}

func TestVersionsAreCountedUpToOnePage(t *testing.T) {
	srv := stocked()
	srv.SetVersioning(account, name, true)
	for range 1002 {
		srv.PutBlob(account, name, "k", nil)
	}
	v, ok := opened(t, srv.RoundTripper(), location, serviceSAS(key, name, "l")).(bucket.Versioner)
	if !ok {
		t.Fatal("it is no bucket.Versioner")
	}
	if n, err := v.Versions(t.Context(), "k"); n != 1000 || err != nil {
		t.Errorf("%d versions, %v", n, err)
	}
	if _, err := v.Versions(t.Context(), "/"); bucket.KindOf(err) != bucket.KindConfig {
		t.Errorf("a name that is none gives %v", err)
	}
	for _, r := range srv.Requests() {
		if r.Method != http.MethodGet || r.Key != "" {
			t.Errorf("a %s for %q was sent", r.Method, r.Key)
		}
	}
}

func TestABlobThatMayNotBeReplacedIsThere(t *testing.T) {
	srv := stocked()
	srv.PutBlob(account, name, "x.txt", nil)
	put := func(permissions string) error {
		return do(t.Context(), opened(t, srv.RoundTripper(), location, serviceSAS(key, name, permissions)), bucket.OpPut)
	}
	check := func(err error, want bucket.Presence) {
		t.Helper()
		if e, ok := errors.AsType[*bucket.Error](err); !ok || e.Kind != bucket.KindDenied || e.Object != want {
			t.Errorf("got %+v, want the object to be %q", err, want)
		}
	}
	check(put("c"), bucket.PresenceThere)
	check(put("r"), bucket.PresenceUnknown)
	srv.SetImmutable(account, name, true)
	check(put("w"), bucket.PresenceThere)
}
