package planettest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestTheKeyIsTakenInEveryUsualWay(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	basic := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for header, status := range map[string]int{
		"api-key ada-key":  200,
		"API-Key ada-key":  200,
		"Bearer ada-key":   200,
		basic("ada-key:"):  200,
		basic("ada-key"):   200,
		"":                 401,
		"ada-key":          401,
		"api-key":          401,
		"api-key ":         401,
		"api-key nobody":   401,
		"Token ada-key":    401,
		"Basic %%%":        401,
		basic(":ada-key"):  401,
		"api-key ada-keys": 401,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		response, err := sim.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != status {
			t.Errorf("Authorization %q: %d, want %d", header, response.StatusCode, status)
		}
	}
	send(t, sim, "", "GET", "", "").want(t, 401)
	send(t, sim, "", "PATCH", "/x", "{}").want(t, 401)
}

func TestPathsWorkWithAndWithoutASlashAndNothingRedirects(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "", 200},
		{"GET", "/", 200},
		{"GET", "/" + id, 200},
		{"GET", "/" + id + "/", 200},
		{"GET", "/spec", 200},
		{"GET", "/spec/", 200},
		{"GET", "/nobody", 404},
		{"GET", "//", 404},
		{"GET", "//" + id, 404},
		{"GET", "/" + id + "/x", 404},
		{"GET", "/../" + id, 404},
		{"GET", "x", 404},
		{"GET", "/" + strings.ToUpper(id), 404},
		{"DELETE", "/" + id, 405},
		{"PUT", "/" + id, 405},
		{"DELETE", "", 405},
		{"PATCH", "/", 405},
		{"POST", "/default", 405},
		{"POST", "/spec", 405},
	} {
		got := send(t, sim, "ada", c.method, c.path, "").want(t, c.status)
		if c.status == 405 && got.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow header", c.method, c.path)
		}
		if got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: the content type is %q", c.method, c.path, got.header.Get("Content-Type"))
		}
	}
}

func TestTheSpecNeedsNoKeyAndNamesEverything(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	got := send(t, sim, "", "GET", "/spec", "").want(t, 200)
	var spec struct {
		OpenAPI    string `json:"openapi"`
		Paths      map[string]any
		Components struct {
			Schemas map[string]struct {
				Required   []string
				Properties map[string]any
				Additional *bool `json:"additionalProperties"`
			}
		}
	}
	if err := json.Unmarshal([]byte(got.raw), &spec); err != nil || spec.OpenAPI == "" {
		t.Fatalf("the spec is no OpenAPI document: %v", err)
	}
	for _, path := range []string{"/", "/{id}", "/default", "/spec"} {
		if spec.Paths[path] == nil {
			t.Errorf("the spec has no path %s", path)
		}
	}
	patch := spec.Components.Schemas["modify_amazon_s3"]
	if diff := cmp.Diff([]string{"aws_access_key_id", "aws_secret_access_key"}, patch.Required); diff != "" {
		t.Errorf("what an S3 update must have (-want +got):\n%s", diff)
	}
	if len(patch.Properties) != 3 || patch.Additional == nil || *patch.Additional {
		t.Errorf("the spec's parameters of an S3 update are %+v", patch)
	}
	for _, part := range strings.Split(got.raw, `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if _, ok := spec.Components.Schemas[name]; !ok {
			t.Errorf("the spec refers to %s, which it lacks", name)
		}
	}
}

func TestLinksFollowTheBaseURL(t *testing.T) {
	sim := newSim(t, planettest.Options{BaseURL: "https://api.planet.com/destinations/v1/"})
	id := sim.Seed("ada", s3("demo"))
	links, _ := send(t, sim, "ada", "GET", "/"+id, "").want(t, 200).body["_links"].(map[string]any)
	if links["_self"] != "https://api.planet.com/destinations/v1/"+id {
		t.Errorf("the link is %v", links["_self"])
	}
}

func TestOptionsThatMakeNoSenseAreRefusedWithoutTheirKeys(t *testing.T) {
	ok := func() planettest.Options { return planettest.Options{Users: users()} }
	for name, o := range map[string]planettest.Options{
		"nobody":           {},
		"a name twice":     {Users: []planettest.User{{Name: "a", Key: "canary-1"}, {Name: "a", Key: "canary-2"}}},
		"a key twice":      {Users: []planettest.User{{Name: "a", Key: "canary"}, {Name: "b", Key: "canary"}}},
		"no key":           {Users: []planettest.User{{Name: "a"}}},
		"a negative rate":  func() planettest.Options { o := ok(); o.PerSecond = -1; return o }(),
		"a negative quota": func() planettest.Options { o := ok(); o.Quota = -1; return o }(),
		"no such window":   func() planettest.Options { o := ok(); o.Window = 7; return o }(),
		"no such status":   func() planettest.Options { o := ok(); o.Behaviour.RefuseStatus = 418; return o }(),
		"faults above one": func() planettest.Options { o := ok(); o.Faults.CutAfter, o.Faults.Junk = 0.6, 0.6; return o }(),
		"a negative delay": func() planettest.Options { o := ok(); o.Behaviour.VerifyDelay = -1; return o }(),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := planettest.New(o)
			if err == nil {
				t.Fatal("New took it")
			}
			if strings.Contains(err.Error(), "canary") {
				t.Error("the error shows a key")
			}
		})
	}
}

// The calls of Planet's official Python client, as its source makes them:
// the base URL without its slash, booleans in lower case, a JSON body.
func TestTheOfficialClientsRequestsAreServed(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	server := sim.Start()
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	call := func(user, method, path, body string) answer {
		t.Helper()
		a, err := over(t.Context(), transport, server.BaseURL+path, user, method, body)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	id := call("root", "POST", "", `{"type": "amazon_s3", "parameters": {"bucket": "tiles", "aws_region": "us-west-2", "aws_access_key_id": "i", "aws_secret_access_key": "s", "explicit_sse": true}, "name": "demo"}`).want(t, 201).text("id")
	if got := call("root", "GET", "?archived=false&is_owner=true&can_write=true&is_default=false", "").want(t, 200); got.names() != "demo" {
		t.Errorf("the list is %q", got.names())
	}
	call("root", "GET", "/"+id, "").want(t, 200)
	call("root", "PATCH", "/"+id, `{"parameters": {"aws_access_key_id": "j", "aws_secret_access_key": "t"}}`).want(t, 200)
	call("root", "PATCH", "/"+id, `{"name": "renamed"}`).want(t, 200)
	call("root", "PATCH", "/"+id, `{"archive": true}`).want(t, 200)
	call("root", "PATCH", "/"+id, `{"archive": false}`).want(t, 200)
	call("root", "PUT", "/default", `{"destination_id": "`+id+`"}`).want(t, 200)
	call("root", "GET", "/default", "").want(t, 200)
	call("root", "DELETE", "/default", "").want(t, 204)
	if held(t, sim, id) != "j" {
		t.Error("the update did not arrive")
	}
}
