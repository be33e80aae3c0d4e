package metrics

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/watcher"
)

func wantSeries(t *testing.T, m *Metrics, name string, want map[string]float64) {
	t.Helper()
	if diff := cmp.Diff(want, series(t, m, name)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestASourceIsShownAsItStandsNow(t *testing.T) {
	o := options(&fakeStore{})
	state := SourceState{Source: "queue", Since: at(1)}
	o.SourceStates = func() []SourceState { return []SourceState{state, {Source: "not configured", Up: true}} }
	m := newMetrics(t, o)
	wantSeries(t, m, "rotatord_source_up", map[string]float64{"source=queue": 0})
	wantSeries(t, m, "rotatord_source_last_message_timestamp_seconds", map[string]float64{})
	state.Up, state.Since, state.LastMessage = true, at(2), at(3)
	wantSeries(t, m, "rotatord_source_up", map[string]float64{"source=queue": 1})
	wantSeries(t, m, "rotatord_source_state_since_timestamp_seconds", map[string]float64{"source=queue": seconds(at(2))})
	wantSeries(t, m, "rotatord_source_last_message_timestamp_seconds", map[string]float64{"source=queue": seconds(at(3))})
}

func TestArrivalsAreCountedUnderBoundedLabels(t *testing.T) {
	m := newMetrics(t, options(&fakeStore{}))
	m.Message("queue", watcher.Done)
	m.Message("queue", watcher.Never)
	m.Message("another", watcher.Again)
	wantSeries(t, m, "rotatord_source_messages_total", map[string]float64{
		"source=queue,verdict=done": 1, "source=queue,verdict=never": 1, "source=queue,verdict=again": 0, "source=other,verdict=again": 1,
	})
	m.Part("queue", "plain")
	m.Part("queue", "whatever a stranger sends")
	wantSeries(t, m, "rotatord_source_parts_total", map[string]float64{"part=plain,source=queue": 1, "part=other,source=queue": 1})
	m.Refused("queue", "bad_signature")
	m.Refused("queue", "whatever")
	wantSeries(t, m, "rotatord_webhook_refused_total", map[string]float64{"reason=bad_signature,source=queue": 1, "reason=other,source=queue": 1})
	m.Missed([]string{"queue", "another"})
	wantSeries(t, m, "rotatord_events_missed_total", map[string]float64{"source=queue": 1, "source=other": 1})
	m.Trouble("queue", watcher.ReasonDenied)
	if got := series(t, m, "rotatord_source_errors_total")["reason=denied,source=queue"]; got != 1 {
		t.Errorf("%v errors, want 1", got)
	}
}

func TestANoteIsASeriesOfItsOwn(t *testing.T) {
	r := store.Record{Destination: "prod"}
	r.Notes = []store.Note{{Kind: credential.EventExpired, Time: at(5)}}
	m := newMetrics(t, options(&fakeStore{records: []store.Record{r}}))
	wantSeries(t, m, "rotatord_note", map[string]float64{
		"destination=prod,kind=expired": 1, "destination=prod,kind=near_expiry": 0,
		"destination=prod,kind=rotation_failed": 0, "destination=prod,kind=rotation_abandoned": 0,
	})
	wantSeries(t, m, "rotatord_note_timestamp_seconds", map[string]float64{"destination=prod,kind=expired": seconds(at(5))})
}
