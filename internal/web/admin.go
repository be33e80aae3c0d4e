package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/internal/oneline"
)

const (
	// probeTimeout bounds the question whether the daemon is ready. A kubelet
	// gives up after one second unless it is told otherwise.
	probeTimeout = 900 * time.Millisecond
	// maxAsking is how many calls of Ready may be under way.
	maxAsking = 8
	// maxReason bounds in bytes what an answer says about what is wrong.
	maxReason = 500

	plainText = "text/plain; charset=utf-8"
)

// AdminOptions are what [Admin] shows.
type AdminOptions struct {
	// Metrics serves /metrics; nil for no such path.
	Metrics http.Handler
	// Ready tells why the daemon can't do its work yet: its store is not open,
	// its engine has not started. It should heed its context, which ends after
	// 0.9 s; the answer is sent then, whether Ready has returned or not. What
	// its error says is shown to everybody. Nil means always ready.
	Ready func(context.Context) error
	// Live tells why only a restart can help: one of the loops has ended. It
	// must not wait for anything. Nil means that who answers is alive.
	Live func() error
	// Version is rotatord's own, for the index.
	Version string
	// API answers below /api/v1 what can be read; nil for no such paths.
	API *API
	// Actions answers below /actions; nil for no such paths: then nobody can
	// change anything here.
	Actions *Actions
	// Pages serves /, /destinations/NAME and /static/, and says itself what a
	// browser may do with them. Nil for a plain index at / and nothing else.
	Pages http.Handler
}

// Admin makes the handler of the admin listener:
//
//	/          a few lines about what there is
//	/healthz   200 while the process and its loops live, else 503
//	/readyz    200 once the daemon works, else 503; both say why in one line
//	/metrics   for Prometheus
//	/api/v1/…  what the local socket answers, as far as it only reads
//	/actions/… what changes something, for who has the token
//
// Only GET and HEAD are answered, and POST below /actions.
func Admin(o AdminOptions) http.Handler {
	a := &admin{AdminOptions: o, pages: map[string]http.HandlerFunc{}, asking: make(chan struct{}, maxAsking)}
	a.pages["/"] = a.index
	if o.API != nil {
		for path, h := range o.API.reading(fromAdmin) {
			a.pages["/api"+path] = h
		}
		a.pages["/api/openapi.json"] = openAPI
	}
	if o.Actions != nil {
		a.actions = o.Actions.routes()
	}
	a.pages["/healthz"] = a.healthz
	a.pages["/readyz"] = a.readyz
	if o.Metrics != nil {
		a.pages["/metrics"] = o.Metrics.ServeHTTP
	}
	return a
}

type admin struct {
	AdminOptions
	pages   map[string]http.HandlerFunc
	actions map[string]http.HandlerFunc
	// asking holds a value for each call of Ready that has not returned.
	asking chan struct{}
}

// ServeHTTP implements http.Handler. It is no http.ServeMux: that one answers
// paths which are nearly right with redirects, which probes take for success.
func (a *admin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	page, ok := a.pages[r.URL.Path]
	if a.Pages != nil && pageOf(r.URL.Path) {
		page, ok = a.Pages.ServeHTTP, true
	}
	action, acts := a.actions[r.URL.Path]
	switch {
	case acts && r.Method == http.MethodPost:
		action(w, r)
	case acts:
		h.Set("Allow", "POST")
		problem(w, r, http.StatusMethodNotAllowed, "only POST is answered here")
	case !ok:
		problem(w, r, http.StatusNotFound, "there is no such page: / lists what there is")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		problem(w, r, http.StatusMethodNotAllowed, "only GET and HEAD are answered here")
	default:
		page(w, r)
	}
}

// pageOf tells whether a path is one of the pages for people.
func pageOf(path string) bool {
	return path == "/" || strings.HasPrefix(path, "/destinations/") || strings.HasPrefix(path, "/static/")
}

func (a *admin) index(w http.ResponseWriter, r *http.Request) {
	text := "rotatord " + oneLine(a.Version) + "\n\n" +
		"/healthz   is the process alive?\n" +
		"/readyz    does it do its work?\n"
	if a.Metrics != nil {
		text += "/metrics   for Prometheus\n"
	}
	if a.API != nil {
		text += "/api/openapi.json   what else there is, for programs\n"
	}
	say(w, r, http.StatusOK, plainText, text)
}

func (a *admin) healthz(w http.ResponseWriter, r *http.Request) {
	var err error
	if a.Live != nil {
		err = a.Live()
	}
	a.verdict(w, r, "alive", "not alive", err)
}

func (a *admin) readyz(w http.ResponseWriter, r *http.Request) {
	var err error
	if a.Ready != nil {
		err = a.askReady(r.Context())
	}
	a.verdict(w, r, "ready", "not ready", err)
}

func (a *admin) verdict(w http.ResponseWriter, r *http.Request, good, bad string, err error) {
	if err != nil {
		say(w, r, http.StatusServiceUnavailable, plainText, bad+": "+oneLine(err.Error())+"\n")
		return
	}
	say(w, r, http.StatusOK, plainText, good+"\n")
}

// askReady asks Ready and waits no longer than probeTimeout. A call that takes
// no notice of its context is left behind, and when there are too many of
// these, no more are made until one returns.
func (a *admin) askReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	late := fmt.Errorf("no answer within %v", probeTimeout)
	select {
	case a.asking <- struct{}{}:
	case <-ctx.Done():
		return late
	}
	answer := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil { // nobody else catches it in this goroutine
				answer <- fmt.Errorf("asking panicked with a %T", p)
			}
			<-a.asking
		}()
		answer <- a.Ready(ctx)
	}()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return late
	}
}

// problem answers with what is wrong, as JSON to a program that asks for that.
func problem(w http.ResponseWriter, r *http.Request, status int, text string) {
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		body, _ := json.Marshal(map[string]string{"error": text}) // a map of strings is always JSON
		say(w, r, status, "application/json", string(body)+"\n")
		return
	}
	say(w, r, status, plainText, text+"\n")
}

func say(w http.ResponseWriter, r *http.Request, status int, contentType, text string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, text) // whoever asked may have gone away
	}
}

// NewServer makes a server that slow, silent and greedy clients can't wear
// down. It listens on nothing yet. What net/http has to say goes to the logger
// (nil for nobody); a panic of the handler is logged without its value, which
// may hold anything, and answered with 500.
func NewServer(handler http.Handler, logger *slog.Logger) *http.Server {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	closed := make(chan struct{})
	var once sync.Once
	s := &http.Server{
		Handler:           recovered(untilClosed(handler, closed), logger),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a scrape waits at most 5 s for the store
		IdleTimeout:       2 * time.Minute,  // longer than the usual scrape interval
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	s.RegisterOnShutdown(func() { once.Do(func() { close(closed) }) })
	return s
}

// untilClosed lets a handler whose answer has no end of its own see that the
// server shuts down, which waits for all that is under way; see [closing].
func untilClosed(next http.Handler, closed <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), closingKey{}, closed)))
	})
}

func recovered(next http.Handler, logger *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
				panic(p)
			}
			logger.ErrorContext(r.Context(), "admin page panicked", "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			// Of no effect where the answer has begun.
			problem(w, r, http.StatusInternalServerError, "a bug in rotatord: its log says where")
		}()
		next.ServeHTTP(w, r)
	})
}

// oneLine makes a reason fit to be shown.
func oneLine(text string) string { return oneline.Tidy(text, maxReason) }
