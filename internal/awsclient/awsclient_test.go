package awsclient

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/httpclient"
)

// answered wraps an error as the SDK does for an answer with that status.
func answered(status int, err error) error {
	resp := &http.Response{StatusCode: status, Header: http.Header{"X-Amzn-Requestid": {"4711\n"}}}
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: err}
}

func TestARefusalIsToldByStatusAndCode(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		code   string
		want   Kind
	}{
		{"a throttle by its code", 400, "ThrottlingException", Throttled},
		{"a throttle by its status", 429, "Whatever", Throttled},
		{"a breakdown", 503, "InternalServiceError", Unavailable},
		{"a breakdown of who checks keys", 500, "ExpiredToken", Unavailable},
		{"a key that nobody knows", 403, "InvalidClientTokenId", Denied},
		{"a word of the service", 400, "ResourceNotFoundException", Other},
		{"a denied permission, which is the service's to explain", 400, "AccessDeniedException", Other},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := RefusalOf(fmt.Errorf("asked: %w", answered(tt.status, &smithy.GenericAPIError{Code: tt.code, Message: "no"})))
			if r == nil || r.Kind() != tt.want || r.Status != tt.status {
				t.Fatalf("got %+v, want kind %s", r, tt.want)
			}
			if got, want := r.Error(), tt.code+": no (request id 4711 )"; got != want {
				t.Errorf("text %q, want %q", got, want)
			}
		})
	}
	if r := RefusalOf(errors.New("canary")); r != nil {
		t.Errorf("a refusal without AWS's words: %v", r)
	}
}

func TestARefusalKeepsNothingOfWhatShouldHaveBeenSigned(t *testing.T) {
	err := &smithy.GenericAPIError{Code: "InvalidSignatureException", Message: "Signature expired: now. The Canonical String for this request should have been canary"}
	r := RefusalOf(err)
	if got, want := r.Error(), "InvalidSignatureException: Signature expired: now."; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if !r.IsOfTheClock() {
		t.Error("not told from a wrong key")
	}
}

func TestAnErrorWithoutWordsIsExplainedInOurs(t *testing.T) {
	canary := errors.New("canary")
	for _, tt := range []struct {
		name     string
		err      error
		kind     Kind
		answered bool
		text     string
	}{
		{"something else answers", answered(200, canary), Unreadable, true, "the answer with status 200 can't be read"},
		{"something else throttles", answered(429, canary), Throttled, true, "status 429"},
		{"something else breaks down", answered(502, canary), Unavailable, true, "status 502"},
		{"an answer is cut", answered(200, fmt.Errorf("canary %w", io.ErrUnexpectedEOF)), Unavailable, true, "status 200"},
		{"nobody listens", &net.OpError{Op: "canary", Err: syscall.ECONNREFUSED}, Unavailable, false, "the connection was refused"},
		{"no name", &net.DNSError{Name: "canary"}, Unavailable, false, "does not resolve"},
		{"a strange authority", fmt.Errorf("canary: %w", x509.UnknownAuthorityError{}), Unavailable, false, "an authority that is not trusted"},
		{"no proxy", fmt.Errorf("canary: %w", httpclient.ErrProxy), Unavailable, false, "check HTTPS_PROXY"},
		{"no time left", fmt.Errorf("canary: %w", context.DeadlineExceeded), Unavailable, false, "no answer came in time"},
		{"anything", canary, Unavailable, false, "no answer came that can be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Unspoken(tt.err)
			if f.Kind != tt.kind || f.Answered != tt.answered || f.Renew {
				t.Errorf("got %+v", f)
			}
			if text := f.Err.Error(); !strings.Contains(text, tt.text) || strings.Contains(text, "canary") {
				t.Errorf("text %q, want %q", text, tt.text)
			}
		})
	}
}

func TestMissingKeysAreToldFromOtherFailures(t *testing.T) {
	denied := answered(403, &smithy.GenericAPIError{Code: "AccessDenied", Message: "no"})
	unknown := answered(403, &smithy.GenericAPIError{Code: "InvalidClientTokenId", Message: "no"})
	none := errors.New("canary")
	for _, tt := range []struct {
		name  string
		err   error
		kind  Kind
		renew bool
		words string // of error and hint
	}{
		{"no chain", &keyless{err: none}, Denied, true, "no credentials were found"},
		{"no SSO session", &keyless{sso: true, err: none}, Denied, true, "aws sso login"},
		{"no role for want of a key", &keyless{role: "R", err: &keyless{err: none}}, Denied, true, "no credentials were found"},
		{"a role that is denied", &keyless{role: "R", err: denied}, Denied, true, "the role R can't be assumed: AccessDenied: no"},
		{"a key that STS does not know", &keyless{role: "R", err: unknown}, Denied, true, "the token service does not accept"},
		{"a throttled STS", &keyless{role: "R", err: &smithy.GenericAPIError{Code: "Throttling"}}, Throttled, false, "R can't be assumed"},
		{"a broken STS", &keyless{role: "R", err: answered(500, none)}, Unavailable, false, "R can't be assumed"},
		{"a token service that is away", &keyless{err: &smithy.OperationError{ServiceID: "STS", Err: syscall.ECONNREFUSED}}, Unavailable, false, "refused"},
		{"no instance metadata", &keyless{err: &smithy.OperationError{ServiceID: "ec2imds", Err: syscall.ECONNREFUSED}}, Denied, true, "no credentials were found"},
		{"no such profile", &unloaded{config.SharedConfigProfileNotExistError{Profile: "p"}}, Denied, false, `no profile "p"`},
		{"a configuration that can't be read", &unloaded{none}, Denied, false, "check AWS_PROFILE"},
		{"nothing configured", &unloaded{errNoChain}, Denied, false, "the instance profile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := OfCredentials(fmt.Errorf("canary: %w", tt.err))
			if f == nil || f.Kind != tt.kind || f.Renew != tt.renew {
				t.Fatalf("got %+v", f)
			}
			if text := f.Err.Error() + "; " + f.Hint; !strings.Contains(text, tt.words) || strings.Contains(text, "canary") {
				t.Errorf("words %q, want %q", text, tt.words)
			}
		})
	}
	if f := OfCredentials(denied); f != nil {
		t.Errorf("a refused request counts as one without a key: %v", f.Err)
	}
}

func TestAKeysOriginIsKnownOnceItIsThere(t *testing.T) {
	for _, name := range []string{"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir()) // no files of whoever runs this
	var written bytes.Buffer
	log := slog.New(slog.NewTextHandler(&written, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := Load(t.Context(), Options{
		Region: "us-west-2", MaxAnswer: 1, Logger: log, Retryer: func() sdk.Retryer { return sdk.NopRetryer{} },
		Credentials: sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
			return sdk.Credentials{AccessKeyID: "AKIDcanary", SecretAccessKey: "canary", Source: "a test"}, nil
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Carrier.Close()
	role := a.Assume(Role{ARN: "R", Region: "us-west-2"})
	origins := []string{a.Chain.Origin(), role.Origin()}
	for range 2 {
		if _, err := a.Config.Credentials.Retrieve(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	origins = append(origins, a.Chain.Origin(), role.Origin())
	want := []string{
		"the key comes from none", "the key comes from assuming R, by one from none",
		"the key comes from a test", "the key comes from assuming R, by one from a test",
	}
	if diff := cmp.Diff(want, origins); diff != "" {
		t.Error(diff)
	}
	if got := written.String(); strings.Count(got, "aws credentials found") != 1 || strings.Contains(got, "canary") {
		t.Errorf("the log says %q", got)
	}
}
