package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func TestAStatusHasTheConditionsOfItsMoment(t *testing.T) {
	r := store.Record{Destination: "d", Facts: store.Facts{
		Accepted: &store.Accepted{Version: "1", At: noon.Add(-time.Hour), Expires: noon},
		Standing: store.Standing{State: store.StandingRejected, Version: "1"}}}
	for _, tt := range []struct {
		name string
		now  time.Time
		want []store.Condition
	}{
		{"before the end", noon.Add(-time.Second), []store.Condition{store.ConditionRejected}},
		{"at the end", noon, []store.Condition{store.ConditionRejected, store.ConditionExpired}},
	} {
		if diff := cmp.Diff(tt.want, web.StatusOf(r, tt.now).Conditions); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// Programs read these names: one that changes breaks them.
func TestNamesInJSONStay(t *testing.T) {
	archived := noon
	full := web.StatusOf(store.Record{Destination: "d", Account: "a", Secret: "s", Due: 1,
		Dependents: &planet.Dependents{At: noon, Since: noon, Running: 1, Open: 1, Failed: 1, FailedCredential: 1,
			Examples: []planet.Failure{{Kind: planet.FailedOrder, ID: "i", Name: "n", At: noon, Cause: planet.CauseUnknown, Message: "m"}}, ResultsAt: noon},
		Facts: store.Facts{
			Pin: &store.Pin{ID: "i", Ref: "r", Type: "t"}, Uncertain: true,
			Accepted: &store.Accepted{Version: "1", At: noon, Expires: noon},
			Source:   &store.Source{Version: "1", Expires: noon, NextRotation: noon, At: noon}, Inflight: &store.Inflight{Version: "1"},
			Status: store.Status{State: store.StateHeld, Reason: store.ReasonRollout, Detail: "d", Since: noon}, NextLook: noon, LastSuccess: noon,
			Leftover: store.Leftover{State: "present", Versions: 2}, Changed: []store.Change{{Parameter: "p"}}, Archived: &archived,
			Paused: &store.Paused{Since: noon}, Notes: []store.Note{{}}, Unannounced: &store.Unannounced{},
			Standing: store.Standing{State: "rejected", Reason: "credential", Detail: "d", Version: "1", Since: noon, CheckedAt: noon, Worked: noon, LookAgainAt: noon},
			Seen:     &store.Seen{Updated: noon, Name: "n", At: noon}, Drift: &store.Drift{Was: noon, Updated: noon, Found: noon, Renamed: "n", Pushing: true}}}, noon)
	full.Receipt = &store.Receipt{Secret: "s", Version: "1", At: noon, Opens: noon, Safe: noon, Marked: noon, Withdrawn: noon, Why: "w"}
	for name, tt := range map[string]struct {
		v    any
		want string
	}{
		"status": {full, "accepted account archived changed conditions dependents destination detail drift due expires expires_unreplaced id inflight " +
			"last_success leftover next_look notes paused reason receipt ref secret seen since source standing state type unannounced uncertain"},
		"an empty status": {web.StatusOf(store.Record{}, noon), "account conditions destination due leftover secret state uncertain"},
		"standing":        {full.Standing, "checked_at detail look_again_at reason since state version worked"},
		"drift":           {full.Drift, "found pushing renamed updated was"},
		"dependents":      {full.Dependents, "all_users at examples failed failed_credential incomplete open results_at running since"},
		"failure":         {full.Dependents.Examples[0], "at cause id kind message name"},
		"receipt":         {full.Receipt, "at marked opens safe secret version why withdrawn"},
		"gate": {web.Gate{Current: "1", Receipt: noon, Opens: noon, Noted: full.Receipt},
			"current destinations detail not_covered noted opens receipt safe secret verdict version"},
		"destination of a gate": {web.GateDestination{Accepted: noon, Detail: "d"}, "accepted conditions destination detail verdict"},
	} {
		doc, err := json.Marshal(tt.v)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(doc, &got); err != nil {
			t.Fatal(err)
		}
		var names []string
		for k := range got {
			names = append(names, k)
		}
		slices.Sort(names)
		if diff := cmp.Diff(strings.Fields(tt.want), names); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for i := range reflect.TypeOf(full).NumField() {
		if reflect.ValueOf(full).Field(i).IsZero() {
			t.Errorf("%s is not set here", reflect.TypeOf(full).Field(i).Name)
		}
	}
	doc, _ := json.Marshal(full)
	var back web.Status
	if err := json.Unmarshal(doc, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full, back); diff != "" {
		t.Errorf("a client reads something else: %s", diff)
	}
	if doc, _ := json.Marshal(web.StatusOf(store.Record{}, noon)); !bytes.Contains(doc, []byte(`"conditions":[]`)) {
		t.Errorf("no conditions are an empty list: %s", doc)
	}
}

func TestReceiptsAreListed(t *testing.T) {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	c := web.Client{Transport: web.Direct((&web.API{Store: s, Logger: slog.New(slog.NewTextHandler(&log, nil))}).Handler())}
	if all, err := c.Receipts(ctx); err != nil || all == nil || len(all) != 0 {
		t.Error(all, err)
	}
	want := []store.Receipt{
		{Secret: "a", Version: "7", At: noon, Opens: noon.Add(time.Hour), Safe: noon.Add(time.Hour)},
		{Secret: "b", Version: "1", At: noon, Opens: noon.Add(time.Hour), Withdrawn: noon, Why: "a rollback"},
	}
	for _, r := range want {
		if err := s.SaveReceipt(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	all, err := c.Receipts(ctx)
	if diff := cmp.Diff(want, all); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if log.Len() > 0 {
		t.Error(log.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if all, err := c.Receipts(ctx); err == nil || log.Len() == 0 {
		t.Error("a store that is closed has receipts:", all, log.String())
	}
}
