package azuretest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/providers/azure/azuretest"
)

// TestAnUpdateChangesWhatItNames, and nothing else.
func TestAnUpdateChangesWhatItNames(t *testing.T) {
	s := azuretest.New(azuretest.Options{Apps: []azuretest.App{app}})
	id := s.Set(vault, "planet", "one", azuretest.Attributes{})
	a := ask(t, s)
	a.signIn("https://vault.azure.net/.default")
	patch := func(version, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPatch, "https://"+vault+"/secrets/planet/"+version+"?api-version=7.4", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+a.token)
		resp, err := a.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	for _, step := range []struct {
		version, body string
		status        int
		want          azuretest.Version
	}{
		{id, `{"tags":{"a":"1"},"contentType":"text/plain"}`, 200, azuretest.Version{ContentType: "text/plain", Tags: map[string]string{"a": "1"}}},
		{id, `{"attributes":{"enabled":false}}`, 200, azuretest.Version{Attributes: azuretest.Attributes{Disabled: true}, ContentType: "text/plain", Tags: map[string]string{"a": "1"}}},
		{id, `{"tags":{"b":"2"},"attributes":{"enabled":true}}`, 200, azuretest.Version{ContentType: "text/plain", Tags: map[string]string{"b": "2"}}},
		{id, `{"tags":7}`, 400, azuretest.Version{ContentType: "text/plain", Tags: map[string]string{"b": "2"}}},
		{strings.Repeat("0", 32), `{"tags":{}}`, 404, azuretest.Version{ContentType: "text/plain", Tags: map[string]string{"b": "2"}}},
		{id, `{"tags":{}}`, 200, azuretest.Version{ContentType: "text/plain", Tags: map[string]string{}}},
	} {
		if got := patch(step.version, step.body); got != step.status {
			t.Errorf("%s: %d, want %d", step.body, got, step.status)
		}
		if diff := cmp.Diff(step.want, s.Describe(vault, "planet", id)); diff != "" {
			t.Errorf("%s: %s", step.body, diff)
		}
	}
}
