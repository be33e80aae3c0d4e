package planet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// desk is a server that answers by "METHOD /path?query" and keeps what it was asked.
type desk struct {
	mu      sync.Mutex
	answers map[string]string // "404" or a body for 200
	asked   []string
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	defer d.mu.Unlock()
	line := r.Method + " " + r.URL.RequestURI()
	d.asked = append(d.asked, strings.TrimSpace(line+" "+string(body)))
	answer, ok := d.answers[line]
	switch {
	case !ok || answer == "404":
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"code":404,"message":"not found"}`)
	case answer == "204":
		w.WriteHeader(http.StatusNoContent)
	default:
		_, _ = io.WriteString(w, answer)
	}
}

func newDesk(t *testing.T, base string, answers map[string]string) (*desk, *Client) {
	t.Helper()
	d := &desk{answers: answers}
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	return d, newBench(t, srv.URL+base, nil).client
}

func TestCallsHaveTheOfficialClientsForm(t *testing.T) {
	yes, no, name := true, false, "new name"
	for _, base := range []string{"/destinations/v1", "/destinations/v1/"} {
		d, c := newDesk(t, base, map[string]string{
			"GET /destinations/v1": `{"destinations":[` + oneDestination + `]}`,
			"GET /destinations/v1?archived=true&can_write=false&is_default=true&is_owner=false&sort_by=name": `{"destinations":[]}`,
			"GET /destinations/v1/demo-5aIp1K":   oneDestination,
			"GET /destinations/v1/default":       oneDestination,
			"PUT /destinations/v1/default":       oneDestination,
			"DELETE /destinations/v1/default":    "204",
			"POST /destinations/v1":              oneDestination,
			"PATCH /destinations/v1/demo-5aIp1K": oneDestination,
			"PATCH /destinations/v1/%C3%A9-%5B":  oneDestination,
		})
		ctx := t.Context()
		check := func(_ any, err error) {
			t.Helper()
			if err != nil {
				t.Error(err)
			}
		}
		check(c.List(ctx, ListOptions{}))
		check(c.List(ctx, ListOptions{Archived: &yes, CanWrite: &no, IsDefault: &yes, IsOwner: &no, SortBy: "name"}))
		check(c.Get(ctx, "demo-5aIp1K"))
		check(c.Default(ctx))
		check(c.SetDefault(ctx, "demo-5aIp1K"))
		check(nil, c.UnsetDefault(ctx))
		check(c.Create(ctx, CreateRequest{Name: "demo", Type: AmazonS3, Parameters: []byte(`{"bucket":"b"}`)}))
		check(c.Create(ctx, CreateRequest{Type: AmazonS3, Parameters: []byte(`{}`)}))
		check(c.Modify(ctx, "demo-5aIp1K", ModifyRequest{Archive: &yes}))
		check(c.Modify(ctx, "demo-5aIp1K", ModifyRequest{Archive: &no, Name: &name}))
		check(c.Modify(ctx, "é-[", ModifyRequest{Parameters: []byte(`{"sas_token":"x"}`)}))
		want := []string{
			"GET /destinations/v1",
			"GET /destinations/v1?archived=true&can_write=false&is_default=true&is_owner=false&sort_by=name",
			"GET /destinations/v1/demo-5aIp1K", "GET /destinations/v1/default",
			`PUT /destinations/v1/default {"destination_id":"demo-5aIp1K"}`, "DELETE /destinations/v1/default",
			`POST /destinations/v1 {"name":"demo","type":"amazon_s3","parameters":{"bucket":"b"}}`,
			`POST /destinations/v1 {"type":"amazon_s3","parameters":{}}`,
			`PATCH /destinations/v1/demo-5aIp1K {"archive":true}`,
			`PATCH /destinations/v1/demo-5aIp1K {"archive":false,"name":"new name"}`,
			`PATCH /destinations/v1/%C3%A9-%5B {"parameters":{"sas_token":"x"}}`,
		}
		if diff := cmp.Diff(want, d.asked); diff != "" {
			t.Error(diff)
		}
	}
}

func TestResolveConcludesNothingFromAListAlone(t *testing.T) {
	const list, archived = "GET /destinations/v1", "GET /destinations/v1?archived=true"
	old := strings.ReplaceAll(strings.ReplaceAll(oneDestination, "demo", "old"), "5aIp1K", "Zz99Yy")
	for _, tc := range []struct {
		name, ref, want string
		answers         map[string]string
		requests        int
	}{
		{"listed", "5aIp1K", "demo-5aIp1K", map[string]string{list: `{"destinations":[` + oneDestination + `]}`}, 1},
		{"archived, by id", "old-Zz99Yy", "old-Zz99Yy", map[string]string{list: `{"destinations":[]}`, "GET /destinations/v1/old-Zz99Yy": old}, 2},
		{"archived, by suffix", "Zz99Yy", "old-Zz99Yy", map[string]string{list: `{"destinations":[` + oneDestination + `]}`, archived: `{"destinations":[` + old + `]}`}, 3},
		{"renamed", "former-5aIp1K", "demo-5aIp1K", map[string]string{list: `{"destinations":[` + oneDestination + `]}`}, 2},
		{"the default", "pl:destinations/default", "demo-5aIp1K", map[string]string{"GET /destinations/v1/default": oneDestination}, 1},
		{"no default", "pl:destinations/default", "", nil, 1},
		{"nowhere", "dema-5aIp1X", "", map[string]string{list: `{"destinations":[` + oneDestination + `]}`, archived: `{"destinations":[` + oneDestination + `]}`}, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, c := newDesk(t, "/destinations/v1", tc.answers)
			r, err := ParseRef(tc.ref)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Resolve(t.Context(), r)
			var missing *NotFoundError
			if got.ID != tc.want || (tc.want == "") != errors.As(err, &missing) {
				t.Errorf("found %q, want %q: %v", got.ID, tc.want, err)
			}
			if len(d.asked) != tc.requests {
				t.Errorf("asked %q, want %d requests", d.asked, tc.requests)
			}
		})
	}
	_, c := newDesk(t, "", map[string]string{"GET /": `{"destinations":[]}`, "GET ": `{"destinations":[]}`, "GET /demo-5aIp1K": old})
	r, _ := ParseRef("demo-5aIp1K")
	if _, err := c.Resolve(t.Context(), r); KindOf(err) != KindInvalidAnswer {
		t.Errorf("an answer about another destination: %v", err)
	}
}

func TestJunkAnswersNameThePlaceAndNotTheContent(t *testing.T) {
	one := func(from, to string) string { return strings.Replace(oneDestination, from, to, 1) }
	for _, tc := range []struct{ name, body, want string }{
		{"no JSON", `canary-canary`, "not valid JSON at byte 1 of 13"},
		{"an array", `["canary"]`, "destination: is not a JSON object"},
		{"null", `null`, "destination: is not a JSON object"},
		{"no id", one(`"id"`, `"ID"`), "destination.id: is missing"},
		{"an id that is a number", one(`"demo-5aIp1K"`, `12345678`), "destination.id: is not text"},
		{"no type", one(`"type"`, `"kind"`), "destination.type: is missing"},
		{"a bad time", one(`"2026-02-12T18:41:22.659959594Z"`, `"canary"`), "destination.created: is not a time"},
		{"a bad archived", one(`"archived":null`, `"archived":true`), "destination.archived: is not text"},
		{"parameters that are none", one(`{"bucket":"b","credentials":"<REDACTED>"}`, `"canary"`), "destination.parameters: is not a JSON object"},
		{"a bad owner", one(`"owner_id":7`, `"owner_id":"canary"`), "destination.ownership.owner_id: is not a whole number"},
		{"a bad permission", one(`"can_write":true`, `"can_write":"canary"`), "destination.permissions.can_write: is not true or false"},
		{"a bad default", one(`"default":false`, `"default":"canary"`), "destination.default: is not true or false"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, c := newDesk(t, "/destinations/v1", map[string]string{
				"GET /destinations/v1/x-12345": tc.body, "GET /destinations/v1": `{"destinations":[` + oneDestination + `,` + tc.body + `]}`, "POST /destinations/v1": tc.body,
			})
			_, err := c.Get(t.Context(), "x-12345")
			if KindOf(err) != KindInvalidAnswer || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary-") {
				t.Errorf("get: %v", err)
			}
			_, err = c.List(t.Context(), ListOptions{})
			inList := strings.Replace(tc.want, "destination", "list.destinations[1]", 1)
			if KindOf(err) != KindInvalidAnswer || tc.name != "no JSON" && !strings.Contains(err.Error(), inList) {
				t.Errorf("list: %v, want %q", err, inList)
			}
			created := OutcomeAccepted
			if tc.name == "no JSON" {
				created = OutcomeUnknown // not Planet's answer
			}
			if _, err = c.Create(t.Context(), CreateRequest{Type: AmazonS3, Parameters: []byte(`{}`)}); OutcomeOf(err) != created || KindOf(err) != KindInvalidAnswer {
				t.Errorf("create: %s, %v", OutcomeOf(err), err)
			}
		})
	}
	for _, body := range []string{`{}`, `{"destinations":{}}`, `[]`} {
		_, c := newDesk(t, "/destinations/v1", map[string]string{"GET /destinations/v1": body})
		if _, err := c.List(t.Context(), ListOptions{}); KindOf(err) != KindInvalidAnswer {
			t.Errorf("%s: %v", body, err)
		}
	}
	_, c := newDesk(t, "/destinations/v1", map[string]string{"GET /destinations/v1": `{"x":"` + strings.Repeat("y", maxAnswer) + `"}`})
	if _, err := c.List(t.Context(), ListOptions{}); KindOf(err) != KindInvalidAnswer || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("an endless list: %v", err)
	}
}

func TestADestinationSurvivesTheWayToJSONAndBack(t *testing.T) {
	var d, again Destination
	if err := json.Unmarshal([]byte(oneDestination), &d); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	// encoding/json writes "<" in its own way, which means the same.
	sameJSON := cmp.Transformer("decoded", func(m json.RawMessage) (v any) {
		if err := json.Unmarshal(m, &v); err != nil {
			t.Error(err)
		}
		return v
	})
	if diff := cmp.Diff(d, again, sameJSON); diff != "" {
		t.Error(diff)
	}
	if d.Created.Nanosecond() != 659959594 || d.Archived != nil || *d.Default || d.Ownership.OwnerID != 7 || !d.Permissions.CanWrite {
		t.Errorf("%+v", d)
	}
}

func TestBadRequestsAreNeverSentAndNeverQuoted(t *testing.T) {
	b := newBench(t, "http://planet.test", func(o *Options) {
		o.Transport = roundTrips(func(*http.Request) (*http.Response, error) { panic("a request was sent") })
	})
	c, ctx := b.client, t.Context()
	short, long := "ab", strings.Repeat("é", 64)
	good := canaryBody().Parameters
	for name, call := range map[string]func() error{
		"an empty id":          func() error { _, err := c.Modify(ctx, "", canaryBody()); return err },
		"the default as an id": func() error { _, err := c.Modify(ctx, "default", canaryBody()); return err },
		"an id with a slash":   func() error { _, err := c.Get(ctx, "../orders"); return err },
		"a dot as an id":       func() error { _, err := c.Get(ctx, ".."); return err },
		"a reference as an id": func() error { _, err := c.SetDefault(ctx, "pl:destinations/x-12345"); return err },
		"nothing to change":    func() error { _, err := c.Modify(ctx, "x-12345", ModifyRequest{}); return err },
		"a short name":         func() error { _, err := c.Modify(ctx, "x-12345", ModifyRequest{Name: &short}); return err },
		"a long name":          func() error { _, err := c.Modify(ctx, "x-12345", ModifyRequest{Name: &long}); return err },
		"parameters cut short": func() error { _, err := c.Modify(ctx, "x-12345", ModifyRequest{Parameters: good[:40]}); return err },
		"two JSON values": func() error {
			_, err := c.Modify(ctx, "x-12345", ModifyRequest{Parameters: append(slices.Clone(good), good...)})
			return err
		},
		"parameters in a list": func() error {
			_, err := c.Create(ctx, CreateRequest{Type: AmazonS3, Parameters: []byte(`["` + secretCanary + `"]`)})
			return err
		},
		"no type": func() error { _, err := c.Create(ctx, CreateRequest{Parameters: good}); return err },
		"a created short name": func() error {
			_, err := c.Create(ctx, CreateRequest{Name: "x", Type: AmazonS3, Parameters: good})
			return err
		},
		"no parameters at all":  func() error { _, err := c.Create(ctx, CreateRequest{Type: AmazonS3}); return err },
		"empty JSON parameters": func() error { _, err := c.Modify(ctx, "x-12345", ModifyRequest{Parameters: []byte{}}); return err },
	} {
		err := call()
		if KindOf(err) != KindInvalidRequest || OutcomeOf(err) != OutcomeNotSent {
			t.Errorf("%s: %v", name, err)
		}
		noLeak(t, err, b.log())
	}
}

func TestOptionsThatCannotWorkAreRefusedTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"no auth":                   {func(o *Options) { o.Auth = nil }, "no Auth"},
		"a patch time-out too low":  {func(o *Options) { o.PatchTimeout = 129 * time.Second }, "use 2m10s or more"},
		"a negative time-out":       {func(o *Options) { o.Timeout = -1 }, "negative"},
		"negative attempts":         {func(o *Options) { o.Attempts = -1 }, "negative"},
		"a base that is no URL":     {func(o *Options) { o.BaseURL = "https://x:" + secretCanary }, "is not a URL"},
		"a base without a scheme":   {func(o *Options) { o.BaseURL = "api.planet.com" }, "begin with https://"},
		"a base with a password":    {func(o *Options) { o.BaseURL = "https://u:" + "p@api.planet.com" }, "keys belong into Auth"},
		"a base with a query":       {func(o *Options) { o.BaseURL = "https://api.planet.com/?a=b" }, "query"},
		"a user agent of two lines": {func(o *Options) { o.UserAgent = "a\r\nb: c" }, "user agent"},
		"a proxy beside one's own transport": {func(o *Options) {
			o.Transport, o.Proxy = http.DefaultTransport, http.ProxyFromEnvironment
		}, "own transport"},
	} {
		o := Options{Auth: testKey()}
		tc.change(&o)
		_, err := New(o)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		noLeak(t, err, "")
	}
	if _, err := New(Options{Auth: testKey()}); err != nil {
		t.Error(err)
	}
}

func TestGetsAreTriedAgainWithinBounds(t *testing.T) {
	good := func() (*http.Response, error) { return answering(200, oneDestination), nil }
	status := func(code int, header ...string) func() (*http.Response, error) {
		return func() (*http.Response, error) {
			r := answering(code, "")
			for i := 0; i+1 < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			return r, nil
		}
	}
	broken := func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	cut := func() (*http.Response, error) {
		r := answering(200, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"id":`), failing{}))
		return r, nil
	}
	type steps = []func() (*http.Response, error)
	for _, tc := range []struct {
		name        string
		answers     steps
		deadline    time.Duration
		kind        Kind
		requests    int
		least, most time.Duration
	}{
		{"after each kind of trouble", steps{status(500), status(503), broken, cut, good}, 0, "", 5, 3750 * time.Millisecond, 7500 * time.Millisecond},
		{"five times and no more", steps{broken, broken, broken, broken, status(502), good}, 0, KindServerError, 5, 3750 * time.Millisecond, 7500 * time.Millisecond},
		{"after a 429, at its time", steps{status(429, "Retry-After", "20"), good}, 0, "", 2, 20 * time.Second, 20 * time.Second},
		{"after a 429 without a time, a second later", steps{status(429), good}, 0, "", 2, time.Second, time.Second},
		{"after a 503, at its time", steps{status(503, "Retry-After", "40"), good}, 0, "", 2, 40 * time.Second, 40 * time.Second},
		{"not if the caller's time is up before", steps{status(429, "Retry-After", "20"), good}, 10 * time.Second, KindThrottled, 1, 0, 0},
		{"not after a 404", steps{status(404), good}, 0, KindNotFound, 1, 0, 0},
		{"not after a 400", steps{status(400), good}, 0, KindBadRequest, 1, 0, 0},
		{"not after a redirect", steps{status(302, "Location", "/x"), good}, 0, KindRedirected, 1, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				b := newBench(t, "http://planet.test", func(o *Options) {
					o.Backoff = 0
					o.Transport = roundTrips(func(*http.Request) (*http.Response, error) { n++; return tc.answers[n-1]() })
				})
				ctx := t.Context()
				if tc.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tc.deadline)
					defer cancel()
				}
				began := time.Now()
				_, err := b.client.Get(ctx, "demo-5aIp1K")
				if KindOf(err) != tc.kind || n != tc.requests {
					t.Errorf("%d requests, want %d: %v", n, tc.requests, err)
				}
				if took := time.Since(began); took < tc.least || took > tc.most {
					t.Errorf("took %v, want %v to %v", took, tc.least, tc.most)
				}
				for i, o := range b.observed {
					if o.Attempt != i+1 {
						t.Errorf("observation %d is of attempt %d", i, o.Attempt)
					}
				}
			})
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAPatchThatWasAcceptedDoesNotWaitLongForItsBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "http://planet.test", func(o *Options) {
			o.Transport = roundTrips(func(r *http.Request) (*http.Response, error) {
				resp := answering(202, "")
				resp.Body = stalled{r.Context()}
				return resp, nil
			})
		})
		began := time.Now()
		got, err := b.client.Modify(t.Context(), "demo-5aIp1K", canaryBody())
		if err != nil || got.Status != 202 || got.Destination != nil || time.Since(began) != defaultTimeout {
			t.Errorf("after %v: %+v, %v", time.Since(began), got, err)
		}
	})
}

type stalled struct{ ctx context.Context }

func (s stalled) Read([]byte) (int, error) { <-s.ctx.Done(); return 0, s.ctx.Err() }
func (s stalled) Close() error             { return nil }

func TestABodyIsWipedAfterTheCall(t *testing.T) {
	var kept io.ReadCloser
	b := newBench(t, "http://planet.test", func(o *Options) {
		o.Transport = roundTrips(func(r *http.Request) (*http.Response, error) {
			kept = r.Body
			if r.GetBody != nil {
				t.Error("the request can be rewound, so that net/http may repeat it")
			}
			return answering(200, ""), nil
		})
	})
	params := canaryBody()
	if _, err := b.client.Modify(t.Context(), "demo-5aIp1K", params); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(kept); err == nil || len(rest) > 0 {
		t.Errorf("%d bytes can still be read", len(rest))
	}
	if !json.Valid(params.Parameters) {
		t.Error("the caller's own bytes were touched")
	}
}
