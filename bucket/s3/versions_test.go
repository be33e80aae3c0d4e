package s3_test

import (
	"strconv"
	"testing"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
)

func TestAnswersToAListOfVersionsAreClassified(t *testing.T) {
	const head = `<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>planet-data</Name>`
	const truncated = head + `<IsTruncated>true</IsTruncated><Version><Key>k</Key></Version><DeleteMarker><Key>k</Key></DeleteMarker>` +
		`<Version><Key>k</Key></Version><Version><Key>k2</Key></Version></ListVersionsResult>`
	for _, tc := range []struct {
		name   string
		status int
		body   string
		n      int
		kind   bucket.Kind
		want   string
	}{
		{"marks of a deletion and other keys don't count", 200, truncated, 2, "", ""},
		{"no versions", 200, head + `</ListVersionsResult>`, 0, "", ""},
		{"may not list", 403, xmlError("AccessDenied", "Access Denied"), 0, bucket.KindDenied,
			"list object: denied (s3:ListBucketVersions): AccessDenied [HTTP 403]"},
		{"not made by this store", 501, xmlError("NotImplemented", "x"), 0, bucket.KindUnknown,
			"list object: unknown: NotImplemented [HTTP 501]: this store does not know requests of this kind"},
		{"a portal's success is no list", 200, "<html><body>" + secret + "</body></html>", 0, bucket.KindUnknown,
			"list object: unknown: the answer is no list of versions; check the endpoint, and proxies on the way"},
		{"nothing at all is no list", 200, "", 0, bucket.KindUnknown,
			"list object: unknown: the answer is no list of versions; check the endpoint, and proxies on the way"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, ok := open(t, says(tc.status, nil, tc.body), other, "AKIACANARY", secret).(bucket.Versioner)
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
			conformance.CheckNoCanary(t, err, secret, "AKIACANARY")
		})
	}
}

func TestVersionsAreCountedUpToOnePage(t *testing.T) {
	srv := guarded()
	srv.SetVersioning("planet-data", true)
	for i := range 1002 {
		if err := srv.PutObject("planet-data", "k", []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	v, ok := open(t, srv.RoundTripper(), amazon, "AKIAOWNER", secret).(bucket.Versioner)
	if !ok {
		t.Fatal("it is no bucket.Versioner")
	}
	if n, err := v.Versions(t.Context(), "k"); n != 1000 || err != nil {
		t.Errorf("%d versions, %v", n, err)
	}
}
