package patcher_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/patcher"
	"github.com/rotatord/rotatord/planet"
)

// api notes what it is asked and gives the answer it was told to.
type api struct {
	answer planet.Answer
	err    error

	calls []string
	kept  json.RawMessage // what it was given, not a copy
}

func (a *api) Modify(_ context.Context, id string, req planet.ModifyRequest) (planet.Answer, error) {
	a.calls = append(a.calls, id+" "+string(req.Parameters))
	if req.Archive != nil || req.Name != nil {
		a.calls = append(a.calls, "more than parameters")
	}
	a.kept = req.Parameters
	return a.answer, a.err
}

func destination(typ planet.Type, parameters string) planet.Destination {
	return planet.Destination{ID: "demo-5aIp1K", Name: "demo", Type: typ, Parameters: json.RawMessage(parameters)}
}

func params(pairs ...string) credential.Parameters {
	var p credential.Parameters
	for i := 0; i < len(pairs); i += 2 {
		p.Set(pairs[i], credential.NewValue([]byte(pairs[i+1])))
	}
	return p
}

func awsParams() credential.Parameters {
	return params("aws_secret_access_key", keySecret, "aws_access_key_id", keyID)
}

const awsShown = `{"bucket":"b","aws_region":"us-west-2","explicit_sse":true,"aws_access_key_id":"<REDACTED>","aws_secret_access_key":"<REDACTED>"}`

func TestTheTableOfFieldsIsPlanets(t *testing.T) {
	for _, typ := range planet.Types() {
		fields, _ := typ.Fields()
		// An empty pointer is right for every field of the type, and for no other.
		for _, name := range fields.Credential {
			if errs := patcher.CheckMapping(string(typ), patcher.Mapping{name: "/x"}); len(errs) > 0 {
				t.Errorf("%s: %v", typ, errs)
			}
		}
		for _, name := range append(fields.Structural, fields.Optional...) {
			if errs := patcher.CheckMapping(string(typ), patcher.Mapping{name: "/x"}); len(errs) != 1 {
				t.Errorf("%s takes %s for a credential field", typ, name)
			}
		}
	}
	for typ, secret := range map[planet.Type]string{
		planet.AmazonS3: keysWith(amazon, keyID, keySecret), planet.S3Compatible: keysWith(s3, keyID, keySecret),
		planet.OracleCloudStorage: keysWith(oracle, oracleID, oracleKey), planet.AzureBlobStorage: goodSAS, planet.GoogleCloudStorage: account(),
	} {
		got, err := makeIt(t, string(typ), secret, nil)
		fields, _ := typ.Fields()
		for _, name := range fields.Credential {
			if got[name] == "" {
				t.Errorf("%s lacks %s: %v", typ, name, err)
			}
		}
		if len(got) != len(fields.Credential) {
			t.Errorf("%s has %d fields, Planet has %d", typ, len(got), len(fields.Credential))
		}
	}
}

func TestAPatchHoldsTheCredentialFieldsAndNothingElse(t *testing.T) {
	after := destination(planet.AmazonS3, awsShown)
	a := &api{answer: planet.Answer{Status: 202, Destination: &after}}
	p := awsParams()
	got := patcher.Push(t.Context(), a, destination(planet.AmazonS3, awsShown), p)
	want := patcher.Result{Outcome: planet.OutcomeAccepted, Status: 202, After: &after, Checked: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	body := `demo-5aIp1K {"aws_access_key_id":"` + keyID + `","aws_secret_access_key":"` + keySecret + `"}`
	if diff := cmp.Diff([]string{body}, a.calls); diff != "" {
		t.Error(diff)
	}
	if len(bytes.Trim(a.kept, "\x00")) > 0 {
		t.Error("the body was not cleared after the call")
	}
	if p.Get("aws_access_key_id").Empty() {
		t.Error("the parameters were cleared, which is for the caller to do")
	}
}

func TestWhatDoesNotFitTheTypeIsNotSent(t *testing.T) {
	cleared := awsParams()
	cleared.Get("aws_secret_access_key").Clear()
	noID := destination(planet.AmazonS3, awsShown)
	noID.ID = ""
	for _, c := range []struct {
		name     string
		before   planet.Destination
		p        credential.Parameters
		booleans map[string]bool
		reason   patcher.Reason
	}{
		{"a structural parameter", destination(planet.AmazonS3, awsShown), params("aws_access_key_id", keyID, "aws_secret_access_key", keySecret, "bucket", "other"), nil, patcher.ReasonNotAllowed},
		{"an optional parameter as a field", destination(planet.AmazonS3, awsShown), params("aws_access_key_id", keyID, "aws_secret_access_key", keySecret, "explicit_sse", "true"), nil, patcher.ReasonNotAllowed},
		{"a field too few", destination(planet.AmazonS3, awsShown), params("aws_access_key_id", keyID), nil, patcher.ReasonNotAllowed},
		{"no field", destination(planet.AmazonS3, awsShown), credential.Parameters{}, nil, patcher.ReasonNotAllowed},
		{"the fields of another type", destination(planet.S3Compatible, `{}`), awsParams(), nil, patcher.ReasonNotAllowed},
		{"an unknown type", destination("ftp", `{}`), awsParams(), nil, patcher.ReasonUnknownType},
		{"a cleared value", destination(planet.AmazonS3, awsShown), cleared, nil, patcher.ReasonEmpty},
		{"no id", noID, awsParams(), nil, patcher.ReasonNotAllowed},
		{"bytes that are no text", destination(planet.AmazonS3, awsShown), params("aws_access_key_id", keyID, "aws_secret_access_key", keySecret+"\xff"), nil, patcher.ReasonNotUTF8},
		{"a switch of another type", destination(planet.AmazonS3, awsShown), awsParams(), map[string]bool{"use_path_style": true}, patcher.ReasonNotAllowed},
		{"a structural parameter as a switch", destination(planet.AmazonS3, awsShown), awsParams(), map[string]bool{"bucket": true}, patcher.ReasonNotAllowed},
		{"a credential field as a switch", destination(planet.AmazonS3, awsShown), awsParams(), map[string]bool{"aws_access_key_id": true}, patcher.ReasonNotAllowed},
		{"a switch of a type without", destination(planet.AzureBlobStorage, `{}`), params("sas_token", goodSAS), map[string]bool{"explicit_sse": true}, patcher.ReasonNotAllowed},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &api{}
			got := patcher.PushRestoring(t.Context(), a, c.before, c.p, c.booleans)
			if len(a.calls) > 0 {
				t.Fatal("it was sent")
			}
			if got.Outcome != planet.OutcomeNotSent || got.Checked || patcher.ReasonOf(got.Err) != c.reason {
				t.Errorf("got %+v, want a reason of %q", got, c.reason)
			}
			for _, value := range []string{keyID, keySecret, goodSAS} {
				if shared := sharedWith(got.Err, value); shared != "" {
					t.Errorf("the error %v holds %q", got.Err, shared)
				}
			}
		})
	}
}

func TestASwitchIsRestoredInOnePatchWithTheCredential(t *testing.T) {
	before := destination(planet.S3Compatible, `{"bucket":"b","use_path_style":false}`)
	for _, c := range []struct {
		name, after string
		changes     []patcher.Change
	}{
		{"and is as asked for", `{"bucket":"b","use_path_style":true}`, nil},
		{"and is still lost", `{"bucket":"b"}`, []patcher.Change{{Parameter: "use_path_style", Before: json.RawMessage("true")}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			after := destination(planet.S3Compatible, c.after)
			a := &api{answer: planet.Answer{Status: 200, Destination: &after}}
			got := patcher.PushRestoring(t.Context(), a, before, params("access_key_id", "planet", "secret_access_key", `s"}\`), map[string]bool{"use_path_style": true})
			want := []string{`demo-5aIp1K {"access_key_id":"planet","secret_access_key":"s\"}\\","use_path_style":true}`}
			if diff := cmp.Diff(want, a.calls); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(c.changes, got.Changes); diff != "" || !got.Checked {
				t.Errorf("checked %v: %s", got.Checked, diff)
			}
			if len(bytes.Trim(a.kept, "\x00")) > 0 {
				t.Error("the body was not cleared after the call")
			}
		})
	}
}

func TestAnAnswerIsComparedWithWhatWasBefore(t *testing.T) {
	raw := func(s string) json.RawMessage {
		if s == "" {
			return nil
		}
		return json.RawMessage(s)
	}
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	change := func(name string, structural bool, before, after string) patcher.Change {
		return patcher.Change{Parameter: name, Structural: structural, Before: raw(before), After: raw(after)}
	}
	for _, c := range []struct {
		name, before, after string
		edit                func(before, after *planet.Destination)
		want                []patcher.Change
	}{
		{name: "nothing changed", before: awsShown, after: awsShown},
		{name: "order, space and redaction are no change", before: `{"bucket":"b","aws_region":"r"}`, after: ` { "aws_region" : "r", "bucket":"\u0062", "aws_access_key_id":"other"} `},
		{name: "an absent switch is a false one", before: `{"bucket":"b"}`, after: `{"bucket":"b","explicit_sse":false}`},
		{name: "a false switch may go", before: `{"bucket":"b","explicit_sse":false}`, after: `{"bucket":"b"}`},
		{name: "null is absent", before: `{"bucket":"b","explicit_sse":null,"aws_region":null}`, after: `{"bucket":"b"}`},
		{name: "a switch was reset", before: awsShown, after: `{"bucket":"b","aws_region":"us-west-2","explicit_sse":false}`,
			want: []patcher.Change{change("explicit_sse", false, "true", "false")}},
		{name: "a switch was lost", before: awsShown, after: `{"bucket":"b","aws_region":"us-west-2"}`,
			want: []patcher.Change{change("explicit_sse", false, "true", "")}},
		{name: "a switch came on", before: `{"bucket":"b"}`, after: `{"bucket":"b","explicit_sse":true}`,
			want: []patcher.Change{change("explicit_sse", false, "", "true")}},
		{name: "bucket and region changed", before: `{"bucket":"b","aws_region":"r"}`, after: `{"bucket":"c"}`,
			want: []patcher.Change{change("aws_region", true, `"r"`, ""), change("bucket", true, `"b"`, `"c"`)}},
		{name: "a rename is no change", before: `{}`, after: `{}`, edit: func(_, after *planet.Destination) { after.ID, after.Name = "other-5aIp1K", "other" }},
		{name: "another destination answered", before: `{}`, after: `{}`, edit: func(_, after *planet.Destination) { after.ID = "demo-7xYz" },
			want: []patcher.Change{change("id", true, `"demo-5aIp1K"`, `"demo-7xYz"`)}},
		{name: "the type changed", before: `{"bucket":"b"}`, after: `{"bucket":"c"}`, edit: func(_, after *planet.Destination) { after.Type = planet.S3Compatible },
			want: []patcher.Change{change("type", true, `"amazon_s3"`, `"s3_compatible"`)}},
		{name: "it was archived", before: `{}`, after: `{}`, edit: func(_, after *planet.Destination) { after.Archived = &at },
			want: []patcher.Change{change("archived", false, "", `"2026-05-01T00:00:00Z"`)}},
		{name: "it came back", before: `{}`, after: `{}`, edit: func(before, _ *planet.Destination) { before.Archived = &at },
			want: []patcher.Change{change("archived", false, `"2026-05-01T00:00:00Z"`, "")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, after := destination(planet.AmazonS3, c.before), destination(planet.AmazonS3, c.after)
			if c.edit != nil {
				c.edit(&before, &after)
			}
			got := patcher.Push(t.Context(), &api{answer: planet.Answer{Status: 200, Destination: &after}}, before, awsParams())
			if diff := cmp.Diff(c.want, got.Changes); diff != "" || !got.Checked || got.Err != nil {
				t.Errorf("checked %v, error %v: %s", got.Checked, got.Err, diff)
			}
			parameters := slices.DeleteFunc(slices.Clone(c.want), func(ch patcher.Change) bool {
				return ch.Parameter == "id" || ch.Parameter == "type" || ch.Parameter == "archived"
			})
			if after.Type == before.Type {
				compared, err := patcher.Compare(before, after)
				if diff := cmp.Diff(parameters, compared, cmpopts.EquateEmpty()); diff != "" || err != nil {
					t.Errorf("Compare: %v %s", err, diff)
				}
			}
		})
	}
}

func TestAnAnswerThatCannotBeReadIsAcceptedAndUnchecked(t *testing.T) {
	before := destination(planet.AmazonS3, awsShown)
	got := patcher.Push(t.Context(), &api{answer: planet.Answer{Status: 202}}, before, awsParams())
	if diff := cmp.Diff(patcher.Result{Outcome: planet.OutcomeAccepted, Status: 202}, got); diff != "" {
		t.Error(diff)
	}
	broken := destination(planet.AmazonS3, `[]`)
	got = patcher.Push(t.Context(), &api{answer: planet.Answer{Status: 200, Destination: &broken}}, before, awsParams())
	if got.Outcome != planet.OutcomeAccepted || got.Checked || got.Err == nil {
		t.Errorf("got %+v, want accepted, unchecked, and why", got)
	}
	if changes, err := patcher.Compare(before, broken); err == nil {
		t.Errorf("Compare took parameters that are none: %v", changes)
	}
}

func TestARefusalIsPassedOn(t *testing.T) {
	a := &api{err: fmt.Errorf("wrapped: %w", &planet.Error{Op: "modify destination", Status: 422, Kind: planet.KindUnprocessable, Outcome: planet.OutcomeRefused})}
	got := patcher.Push(t.Context(), a, destination(planet.AmazonS3, awsShown), awsParams())
	if got.Outcome != planet.OutcomeRefused || got.Status != 422 || got.Checked || !errors.Is(got.Err, a.err) {
		t.Errorf("got %+v", got)
	}
	if len(a.calls) != 1 || len(bytes.Trim(a.kept, "\x00")) > 0 {
		t.Error("it was repeated, or its body not cleared")
	}
	a = &api{err: errors.New("lost")}
	if got := patcher.Push(t.Context(), a, destination(planet.AmazonS3, awsShown), awsParams()); got.Outcome != planet.OutcomeUnknown {
		t.Errorf("an unknown error has outcome %q", got.Outcome)
	}
}

func TestAPushGoesOverTheWireAsPlanetTakesIt(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body bytes.Buffer
		_, _ = body.ReadFrom(r.Body)
		seen = append(seen, r.Method+" "+r.URL.Path+" "+body.String())
		_, _ = fmt.Fprintf(w, `{"id":"demo-5aIp1K","name":"demo","pl:ref":"pl:destinations/demo-5aIp1K","type":"amazon_s3","parameters":%s,
			"archived":null,"created":"2026-02-12T18:41:22.659959594Z","updated":"2026-02-12T18:41:22.659960762Z",
			"ownership":{"is_owner":true,"owner_id":7},"permissions":{"can_write":true}}`, strings.Replace(awsShown, "true", "false", 1))
	}))
	defer server.Close()
	client := newClient(t, server.URL)
	got := patcher.Push(t.Context(), client, destination(planet.AmazonS3, awsShown), awsParams())
	if got.Outcome != planet.OutcomeAccepted || got.Status != 200 || !got.Checked || len(got.Changes) != 1 || got.Changes[0].Parameter != "explicit_sse" {
		t.Errorf("got %+v", got)
	}
	want := []string{`PATCH /demo-5aIp1K {"parameters":{"aws_access_key_id":"` + keyID + `","aws_secret_access_key":"` + keySecret + `"}}`}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
}

func newClient(t *testing.T, url string) *planet.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client, err := planet.New(planet.Options{
		BaseURL: url, Transport: transport,
		Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte("PLAKtest")))),
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}
