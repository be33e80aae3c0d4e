package aws_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

const canary = `canary-7Hq"\Zx+/9=`

// TestFailuresAreToldApart holds what a person is told, and by which reason the
// engine decides.
func TestFailuresAreToldApart(t *testing.T) {
	const fine = providers.Reason("")
	type expect struct {
		reason providers.Reason
		words  []string
	}
	for _, c := range []struct {
		name          string
		hurt          func(s *awstest.Server, arn, id string)
		current, read expect
	}{
		{"asking is denied", func(s *awstest.Server, arn, _ string) { s.Deny(arn, "DescribeSecret") },
			expect{providers.ReasonDenied, []string{"AccessDeniedException", "allow secretsmanager:DescribeSecret", "request id"}}, expect{reason: fine}},
		{"reading is denied", func(s *awstest.Server, arn, _ string) { s.Deny(arn, "GetSecretValue") },
			expect{reason: fine}, expect{providers.ReasonDenied, []string{"AccessDeniedException", "allow secretsmanager:GetSecretValue"}}},
		{"the KMS key is denied", func(s *awstest.Server, arn, _ string) { s.SetKMS(arn, awstest.KMSDenied) },
			expect{reason: fine}, expect{providers.ReasonDenied, []string{"Access to KMS", "kms:Decrypt", "key policy"}}},
		{"the KMS key is disabled", func(s *awstest.Server, arn, _ string) { s.SetKMS(arn, awstest.KMSDisabled) },
			expect{reason: fine}, expect{providers.ReasonDisabled, []string{"KMS key can't be used"}}},
		{"the KMS key is to be deleted", func(s *awstest.Server, arn, _ string) { s.SetKMS(arn, awstest.KMSPendingDeletion) },
			expect{reason: fine}, expect{providers.ReasonDisabled, []string{"KMS key can't be used"}}},
		{"the KMS key is another account's", func(s *awstest.Server, arn, _ string) { s.SetKMS(arn, awstest.KMSOfAnotherAccount) },
			expect{reason: fine}, expect{providers.ReasonDenied, []string{"default key aws/secretsmanager"}}},
		{"it is scheduled for deletion", func(s *awstest.Server, arn, _ string) { s.Delete(arn, 7) },
			expect{providers.ReasonDisabled, []string{time.Now().AddDate(0, 0, 7).UTC().Format("2006-01-"), "restore-secret"}},
			expect{providers.ReasonDisabled, []string{"marked for deletion", "restore-secret"}}},
		{"it is gone", func(s *awstest.Server, arn, _ string) { s.Purge(arn) },
			expect{providers.ReasonNotFound, []string{"ResourceNotFoundException", "another suffix"}},
			expect{providers.ReasonNotFound, []string{"ResourceNotFoundException"}}},
		{"the version is gone", func(s *awstest.Server, arn, id string) {
			s.Put(arn, awstest.Text("two"))
			s.DropVersion(arn, id)
		}, expect{reason: fine}, expect{providers.ReasonGone, []string{"VersionId", "removed"}}},
		{"no version is current", func(s *awstest.Server, arn, _ string) {
			s.Label(arn, "live", s.Labels(arn)[awstest.Current])
			s.Label(arn, awstest.Current, "")
		}, expect{providers.ReasonDisabled, []string{"AWSCURRENT", "labels that are there: live"}}, expect{reason: fine}},
		{"it never had a value", func(s *awstest.Server, arn, id string) { s.DropVersion(arn, id) },
			expect{providers.ReasonDisabled, []string{"holds no value yet"}}, expect{reason: providers.ReasonGone}},
		{"the key is not known", func(s *awstest.Server, _, _ string) { s.Revoke(own.ID) },
			expect{providers.ReasonDenied, []string{"UnrecognizedClientException", "does not know", "StaticCredentials"}},
			expect{providers.ReasonDenied, []string{"UnrecognizedClientException"}}},
		{"the key is another one", func(s *awstest.Server, _, _ string) { s.AddKey(awstest.Key{ID: own.ID, Secret: "another"}) },
			expect{providers.ReasonDenied, []string{"InvalidSignatureException", "does not accept rotatord's own key"}},
			expect{providers.ReasonDenied, []string{"InvalidSignatureException"}}},
		{"the key has expired", func(s *awstest.Server, _, _ string) {
			s.AddKey(awstest.Key{ID: own.ID, Secret: own.Secret, Expires: time.Now().Add(-time.Minute)})
		}, expect{providers.ReasonDenied, []string{"ExpiredTokenException"}}, expect{reason: providers.ReasonDenied}},
		{"the connection is cut", func(s *awstest.Server, _, _ string) { s.Cut(awstest.Forever) },
			expect{providers.ReasonUnavailable, []string{"cut"}}, expect{providers.ReasonUnavailable, []string{"cut"}}},
		{"nobody listens", func(s *awstest.Server, _, _ string) { s.Close() },
			expect{providers.ReasonUnavailable, []string{"refused"}}, expect{reason: providers.ReasonUnavailable}},
		{"the answer is broken", func(s *awstest.Server, _, _ string) { s.Garble(awstest.Forever) },
			expect{providers.ReasonUnavailable, []string{"status 200"}}, expect{providers.ReasonUnavailable, []string{"status 200"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			arn, id := s.Create("planet/s3", awstest.Text(canary))
			read(t, p, arn, id)
			c.hurt(s, arn, id)
			check := func(what string, err error, want expect) {
				t.Helper()
				if want.reason == fine {
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					return
				}
				e := reason(t, err)
				if e.Reason != want.reason {
					t.Errorf("%s: reason %q, want %q: %v", what, e.Reason, want.reason, err)
				}
				for _, w := range want.words {
					if !strings.Contains(err.Error(), w) {
						t.Errorf("%s: no %q in: %v", what, w, err)
					}
				}
				kept(t, err)
			}
			_, err := p.Current(t.Context(), credential.Secret(arn))
			check("Current", err, c.current)
			v, err := p.Read(t.Context(), credential.Secret(arn), id)
			check("Read", err, c.read)
			v.Clear()
		})
	}
}

// shown is all that can be seen of an error, as deep as fmt goes.
func shown(err error) string {
	b, _ := json.Marshal(err)
	return fmt.Sprintf("%v %+v %#v %q %s", err, err, err, err, b)
}

func TestAMissingLabelSaysWhichThereAre(t *testing.T) {
	s, p := both(t)
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	_, err := p.Current(t.Context(), credential.Secret(arn+"?stage=live"))
	if e := reason(t, err); e.Reason != providers.ReasonDisabled || !strings.Contains(err.Error(), "label live") || !strings.Contains(e.Hint, "AWSCURRENT") {
		t.Error(err)
	}
}

// TestANameThatLooksComplete: Amazon takes a hyphen and six characters for the
// suffix, and the hint has to say so.
func TestANameThatLooksComplete(t *testing.T) {
	s, p := both(t)
	arn, id := s.Create("planet/s3-backup", awstest.Text("one"))
	if v := current(t, p, arn); v.ID != id {
		t.Errorf("the complete ARN leads to %s", v.ID)
	}
	_, err := p.Current(t.Context(), credential.Secret(arn[:len(arn)-7]))
	if e := reason(t, err); e.Reason != providers.ReasonNotFound || !strings.Contains(e.Hint, "needs its whole ARN") {
		t.Error(err)
	}
}

// TestTheSessionTokenIsNotQuoted: Amazon explains a wrong signature with all
// that should have been signed.
func TestTheSessionTokenIsNotQuoted(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	const token = "a-token-that-nobody-may-see"
	s.AddKey(awstest.Key{ID: "ASIATEMPORARY", Secret: "right", Token: token})
	p := open(t, s, func(o *aws.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider("ASIATEMPORARY", "wrong", token)
	})
	_, err := p.Current(t.Context(), credential.Secret(arn))
	if e := reason(t, err); e.Reason != providers.ReasonDenied || !strings.Contains(err.Error(), "InvalidSignatureException") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(shown(err), token) || strings.Contains(err.Error(), "Canonical") {
		t.Error("the error shows the session token")
	}
}

// TestAnswersThatAreWrong come from something that is not Secrets Manager, or
// not sane.
func TestAnswersThatAreWrong(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/s3-a1b2c3"
	id := strings.Repeat("0", 32)
	secret := func(arn, id string) string {
		return fmt.Sprintf(`{"ARN":%q,"VersionId":%q,"SecretString":"canary","VersionIdsToStages":{%q:["AWSCURRENT"]}}`, arn, id, id)
	}
	for _, c := range []struct {
		name          string
		status        int
		kind, body    string
		current, read providers.Reason
	}{
		{"right", 200, "application/x-amz-json-1.1", secret(arn, id), "", ""},
		{"another version", 200, "application/x-amz-json-1.1", secret(arn, strings.Repeat("1", 32)), "", providers.ReasonUnavailable},
		{"another secret", 200, "application/x-amz-json-1.1", secret(arn+"x", id), providers.ReasonUnavailable, providers.ReasonUnavailable},
		{"no value", 200, "application/x-amz-json-1.1", `{"ARN":"` + arn + `","VersionId":"` + id + `","VersionIdsToStages":{"` + id + `":["AWSCURRENT"]}}`, "", providers.ReasonInvalid},
		{"two current versions", 200, "application/x-amz-json-1.1", `{"ARN":"` + arn + `","VersionIdsToStages":{"a":["AWSCURRENT"],"b":["AWSCURRENT"]}}`, providers.ReasonUnavailable, providers.ReasonUnavailable},
		{"nothing", 200, "application/x-amz-json-1.1", ``, providers.ReasonUnavailable, providers.ReasonUnavailable},
		{"a portal", 200, "text/html", `<html>canary</html>`, providers.ReasonUnavailable, providers.ReasonUnavailable},
		{"a proxy that forbids", 403, "text/html", `<html>canary</html>`, providers.ReasonUnavailable, providers.ReasonUnavailable},
		{"a gateway that throttles", 429, "text/html", `slow down, canary`, providers.ReasonThrottled, providers.ReasonThrottled},
		{"a redirect", 302, "text/html", ``, providers.ReasonUnavailable, providers.ReasonUnavailable},
		{"larger than any", 200, "application/x-amz-json-1.1", `{"Padding":"` + strings.Repeat("x", 1<<20) + `",` + secret(arn, id)[1:], providers.ReasonUnavailable, providers.ReasonUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			p := mustNew(t, aws.Options{Endpoint: server.URL, MaxBackoff: time.Millisecond,
				Credentials: static()})
			defer p.Close()
			v, err := p.Current(t.Context(), arn)
			if providers.ReasonOf(err) != c.current || (err != nil) != (v.ID == "") {
				t.Errorf("Current gives %+v, %v; want %q", v, err, c.current)
			}
			value, err2 := p.Read(t.Context(), arn, id)
			if providers.ReasonOf(err2) != c.read || (err2 != nil) != value.Empty() {
				t.Errorf("Read gives %d bytes, %v; want %q", value.Len(), err2, c.read)
			}
			if strings.Contains(shown(err)+shown(err2), "canary") {
				t.Error("an error shows what was answered")
			}
		})
	}
}

func TestNoConnectionWithoutTrust(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	server.Config.ErrorLog = silent()
	p := mustNew(t, aws.Options{Endpoint: server.URL, MaxBackoff: time.Millisecond,
		Credentials: static()})
	_, err := p.Current(t.Context(), "arn:aws:secretsmanager:us-west-2:123456789012:secret:x")
	if e := reason(t, err); e.Reason != providers.ReasonUnavailable || !strings.Contains(err.Error(), "authority that is not trusted") {
		t.Error(err)
	}
}
