package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// maxRequest bounds the body of a request.
const maxRequest = 1 << 20

// API serves what a person does by hand as JSON over HTTP. The daemon offers it
// on its local socket; a command without a daemon serves it to itself, so that
// both go one way:
//
//	GET  /v1/status?destination=D    how destinations stand; all without D
//	GET  /v1/history?destination=D   what happened, newest first
//	POST /v1/sync                    look now, and wait for it
//	POST /v1/plan                    what a look would do
//	POST /v1/check                   whether a rotation could work
//	POST /v1/retry, /v1/pause, /v1/resume
//	POST /v1/push                    give Planet one version, by hand
//	GET  /v1/destinations?name=D     destinations as Planet shows them
//	POST /v1/destinations            make one
//	POST /v1/destinations/change     rename, archive, bring back, make the default
//	GET  /v1/sources                 how the sources of events stand
//	POST /v1/events/test             send a message through each of them
//	GET  /v1/gate?secret=S&version=V whether what came before V may be revoked
//	GET  /v1/receipts                what is noted of each secret as a whole
//	GET  /v1/version                 which rotatord answers
//	GET  /v1/stream                  which destinations change, as they do
//
// What only reads what is recorded ([API.reading]) is on the admin listener too.
//
// It has no authentication of its own: the socket lies in the store's
// directory, which is its owner's alone.
type API struct {
	Engine *rotation.Engine
	Store  *store.Store
	// Directory does what concerns destinations themselves; may be nil, and
	// then nobody can ask for it.
	Directory Directory
	// Events knows the sources of events; may be nil as well.
	Events Events
	Logger *slog.Logger
	// Version is rotatord's own.
	Version string

	feed feed
}

// Handler gives the API's handler.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range a.routes() {
		mux.HandleFunc(pattern, h)
	}
	return mux
}

// routes are all there are, by method and path.
func (a *API) routes() map[string]http.HandlerFunc {
	routes := map[string]http.HandlerFunc{
		"POST /v1/sync":   each(a, a.sync),
		"POST /v1/plan":   each(a, a.plan),
		"POST /v1/check":  each(a, a.check),
		"POST /v1/retry":  each(a, a.person((*rotation.Engine).Retry)),
		"POST /v1/resume": each(a, a.person((*rotation.Engine).Resume)),
		"POST /v1/pause":  each(a, a.pause),
		"POST /v1/push":   each(a, a.push),
	}
	for path, h := range a.reading(fromSocket) {
		routes["GET "+path] = h
	}
	if a.Directory != nil {
		routes["GET /v1/destinations"] = a.find
		routes["POST /v1/destinations"] = typed(a.Directory.Create)
		routes["POST /v1/destinations/change"] = typed(a.Directory.Change)
	}
	if a.Events != nil {
		routes["POST /v1/events/test"] = typed(a.Events.Test)
	}
	return routes
}

// reading are the routes that ask nobody outside and change nothing.
func (a *API) reading(from side) map[string]http.HandlerFunc {
	routes := map[string]http.HandlerFunc{
		"/v1/status":   a.status,
		"/v1/history":  a.history,
		"/v1/receipts": a.listReceipts,
		"/v1/gate":     a.gate,
		"/v1/version":  a.sayVersion,
		"/v1/stream":   a.stream(from),
	}
	if a.Events != nil {
		routes["/v1/sources"] = a.sources
	}
	return routes
}

func (a *API) status(w http.ResponseWriter, r *http.Request) {
	names, err := a.names(r.URL.Query()["destination"])
	if err != nil {
		answer(w, nil, err)
		return
	}
	all, err := a.statuses(r.Context(), names)
	answer(w, all, err)
}

// statuses gives the named destinations, those without a record too.
func (a *API) statuses(ctx context.Context, names []string) ([]Status, error) {
	records, err := a.Store.List(ctx)
	var unreadable *store.FactsError
	if err != nil && !errors.As(err, &unreadable) {
		return nil, err
	}
	byName := make(map[string]store.Record, len(records))
	for _, r := range records {
		byName[r.Destination] = r
	}
	chosen := make([]store.Record, 0, len(names))
	for _, n := range names {
		r, ok := byName[n]
		if !ok {
			// The others are shown; this one says what is wrong with it.
			r.Destination = n
			if _, err := a.Store.Load(ctx, n); errors.As(err, &unreadable) {
				r.Status = store.Status{State: store.StateFailing, Reason: store.ReasonInternal, Detail: err.Error()}
			}
		}
		chosen = append(chosen, r)
	}
	return a.statusesOf(ctx, chosen), nil
}

func (a *API) history(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if q.Get("limit") != "" && (err != nil || limit < 1 || limit > 10000) {
		answer(w, nil, badRequest{"limit must be a number from 1 to 10000"})
		return
	}
	before, err := strconv.ParseInt(q.Get("before"), 10, 64)
	if q.Get("before") != "" && (err != nil || before < 1) {
		answer(w, nil, badRequest{"before must be the id of an entry"})
		return
	}
	query := store.HistoryQuery{Limit: limit, Before: before}
	if d := q.Get("destination"); d != "" {
		names, err := a.names([]string{d})
		if err != nil {
			answer(w, nil, err)
			return
		}
		query.Destination = names[0]
	}
	entries, err := a.Store.History(r.Context(), query)
	answer(w, listOf(entries), err)
}

func (a *API) sync(ctx context.Context, names []string, req Request) ([]Status, error) {
	records, err := a.Engine.Sync(ctx, req.Wait, names...)
	if err != nil {
		return nil, err
	}
	return a.statusesOf(ctx, records), nil
}

func (a *API) plan(ctx context.Context, names []string, _ Request) ([]Plan, error) {
	out := make([]Plan, 0, len(names))
	for _, n := range names {
		p, err := a.Engine.Plan(ctx, n)
		if err != nil {
			return nil, err
		}
		out = append(out, planOf(p))
	}
	return out, nil
}

func (a *API) check(ctx context.Context, names []string, _ Request) ([]Checks, error) {
	out := make([]Checks, 0, len(names))
	for _, n := range names {
		checks, err := a.Engine.Check(ctx, n)
		if err != nil {
			return nil, err
		}
		c := Checks{Destination: n}
		for _, one := range checks {
			c.Checks = append(c.Checks, Check(one))
		}
		out = append(out, c)
	}
	return out, nil
}

// person applies somebody's word to each destination named; it never means all
// by saying none.
func (a *API) person(do func(*rotation.Engine, context.Context, string) error) func(context.Context, []string, Request) ([]Status, error) {
	return func(ctx context.Context, names []string, req Request) ([]Status, error) {
		if len(req.Destinations) == 0 {
			return nil, badRequest{"name at least one destination"}
		}
		for _, n := range names {
			if err := do(a.Engine, ctx, n); err != nil {
				return nil, err
			}
		}
		return a.statuses(ctx, names)
	}
}

func (a *API) pause(ctx context.Context, names []string, req Request) ([]Status, error) {
	return a.person(func(e *rotation.Engine, ctx context.Context, n string) error {
		return e.Pause(ctx, n, req.Note)
	})(ctx, names, req)
}

// names turns what a person wrote into configured names: exactly, or any way
// that names the same destination, known ids included.
func (a *API) names(given []string) ([]string, error) {
	all := a.Engine.Names()
	if len(given) == 0 {
		return all, nil
	}
	out := make([]string, 0, len(given))
	for _, g := range given {
		name, err := match(g, all)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

func match(given string, names []string) (string, error) {
	for _, n := range names {
		if n == given {
			return n, nil
		}
	}
	ref, err := planet.ParseRef(given)
	if err != nil {
		return "", badRequest{err.Error()}
	}
	var as []planet.Destination
	for _, n := range names {
		if r, err := planet.ParseRef(n); err == nil {
			as = append(as, planet.Destination{ID: r.Key(), Ref: r.String(), Name: n})
		}
	}
	d, err := planet.Find(as, ref)
	var missing *planet.NotFoundError
	switch {
	case err == nil:
		return d.Name, nil
	case errors.As(err, &missing):
		return "", badRequest{fmt.Sprintf("destination %q is not configured; configured: %s", given, strings.Join(names, ", "))}
	}
	return "", badRequest{err.Error()}
}

const notOurs = "the body is no request of this API; is the command of another version than the daemon?"

// badRequest is an error of the caller's.
type badRequest struct{ text string }

func (e badRequest) Error() string { return e.text }

// each decodes a request, resolves the names in it and answers with what do gives.
func each[T any](a *API, do func(context.Context, []string, Request) ([]T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Request
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&req); err != nil {
			answer(w, nil, badRequest{notOurs})
			return
		}
		names, err := a.names(req.Destinations)
		if err != nil {
			answer(w, nil, err)
			return
		}
		out, err := do(r.Context(), names, req)
		answer(w, out, err)
	}
}

// unavailable is an error that passes.
type unavailable struct{ text string }

func (e unavailable) Error() string { return e.text }

// listOf makes of nil an empty list, for programs that read JSON.
func listOf[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func answer(w http.ResponseWriter, v any, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusInternalServerError
		var bad badRequest
		var no refusal
		var later unavailable
		switch {
		case errors.As(err, &later):
			status = http.StatusServiceUnavailable
		case errors.As(err, &bad):
			status = http.StatusBadRequest
		case errors.As(err, &no):
			status = http.StatusUnprocessableEntity
		}
		v = Failure{Error: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
