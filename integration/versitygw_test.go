package integration

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/probe"
)

func TestBucketsOfARealGateway(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	const wrongSecret = "canaryWrongSecret0123456789"
	canaries := []string{wrongSecret, rootSecret}
	for _, k := range gateway.keys {
		canaries = append(canaries, k.secret)
	}
	conformance.Test(t, conformance.Harness{
		Open: func(t *testing.T, who conformance.Who) bucket.Bucket {
			at, k := location(gateway.url), gateway.keys[who]
			switch who {
			case conformance.UnknownKey:
				k = key{"AKIAOFNOBODYOFNOBODY", wrongSecret}
			case conformance.WrongSecret:
				k = key{gateway.keys[conformance.Owner].id, wrongSecret}
			case conformance.MissingBucket:
				k, at.Bucket = gateway.keys[conformance.Owner], "none-such"
			case conformance.Unreachable:
				k, at.Endpoint = gateway.keys[conformance.Owner], dead.URL
			}
			return open(t, at, k, 0)
		},
		Store:   putObject,
		Objects: objects,
		Permissions: map[bucket.Op]string{
			bucket.OpPut: "s3:PutObject", bucket.OpGet: "s3:GetObject", bucket.OpDelete: "s3:DeleteObject",
			bucket.OpList: "s3:ListBucketVersions",
		},
		HiddenMissing: bucket.KindDenied,
		Canaries:      canaries,
	})
}

func TestVersionsOfARealGateway(t *testing.T) {
	t.Parallel()
	s := s3World(bucket.TypeS3Compatible).versioned(t)
	v, ok := s.open(t, s).(bucket.Versioner)
	if !ok {
		t.Fatal("it is no bucket.Versioner")
	}
	count := func(want int) {
		t.Helper()
		if n, err := v.Versions(t.Context(), "x"); n != want || err != nil {
			t.Errorf("%d versions, %v, want %d", n, err, want)
		}
	}
	count(0)
	s.put("x")
	s.put("x")
	s.put("x.2")
	count(2)
	s.remove("x")
	count(2)
	s.remove("x")
	count(2)
}

func TestPreflightAgainstBucketPolicies(t *testing.T) {
	key := probe.ObjectKey("checks/", "", "d1")
	for _, tc := range []struct {
		name       string
		who        conformance.Who
		verdict    probe.Verdict
		step       bucket.Op
		permission string
		left       bool
	}{
		{"what Planet asks for passes", conformance.Planets, probe.Passed, "", "", false},
		{"no put is refused", conformance.NoPut, probe.Refused, bucket.OpPut, "s3:PutObject", false},
		{"no get is refused and leaves nothing", conformance.NoGet, probe.Refused, bucket.OpGet, "s3:GetObject", false},
		{"no delete is refused and leaves our object", conformance.NoDelete, probe.Refused, bucket.OpDelete, "s3:DeleteObject", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := open(t, location(gateway.url), gateway.keys[tc.who], 0)
			p := probe.RunPreflight(t.Context(), b, probe.PreflightOptions{Key: key})
			if p.Verdict != tc.verdict || p.Step != tc.step || p.Permission != tc.permission || p.LeftBehind != tc.left {
				t.Errorf("got %+v", p)
			}
			if left := objects(t); (len(left) == 1 && left[0] == key) != tc.left {
				t.Errorf("left: %q", left)
			}
			if !tc.left {
				return
			}
			again := probe.RunPreflight(t.Context(), b, probe.PreflightOptions{Key: key, ResumeDelete: true})
			if again.Verdict != probe.Refused || again.Step != bucket.OpDelete || !again.LeftBehind {
				t.Errorf("resumed while still denied: %+v", again)
			}
			permitted := open(t, location(gateway.url), gateway.keys[conformance.Planets], 0)
			if again = probe.RunPreflight(t.Context(), permitted, probe.PreflightOptions{Key: key, ResumeDelete: true}); again.Verdict != probe.Passed {
				t.Errorf("resumed and permitted: %+v", again)
			}
			if left := objects(t); len(left) != 0 {
				t.Errorf("left after all: %q", left)
			}
		})
	}
}

func TestLeftoverOfAKeyThatMayNotDelete(t *testing.T) {
	look := func(who conformance.Who, before probe.Leftover, proven bool, later time.Duration) probe.Leftover {
		t.Helper()
		b := open(t, location(gateway.url), gateway.keys[who], 0)
		s := probe.Look(t.Context(), b, probe.VerifyObject, proven)
		if !s.ServerTime.IsZero() {
			s.ServerTime = s.ServerTime.Add(later)
		}
		return probe.Conclude(before, s, time.Now().Add(later), time.Time{}, time.Minute)
	}
	if l := look(conformance.Owner, probe.Leftover{}, false, 0); l.State != probe.Absent {
		t.Errorf("nothing there, to one who may list: %+v", l)
	}
	if l := look(conformance.Planets, probe.Leftover{}, true, 0); l.State != probe.AbsentInferred {
		t.Errorf("nothing there, to one who may get: %+v", l)
	}
	if l := look(conformance.Planets, probe.Leftover{}, false, 0); l.State != probe.CannotTell || l.Reason != probe.ReasonDenied {
		t.Errorf("nothing there, and nothing proven: %+v", l)
	}

	nodelete := open(t, location(gateway.url), gateway.keys[conformance.NoDelete], 0)
	if step, err := probe.Verify(t.Context(), nodelete, probe.VerifyObject); step != bucket.OpDelete || bucket.KindOf(err) != bucket.KindDenied {
		t.Fatalf("Planet's check: step %q, %v", step, err)
	}
	defer remove(t, probe.VerifyObject)
	first := look(conformance.Planets, probe.Leftover{}, true, 0)
	if first.State != probe.Seen || first.Size == 0 || first.LastModified.IsZero() {
		t.Errorf("seen first: %+v", first)
	}
	if l := look(conformance.Planets, first, true, 30*time.Second); l.State != probe.Seen {
		t.Errorf("seen again after half a minute: %+v", l)
	}
	if l := look(conformance.Planets, first, true, 61*time.Second); l.State != probe.Present {
		t.Errorf("seen again after a minute: %+v", l)
	}
}
