package awstest

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAuthorization(t *testing.T) {
	const good = "AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host;x-amz-date, Signature=00ff"
	want := claim{"AKIA", "20260301", "eu-west-1", "secretsmanager", []string{"host", "x-amz-date"}}
	got, ok := parseAuthorization(good)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(claim{})); !ok || diff != "" {
		t.Errorf("ok %v, (-want +got):\n%s", ok, diff)
	}
	for _, bad := range []string{
		"", "Basic QUtJQTpz", "AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 Credential=AKIA, SignedHeaders=host;x-amz-date",
		"AWS4-HMAC-SHA256 Credential=/20260301/eu-west-1/sts/aws4_request, SignedHeaders=host;x-amz-date",
		"AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/sts/aws4_request, SignedHeaders=x-amz-date",
		"AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/sts/aws4_request, SignedHeaders=host",
		"AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/sts/other, SignedHeaders=host;x-amz-date",
	} {
		if _, ok := parseAuthorization(bad); ok {
			t.Errorf("accepted %q", bad)
		}
	}
}

func FuzzParseAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKIA/20260301/eu-west-1/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	f.Add("AWS4-HMAC-SHA256 Credential=////aws4_request,SignedHeaders=host")
	f.Fuzz(func(t *testing.T, header string) {
		if c, ok := parseAuthorization(header); ok && (c.id == "" || !slices.Contains(c.signedHeaders, "host")) {
			t.Errorf("accepted %q as %+v", header, c)
		}
	})
}
