package observe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// reader holds the daemon to its own description, as somebody would who knows
// nothing but that: the document is what the daemon serves, and who reads it and
// judges the answers by it is kin-openapi.
type reader struct {
	*world
	doc    *openapi3.T
	router routers.Router
	seen   map[string]bool // "GET /api/v1/status 200"
}

func newReader(t *testing.T, w *world) *reader {
	t.Helper()
	_, text := w.send(http.MethodGet, w.admin+"/api/openapi.json", nil, nil)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	must(t, err)
	must(t, doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation(), openapi3.EnableSchemaPatternValidation()))
	router, err := gorillamux.NewRouter(doc)
	must(t, err)
	return &reader{world: w, doc: doc, router: router, seen: map[string]bool{}}
}

// socket is the door that lies in the directory of the store.
func (w *world) socket() *http.Transport {
	return &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(w.dir, "store", "rotatord.sock"))
	}}
}

// question is a request to one of the two doors.
type question struct {
	method, path string // with its query
	header       map[string]string
	body         string
	want         int
	// wrong: the question itself is not as the document wants it.
	wrong bool
}

// ask asks and has question and answer judged.
func (r *reader) ask(q question) []byte {
	r.t.Helper()
	base, by := r.admin, http.RoundTripper(&http.Transport{DisableKeepAlives: true})
	if strings.HasPrefix(q.path, "/v1/") {
		base, by = "http://rotatord", r.socket()
	}
	req, err := http.NewRequestWithContext(r.t.Context(), q.method, base+q.path, strings.NewReader(q.body))
	must(r.t, err)
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	res, err := by.RoundTrip(req)
	must(r.t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	must(r.t, err)
	if res.StatusCode != q.want {
		r.t.Errorf("%s %s %.80s: %d, want %d: %s", q.method, q.path, q.body, res.StatusCode, q.want, answer)
	}
	r.judge(q, req, res, answer)
	return answer
}

// judge has a library that we have not written say whether an exchange is what
// the document describes.
func (r *reader) judge(q question, req *http.Request, res *http.Response, answer []byte) {
	r.t.Helper()
	what := fmt.Sprintf("%s %s %d", q.method, q.path, res.StatusCode)
	at := *req.URL // where the document says that it is
	at.Host = "127.0.0.1:9464"
	// What only reads is at the socket too, and stands in the document once.
	if strings.HasPrefix(at.Path, "/v1/") {
		at.Host = "rotatord"
		if r.doc.Paths.Value(at.Path) == nil {
			at.Host, at.Path = "127.0.0.1:9464", "/api"+at.Path
		}
	}
	asked, err := http.NewRequestWithContext(r.t.Context(), q.method, at.String(), strings.NewReader(q.body))
	must(r.t, err)
	asked.Header = req.Header
	route, parameters, err := r.router.FindRoute(asked)
	if err != nil {
		r.t.Errorf("%s: %v", what, err)
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: asked, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true}}
	if err := openapi3filter.ValidateRequest(r.t.Context(), in); (err == nil) == q.wrong {
		r.t.Errorf("%s %.80s: the document says of the request: %v", what, q.body, err)
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: res.StatusCode, Header: res.Header, Options: in.Options}
	if err := openapi3filter.ValidateResponse(r.t.Context(), out.SetBodyBytes(answer)); err != nil {
		r.t.Errorf("%s: %v\n%s", what, err, answer)
	}
	r.seen[fmt.Sprintf("%s %s %d", q.method, route.Path, res.StatusCode)] = true
}

// events reads the stream until it names a destination.
func (r *reader) events(q question, cause func()) {
	r.t.Helper()
	ctx, leave := context.WithCancel(r.t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.admin+q.path, http.NoBody)
	must(r.t, err)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	must(r.t, err)
	defer func() { _ = res.Body.Close() }()
	cause()
	var read bytes.Buffer
	lines := bufio.NewScanner(io.TeeReader(res.Body, &read))
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var value any
		must(r.t, json.Unmarshal([]byte(data), &value))
		schema := r.doc.Components.Schemas["StatusEvent"].Value
		if err := schema.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.MultiErrors()); err != nil {
			r.t.Errorf("an event: %v\n%s", err, data)
		}
		r.judge(q, req, res, read.Bytes())
		return
	}
	r.t.Errorf("the stream has ended: %v", lines.Err())
}

func form(all ...string) string {
	v := url.Values{}
	for i := 0; i < len(all); i += 2 {
		v.Add(all[i], all[i+1])
	}
	return v.Encode()
}

// unseen are the answers of the document that this test does not bring about,
// and what would.
var unseen = map[string]string{
	"500": "the store can't be read, or Planet does not answer",
	"503": "32 listeners, a look that takes long, a token that can't be read",
}

func TestEachAnswerOfTheDaemonIsWhatItsDocumentTellsStrangers(t *testing.T) {
	t.Parallel()
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.FileBodyDecoder)
	t.Cleanup(func() { openapi3filter.UnregisterBodyDecoder("text/event-stream") })
	w := newWorld(t)
	w.s3Destination("rotating", w.key("rotating1", "rotating", all...), "")
	w.s3Destination("held", w.key("held1", "held", all...), "")
	w.s3Destination("refused", w.key("refused1", "refused", all...), "account = \"stranger\"\n")
	w.run()
	w.awaitState("rotating", "in_sync")
	w.awaitState("held", "in_sync")
	w.file("held", `{"aws_access_key_id": "AKIANOSUCHKEYXXXXXXX", "aws_secret_access_key": "canarySecretOfNobody"}`)
	w.awaitState("held", "held")
	w.awaitState("refused", "blocked")
	r := newReader(t, w)

	r.reads()
	r.acts()
	r.people()
	r.events(question{method: http.MethodGet, path: "/api/v1/stream"}, func() {
		w.file("rotating", w.key("rotating3", "rotating", all...))
	})
	r.nowhere()
	r.without()
	for path, item := range r.doc.Paths.Map() {
		for method, o := range item.Operations() {
			for status := range o.Responses.Map() {
				if _, known := unseen[status]; !known && !r.seen[method+" "+path+" "+status] {
					t.Errorf("%s %s: the answer %s of the document was not seen", method, path, status)
				}
			}
		}
	}
}

// reads asks what only reads, at both doors.
func (r *reader) reads() {
	r.t.Helper()
	one, secret := url.QueryEscape(r.ids["held"]), url.QueryEscape(r.secret("rotating"))
	for _, door := range []string{"/api/v1", "/v1"} {
		for _, q := range []question{
			{path: "/status", want: 200}, {path: "/status?destination=" + one + "&destination=" + one, want: 200},
			{path: "/status?destination=nobody", want: 400}, {path: "/status?destination=%00", want: 400},
			{path: "/history", want: 200}, {path: "/history?limit=1&before=3&destination=" + one, want: 200},
			{path: "/history?limit=0", want: 400, wrong: true}, {path: "/history?limit=x", want: 400, wrong: true}, {path: "/history?destination=nobody", want: 400},
			{path: "/receipts", want: 200},
			{path: "/gate?secret=" + secret, want: 200}, {path: "/gate?secret=unknown&version=old", want: 200}, {path: "/gate", want: 400, wrong: true},
			{path: "/sources", want: 200}, {path: "/version", want: 200},
		} {
			q.method, q.path = http.MethodGet, door+q.path
			r.ask(q)
		}
	}
	r.ask(question{method: http.MethodGet, path: "/api/openapi.json", want: 200})
}

// acts does what may be done with the token, and what may not be done without.
func (r *reader) acts() {
	r.t.Helper()
	const kind = "application/x-www-form-urlencoded"
	with := func(header ...string) map[string]string {
		h := map[string]string{"Content-Type": kind}
		for i := 0; i < len(header); i += 2 {
			h[header[i]] = header[i+1]
		}
		return h
	}
	bearer := with("Authorization", "Bearer "+adminToken)
	large := form("destination", strings.Repeat("x", 17<<10))
	for _, path := range []string{"/actions/sync", "/actions/retry"} {
		for _, q := range []question{
			{header: bearer, body: form("destination", r.ids["held"]), want: 200},
			{header: bearer, body: form("destination", r.ids["held"], "destination", r.ids["rotating"]), want: 200},
			{header: bearer, body: form("destination", "nobody"), want: 400}, {header: bearer, body: "", want: 400, wrong: true},
			{header: with(), body: form("destination", r.ids["held"]), want: 401},
			{header: with("Authorization", "Bearer wrong"), body: form("destination", r.ids["held"]), want: 401},
			{header: with("Sec-Fetch-Site", "cross-site"), body: form("destination", r.ids["held"]), want: 403},
			{header: with("Sec-Fetch-Site", "cross-site", "Accept", "application/json"), body: form("destination", r.ids["held"]), want: 403},
			{header: bearer, body: large, want: 413},
			{header: map[string]string{"Content-Type": "application/json"}, body: "{}", want: 415, wrong: true},
		} {
			q.method, q.path = http.MethodPost, path
			r.ask(q)
		}
	}
	for _, path := range []string{"/actions/login", "/actions/logout"} {
		field := map[string]string{"/actions/login": "token", "/actions/logout": "csrf"}[path]
		for _, q := range []question{
			{header: with(), body: form(field, "a wrong one, long enough"), want: 401},
			{header: with("Sec-Fetch-Site", "cross-site"), body: form(field, "a wrong one, long enough"), want: 403},
			{header: with(), body: form(field, large), want: 413},
			{header: with(), body: "%zz", want: 400, wrong: true},
			{header: map[string]string{"Content-Type": "text/plain"}, body: "x", want: 415, wrong: true},
		} {
			q.method, q.path = http.MethodPost, path
			r.ask(q)
		}
	}
	r.session()
	// Who guesses is slowed down.
	for range 12 {
		w, _ := r.send(http.MethodPost, r.admin+"/actions/login", []byte(form("token", "a wrong one, long enough")), with())
		if w == http.StatusTooManyRequests {
			break
		}
	}
	for _, q := range []question{
		{path: "/actions/login", header: with(), body: form("token", "a wrong one, long enough"), want: 429},
		{path: "/actions/sync", header: bearer, body: form("destination", r.ids["held"]), want: 429},
		{path: "/actions/retry", header: bearer, body: form("destination", r.ids["held"]), want: 429},
	} {
		q.method = http.MethodPost
		r.ask(q)
	}
}

// people does at the socket what a person does by hand.
func (r *reader) people() {
	r.t.Helper()
	header := map[string]string{"Content-Type": "application/json"}
	one := `{"destinations": [` + strconv.Quote(r.ids["rotating"]) + `]}`
	for _, path := range []string{"/v1/plan", "/v1/check", "/v1/sync", "/v1/retry", "/v1/pause", "/v1/resume", "/v1/push"} {
		r.ask(question{method: http.MethodPost, path: path, header: header, body: one, want: 200})
		r.ask(question{method: http.MethodPost, path: path, header: header, body: `{"destinations": ["nobody"]}`, want: 400})
		r.ask(question{method: http.MethodPost, path: path, header: header, body: `{"nothing": "of ours"}`, want: 400, wrong: true})
	}
	r.ask(question{method: http.MethodPost, path: "/v1/check", header: header, body: `{}`, want: 200}) // all, those that fail too
	r.ask(question{method: http.MethodPost, path: "/v1/plan", header: header, body: `{}`, want: 200})
	r.ask(question{method: http.MethodPost, path: "/v1/events/test", header: header, body: `{"sources": ["ci"]}`, want: 200})
	r.ask(question{method: http.MethodPost, path: "/v1/events/test", header: header, body: `{"sources": ["nobody"]}`, want: 400})
	r.ask(question{method: http.MethodPost, path: "/v1/events/test", header: header, body: `[]`, want: 400, wrong: true})
	r.ask(question{method: http.MethodGet, path: "/v1/destinations?account=owner", want: 200})
	r.ask(question{method: http.MethodGet, path: "/v1/destinations?account=nobody", want: 400})
	r.ask(question{method: http.MethodGet, path: "/v1/destinations?account=stranger", want: 500}) // Planet does not know its key
	r.ask(question{method: http.MethodGet, path: "/v1/destinations?account=owner&name=nobody-1234567", want: 422})
	change := func(name, field, value string, want int, wrong bool) {
		body := fmt.Sprintf(`{"account": "owner", "name": %q, %q: %s}`, name, field, value)
		r.ask(question{method: http.MethodPost, path: "/v1/destinations/change", header: header, body: body, want: want, wrong: wrong})
	}
	change(r.ids["rotating"], "rename", `"of-another-name"`, 200, false)
	change(r.ids["rotating"], "rename", `"x"`, 400, false)
	change(r.ids["rotating"], "parameters", `{"aws_region": "us-west-2"}`, 400, true)
	change("nobody-1234567", "rename", `"of-another-name"`, 422, false)
	r.s3.CreateBucket("fresh")
	r.file("fresh", r.key("fresh1", "fresh", all...))
	create := func(secret, more string, want int, wrong bool) {
		body := fmt.Sprintf(`{"account": "owner", "type": "amazon_s3", "location": {"bucket": "fresh", "aws_region": "us-east-1"}, "secret": %q, "bucket_endpoint": %q%s}`,
			secret, r.s3.URL(), more)
		r.ask(question{method: http.MethodPost, path: "/v1/destinations", header: header, body: body, want: want, wrong: wrong})
	}
	create(r.secret("fresh"), "", 200, false)
	create(r.secret("nothing-there"), "", 422, false)
	create(r.secret("fresh"), `, "api_key": "PLAK"`, 400, true)
}

// session does as a browser does.
func (r *reader) session() {
	r.t.Helper()
	post := func(path, cookie, body string) *http.Response {
		req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.admin+path, strings.NewReader(body))
		must(r.t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cookie != "" {
			req.Header.Set("Cookie", cookie)
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		must(r.t, err)
		answer, err := io.ReadAll(res.Body)
		must(r.t, err)
		_ = res.Body.Close()
		r.judge(question{method: http.MethodPost, path: path, body: body, want: http.StatusSeeOther}, req, res, answer)
		return res
	}
	cookie, _, _ := strings.Cut(post("/actions/login", "", form("token", adminToken)).Header.Get("Set-Cookie"), ";")
	_, page := r.send(http.MethodGet, r.admin+"/", nil, map[string]string{"Cookie": cookie})
	found := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(page)
	if found == nil {
		r.t.Fatalf("the page has no form for who has logged in:\n%s", page)
	}
	csrf := string(found[1])
	post("/actions/sync", cookie, form("destination", r.ids["rotating"], "csrf", csrf))
	post("/actions/retry", cookie, form("destination", r.ids["rotating"], "csrf", csrf))
	post("/actions/logout", cookie, form("csrf", csrf))
}

// without is asked of a daemon that has neither a token nor sources of events.
func (r *reader) without() {
	r.t.Helper()
	other := &world{t: r.t, program: r.program, dir: r.t.TempDir(), ids: r.ids}
	other.file("key", planetKey)
	fmt.Fprintf(&other.config, "[store]\ndir = %q\n[admin]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n[[account]]\napi_key_file = \"key\"\nbase_url = %q\n"+
		"[[destination]]\nname = %q\nsecret = %q\n", filepath.Join(other.dir, "store"), r.planet, r.ids["rotating"], r.secret("rotating"))
	other.start()
	bare := *r
	bare.world = other
	for _, path := range []string{"login", "logout", "sync", "retry"} {
		field := map[string]string{"login": "token", "logout": "csrf", "sync": "destination", "retry": "destination"}[path]
		for _, accept := range []string{"application/json", "text/html"} {
			bare.ask(question{method: http.MethodPost, path: "/actions/" + path, body: form(field, "anything, and long enough"), want: http.StatusNotFound,
				header: map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": accept}})
		}
	}
	bare.ask(question{method: http.MethodPost, path: "/v1/events/test", header: map[string]string{"Content-Type": "application/json"}, body: `{}`, want: http.StatusUnprocessableEntity})
}

// nowhere asks what does not exist. No document describes that; what is said is
// still what the document calls an error, to who asks for JSON.
func (r *reader) nowhere() {
	r.t.Helper()
	failure := r.doc.Components.Schemas["Error"].Value
	for _, q := range []question{
		{method: http.MethodGet, path: "/api/v1/nothing", want: 404}, {method: http.MethodGet, path: "/api/v2/status", want: 404},
		{method: http.MethodPost, path: "/api/v1/status", want: 405}, {method: http.MethodDelete, path: "/api/openapi.json", want: 405},
		{method: http.MethodGet, path: "/actions/sync", want: 405}, {method: http.MethodPost, path: "/actions/nothing", want: 404},
	} {
		status, answer := r.send(q.method, r.admin+q.path, nil, map[string]string{"Accept": "application/json"})
		var value any
		err := json.Unmarshal(answer, &value)
		if err == nil {
			err = failure.VisitJSON(value, openapi3.EnableJSONSchema2020())
		}
		if status != q.want || err != nil {
			r.t.Errorf("%s %s: %d, want %d, %v\n%s", q.method, q.path, status, q.want, err, answer)
		}
	}
}
