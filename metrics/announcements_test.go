package metrics

import (
	"context"
	"net/http"
	"testing"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/credential"
)

func TestAnnouncementsAreCountedUnderBoundedLabels(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	total, errs := map[string]float64{}, map[string]float64{}
	for _, target := range []string{"pager", "chat"} {
		for _, kind := range announcementKinds() {
			for _, event := range announcementEvents() {
				total["event="+event+",kind="+kind+",target="+target] = 0
			}
		}
		for _, reason := range announcementReasons() {
			errs["reason="+reason+",target="+target] = 0
		}
	}
	wantSeries(t, m, "rotatord_announcements_total", total)
	wantSeries(t, m, "rotatord_announcement_errors_total", errs)
	m.Announcement("pager", "held", "retry", "timeout")
	m.Announcement("pager", "held", "sent", "")
	m.Announcement("chat", "unknown", "failed", "invalid")
	m.Announcement("whoever", "of tomorrow", "of tomorrow", "of tomorrow")
	for _, key := range []string{
		"event=retry,kind=held,target=pager", "event=sent,kind=held,target=pager",
		"event=failed,kind=other,target=chat", "event=other,kind=other,target=other",
	} {
		total[key] = 1
	}
	for _, key := range []string{"reason=timeout,target=pager", "reason=invalid,target=chat", "reason=other,target=other"} {
		errs[key] = 1
	}
	wantSeries(t, m, "rotatord_announcements_total", total)
	wantSeries(t, m, "rotatord_announcement_errors_total", errs)
}

func TestTargetsAreAskedAtEachScrape(t *testing.T) {
	o := options(&fakeStore{})
	state := TargetState{Target: "pager", Waiting: 3}
	o.TargetStates = func() []TargetState { return []TargetState{state, {Target: "not configured", Stopped: true}} }
	m := newMetrics(t, o)
	wantSeries(t, m, "rotatord_announcements_waiting", map[string]float64{"target=pager": 3})
	wantSeries(t, m, "rotatord_announcement_target_stopped", map[string]float64{"target=pager": 0})
	state.Waiting, state.Stopped = 0, true
	wantSeries(t, m, "rotatord_announcements_waiting", map[string]float64{"target=pager": 0})
	wantSeries(t, m, "rotatord_announcement_target_stopped", map[string]float64{"target=pager": 1})
}

// What package announce really says fits: every target, kind and event of a
// delivery has its series before it happens.
func TestARealAnnouncerReportsInWordsThatAreKnown(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	before := len(series(t, m, "rotatord_announcements_total"))
	ctx, stop := context.WithCancel(t.Context())
	a, err := announce.New(announce.Options{
		Targets: []announce.Target{announce.Slack{
			Name: "pager", URL: func() (credential.Value, error) {
				return credential.NewValue([]byte("https://hooks.slack.example/services/T/B/x")), nil
			},
		}},
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusGone, Body: http.NoBody, Request: r}, nil
		}),
		Observe: func(o announce.Observation) {
			m.Announcement(o.Target, string(o.Kind), string(o.Event), string(o.Reason))
			stop()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.Announce(announce.Announcement{Kind: announce.Held, Destination: "prod"})
	if err := a.Run(ctx); err != nil {
		t.Fatal(err)
	}
	got := series(t, m, "rotatord_announcements_total")
	if len(got) != before || got["event=failed,kind=held,target=pager"] != 1 {
		t.Errorf("%d series where there were %d, and %v failed", len(got), before, got["event=failed,kind=held,target=pager"])
	}
	wantSeries(t, m, "rotatord_announcement_errors_total", func() map[string]float64 {
		want := map[string]float64{}
		for _, target := range []string{"pager", "chat"} {
			for _, reason := range announcementReasons() {
				want["reason="+reason+",target="+target] = yes(target == "pager" && reason == "gone")
			}
		}
		return want
	}())
}
