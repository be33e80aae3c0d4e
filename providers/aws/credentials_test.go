package aws_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

const (
	roleARN      = "arn:aws:iam::210987654321:role/planet/reader"
	otherAccount = "210987654321"
)

// chain makes a provider use the default chain.
func chain(o *aws.Options) { o.Credentials = nil }

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func sharedFile(k awstest.Key) string {
	return fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", k.ID, k.Secret)
}

func TestCredentialsOfTheEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", own.ID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", own.Secret)
	s := start(t, awstest.Options{})
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	if p := open(t, s, chain); current(t, p, arn).ID != id || read(t, p, arn, id) != "one" {
		t.Error("the environment's key does not read")
	}
}

// TestAKeyThatIsReplacedInItsFileIsNoticed: AWS refuses the old one, and the
// next look reads the file again.
func TestAKeyThatIsReplacedInItsFileIsNoticed(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	path := writeFile(t, "credentials", sharedFile(awstest.Key{ID: "AKIAOLD", Secret: "old-secret-key"}))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", path)
	p := open(t, s, chain)
	_, err := p.Current(t.Context(), credential.Secret(arn))
	if e := reason(t, err); e.Reason != providers.ReasonDenied || !strings.Contains(e.Hint, "SharedConfigCredentials: "+path) {
		t.Fatalf("the old key gives %v", err)
	}
	if strings.Contains(shown(err), "old-secret-key") {
		t.Error("the error shows the key")
	}
	if err := os.WriteFile(path, []byte(sharedFile(own)), 0o600); err != nil {
		t.Fatal(err)
	}
	if v := current(t, p, arn); v.ID != id {
		t.Errorf("version %s", v.ID)
	}
}

func TestWithoutCredentialsTheChainIsNamed(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	p := open(t, s, chain)
	_, err := p.Current(t.Context(), credential.Secret(arn))
	e := reason(t, err)
	if e.Reason != providers.ReasonDenied || !strings.Contains(err.Error(), "no credentials were found") {
		t.Errorf("got %v", err)
	}
	for _, source := range []string{"environment", "SSO", "IRSA", "pod identity", "instance profile"} {
		if !strings.Contains(e.Hint, source) {
			t.Errorf("the hint leaves out %s: %s", source, e.Hint)
		}
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests without a key", n)
	}
}

func TestASharedConfigurationThatIsWrong(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	for _, c := range []struct{ name, content, profile, want string }{
		{"a profile that is not there", "[default]\n", "prod", `no profile "prod"`},
		{"a profile that assumes from nothing", "[profile prod]\nrole_arn = " + roleARN + "\nsource_profile = empty\n[profile empty]\nregion = us-west-2\n", "prod", `"empty" assumes a role without complete credentials`},
		{"rubbish", "[profile prod\naws_secret_access_key = canary\n", "prod", "no profile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("AWS_CONFIG_FILE", writeFile(t, "config", c.content))
			t.Setenv("AWS_PROFILE", c.profile)
			_, err := open(t, s, chain).Current(t.Context(), credential.Secret(arn))
			if e := reason(t, err); e.Reason != providers.ReasonDenied || !strings.Contains(err.Error(), c.want) || strings.Contains(shown(err), "canary") {
				t.Error(err)
			}
		})
	}
}

func TestAnSSOSessionThatHasEnded(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	t.Setenv("HOME", t.TempDir()) // where sessions are kept
	t.Setenv("AWS_PROFILE", "prod")
	t.Setenv("AWS_CONFIG_FILE", writeFile(t, "config", "[profile prod]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n"+
		"[sso-session corp]\nsso_region = us-west-2\nsso_start_url = https://corp.awsapps.com/start\n"))
	_, err := open(t, s, chain).Current(t.Context(), credential.Secret(arn))
	if e := reason(t, err); e.Reason != providers.ReasonDenied || !strings.Contains(err.Error(), "aws sso login") {
		t.Error(err)
	}
}

// TestAWebIdentity is IRSA: a token in a file, a role in the environment.
func TestAWebIdentity(t *testing.T) {
	const token = "the-token-of-a-service-account"
	s := start(t, awstest.Options{Roles: []awstest.Role{{ARN: "arn:aws:iam::123456789012:role/pod", WebIdentity: token}}})
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/pod")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", writeFile(t, "token", token))
	t.Setenv("AWS_ENDPOINT_URL_STS", s.URL())
	p := open(t, s, chain)
	if v := current(t, p, arn); v.ID != id || s.Count("AssumeRoleWithWebIdentity") != 1 {
		t.Errorf("version %s after %d exchanges", v.ID, s.Count("AssumeRoleWithWebIdentity"))
	}

	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", writeFile(t, "token", "another-token"))
	_, err := open(t, s, chain).Current(t.Context(), credential.Secret(arn))
	if e := reason(t, err); e.Reason != providers.ReasonDenied || !strings.Contains(err.Error(), "InvalidIdentityToken") || strings.Contains(shown(err), "another-token") {
		t.Errorf("a token of nobody: %v", err)
	}
	s.Close()
	_, err = open(t, s, chain).Current(t.Context(), credential.Secret(arn))
	if e := reason(t, err); e.Reason != providers.ReasonUnavailable || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a token service that is away: %v", err)
	}
}

// TestPodIdentity is EKS: an agent on the node gives keys out over HTTP.
func TestPodIdentity(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	agent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "pod-token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"AccessKeyId": own.ID, "SecretAccessKey": own.Secret,
			"Expiration": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	}))
	defer agent.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.URL)
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod-token")
	if v := current(t, open(t, s, chain), arn); v.ID != id {
		t.Errorf("version %s", v.ID)
	}
}

func TestARoleIsAssumedForItsAccount(t *testing.T) {
	s := start(t, awstest.Options{Roles: []awstest.Role{{ARN: roleARN, ExternalID: "planet-42"}}})
	mine, mineID := s.Create("planet/s3", awstest.Text("mine"))
	theirs, theirID := s.CreateIn("eu-west-1", otherAccount, "planet/s3", awstest.Text("theirs"))
	also, alsoID := s.CreateIn("eu-west-1", otherAccount, "planet/gcs", awstest.Text("theirs too"))

	_, err := open(t, s).Current(t.Context(), credential.Secret(theirs))
	if reason(t, err).Reason != providers.ReasonDenied {
		t.Errorf("another account's secret without a role: %v", err)
	}
	p := open(t, s, func(o *aws.Options) {
		o.Roles = map[string]aws.Role{otherAccount: {ARN: roleARN, ExternalID: "planet-42"}}
	})
	for range 3 {
		if current(t, p, mine).ID != mineID || current(t, p, theirs).ID != theirID || read(t, p, also, alsoID) != "theirs too" {
			t.Fatal("a version is not the one that was put")
		}
	}
	assumed := 0
	for _, r := range s.Requests() {
		if r.Service != "sts" {
			continue
		}
		assumed++
		if r.Session != "rotatord" || r.Region != "eu-west-1" || r.Secret != roleARN {
			t.Errorf("assumed %s as %q in %s", r.Secret, r.Session, r.Region)
		}
	}
	if assumed != 1 {
		t.Errorf("the role was assumed %d times, want once", assumed)
	}
}

func TestARoleThatCannotBeAssumed(t *testing.T) {
	for _, c := range []struct {
		name   string
		hurt   func(s *awstest.Server, o *aws.Options)
		reason providers.Reason
		words  []string
	}{
		{"a wrong external id", func(_ *awstest.Server, o *aws.Options) {
			o.Roles[otherAccount] = aws.Role{ARN: roleARN, ExternalID: "planet-43"}
		}, providers.ReasonDenied, []string{roleARN, "AccessDenied", "sts:AssumeRole", "external id"}},
		{"an unknown key", func(s *awstest.Server, _ *aws.Options) { s.Revoke(own.ID) },
			providers.ReasonDenied, []string{"InvalidClientTokenId", "does not accept the key"}},
		{"no credentials to do it with", func(_ *awstest.Server, o *aws.Options) { o.Credentials = nil },
			providers.ReasonDenied, []string{"no credentials were found", "instance profile"}},
		{"a token service that throttles", func(s *awstest.Server, _ *aws.Options) { s.Throttle(awstest.Forever) },
			providers.ReasonThrottled, []string{"ThrottlingException"}},
		{"a token service that fails", func(s *awstest.Server, _ *aws.Options) { s.Fail(awstest.Forever, 500) },
			providers.ReasonUnavailable, []string{"InternalServiceError"}},
		{"a token service that is away", func(s *awstest.Server, _ *aws.Options) { s.Close() },
			providers.ReasonUnavailable, []string{"refused"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, awstest.Options{Roles: []awstest.Role{{ARN: roleARN, ExternalID: "planet-42"}}})
			arn, _ := s.CreateIn("eu-west-1", otherAccount, "planet/s3", awstest.Text("theirs"))
			p := open(t, s, func(o *aws.Options) {
				o.Roles = map[string]aws.Role{otherAccount: {ARN: roleARN, ExternalID: "planet-42"}}
				c.hurt(s, o)
			})
			_, err := p.Current(t.Context(), credential.Secret(arn))
			if e := reason(t, err); e.Reason != c.reason {
				t.Errorf("reason %q, want %q", e.Reason, c.reason)
			}
			for _, w := range c.words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("no %q in: %v", w, err)
				}
			}
		})
	}
}

// TestKeysOfARoleAreRenewed in virtual time: they last a quarter of an hour.
func TestKeysOfARoleAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := awstest.New(awstest.Options{Keys: []awstest.Key{own}, Roles: []awstest.Role{{ARN: roleARN}}})
		arn, id := s.CreateIn("eu-west-1", otherAccount, "planet/s3", awstest.Text("theirs"))
		p := open(t, s, func(o *aws.Options) {
			o.Transport = s.RoundTripper()
			o.Credentials = static()
			o.Roles = map[string]aws.Role{otherAccount: {ARN: roleARN}}
		})
		for range 8 { // two hours
			if v := current(t, p, arn); v.ID != id {
				t.Fatalf("version %s", v.ID)
			}
			time.Sleep(15 * time.Minute)
		}
		if n := s.Count("AssumeRole"); n != 8 {
			t.Errorf("assumed %d times in two hours, want 8", n)
		}
	})
}
