package awstest_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers/aws/awstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var owner = awstest.Key{ID: "AKIAOWNER", Secret: "owner-secret"}

func newServer(o awstest.Options) *awstest.Server {
	o.Keys = append(o.Keys, owner)
	return awstest.New(o)
}

// client is the real SDK, which asks once.
func client(s *awstest.Server, k awstest.Key, with ...func(*secretsmanager.Options)) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: awstest.DefaultRegion, HTTPClient: &http.Client{Transport: s.RoundTripper()}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(k.ID, k.Secret, k.Token),
	}, with...)
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	if err != nil {
		return "no answer"
	}
	return ""
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

// TestAnOwnerRotates goes the way of a rotation job, through the API alone.
func TestAnOwnerRotates(t *testing.T) {
	s := newServer(awstest.Options{})
	api, ctx := client(s, owner), t.Context()
	made := ok[*secretsmanager.CreateSecretOutput](t)(api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("planet/s3"), SecretString: aws.String("one")}))
	arn, first := made.ARN, *made.VersionId
	put := ok[*secretsmanager.PutSecretValueOutput](t)(api.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: arn,
		SecretBinary: []byte{0, 0xff}, VersionStages: []string{"AWSPENDING"}, ClientRequestToken: aws.String(strings.Repeat("2", 32))}))
	second := *put.VersionId
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": first, "AWSPENDING": second}, s.Labels(*arn)); diff != "" {
		t.Errorf("after the put (-want +got):\n%s", diff)
	}
	move := func(to, from string) error {
		in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: arn, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: &to}
		if from != "" {
			in.RemoveFromVersionId = &from
		}
		_, err := api.UpdateSecretVersionStage(ctx, in)
		return err
	}
	if code := codeOf(move(second, "")); code != "InvalidParameterException" {
		t.Errorf("a label moves without saying where from: %q", code)
	}
	if code := codeOf(move("nowhere", first)); code != "ResourceNotFoundException" {
		t.Errorf("a label moves to no version: %q", code)
	}
	if err := move(second, first); err != nil {
		t.Fatal(err)
	}
	// As a finished rotation may leave it, AWSPENDING is still there.
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": second, "AWSPENDING": second, "AWSPREVIOUS": first}, s.Labels(*arn)); diff != "" {
		t.Errorf("after the move (-want +got):\n%s", diff)
	}
	got := ok[*secretsmanager.GetSecretValueOutput](t)(api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String("planet/s3")}))
	if string(got.SecretBinary) != "\x00\xff" || *got.VersionId != second || got.SecretString != nil {
		t.Errorf("the current value is version %s", *got.VersionId)
	}
	if id := s.Rollback(*arn); id != first {
		t.Errorf("rolled back to %s, want %s", id, first)
	}
	if diff := cmp.Diff(map[string]string{"AWSCURRENT": first, "AWSPENDING": second, "AWSPREVIOUS": second}, s.Labels(*arn)); diff != "" {
		t.Errorf("after the rollback (-want +got):\n%s", diff)
	}
	if list := ok[*secretsmanager.ListSecretsOutput](t)(api.ListSecrets(ctx, &secretsmanager.ListSecretsInput{})); len(list.SecretList) != 1 {
		t.Errorf("%d secrets are listed", len(list.SecretList))
	}
}

func TestDeletingAndRestoring(t *testing.T) {
	s := newServer(awstest.Options{})
	api, ctx := client(s, owner), t.Context()
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	get := func() string {
		_, err := api.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn, VersionId: &id})
		return codeOf(err)
	}
	ok[*secretsmanager.DeleteSecretOutput](t)(api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: aws.Int64(7)}))
	d := ok[*secretsmanager.DescribeSecretOutput](t)(api.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &arn}))
	if d.DeletedDate == nil || time.Until(*d.DeletedDate) < 6*24*time.Hour || get() != "InvalidRequestException" {
		t.Errorf("deleted on %v, and reading answers %q", d.DeletedDate, get())
	}
	ok[*secretsmanager.RestoreSecretOutput](t)(api.RestoreSecret(ctx, &secretsmanager.RestoreSecretInput{SecretId: &arn}))
	if code := get(); code != "" {
		t.Errorf("restored, and reading answers %q", code)
	}
	ok[*secretsmanager.DeleteSecretOutput](t)(api.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)}))
	if code := get(); code != "ResourceNotFoundException" {
		t.Errorf("deleted for good, and reading answers %q", code)
	}
}

func TestWritersAreChecked(t *testing.T) {
	s := newServer(awstest.Options{})
	api, ctx := client(s, owner), t.Context()
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	token := aws.String(strings.Repeat("3", 32))
	for _, c := range []struct {
		name string
		in   secretsmanager.PutSecretValueInput
		want string
	}{
		{"a value", secretsmanager.PutSecretValueInput{SecretString: aws.String("two"), ClientRequestToken: token}, ""},
		{"the same once more", secretsmanager.PutSecretValueInput{SecretString: aws.String("two"), ClientRequestToken: token}, ""},
		{"another under its id", secretsmanager.PutSecretValueInput{SecretString: aws.String("three"), ClientRequestToken: token}, "ResourceExistsException"},
		{"a short id", secretsmanager.PutSecretValueInput{SecretString: aws.String("two"), ClientRequestToken: aws.String("short")}, "InvalidParameterException"},
		{"nothing", secretsmanager.PutSecretValueInput{}, "InvalidRequestException"},
	} {
		c.in.SecretId = &arn
		if _, err := api.PutSecretValue(ctx, &c.in); codeOf(err) != c.want {
			t.Errorf("%s: %q, want %q", c.name, codeOf(err), c.want)
		}
	}
	for name, want := range map[string]string{"planet/s3": "ResourceExistsException", "a b": "ValidationException", "é": "ValidationException", "fine": ""} {
		if _, err := api.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name}); codeOf(err) != want {
			t.Errorf("create %q: %q, want %q", name, codeOf(err), want)
		}
	}
	_, err := api.UpdateSecret(ctx, &secretsmanager.UpdateSecretInput{SecretId: &arn, SecretString: aws.String("four")})
	if now := s.Labels(arn); err != nil || now["AWSPREVIOUS"] != *token {
		t.Errorf("update: %v, labels %v", err, now)
	}
}

// changed is a transport that changes a request after it was signed.
type changed struct {
	under  http.RoundTripper
	change func(*http.Request)
}

func (c changed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	c.change(r)
	return c.under.RoundTrip(r)
}

func TestWrongSignaturesAreRefused(t *testing.T) {
	s := newServer(awstest.Options{Keys: []awstest.Key{
		{ID: "ASIA", Secret: "x", Token: "right"}, {ID: "AKIAEXPIRED", Secret: "x", Expires: time.Now().Add(-time.Second)},
	}})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	after := func(change func(*http.Request)) func(*secretsmanager.Options) {
		return func(o *secretsmanager.Options) {
			o.HTTPClient = &http.Client{Transport: changed{s.RoundTripper(), change}}
		}
	}
	for _, c := range []struct {
		name string
		key  awstest.Key
		with func(*secretsmanager.Options)
		want string
	}{
		{"the right key", owner, func(*secretsmanager.Options) {}, ""},
		{"a wrong secret", awstest.Key{ID: owner.ID, Secret: "wrong"}, func(*secretsmanager.Options) {}, "InvalidSignatureException"},
		{"an unknown key", awstest.Key{ID: "AKIANOBODY", Secret: "x"}, func(*secretsmanager.Options) {}, "UnrecognizedClientException"},
		{"a session without its token", awstest.Key{ID: "ASIA", Secret: "x"}, func(*secretsmanager.Options) {}, "UnrecognizedClientException"},
		{"a session with a wrong token", awstest.Key{ID: "ASIA", Secret: "x", Token: "wrong"}, func(*secretsmanager.Options) {}, "UnrecognizedClientException"},
		{"a session with its token", awstest.Key{ID: "ASIA", Secret: "x", Token: "right"}, func(*secretsmanager.Options) {}, ""},
		{"an expired key", awstest.Key{ID: "AKIAEXPIRED", Secret: "x"}, func(*secretsmanager.Options) {}, "ExpiredTokenException"},
		{"a changed body", owner, after(func(r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(string(b), "s3", "S3", 1)))
		}), "InvalidSignatureException"},
		{"a changed target", owner, after(func(r *http.Request) { r.Header.Set("X-Amz-Target", "secretsmanager.DeleteSecret") }), "InvalidSignatureException"},
		{"a changed host", owner, after(func(r *http.Request) { r.Host = "elsewhere" }), "InvalidSignatureException"},
		{"a changed scope", owner, after(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "us-west-2", "eu-west-1", 1))
		}), "InvalidSignatureException"},
		{"another service", owner, after(func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "/secretsmanager/", "/s3/", 1))
		}), "InvalidSignatureException"},
		{"no signature", owner, after(func(r *http.Request) { r.Header.Del("Authorization") }), "MissingAuthenticationTokenException"},
		{"half a signature", owner, after(func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x") }), "IncompleteSignatureException"},
		{"another region than the secret's", owner, func(o *secretsmanager.Options) { o.Region = "eu-west-1" }, "ResourceNotFoundException"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := client(s, c.key, c.with).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn})
			if got := codeOf(err); got != c.want {
				t.Errorf("%q, want %q: %v", got, c.want, err)
			}
		})
	}
}

func TestAClockThatIsOffIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(awstest.Options{})
		arn, _ := s.Create("planet/s3", awstest.Text("one"))
		late := func(o *secretsmanager.Options) {
			o.HTTPClient = &http.Client{Transport: changed{s.RoundTripper(), func(*http.Request) { time.Sleep(16 * time.Minute) }}}
		}
		_, err := client(s, owner, late).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn})
		if codeOf(err) != "InvalidSignatureException" || !strings.Contains(err.Error(), "Signature expired") {
			t.Error(err)
		}
	})
}

func TestOthersAreDenied(t *testing.T) {
	s := newServer(awstest.Options{Keys: []awstest.Key{{ID: "AKIAOTHER", Secret: "x", Account: "999999999999"}}})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	other := client(s, awstest.Key{ID: "AKIAOTHER", Secret: "x"})
	if _, err := other.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn}); codeOf(err) != "AccessDeniedException" {
		t.Errorf("another account's key: %v", err)
	}
	s.Deny(arn, "GetSecretValue")
	mine := client(s, owner)
	_, err := mine.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if codeOf(err) != "AccessDeniedException" || !strings.Contains(err.Error(), "not authorized to perform: secretsmanager:GetSecretValue on resource: "+arn) {
		t.Errorf("denied: %v", err)
	}
	s.Allow(arn)
	if _, err := mine.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn}); err != nil {
		t.Errorf("allowed again: %v", err)
	}
}

func TestRoles(t *testing.T) {
	const arn = "arn:aws:iam::210987654321:role/reader"
	s := newServer(awstest.Options{Roles: []awstest.Role{{ARN: arn, ExternalID: "42"}}})
	api := sts.New(sts.Options{Region: "eu-west-1", HTTPClient: &http.Client{Transport: s.RoundTripper()}, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(owner.ID, owner.Secret, "")})
	assume := func(role, external string) (*sts.AssumeRoleOutput, error) {
		return api.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: &role, ExternalId: &external, RoleSessionName: aws.String("test"), DurationSeconds: aws.Int32(900)})
	}
	if _, err := assume(arn, "43"); codeOf(err) != "AccessDenied" {
		t.Errorf("a wrong external id: %v", err)
	}
	if _, err := assume(arn+"x", "42"); codeOf(err) != "AccessDenied" {
		t.Errorf("a role that is not there: %v", err)
	}
	got := ok[*sts.AssumeRoleOutput](t)(assume(arn, "42"))
	if left := time.Until(*got.Credentials.Expiration); left < 14*time.Minute || left > 15*time.Minute {
		t.Errorf("the key lasts %s", left)
	}
	if *got.AssumedRoleUser.Arn != "arn:aws:sts::210987654321:assumed-role/reader/test" {
		t.Errorf("assumed %s", *got.AssumedRoleUser.Arn)
	}
	theirs, _ := s.CreateIn(awstest.DefaultRegion, "210987654321", "planet/s3", awstest.Text("one"))
	k := awstest.Key{ID: *got.Credentials.AccessKeyId, Secret: *got.Credentials.SecretAccessKey, Token: *got.Credentials.SessionToken}
	if _, err := client(s, k).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &theirs}); err != nil {
		t.Errorf("with the key of the role: %v", err)
	}
}

func TestTheRecordHoldsNoValue(t *testing.T) {
	s := newServer(awstest.Options{})
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	api := client(s, owner)
	for _, f := range []func() error{
		func() error {
			_, err := api.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("canary")})
			return err
		},
		func() error {
			_, err := api.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn, VersionId: &id})
			return err
		},
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	s.Throttle(1)
	_, err := api.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn})
	if codeOf(err) != "ThrottlingException" {
		t.Error(err)
	}
	got := s.Requests()
	for i := range got {
		got[i].Time, got[i].Proto = time.Time{}, ""
	}
	common := awstest.Request{Service: "secretsmanager", Secret: arn, KeyID: owner.ID, Region: awstest.DefaultRegion, Status: 200}
	put, get, describe := common, common, common
	put.Action, get.Action, get.Version = "PutSecretValue", "GetSecretValue", id
	describe.Action, describe.Status, describe.Code = "DescribeSecret", 400, "ThrottlingException"
	if diff := cmp.Diff([]awstest.Request{put, get, describe}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestItStartsAgain(t *testing.T) {
	s := newServer(awstest.Options{})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	for range 2 {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err == nil {
			t.Error("it starts twice at once")
		}
		transport := &http.Transport{}
		url := s.URL()
		api := client(s, owner, func(o *secretsmanager.Options) {
			o.BaseEndpoint, o.HTTPClient = &url, &http.Client{Transport: transport}
		})
		if _, err := api.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &arn}); err != nil {
			t.Error(err)
		}
		transport.CloseIdleConnections()
		s.Close()
		s.Close()
		if s.URL() != "" {
			t.Error("it has an address though it is closed")
		}
	}
}
