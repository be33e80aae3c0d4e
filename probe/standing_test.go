package probe_test

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/probe"
)

func TestWhatACredentialsTrialsSay(t *testing.T) {
	sight := func(k bucket.Kind) probe.Trial {
		return probe.TrialOf(probe.Sighting{Kind: k, Detail: "the server's words"})
	}
	wrote := func(v probe.Verdict, k bucket.Kind) probe.Trial {
		return probe.TrialOfPreflight(probe.Preflight{Verdict: v, Kind: k, Detail: "the server's words"})
	}
	for name, tc := range map[string]struct {
		trials []probe.Trial // a minute and a second apart
		state  probe.StandingState
		reason probe.Reason
	}{
		"there is nothing to read":                    {[]probe.Trial{sight(bucket.KindNotFound)}, probe.Works, ""},
		"there is something":                          {[]probe.Trial{sight("")}, probe.Works, ""},
		"a denial from the first is what S3 does":     {[]probe.Trial{sight(bucket.KindDenied), sight(bucket.KindDenied)}, probe.Works, ""},
		"a denial after a permission is a new policy": {[]probe.Trial{sight(bucket.KindNotFound), sight(bucket.KindDenied)}, probe.Doubtful, probe.ReasonDenied},
		"and stays a doubt, for Planet does not read": {[]probe.Trial{sight(""), sight(bucket.KindDenied), sight(bucket.KindDenied)}, probe.Doubtful, probe.ReasonDenied},
		"until it is permitted again":                 {[]probe.Trial{sight(""), sight(bucket.KindDenied), sight("")}, probe.Works, ""},
		"refused once":                                {[]probe.Trial{sight(bucket.KindNotFound), sight(bucket.KindBadCredential)}, probe.Doubtful, probe.ReasonCredential},
		"refused twice":                               {[]probe.Trial{sight(bucket.KindBadCredential), sight(bucket.KindBadCredential)}, probe.Rejected, probe.ReasonCredential},
		"refused and taken":                           {[]probe.Trial{sight(bucket.KindBadCredential), sight(bucket.KindNotFound)}, probe.Works, ""},
		"refused for two reasons":                     {[]probe.Trial{sight(bucket.KindBadCredential), sight(bucket.KindNoBucket)}, probe.Doubtful, probe.ReasonNoBucket},
		"rejected for another reason than before":     {[]probe.Trial{sight(bucket.KindNoBucket), sight(bucket.KindNoBucket), sight(bucket.KindBadCredential)}, probe.Rejected, probe.ReasonCredential},
		"the bucket is gone":                          {[]probe.Trial{sight(bucket.KindNoBucket), sight(bucket.KindNoBucket)}, probe.Rejected, probe.ReasonNoBucket},
		"nobody answers":                              {[]probe.Trial{sight(""), sight(bucket.KindUnreachable)}, probe.NotTold, probe.ReasonUnreachable},
		"nobody answers between two refusals":         {[]probe.Trial{sight(bucket.KindBadCredential), sight(bucket.KindUnreachable), sight(bucket.KindBadCredential)}, probe.Doubtful, probe.ReasonCredential},
		"our clock is wrong":                          {[]probe.Trial{sight(bucket.KindClockSkew)}, probe.NotTold, probe.ReasonClock},
		"its value can't be read":                     {[]probe.Trial{sight(""), probe.NotTried("gone")}, probe.NotTold, probe.ReasonUnreadable},
		"it may write and delete":                     {[]probe.Trial{wrote(probe.Passed, "")}, probe.Works, ""},
		"it may not delete any more":                  {[]probe.Trial{wrote(probe.Passed, ""), wrote(probe.Refused, bucket.KindDenied), wrote(probe.Refused, bucket.KindDenied)}, probe.Rejected, probe.ReasonPermission},
		"writing was refused for the key":             {[]probe.Trial{wrote(probe.Refused, bucket.KindBadCredential), wrote(probe.Refused, bucket.KindBadCredential)}, probe.Rejected, probe.ReasonCredential},
		"writing was inconclusive":                    {[]probe.Trial{wrote(probe.Inconclusive, bucket.KindServer)}, probe.NotTold, probe.ReasonServer},
	} {
		t.Run(name, func(t *testing.T) {
			now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			var s probe.Standing
			for _, trial := range tc.trials {
				s = trial.Conclude(s, "v1", now, time.Minute)
				now = now.Add(61 * time.Second)
			}
			if s.State != tc.state || s.Reason != tc.reason {
				t.Errorf("is %s for %q, want %s for %q", s.State, s.Reason, tc.state, tc.reason)
			}
		})
	}
}

func TestASecondRefusalThatComesAtOnceConfirmsNothing(t *testing.T) {
	refused := probe.TrialOf(probe.Sighting{Kind: bucket.KindBadCredential})
	begun := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := refused.Conclude(probe.Standing{}, "v1", begun, time.Minute)
	for i := range 5 {
		s = refused.Conclude(s, "v1", begun.Add(time.Duration(i)*time.Second), time.Minute)
	}
	if s.State != probe.Doubtful || !s.LookAgainAt.Equal(begun.Add(time.Minute)) || !s.Since.Equal(begun) {
		t.Errorf("%+v", s)
	}
	if s = refused.Conclude(s, "v1", begun.Add(time.Minute), time.Minute); s.State != probe.Rejected {
		t.Errorf("after a minute it is %s", s.State)
	}
}

func TestAnotherVersionBeginsAnew(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	old := probe.Standing{State: probe.Rejected, Reason: probe.ReasonCredential, Version: "v1", Since: now, Permitted: true, Worked: now}
	s := probe.TrialOf(probe.Sighting{Kind: bucket.KindDenied}).Conclude(old, "v2", now.Add(time.Hour), time.Minute)
	if s.State != probe.Works || s.Permitted || !s.Since.Equal(now.Add(time.Hour)) || s.Version != "v2" {
		t.Errorf("%+v", s)
	}
}
