package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, h http.Handler, method, path string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://rotatord.test/", http.NoBody)
	r.URL.Path = path // as it came, not as a URL would be written
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func metricsPage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "rotatord_store_up 1\n") })
}

func TestPages(t *testing.T) {
	broken := errors.New("the store is not open")
	good := AdminOptions{
		Metrics: metricsPage(), Version: "1.2.3",
		Ready: func(context.Context) error { return nil }, Live: func() error { return nil },
	}
	notReady, notLive, bare := good, good, AdminOptions{}
	notReady.Ready = func(context.Context) error { return broken }
	notLive.Live = func() error { return errors.New("the engine\nhas \x1b[31mended") }
	for _, c := range []struct {
		name, method, path string
		o                  AdminOptions
		status             int
		body               string
	}{
		{"the index names version and pages", "GET", "/", good, 200, "rotatord 1.2.3\n\n/healthz   is the process alive?\n/readyz    does it do its work?\n/metrics   for Prometheus\n"},
		{"the index names no page that is not there", "GET", "/", bare, 200, "rotatord \n\n/healthz   is the process alive?\n/readyz    does it do its work?\n"},
		{"metrics", "GET", "/metrics", good, 200, "rotatord_store_up 1\n"},
		{"no metrics", "GET", "/metrics", bare, 404, "there is no such page: / lists what there is\n"},
		{"alive", "GET", "/healthz", good, 200, "alive\n"},
		{"alive when nobody is asked", "GET", "/healthz", bare, 200, "alive\n"},
		{"alive and not ready", "GET", "/healthz", notReady, 200, "alive\n"},
		{"not alive, on one clean line", "GET", "/healthz", notLive, 503, "not alive: the engine has [31mended\n"},
		{"ready", "GET", "/readyz", good, 200, "ready\n"},
		{"ready when nobody is asked", "GET", "/readyz", bare, 200, "ready\n"},
		{"not ready, with the reason", "GET", "/readyz", notReady, 503, "not ready: the store is not open\n"},
		{"HEAD has no body", "HEAD", "/readyz", notReady, 503, ""},
		{"HEAD of the index has no body", "HEAD", "/", good, 200, ""},
		{"another path", "GET", "/debug/pprof/", good, 404, "there is no such page: / lists what there is\n"},
		{"a slash too many is no redirect", "GET", "/healthz/", good, 404, "there is no such page: / lists what there is\n"},
		{"a doubled slash is no redirect", "GET", "//metrics", good, 404, "there is no such page: / lists what there is\n"},
		{"a step up is no redirect", "GET", "/x/../metrics", good, 404, "there is no such page: / lists what there is\n"},
		{"an empty path", "GET", "", good, 404, "there is no such page: / lists what there is\n"},
		{"POST changes nothing", "POST", "/readyz", good, 405, "only GET and HEAD are answered here\n"},
		{"DELETE changes nothing", "DELETE", "/metrics", good, 405, "only GET and HEAD are answered here\n"},
		{"OPTIONS invites nobody", "OPTIONS", "/", good, 405, "only GET and HEAD are answered here\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := ask(t, Admin(c.o), c.method, c.path)
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			if diff := cmp.Diff(c.body, w.Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if allow := w.Header().Get("Allow"); (allow == "GET, HEAD") != (c.status == 405) {
				t.Errorf("status %d with Allow %q", w.Code, allow)
			}
		})
	}
}

func TestEveryAnswerHasTheHeadersThatKeepBrowsersOut(t *testing.T) {
	want := map[string]string{
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"Referrer-Policy":              "no-referrer",
		"Cache-Control":                "no-store",
		"Cross-Origin-Resource-Policy": "same-origin",
		"Content-Security-Policy":      "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
	}
	h := Admin(AdminOptions{Metrics: metricsPage(), Ready: func(context.Context) error { return errors.New("no") }})
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/nowhere"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			got := map[string]string{}
			header := ask(t, h, method, path).Header()
			for name := range want {
				got[name] = header.Get(name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", method, path, diff)
			}
		}
	}
}

func TestAProgramGetsProblemsAsJSON(t *testing.T) {
	w := ask(t, Admin(AdminOptions{}), http.MethodGet, "/nowhere", "Accept", "application/json")
	var body struct{ Error string }
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error == "" {
		t.Errorf("body %q: %v", w.Body, err)
	}
	if got := w.Header().Get("Content-Type"); w.Code != 404 || got != "application/json" {
		t.Errorf("status %d, content type %q", w.Code, got)
	}
}

func TestALongReasonIsCut(t *testing.T) {
	h := Admin(AdminOptions{Live: func() error { return errors.New(strings.Repeat("ä", 1000) + "\xff") }})
	body := ask(t, h, http.MethodGet, "/healthz").Body.String()
	if len(body) > len("not alive: \n")+maxReason || !utf8.ValidString(body) || !strings.HasSuffix(body, "ä…\n") {
		t.Errorf("%d bytes: %q", len(body), body)
	}
}

func TestAReadinessThatIsNotAnsweredIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int64
		h := Admin(AdminOptions{Ready: func(context.Context) error { calls.Add(1); <-release; return nil }})
		for range 3 * maxAsking {
			begun := time.Now()
			w := ask(t, h, http.MethodGet, "/readyz")
			if took := time.Since(begun); took != probeTimeout {
				t.Errorf("answered after %v, want %v", took, probeTimeout)
			}
			if w.Code != 503 || w.Body.String() != "not ready: no answer within 900ms\n" {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		}
		if n := calls.Load(); n != maxAsking {
			t.Errorf("%d calls are left behind, want at most %d", n, maxAsking)
		}
		close(release)
		synctest.Wait()
		if w := ask(t, h, http.MethodGet, "/readyz"); w.Code != 200 {
			t.Errorf("status %d after the answers came: %s", w.Code, w.Body)
		}
	})
}

func TestAReadinessThatPanicsIsNone(t *testing.T) {
	h := Admin(AdminOptions{Ready: func(context.Context) error { panic("with a secret") }})
	w := ask(t, h, http.MethodGet, "/readyz")
	if w.Code != 503 || w.Body.String() != "not ready: asking panicked with a string\n" {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// serve runs a server on a free port until the test ends.
func serve(t *testing.T, s *http.Server) (address string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := s.Shutdown(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestTheServerServes(t *testing.T) {
	address := serve(t, NewServer(Admin(AdminOptions{Metrics: metricsPage()}), nil))
	if status, body := get(t, "http://"+address+"/metrics"); status != 200 || body != "rotatord_store_up 1\n" {
		t.Errorf("status %d: %s", status, body)
	}
}

func TestAPanicIsLoggedWithoutItsValue(t *testing.T) {
	const secret = "do-not-log-this"
	var log bytes.Buffer
	h := Admin(AdminOptions{Live: func() error { panic(secret) }})
	s := NewServer(h, slog.New(slog.NewTextHandler(&log, nil)))
	t.Run("asked", func(t *testing.T) { // the server has ended after it
		if status, body := get(t, "http://"+serve(t, s)+"/healthz"); status != 500 || strings.Contains(body, secret) {
			t.Errorf("status %d: %s", status, body)
		}
	})
	if text := log.String(); !strings.Contains(text, "admin page panicked") || !strings.Contains(text, "panic=string") ||
		!strings.Contains(text, "admin_test.go") || strings.Contains(text, secret) {
		t.Errorf("log:\n%s", text)
	}
}

func TestAHandlerMayAbort(t *testing.T) {
	defer func() {
		if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // the very value is the signal
			t.Errorf("recovered %v, want http.ErrAbortHandler", p)
		}
	}()
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	ask(t, NewServer(h, nil).Handler, http.MethodGet, "/")
}

func TestNothingAboutTheServerIsUnbounded(t *testing.T) {
	s := NewServer(http.NotFoundHandler(), nil)
	for name, d := range map[string]time.Duration{
		"ReadHeaderTimeout": s.ReadHeaderTimeout, "ReadTimeout": s.ReadTimeout,
		"WriteTimeout": s.WriteTimeout, "IdleTimeout": s.IdleTimeout,
	} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("%s is %v", name, d)
		}
	}
	if s.MaxHeaderBytes <= 0 || s.MaxHeaderBytes > http.DefaultMaxHeaderBytes || s.ErrorLog == nil {
		t.Errorf("MaxHeaderBytes %d, ErrorLog %v", s.MaxHeaderBytes, s.ErrorLog)
	}
}
