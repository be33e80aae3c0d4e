package aws_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

func TestARotationCostsOneDescribeAndOneGet(t *testing.T) {
	s, p := both(t)
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	for i := range 4 {
		id := s.Put(arn, awstest.Text("next"))
		if v := current(t, p, arn); v.ID != id {
			t.Fatalf("current is %s, want %s", v.ID, id)
		}
		read(t, p, arn, id)
		if d, g, all := s.Count("DescribeSecret"), s.Count("GetSecretValue"), len(s.Requests()); d != i+1 || g != i+1 || all != 2*(i+1) {
			t.Fatalf("after rotation %d: %d DescribeSecret, %d GetSecretValue, %d requests", i+1, d, g, all)
		}
	}
	for _, r := range s.Requests() {
		if r.Stage != "" || r.Action == "GetSecretValue" && r.Version == "" {
			t.Errorf("%s asks for version %q, label %q: a value is read by version id only", r.Action, r.Version, r.Stage)
		}
	}
}

// TestAnIdleHourCostsFourDescribes is a schedule of a quarter of an hour.
func TestAnIdleHourCostsFourDescribes(t *testing.T) {
	s := awstest.New(awstest.Options{Keys: []awstest.Key{own}})
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	p := open(t, s, func(o *aws.Options) { o.Transport = s.RoundTripper() })
	for range 4 {
		current(t, p, arn)
	}
	if got := len(s.Requests()); got != 4 || s.Count("DescribeSecret") != 4 {
		t.Errorf("%d requests, want 4 DescribeSecret: %+v", got, s.Requests())
	}
}

func TestWhatIsReadIsTheVersionAndNotTheLabel(t *testing.T) {
	s, p := both(t)
	arn, first := s.Create("planet/s3", awstest.Text("one"))
	v := current(t, p, arn)
	s.Put(arn, awstest.Text("two")) // the label moves between the two calls
	if got := read(t, p, arn, v.ID); v.ID != first || got != "one" {
		t.Errorf("version %s reads as another one's value", v.ID)
	}
}

func TestTimesAreThoseOfTheSecret(t *testing.T) {
	s, p := both(t)
	before := time.Now().Add(-time.Second)
	arn, _ := s.Create("planet/s3", awstest.Text("one"))
	v := current(t, p, arn)
	if v.Created.Before(before) || v.Created.After(time.Now().Add(time.Second)) || !v.NextRotation.IsZero() || !v.Expires.IsZero() {
		t.Errorf("a secret without rotation: %+v", v)
	}
	next := time.Now().Add(30 * 24 * time.Hour).UTC().Truncate(time.Second)
	s.SetNextRotation(arn, next)
	if v = current(t, p, arn); !v.NextRotation.Equal(next) {
		t.Errorf("next rotation is %s, want %s", v.NextRotation, next)
	}
}

func TestLabels(t *testing.T) {
	for _, c := range []struct {
		name  string
		label string
		do    func(s *awstest.Server, arn, first string) (want string)
	}{
		{"a version that only has AWSPENDING is not current", "", func(s *awstest.Server, arn, first string) string {
			s.Put(arn, awstest.Text("two"), awstest.Pending)
			return first
		}},
		{"AWSPENDING on a version without a value is not current", "", func(s *awstest.Server, arn, first string) string {
			s.Put(arn, awstest.Value{}, awstest.Pending)
			return first
		}},
		{"AWSPENDING left beside AWSCURRENT takes nothing away", "", func(s *awstest.Server, arn, _ string) string {
			return s.Put(arn, awstest.Text("two"), awstest.Pending, awstest.Current)
		}},
		{"a rollback leads back", "", func(s *awstest.Server, arn, first string) string {
			s.Put(arn, awstest.Text("two"))
			s.Rollback(arn)
			return first
		}},
		{"a label of one's own is followed", "?stage=live", func(s *awstest.Server, arn, first string) string {
			s.Label(arn, "live", first)
			s.Put(arn, awstest.Text("two"))
			return first
		}},
		{"the usual label may be named", "?stage=AWSCURRENT", func(s *awstest.Server, arn, _ string) string {
			return s.Put(arn, awstest.Text("two"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			arn, first := s.Create("planet/s3", awstest.Text("one"))
			if want, v := c.do(s, arn, first), current(t, p, arn+c.label); v.ID != want {
				t.Errorf("current is %s, want %s; labels %v", v.ID, want, s.Labels(arn))
			}
		})
	}
}

func TestRegionsComeFromTheName(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	s, p := both(t)
	for _, region := range []string{"us-west-2", "ap-southeast-2", "cn-north-1", "us-gov-west-1"} {
		arn, id := s.CreateIn(region, awstest.DefaultAccount, "planet/s3", awstest.Text(region))
		if v := current(t, p, arn); v.ID != id || read(t, p, arn, id) != region {
			t.Errorf("%s: version %s, want %s", region, v.ID, id)
		}
		if r := s.Requests(); r[len(r)-1].Region != region {
			t.Errorf("asked in %s for a secret in %s", r[len(r)-1].Region, region)
		}
	}
}

func TestRetries(t *testing.T) {
	// These are for the SDK at large, and not for rotatord.
	t.Setenv("AWS_MAX_ATTEMPTS", "50")
	t.Setenv("AWS_RETRY_MODE", "adaptive")
	for _, c := range []struct {
		name   string
		hurt   func(*awstest.Server)
		sent   int
		reason providers.Reason
	}{
		{"throttling that passes", func(s *awstest.Server) { s.Throttle(2) }, 3, ""},
		{"throttling that stays", func(s *awstest.Server) { s.Throttle(awstest.Forever) }, 3, providers.ReasonThrottled},
		{"a failure that passes", func(s *awstest.Server) { s.Fail(2, 503) }, 3, ""},
		{"a failure that stays", func(s *awstest.Server) { s.Fail(awstest.Forever, 500) }, 3, providers.ReasonUnavailable},
		{"connections that are cut at first", func(s *awstest.Server) { s.Cut(2) }, 3, ""},
		{"a refused key is not tried again", func(s *awstest.Server) { s.Revoke(own.ID) }, 1, providers.ReasonDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, p := both(t)
			arn, _ := s.Create("planet/s3", awstest.Text("one"))
			c.hurt(s)
			_, err := p.Current(t.Context(), credential.Secret(arn))
			if got := s.Count("DescribeSecret"); got != c.sent || providers.ReasonOf(err) != c.reason {
				t.Errorf("%d requests, want %d; %v", got, c.sent, err)
			}
		})
	}
}

// TestValuesComeOnConnectionsOfTheirOwn holds that no connection lives on that
// has held a value.
func TestValuesComeOnConnectionsOfTheirOwn(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	var mu sync.Mutex
	var values, questions []string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		value := r.Header.Get("X-Amz-Target") == "secretsmanager.GetSecretValue"
		if r.Close != value {
			t.Errorf("%s asks to close: %v", r.Header.Get("X-Amz-Target"), r.Close)
		}
		if value {
			values = append(values, r.RemoteAddr)
		} else {
			questions = append(questions, r.RemoteAddr)
		}
		mu.Unlock()
		s.ServeHTTP(w, r)
	}))
	defer front.Close()
	p := open(t, s, func(o *aws.Options) { o.Endpoint = front.URL })
	for range 3 {
		current(t, p, arn)
		read(t, p, arn, id)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(values) != 3 || len(questions) != 3 {
		t.Fatalf("%d values and %d questions", len(values), len(questions))
	}
	for i, from := range values {
		if slices.Contains(questions, from) || slices.Contains(values[:i], from) {
			t.Error("a value came on a connection that something else used")
		}
	}
}

func TestAReadThatLagsBehindAnEventIsWaitedFor(t *testing.T) {
	for _, c := range []struct {
		name  string
		lag   func(s *awstest.Server, arn string)
		asked int
		old   bool
	}{
		{"not at all", func(*awstest.Server, string) {}, 1, false},
		{"two reads", func(s *awstest.Server, arn string) { s.LagReads(arn, 2) }, 3, false},
		{"three seconds", func(s *awstest.Server, arn string) { s.LagFor(arn, 3*time.Second) }, 5, false},
		{"longer than is waited", func(s *awstest.Server, arn string) { s.LagFor(arn, time.Hour) }, 6, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := awstest.New(awstest.Options{Keys: []awstest.Key{own}})
				p := open(t, s, func(o *aws.Options) { o.Transport = s.RoundTripper() })
				arn, first := s.Create("planet/s3", awstest.Text("one"))
				want := s.Put(arn, awstest.Text("two"))
				second := want
				c.lag(s, arn)
				if c.old {
					want = first
				}
				v, err := p.CurrentAfter(t.Context(), credential.Secret(arn), providers.Hint{Version: second})
				if err != nil || v.ID != want || s.Count("DescribeSecret") != c.asked {
					t.Errorf("version %s, want %s, after %d questions, want %d; %v", v.ID, want, s.Count("DescribeSecret"), c.asked, err)
				}
			})
		})
	}
}

// TestAnOvertakenEventIsNotWaitedFor: what the answer knows is not asked again.
func TestAnOvertakenEventIsNotWaitedFor(t *testing.T) {
	for name, c := range map[string]struct {
		apart, late time.Duration // between the versions; from the event to the question
		hint        func(first, second string) providers.Hint
		asked       int
	}{
		"seconds apart":          {3 * time.Second, time.Minute, func(first, _ string) providers.Hint { return providers.Hint{Version: first} }, 1},
		"within a second":        {300 * time.Millisecond, 0, func(first, _ string) providers.Hint { return providers.Hint{Version: first} }, 1},
		"of a version long gone": {3 * time.Second, 0, func(_, _ string) providers.Hint { return providers.Hint{Version: "gone"} }, 1},
		"but the answer is news": {0, 0, func(_, _ string) providers.Hint { return providers.Hint{Version: "unheard of", Known: "older"} }, 1},
		"and the answer is no news": {0, 0, func(_, second string) providers.Hint {
			return providers.Hint{Version: "unheard of", Known: second}
		}, 6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := awstest.New(awstest.Options{Keys: []awstest.Key{own}})
				p := open(t, s, func(o *aws.Options) { o.Transport = s.RoundTripper() })
				arn, _ := s.Create("planet/s3", awstest.Text("zero"))
				first := s.Put(arn, awstest.Text("one"))
				at := time.Now().Truncate(time.Second) // as EventBridge tells it
				time.Sleep(c.apart)
				second := s.Put(arn, awstest.Text("two"))
				time.Sleep(c.late)
				hint := c.hint(first, second)
				hint.Time = at
				v, err := p.CurrentAfter(t.Context(), credential.Secret(arn), hint)
				if err != nil || v.ID != second || s.Count("DescribeSecret") != c.asked {
					t.Errorf("version %s, want %s, after %d questions, want %d; %v", v.ID, second, s.Count("DescribeSecret"), c.asked, err)
				}
			})
		})
	}
}

// A rollback makes the version before the current one, which a replica that is
// behind knows very well.
func TestARollbackBehindALaggingReadIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := awstest.New(awstest.Options{Keys: []awstest.Key{own}})
		p := open(t, s, func(o *aws.Options) { o.Transport = s.RoundTripper() })
		arn, first := s.Create("planet/s3", awstest.Text("one"))
		time.Sleep(time.Minute)
		second := s.Put(arn, awstest.Text("two"))
		current(t, p, arn)
		time.Sleep(time.Minute)
		s.Rollback(arn)
		at := time.Now().Truncate(time.Second)
		s.LagReads(arn, 2)
		v, err := p.CurrentAfter(t.Context(), credential.Secret(arn), providers.Hint{Version: first, Time: at, Known: second})
		if err != nil || v.ID != first {
			t.Errorf("version %s, want %s: %v", v.ID, first, err)
		}
	})
}

// TestAStaleReadIsNoRollback: both show an older version than before.
func TestAStaleReadIsNoRollback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := awstest.New(awstest.Options{Keys: []awstest.Key{own}})
		p := open(t, s, func(o *aws.Options) { o.Transport = s.RoundTripper() })
		arn, first := s.Create("planet/s3", awstest.Text("one"))
		time.Sleep(time.Second)
		second := s.Put(arn, awstest.Text("two"))
		fresh := current(t, p, arn)
		s.LagReads(arn, 2)
		for range 3 {
			if v := current(t, p, arn); v.ID != second || v != fresh {
				t.Fatalf("a stale read is reported: %+v, want %+v", v, fresh)
			}
		}
		time.Sleep(time.Second)
		s.Rollback(arn)
		if v := current(t, p, arn); v.ID != first {
			t.Errorf("after a rollback %s is current, want %s", v.ID, first)
		}
		// A source that stays behind has gone back itself.
		time.Sleep(time.Second)
		s.Put(arn, awstest.Text("three"))
		current(t, p, arn)
		s.LagFor(arn, time.Hour)
		current(t, p, arn)
		time.Sleep(2 * time.Minute)
		if v := current(t, p, arn); v.ID != first {
			t.Errorf("a source that went back for good shows %s, want %s", v.ID, first)
		}
	})
}

func TestCurrentAfterEndsWithItsContextAndAsksOnceWithoutAHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := awstest.New(awstest.Options{Keys: []awstest.Key{own}})
		p := open(t, s, func(o *aws.Options) { o.Transport = s.RoundTripper() })
		arn, id := s.Create("planet/s3", awstest.Text("one"))
		if v, err := p.CurrentAfter(t.Context(), credential.Secret(arn), providers.Hint{Version: id}); err != nil || v.ID != id || len(s.Requests()) != 1 {
			t.Errorf("without a hint: %v, %v, %d requests", v, err, len(s.Requests()))
		}
		s.Deny(arn, "DescribeSecret")
		if _, err := p.CurrentAfter(t.Context(), credential.Secret(arn), providers.Hint{Version: "another"}); providers.ReasonOf(err) != providers.ReasonDenied || len(s.Requests()) != 2 {
			t.Errorf("denied: %v after %d requests", err, len(s.Requests()))
		}
		s.Allow(arn)
		ctx, cancel := contextFor(t, time.Second)
		defer cancel()
		if _, err := p.CurrentAfter(ctx, credential.Secret(arn), providers.Hint{Version: "another"}); providers.ReasonOf(err) != providers.ReasonUnavailable {
			t.Errorf("an ended context: %v", err)
		}
	})
}

func TestKind(t *testing.T) {
	var none *aws.Provider
	k := none.Kind()
	for s, want := range map[credential.Secret]bool{
		credential.Secret(k.Example): true, "arn:aws-cn:secretsmanager:cn-north-1:1:secret:x": true,
		"planet/s3": false, "arn:aws:s3:::bucket": false, "file:///x": false, "": false,
	} {
		if k.Matches(s) != want {
			t.Errorf("Matches(%q) = %v", s, !want)
		}
	}
	if k.Name != "aws" {
		t.Errorf("name %q", k.Name)
	}
	_, err := mustNew(t, aws.Options{}).Current(t.Context(), "planet/s3")
	if e := reason(t, err); e.Reason != providers.ReasonInvalid || !strings.Contains(e.Hint, "describe-secret --secret-id") {
		t.Errorf("a plain name gives %v", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	_, err := aws.New(aws.Options{
		Endpoint: "https://user:password-of-somebody@host", STSEndpoint: "host:443", Region: "Oregon", MaxBackoff: -1,
		Roles: map[string]aws.Role{"12": {ARN: "arn:aws:iam::123456789012:role/x"}, "123456789012": {ARN: "rotatord"}},
	})
	if err == nil || strings.Contains(err.Error(), "password") {
		t.Fatalf("New gives %v", err)
	}
	for _, want := range []string{"the Endpoint", "the STSEndpoint", `"Oregon"`, "MaxBackoff", `"12"`, `"rotatord"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %s in: %v", want, err)
		}
	}
}
