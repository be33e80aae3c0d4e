package planet

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheCauseOfAFailureIsReadFromItsTexts(t *testing.T) {
	for _, tc := range []struct {
		name  string
		texts []string
		want  Cause
	}{
		{"nothing said", nil, CauseUnknown},
		{"an empty text", []string{""}, CauseUnknown},
		{"S3 denies", []string{"AccessDenied: Access Denied"}, CauseCredential},
		{"S3 denies in prose", []string{"writing failed: access denied"}, CauseCredential},
		{"S3 does not know the key", []string{"Delivery failed: InvalidAccessKeyId"}, CauseCredential},
		{"S3 finds the signature wrong", []string{"SignatureDoesNotMatch"}, CauseCredential},
		{"an expired session", []string{"ExpiredToken: the provided token has expired"}, CauseCredential},
		{"Google refuses the grant", []string{"oauth2: cannot fetch token: 400 Bad Request {\"error\":\"invalid_grant\"}"}, CauseCredential},
		{"Google lacks a permission", []string{"sa@p.iam does not have storage.objects.create access to the bucket"}, CauseCredential},
		{"Azure fails to authenticate", []string{"AuthenticationFailed"}, CauseCredential},
		{"Azure's SAS may not write", []string{"AuthorizationPermissionMismatch"}, CauseCredential},
		{"Oracle does not know", []string{"NotAuthenticated"}, CauseCredential},
		{"403 alone", []string{"unexpected status 403"}, CauseCredential},
		{"403 at the end of a sentence", []string{"The bucket answered 403."}, CauseCredential},
		{"401 in brackets", []string{"HTTP error (401)"}, CauseCredential},
		{"the second text tells", []string{"Delivery failed", "403 Forbidden"}, CauseCredential},
		{"403 inside an item's name", []string{"item 20230403_120000_403_3B could not be clipped"}, CauseUnknown},
		{"403 inside a path", []string{"tiles/403/a.tif is damaged"}, CauseUnknown},
		{"403 in a larger number", []string{"14030 pixels"}, CauseUnknown},
		{"Google throttles with a 403", []string{"googleapi: Error 403: rateLimitExceeded"}, CauseUnknown},
		{"the bucket is gone", []string{"NoSuchBucket"}, CauseUnknown},
		{"a bad item", []string{"Unable to accept order", "no assets for this bundle"}, CauseUnknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := CauseOf(tc.texts...); got != tc.want {
				t.Errorf("%q is %q, want %q", tc.texts, got, tc.want)
			}
		})
	}
}

func TestTextsOfPlanetAreKeptWithoutWhatMayBeSecret(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"plain words stay", "Delivery to the destination failed: SignatureDoesNotMatch", "Delivery to the destination failed: SignatureDoesNotMatch"},
		{"a key id goes", "The key AKIAIOSFODNNEXAMPLE does not exist", "The key <redacted> does not exist"},
		{"a SAS URL loses its query", "PUT https://a.blob.core.windows.net/c/x.tif?sv=2024&sig=abc%2F: 403", "PUT https://a.blob.core.windows.net/c/x.tif?<redacted> 403"},
		{"a named value goes", `"sig": "Zm9v" and token=abc, then more`, `"sig": "<redacted>" and token=<redacted>, then more`},
		{"a long run goes", "got wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY here", "got <redacted> here"},
		{"base64 goes", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9", "<redacted>"},
		{"lines become one", "a\nb\x00c", "a b c"},
		{"an order's id stays", "order adca02a4-58eb-44b3-956f-b09aef7be02a", "order adca02a4-58eb-44b3-956f-b09aef7be02a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tame(tc.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if n := len([]rune(tame(strings.Repeat("word ", 1000)))); n > maxMessage {
		t.Errorf("%d characters are kept", n)
	}
}
