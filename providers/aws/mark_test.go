package aws_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/aws/awstest"
)

// before runs a function before each request of an action.
type before struct {
	http.RoundTripper
	action string
	do     func()
}

func (b before) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+b.action) {
		b.do()
	}
	return b.RoundTripper.RoundTrip(r)
}

// meddled gives a provider before whose moves of labels f runs.
func meddled(t testing.TB, s *awstest.Server, f func()) *aws.Provider {
	t.Helper()
	return open(t, s, func(o *aws.Options) {
		o.Transport = before{s.RoundTripper(), "UpdateSecretVersionStage", f}
	})
}

func TestAMarkThatSomebodyElseMovedIsMovedAfterASecondLook(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, first := s.Create("planet/s3", awstest.Text("one"))
	second := s.Put(arn, awstest.Text("two"))
	third := s.Put(arn, awstest.Text("three"))
	s.Label(arn, defaultMark, first)
	times := 0
	p := meddled(t, s, func() {
		if times++; times == 1 {
			s.Label(arn, defaultMark, second)
		}
	})
	if err := p.Mark(t.Context(), credential.Secret(arn), third); err != nil {
		t.Fatal(err)
	}
	if on := s.Labels(arn)[defaultMark]; on != third || times != 2 {
		t.Errorf("the label is on %s after %d moves, want %s after 2", on, times, third)
	}
}

func TestAMarkThatIsMovedAllTheTimeIsLeftAlone(t *testing.T) {
	s := start(t, awstest.Options{})
	arn, first := s.Create("planet/s3", awstest.Text("one"))
	second := s.Put(arn, awstest.Text("two"))
	third := s.Put(arn, awstest.Text("three"))
	s.Label(arn, defaultMark, first)
	times := 0
	p := meddled(t, s, func() {
		times++
		s.Label(arn, defaultMark, []string{first, second}[times%2])
	})
	e := reason(t, p.Mark(t.Context(), credential.Secret(arn), third))
	if e.Reason != providers.ReasonUnavailable || times != 2 {
		t.Errorf("after %d moves: %v", times, e)
	}
}

func TestAMarkSeenByAReplicaThatIsBehindIsMovedAll(t *testing.T) {
	s, p := both(t)
	arn, first := s.Create("planet/s3", awstest.Text("one"))
	second := s.Put(arn, awstest.Text("two"))
	s.Label(arn, defaultMark, first)
	s.LagReads(arn, 1) // does not show the mark yet
	if err := p.Mark(t.Context(), credential.Secret(arn), second); err != nil {
		t.Fatal(err)
	}
	if on := s.Labels(arn)[defaultMark]; on != second {
		t.Errorf("the label is on %s, want %s", on, second)
	}
}

// TestThePolicyOfTheDocumentIsEnough holds that nothing but the mark's own label
// is ever moved.
func TestThePolicyOfTheDocumentIsEnough(t *testing.T) {
	s := start(t, awstest.Options{})
	p := open(t, s, func(o *aws.Options) { o.Mark = "in-use" })
	arn, first := s.Create("planet/s3", awstest.Text("one"))
	second := s.Put(arn, awstest.Text("two"))
	s.OnlyLabels(arn, "in-use")
	s.Deny(arn, "GetSecretValue", "PutSecretValue", "UpdateSecret") // a mark needs none
	for _, version := range []string{second, first, "", second} {
		if err := p.Mark(t.Context(), credential.Secret(arn), version); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{awstest.Current: second, awstest.Previous: first}
		if version != "" {
			want["in-use"] = version
		}
		if got := s.Labels(arn); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("labels %v, want %v", got, want)
		}
	}
	for _, r := range s.Requests() {
		if r.Action == "UpdateSecretVersionStage" && r.Stage != "in-use" {
			t.Errorf("the label %s was moved", r.Stage)
		}
	}
	s.OnlyLabels(arn, "another")
	if e := reason(t, p.Mark(t.Context(), credential.Secret(arn), first)); e.Reason != providers.ReasonDenied {
		t.Error(e)
	}
}

func TestTheLabelThatIsFollowedIsNoMark(t *testing.T) {
	s, p := both(t)
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	for _, version := range []string{id, ""} {
		e := reason(t, p.Mark(t.Context(), credential.Secret(arn+"?stage="+defaultMark), version))
		if e.Reason != providers.ReasonInvalid || e.Hint == "" {
			t.Error(e)
		}
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestAVersionTakesNoMoreLabelsThanItMay(t *testing.T) {
	s, p := both(t)
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	for i := range 19 {
		s.Label(arn, fmt.Sprint("label-", i), id)
	}
	e := reason(t, p.Mark(t.Context(), credential.Secret(arn), id))
	if e.Reason != providers.ReasonInvalid || !strings.Contains(e.Error(), "20 labels") {
		t.Error(e)
	}
}

func TestAMarkOfASecretToBeDeletedIsDisabled(t *testing.T) {
	s, p := both(t)
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	s.Delete(arn, 7)
	if e := reason(t, p.Mark(t.Context(), credential.Secret(arn), id)); e.Reason != providers.ReasonDisabled {
		t.Error(e)
	}
}

func TestNoLabelOfAmazonsIsAMark(t *testing.T) {
	for _, mark := range []string{"AWSCURRENT", "AWSPENDING", "AWSPREVIOUS", "awscurrent", "a b", "é", strings.Repeat("x", 257)} {
		if _, err := aws.New(aws.Options{Mark: mark}); err == nil || !strings.Contains(err.Error(), "Mark") {
			t.Errorf("%q: %v", mark, err)
		}
	}
}

// TestOurOwnMarkIsNoEventOfTheSecret: EventBridge tells of the label that Mark
// moves, by its name.
func TestOurOwnMarkIsNoEventOfTheSecret(t *testing.T) {
	const arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/s3-a1b2c3"
	p := mustNew(t, aws.Options{})
	for _, configured := range []credential.Secret{arn, arn + "?stage=live", credential.Secret(arn[:len(arn)-7])} {
		if p.Same(configured, arn+"?stage="+defaultMark) {
			t.Errorf("an event of the mark is one of %s", configured)
		}
	}
	if !p.Same(arn, arn) {
		t.Error("an event of the secret is none")
	}
}

// TestAMarkMakesAVersionNoYounger: DescribeSecret dates the secret alone.
func TestAMarkMakesAVersionNoYounger(t *testing.T) {
	s, p := both(t)
	arn, id := s.Create("planet/s3", awstest.Text("one"))
	before := current(t, p, arn)
	if err := p.Mark(t.Context(), credential.Secret(arn), id); err != nil {
		t.Fatal(err)
	}
	if now := current(t, p, arn); now != before {
		t.Errorf("%+v, before the mark %+v", now, before)
	}
	next := s.Put(arn, awstest.Text("two"))
	if now := current(t, p, arn); now.ID != next || now.Created.Before(before.Created) {
		t.Errorf("%+v, before %+v", now, before)
	}
}
