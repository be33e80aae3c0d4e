package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// document is the file as far as the tests look into it.
type document struct {
	OpenAPI    string
	Paths      map[string]map[string]json.RawMessage
	Components struct {
		Schemas   map[string]schema
		Responses map[string]response
	}
}

type schema struct {
	Ref         string `json:"$ref"`
	Type        any
	Format      string
	Description string
	Enum        []string
	Required    []string
	Properties  map[string]schema
	Items       *schema
	Additional  *additional `json:"additionalProperties"`
}

// additional is what else an object may hold: something of a schema, or nothing.
type additional struct {
	schema
	nothing bool
}

func (a *additional) UnmarshalJSON(text []byte) error {
	if a.nothing = string(text) == "false"; a.nothing {
		return nil
	}
	return json.Unmarshal(text, &a.schema)
}

type response struct {
	Ref     string `json:"$ref"`
	Content map[string]struct{ Schema json.RawMessage }
}

type operation struct {
	OperationID string
	Summary     string
	Responses   map[string]response
	Parameters  []struct{ Name, In string }
}

func readDocument(t *testing.T) (doc document, plain any) {
	t.Helper()
	must(t, json.Unmarshal([]byte(openAPIDocument), &doc))
	must(t, json.Unmarshal([]byte(openAPIDocument), &plain))
	return doc, plain
}

func operationOf(t *testing.T, doc document, method, path string) operation {
	t.Helper()
	var o operation
	raw, ok := doc.Paths[path][strings.ToLower(method)]
	if !ok {
		t.Fatalf("%s %s is not in the document", method, path)
	}
	must(t, json.Unmarshal(raw, &o))
	return o
}

func TestEachRouteIsInTheDocumentAndNoOther(t *testing.T) {
	doc, _ := readDocument(t)
	h := newHouse(t)
	want := map[string]bool{"GET /api/openapi.json": true}
	for path := range h.api.reading(fromAdmin) {
		want["GET /api"+path] = true
	}
	for path := range NewActions(ActionsOptions{}).routes() {
		want["POST "+path] = true
	}
	for route := range h.api.routes() {
		if path := strings.TrimPrefix(route, "GET "); h.api.reading(fromSocket)[path] == nil {
			want[route] = true // what only reads stands there once
		}
	}
	got, ids := map[string]bool{}, map[string]bool{}
	for path, methods := range doc.Paths {
		for method := range methods {
			if method == "servers" {
				continue
			}
			o := operationOf(t, doc, method, path)
			got[strings.ToUpper(method)+" "+path] = true
			if ids[o.OperationID] || o.OperationID == "" || o.Summary == "" {
				t.Errorf("%s %s: id %q, summary %q", method, path, o.OperationID, o.Summary)
			}
			ids[o.OperationID] = true
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("routes (-code +document):\n%s", diff)
	}
}

// roots are the types that come and go over the API.
var roots = []any{Status{}, store.Entry{}, store.Receipt{}, Gate{}, Source{}, Version{}, StatusEvent{}, Failure{}, Request{}, Plan{},
	Checks{}, Pushed{}, Destination{}, Create{}, Created{}, Change{}, Changed{}, EventTest{}, EventTested{}}

// bodies are the schemas of what is sent to us.
var bodies = map[string]bool{"Request": true, "EventTest": true, "CreateDestination": true, "ChangeDestination": true}

// otherNames are those of schemas that are not called as their types are.
var otherNames = map[string]string{
	"store.Source": "Current", "store.Change": "ParameterChange", "store.Entry": "HistoryEntry", "planet.Failure": "FailedDelivery",
	"web.Failure": "Error", "web.Change": "ChangeDestination", "web.Changed": "ChangedDestination", "web.Create": "CreateDestination", "web.Created": "CreatedDestination",
}

func words[T ~string](all []T) []string {
	out := make([]string, len(all))
	for i, w := range all {
		out[i] = string(w)
	}
	return out
}

// closed are the sets of words that the document lists.
var closed = map[reflect.Type][]string{
	reflect.TypeFor[store.State](): words(store.States()), reflect.TypeFor[store.Reason](): words(store.Reasons()),
	reflect.TypeFor[store.Condition](): words(store.Conditions()), reflect.TypeFor[rotation.Verdict](): words(rotation.Verdicts()),
}

// shapes writes down what the document has to say of Go types: schema → field →
// what it is.
type shapes map[string]map[string]string

func (all shapes) of(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "string date-time"
	case reflect.TypeFor[time.Duration]():
		return "integer int64"
	case reflect.TypeFor[json.RawMessage]():
		return "anything"
	}
	if set, ok := closed[t]; ok {
		all[t.Name()] = map[string]string{"enum": strings.Join(set, " ")}
		return t.Name()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return all.of(t.Elem())
	case reflect.Slice:
		return "list of " + all.of(t.Elem())
	case reflect.Map:
		return "map of " + all.of(t.Elem())
	case reflect.Struct:
		name, ok := otherNames[t.String()]
		if !ok {
			name = t.Name()
		}
		if all[name] == nil {
			all[name] = map[string]string{}
			all.fields(all[name], t)
		}
		return name
	case reflect.Int, reflect.Int64:
		return "integer int64"
	case reflect.Bool:
		return "boolean"
	}
	return t.Kind().String()
}

func (all shapes) fields(into map[string]string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			all.fields(into, f.Type)
			continue
		}
		name, omit, _ := strings.Cut(f.Tag.Get("json"), ",")
		what := all.of(f.Type)
		if omit == "" {
			what += ", required"
			if f.Type.Kind() == reflect.Pointer {
				what = "or null " + what
			}
		}
		into[name] = what
	}
}

// said is the same of a schema of the document.
func said(s schema) string {
	switch {
	case s.Ref != "":
		return strings.TrimPrefix(s.Ref, "#/components/schemas/")
	case s.Items != nil:
		return "list of " + said(*s.Items)
	case s.Additional != nil:
		return "map of " + said(s.Additional.schema)
	case s.Type == nil:
		return "anything"
	}
	if both, ok := s.Type.([]any); ok && len(both) == 2 && both[1] == "null" {
		s.Type = both[0]
		return "or null " + said(s)
	}
	text, _ := s.Type.(string)
	return strings.TrimSpace(text + " " + s.Format)
}

func TestTheDocumentHasEachFieldOfTheTypesAndNoOther(t *testing.T) {
	doc, _ := readDocument(t)
	want := shapes{}
	for _, r := range roots {
		want.of(reflect.TypeOf(r))
	}
	got := shapes{}
	for name, s := range doc.Components.Schemas {
		got[name] = map[string]string{}
		if s.Description == "" {
			t.Errorf("%s is not described", name)
		}
		// What comes in with more than that is refused; what goes out may have more
		// one day.
		if closed := s.Additional != nil && s.Additional.nothing; closed != bodies[name] {
			t.Errorf("%s: no other fields: %v", name, closed)
		}
		if s.Enum != nil {
			got[name]["enum"] = strings.Join(s.Enum, " ")
		}
		for field, f := range s.Properties {
			got[name][field] = said(f)
			if slices.Contains(s.Required, field) {
				got[name][field] += ", required"
			}
		}
		for _, field := range s.Required {
			if _, ok := s.Properties[field]; !ok {
				t.Errorf("%s: %s is required and not there", name, field)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("schemas (-types +document):\n%s", diff)
	}
}

// judge compiles the schema of an answer; nil where the document has none.
type judge struct {
	compiler *jsonschema.Compiler
	doc      document
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	doc, plain := readDocument(t)
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	must(t, c.AddResource("https://rotatord.test/openapi.json", plain))
	return &judge{c, doc}
}

// holds checks an answer: its status, its content type and its body.
func (j *judge) holds(t *testing.T, method, path string, w *httptest.ResponseRecorder) {
	t.Helper()
	o := operationOf(t, j.doc, method, path)
	status := http.StatusText(w.Code)
	r, ok := o.Responses[jsonNumber(w.Code)]
	if !ok {
		t.Errorf("%s %s: the document knows no answer %d %s", method, path, w.Code, status)
		return
	}
	pointer := "/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + strings.ToLower(method) + "/responses/" + jsonNumber(w.Code)
	if r.Ref != "" {
		name := strings.TrimPrefix(r.Ref, "#/components/responses/")
		r, pointer = j.doc.Components.Responses[name], "/components/responses/"+name
	}
	kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	if len(r.Content) == 0 && kind == "" && w.Body.Len() == 0 {
		return
	}
	if _, ok := r.Content[kind]; !ok {
		t.Errorf("%s %s: %d has the content type %q, the document has %v", method, path, w.Code, kind, slices.Sorted(maps.Keys(r.Content)))
		return
	}
	if kind != "application/json" {
		return
	}
	s, err := j.compiler.Compile("https://rotatord.test/openapi.json#" + pointer + "/content/application~1json/schema")
	must(t, err)
	body, err := jsonschema.UnmarshalJSON(strings.NewReader(w.Body.String()))
	must(t, err)
	if err := s.Validate(body); err != nil {
		t.Errorf("%s %s: %v\n%s", method, path, err, w.Body)
	}
}

func jsonNumber(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestEachAnswerIsAsTheDocumentSays(t *testing.T) {
	j, h := newJudge(t), newHouse(t)
	socket := h.api.Handler()
	ask := func(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
		return w
	}
	seen := map[string]bool{}
	for _, tt := range []struct {
		status int
		target string
	}{
		{200, "/status"}, {200, "/status?destination=CKxV9io"}, {400, "/status?destination=nobody-AAAAAAA"}, {400, "/status?destination=%00"},
		{200, "/history"}, {200, "/history?limit=1&destination=" + heldOne}, {200, "/history?before=1"}, {400, "/history?limit=0"},
		{400, "/history?limit=x"}, {400, "/history?before=0"}, {400, "/history?before=99999999999999999999"}, {400, "/history?destination=../../etc"},
		{200, "/receipts"}, {200, "/gate?secret=" + arn}, {200, "/gate?secret=unknown"}, {200, "/gate?secret=" + arn + "&version=old"}, {400, "/gate"},
		{200, "/sources"}, {200, "/version"},
	} {
		path, _, _ := strings.Cut("/api/v1"+tt.target, "?")
		for prefix, handler := range map[string]http.Handler{"/api/v1": h.handler, "/v1": socket} {
			w := ask(handler, http.MethodGet, prefix+tt.target, "")
			if w.Code != tt.status {
				t.Errorf("%s: status %d, want %d: %s", prefix+tt.target, w.Code, tt.status, w.Body)
			}
			j.holds(t, http.MethodGet, path, w)
		}
		seen[path] = true
	}
	j.holds(t, http.MethodGet, "/api/openapi.json", ask(h.handler, http.MethodGet, "/api/openapi.json", ""))
	j.holds(t, http.MethodGet, "/api/v1/stream", ask(h.handler, http.MethodHead, "/api/v1/stream", ""))
	for path := range h.api.reading(fromAdmin) {
		if path = "/api" + path; !seen[path] && path != "/api/v1/stream" {
			t.Errorf("%s was not asked", path)
		}
	}
	one := `{"destinations": ["` + heldOne + `"]}`
	for route, body := range map[string]string{"/v1/retry": one, "/v1/pause": one, "/v1/resume": one, "/v1/events/test": "{}",
		"/v1/destinations": `{"type": "amazon_s3", "location": {}, "secret": "s"}`, "/v1/destinations/change": "{}"} {
		w := ask(socket, http.MethodPost, route, body)
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", route, w.Code, w.Body)
		}
		j.holds(t, http.MethodPost, route, w)
		j.holds(t, http.MethodPost, route, ask(socket, http.MethodPost, route, "no request"))
	}
	for _, route := range []string{"/v1/sync", "/v1/plan", "/v1/check", "/v1/push"} {
		j.holds(t, http.MethodPost, route, ask(socket, http.MethodPost, route, "no request"))
	}
	j.holds(t, http.MethodGet, "/v1/destinations", ask(socket, http.MethodGet, "/v1/destinations", ""))
	h.api.Directory, h.api.Events = rooms{Refused("no")}, sources{errBroken}
	j.holds(t, http.MethodGet, "/v1/destinations", ask(h.api.Handler(), http.MethodGet, "/v1/destinations", ""))
	j.holds(t, http.MethodGet, "/api/v1/sources", ask(h.api.Handler(), http.MethodGet, "/v1/sources", ""))
}

// Every field that can be there, at once, fits too.
func TestFullAnswersAreAsTheDocumentSays(t *testing.T) {
	j := newJudge(t)
	for _, root := range roots {
		v := reflect.New(reflect.TypeOf(root)).Elem()
		fillAll(v)
		doc, err := json.Marshal(v.Interface())
		must(t, err)
		name, ok := otherNames[v.Type().String()]
		if !ok {
			name = v.Type().Name()
		}
		s, err := j.compiler.Compile("https://rotatord.test/openapi.json#/components/schemas/" + name)
		must(t, err)
		body, err := jsonschema.UnmarshalJSON(strings.NewReader(string(doc)))
		must(t, err)
		if err := s.Validate(body); err != nil {
			t.Errorf("%s: %v\n%s", name, err, doc)
		}
	}
}

// fillAll sets every field of a value.
func fillAll(v reflect.Value) {
	if set, ok := closed[v.Type()]; ok {
		v.SetString(set[len(set)-1])
		return
	}
	switch v.Type() {
	case reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(example))
		return
	case reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"any": ["thing"]}`))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillAll(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillAll(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		one := reflect.New(v.Type().Elem()).Elem()
		fillAll(one)
		v.SetMapIndex(reflect.ValueOf("key"), one)
	case reflect.Struct:
		for i := range v.NumField() {
			fillAll(v.Field(i))
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(7)
	}
}
