package planettest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// root is where Planet has the API.
const root = "/destinations/v1"

// call is one request on its way through the API.
type call struct {
	request *http.Request
	body    []byte
	bad     *problem // the body could not be read
	user    *User    // nil when the key is unknown or absent
	base    string   // what links begin with
	wait    time.Duration
	limited bool
	fault   *Fault
	record  *Request // guarded by Simulator.mu
}

// answer is what the API says, before any fault touches it.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ServeHTTP implements http.Handler.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g := groupOf(r.Context(), s.group)
	g.enter()
	defer g.leave()
	c := s.arrive(r)
	c.body, c.bad = readBody(r)
	s.mu.Lock()
	s.readKeys(c.record, c.body)
	s.mu.Unlock()

	// The handler's life is the server's and not the connection's: Planet may
	// well finish what its client has given up on.
	ctx, cancel := context.WithCancel(g.life)
	defer cancel()
	if s.current().AbandonOnDisconnect {
		defer context.AfterFunc(r.Context(), cancel)()
	}
	if c.fault == nil {
		s.conclude(ctx, c, s.handle(ctx, c), w)
		return
	}
	s.misbehave(ctx, g, c, w)
}

// conclude gives the client its answer, or nothing when the request was given up.
func (s *Simulator) conclude(ctx context.Context, c *call, a answer, w http.ResponseWriter) {
	if a.status == errGone.status {
		s.finish(ctx, c, 0)
		abort(w, false)
	}
	s.finish(ctx, c, a.status)
	a.write(w)
}

// arrive records a request, counts it, and decides what goes wrong with it:
// all that depends on the order of requests.
func (s *Simulator) arrive(r *http.Request) *call {
	c := &call{request: r, record: newRecord(r)}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	c.user = s.authenticate(r)
	c.base = s.baseFor(r)
	s.received++
	c.record.Number, c.record.At = s.received, now
	if c.user != nil {
		c.record.User = c.user.Name
		c.wait, c.limited = s.limit(c.user.Name, apiOf(r.URL.Path), now)
	}
	if !c.limited {
		c.fault = s.plan(c.record)
	}
	if c.fault != nil {
		c.record.Fault = c.fault.describe()
	}
	s.remember(c.record)
	return c
}

// finish notes the answer and tells who wants to hear.
func (s *Simulator) finish(ctx context.Context, c *call, status int) {
	s.mu.Lock()
	c.record.Status = status
	copied := c.record.clone()
	s.mu.Unlock()
	s.logger.DebugContext(ctx, "request",
		slog.String("user", copied.User), slog.String("method", copied.Method), slog.String("path", copied.Path),
		slog.Int("status", copied.Status), slog.String("fault", copied.Fault))
	if s.onRequest != nil {
		s.onRequest(copied)
	}
}

// authenticate finds whose key came with the request, in any of the ways that
// Planet's APIs take one.
func (s *Simulator) authenticate(r *http.Request) *User {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch strings.ToLower(scheme) {
	case "api-key", "bearer":
		key = strings.TrimSpace(key)
	case "basic":
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
		if err != nil {
			return nil
		}
		key, _, _ = strings.Cut(string(raw), ":")
	default:
		return nil
	}
	return s.users[sha256.Sum256([]byte(key))]
}

func (s *Simulator) baseFor(r *http.Request) string {
	if s.base != "" {
		return s.base
	}
	scheme := "http"
	if r.TLS != nil || r.URL.Scheme == "https" {
		scheme = "https"
	}
	return scheme + "://" + r.Host + root
}

// handle is the API: it routes a request and notes its result.
func (s *Simulator) handle(ctx context.Context, c *call) answer {
	a, bad := s.route(ctx, c)
	if bad != nil {
		a = c.refuse(bad)
		if c.limited {
			s.current().RetryAfter.header(a.header, c.wait, time.Now())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.record.Result = a.status
	return a
}

type operation func(*Simulator, context.Context, *call, string) (answer, *problem)

// operations has what each kind of path answers to.
var operations = map[string]map[string]operation{
	"collection":  {http.MethodGet: (*Simulator).list, http.MethodPost: (*Simulator).create},
	"destination": {http.MethodGet: (*Simulator).get, http.MethodPatch: (*Simulator).modify},
	"default": {
		http.MethodGet: (*Simulator).getDefault, http.MethodPut: (*Simulator).putDefault,
		http.MethodDelete: (*Simulator).deleteDefault,
	},
	"spec": {http.MethodGet: (*Simulator).getSpec},

	"orders":        {http.MethodGet: (*Simulator).listOrders, http.MethodPost: (*Simulator).createOrder},
	"order":         {http.MethodGet: (*Simulator).getOrder},
	"subscriptions": {http.MethodGet: (*Simulator).listSubscriptions, http.MethodPost: (*Simulator).createSubscription},
	"subscription":  {http.MethodGet: (*Simulator).getSubscription},
	"results":       {http.MethodGet: (*Simulator).listResults},
	"cancel":        {http.MethodPost: (*Simulator).cancelSubscription},
}

// place tells what a path means; http.ServeMux would redirect half of them.
func place(path string) (what, id string) {
	if apiOf(path) != destinationsAPI {
		return otherPlace(path)
	}
	rest, ok := strings.CutPrefix(path, root)
	if !ok || rest != "" && rest[0] != '/' {
		return "", ""
	}
	id = strings.TrimSuffix(strings.TrimPrefix(rest, "/"), "/")
	switch {
	case rest == "" || rest == "/":
		return "collection", ""
	case id == "" || strings.Contains(id, "/"):
		return "", ""
	case id == "default" || id == "spec":
		return id, ""
	default:
		return "destination", id
	}
}

func (s *Simulator) route(ctx context.Context, c *call) (answer, *problem) {
	what, id := place(c.request.URL.Path)
	switch {
	case c.limited:
		return answer{}, &problem{http.StatusTooManyRequests, "too many requests"}
	case what == "":
		return answer{}, &problem{http.StatusNotFound, "there is nothing at this path"}
	case c.user == nil && what != "spec":
		return answer{}, &problem{http.StatusUnauthorized, "the API key is missing or not known"}
	}
	methods := operations[what]
	do, ok := methods[c.request.Method]
	if !ok {
		a := c.refuse(&problem{http.StatusMethodNotAllowed, "this method is not allowed here"})
		var allowed []string
		for method := range methods {
			allowed = append(allowed, method)
		}
		slices.Sort(allowed)
		a.header.Set("Allow", strings.Join(allowed, ", "))
		return a, nil
	}
	if c.bad != nil {
		return answer{}, c.bad
	}
	return do(s, ctx, c, id)
}

// reply is a success.
func reply(status int, v any) answer {
	return answer{status: status, header: http.Header{}, body: encode(v)}
}

// refuse is an error in Planet's form.
func refuse(p *problem) answer {
	return reply(p.status, struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{p.status, p.message})
}

// write sends the answer.
func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range a.header {
		h[name] = values
	}
	if len(a.body) > 0 {
		h.Set("Content-Type", "application/json")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that hung up is no concern of the API
}
