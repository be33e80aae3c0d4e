package awstest_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/rotatord/rotatord/internal/sigv4"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

// TestASignatureHasToCoverWhatDecides asks with a header whose list of signed
// headers was shortened.
func TestASignatureHasToCoverWhatDecides(t *testing.T) {
	s := awstest.New(awstest.Options{Keys: []awstest.Key{{ID: "AKIA", Secret: "s"}}})
	for headers, want := range map[string]string{"host;x-amz-date": "IncompleteSignatureException", "x-amz-date": "InvalidSignatureException"} {
		body := []byte(`{}`)
		r := httptest.NewRequest(http.MethodPost, "https://example.com/", bytes.NewReader(body))
		r.Header.Set("X-Amz-Target", "secretsmanager.ListSecrets")
		err := v4.NewSigner().SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"}, r,
			sigv4.HashOf(body), "secretsmanager", "us-west-2", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		header := r.Header.Get("Authorization")
		kept := strings.Replace(header, ";x-amz-date;x-amz-target", "", 1)
		if headers == "x-amz-date" {
			kept = strings.Replace(header, "x-amz-target", "x-amz-user", 1)
		}
		if kept == header {
			t.Fatalf("nothing was taken out of %s", header)
		}
		r.Header.Set("Authorization", kept)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", kept, w.Code, w.Body)
		}
	}
}
