package googletest_test

import (
	"context"
	"crypto/x509"
	"errors"
	"hash/crc32"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cloud.google.com/go/iam/apiv1/iampb"
	secretmanager "cloud.google.com/go/secretmanager/apiv1"
	pb "cloud.google.com/go/secretmanager/apiv1/secretmanagerpb"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/oauth2"
	"google.golang.org/api/iterator"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/rotatord/rotatord/providers/google/googletest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "projects/my-project/secrets/planet"

func start(t *testing.T) *googletest.Server {
	t.Helper()
	s := googletest.New(googletest.Options{})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// client is the real SDK.
func client(t *testing.T, s *googletest.Server, token string, more ...option.ClientOption) *secretmanager.Client {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.Roots())
	c, err := secretmanager.NewClient(t.Context(), append([]option.ClientOption{
		option.WithEndpoint(s.Address()), option.WithTelemetryDisabled(),
		option.WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(roots, ""))),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	c.CallOptions = &secretmanager.CallOptions{}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func listed(t *testing.T, c *secretmanager.Client, filter string, page int32) (names []string) {
	t.Helper()
	it := c.ListSecretVersions(t.Context(), &pb.ListSecretVersionsRequest{Parent: name, Filter: filter, PageSize: page})
	for {
		v, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, v.GetName()[strings.LastIndexByte(v.GetName(), '/')+1:]+" "+v.GetState().String())
	}
}

// TestAnOwnerRotates goes the way of a rotation job, through the API alone.
func TestAnOwnerRotates(t *testing.T) {
	s := start(t)
	c, ctx := client(t, s, s.Token()), t.Context()
	made := ok[*pb.Secret](t)(c.CreateSecret(ctx, &pb.CreateSecretRequest{Parent: "projects/my-project", SecretId: "planet"}))
	if made.GetName() != "projects/123456789012/secrets/planet" || s.Canonical(name) != made.GetName() {
		t.Errorf("the answer names %s: no project by its number", made.GetName())
	}
	for _, value := range []string{"one", "two", "three"} {
		ok[*pb.SecretVersion](t)(c.AddSecretVersion(ctx, &pb.AddSecretVersionRequest{Parent: made.GetName(), Payload: &pb.SecretPayload{Data: []byte(value)}}))
	}
	out := ok[*pb.AccessSecretVersionResponse](t)(c.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: name + "/versions/latest"}))
	if out.GetName() != made.GetName()+"/versions/3" || string(out.GetPayload().GetData()) != "three" ||
		out.GetPayload().GetDataCrc32C() != int64(crc32.Checksum([]byte("three"), crc32.MakeTable(crc32.Castagnoli))) {
		t.Errorf("latest is %s with checksum %d", out.GetName(), out.GetPayload().GetDataCrc32C())
	}
	version := func(n string) string { return name + "/versions/" + n }
	ok[*pb.SecretVersion](t)(c.DisableSecretVersion(ctx, &pb.DisableSecretVersionRequest{Name: version("3")}))
	ok[*pb.SecretVersion](t)(c.DestroySecretVersion(ctx, &pb.DestroySecretVersionRequest{Name: version("1")}))
	if diff := cmp.Diff([]string{"3 DISABLED", "2 ENABLED", "1 DESTROYED"}, listed(t, c, "", 2)); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"2 ENABLED"}, listed(t, c, "state:ENABLED", 1)); diff != "" {
		t.Errorf("enabled (-want +got):\n%s", diff)
	}
	for n, want := range map[string]string{"latest": "DISABLED state", "3": "DISABLED state", "1": "DESTROYED state", "4": "versions/4] not found"} {
		_, err := c.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: version(n)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("version %s: %v", n, err)
		}
	}
	if _, err := c.EnableSecretVersion(ctx, &pb.EnableSecretVersionRequest{Name: version("1")}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("what is destroyed comes back: %v", err)
	}
	ok[*pb.SecretVersion](t)(c.EnableSecretVersion(ctx, &pb.EnableSecretVersionRequest{Name: version("3")}))
	if diff := cmp.Diff([]string{"3", "2"}, s.Enabled(name)); diff != "" {
		t.Errorf("enabled (-want +got):\n%s", diff)
	}
	if err := c.DeleteSecret(ctx, &pb.DeleteSecretRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetSecret(ctx, &pb.GetSecretRequest{Name: name}); status.Code(err) != codes.NotFound {
		t.Errorf("a deleted secret: %v", err)
	}
}

func TestListsLagAndAccessDoesNot(t *testing.T) {
	s := start(t)
	c, ctx := client(t, s, s.Token()), t.Context()
	s.Create(name, []byte("one"))
	s.Add(name, []byte("two"))
	s.LagLists(name, 2)
	if diff := cmp.Diff([]string{"1 ENABLED"}, listed(t, c, "", 0)); diff != "" {
		t.Errorf("a list that lags (-want +got):\n%s", diff)
	}
	out := ok[*pb.AccessSecretVersionResponse](t)(c.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: name + "/versions/2"}))
	if string(out.GetPayload().GetData()) != "two" {
		t.Error("access by number lags")
	}
	out = ok[*pb.AccessSecretVersionResponse](t)(c.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: name + "/versions/latest"}))
	if string(out.GetPayload().GetData()) != "one" {
		t.Error("latest does not lag")
	}
	s.LagGets(name, 1)
	get := func() error {
		_, err := c.GetSecretVersion(ctx, &pb.GetSecretVersionRequest{Name: name + "/versions/2"})
		return err
	}
	if status.Code(get()) != codes.NotFound || get() != nil {
		t.Error("metadata lags not at all, or for ever")
	}
	if diff := cmp.Diff([]string{"2 ENABLED", "1 ENABLED"}, listed(t, c, "", 0)); diff != "" {
		t.Errorf("a list that has caught up (-want +got):\n%s", diff)
	}
}

func TestWhoMayAsk(t *testing.T) {
	s := start(t)
	s.Create(name, []byte("one"))
	good := s.Token()
	get := func(token, of string) error {
		_, err := client(t, s, token).AccessSecretVersion(t.Context(), &pb.AccessSecretVersionRequest{Name: of + "/versions/1"})
		return err
	}
	if err := get(good, name); err != nil {
		t.Error(err)
	}
	for _, token := range []string{"ya29.not-issued-here", ""} {
		if err := get(token, name); status.Code(err) != codes.Unauthenticated {
			t.Errorf("the token %q: %v", token, err)
		}
	}
	if err := get(good, "projects/other-project/secrets/planet"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("another project: %v", err)
	}
	s.Deny(name, "secretmanager.versions.access")
	if err := get(good, name); status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "(or it may not exist)") {
		t.Errorf("denied: %v", err)
	}
	may := ok[*iampb.TestIamPermissionsResponse](t)(client(t, s, good).TestIamPermissions(t.Context(), &iampb.TestIamPermissionsRequest{Resource: name,
		Permissions: []string{"secretmanager.versions.access", "secretmanager.versions.list"}}))
	if diff := cmp.Diff([]string{"secretmanager.versions.list"}, may.GetPermissions()); diff != "" {
		t.Errorf("permitted (-want +got):\n%s", diff)
	}
	s.Allow(name)
	s.DisableService("my-project")
	if err := get(good, name); status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "it is disabled") {
		t.Errorf("disabled: %v", err)
	}
}

func TestTrouble(t *testing.T) {
	s := start(t)
	s.Create(name, []byte("one"))
	c := client(t, s, s.Token())
	access := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		out, err := c.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: name + "/versions/1"})
		return string(out.GetPayload().GetData()), err
	}
	for _, do := range []struct {
		hurt func()
		want codes.Code
	}{
		{func() { s.Throttle(1) }, codes.ResourceExhausted},
		{func() { s.Fail(1, codes.Internal) }, codes.Internal},
		{func() { s.Cut(1) }, codes.Unavailable},
	} {
		do.hurt()
		if _, err := access(); status.Code(err) != do.want {
			t.Errorf("got %v, want %s", err, do.want)
		}
		if got, err := access(); err != nil || got != "one" {
			t.Errorf("after %s: %v", do.want, err)
		}
	}
	s.Corrupt(1)
	if got, _ := access(); got == "one" {
		t.Error("the value is not damaged")
	}
	s.Hang("AccessSecretVersion")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := c.AccessSecretVersion(ctx, &pb.AccessSecretVersionRequest{Name: name + "/versions/1"}); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("it does not hang: %v", err)
	}
	if _, err := c.GetSecret(t.Context(), &pb.GetSecretRequest{Name: name}); err != nil {
		t.Errorf("what was not named hangs: %v", err)
	}
	s.Unhang()
	if _, err := access(); err != nil {
		t.Error(err)
	}
	if n := s.Count("AccessSecretVersion"); n != 9 {
		t.Errorf("%d calls are recorded", n)
	}
}

func TestTheTokenServiceChecksSignatures(t *testing.T) {
	s := start(t)
	if _, err := s.KeyFile("a@b"); err != nil {
		t.Fatal(err)
	}
	b := string(ok[[]byte](t)(s.KeyFile("c@d")))
	_, rest, _ := strings.Cut(b, `"token_uri":"`)
	address, _, _ := strings.Cut(rest, `"`)
	for _, assertion := range []string{"", "a.b.c", "eyJhbGciOiJub25lIn0.eyJpc3MiOiJhQGIifQ."} {
		resp, err := http.PostForm(address, url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}) //nolint:noctx // a loopback server of this test
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest || s.Issued() != 0 {
			t.Errorf("the assertion %q is answered %d", assertion, resp.StatusCode)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// TestInVirtualTime holds that a server works in a bubble.
func TestInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := googletest.New(googletest.Options{})
		if err := s.StartInMemory(); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.StartInMemory(); err == nil {
			t.Error("it runs twice")
		}
		s.Create(name, []byte("one"))
		c := client(t, s, s.Token(), option.WithGRPCDialOption(grpc.WithContextDialer(s.Dial)))
		defer func() { _ = c.Close() }()
		s.Add(name, []byte("two"))
		s.LagListsFor(name, time.Hour)
		if got := listed(t, c, "", 0); len(got) != 1 {
			t.Errorf("listed %v", got)
		}
		time.Sleep(2 * time.Hour)
		c2 := client(t, s, s.Token(), option.WithGRPCDialOption(grpc.WithContextDialer(s.Dial)))
		defer func() { _ = c2.Close() }()
		if got := listed(t, c2, "", 0); len(got) != 2 {
			t.Errorf("listed %v", got)
		}
		_, err := c.GetSecret(t.Context(), &pb.GetSecretRequest{Name: name})
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("a token works after its end: %v", err)
		}
	})
}
