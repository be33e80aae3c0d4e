package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPagesGetTheirPathsAndNoOthers(t *testing.T) {
	var asked []string
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path)
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
	})
	h := newHouse(t)
	handler := Admin(AdminOptions{API: h.api, Pages: pages, Metrics: metricsPage()})
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/", 200},
		{"HEAD", "/", 200},
		{"GET", "/destinations/a/b", 200},
		{"GET", "/static/style.css", 200},
		{"GET", "/static/../metrics", 200},
		{"POST", "/", 405},
		{"POST", "/destinations/a", 405},
		{"GET", "/destinations", 404},
		{"GET", "/staticx", 404},
		{"GET", "/metrics", 200},
		{"GET", "/api/v1/version", 200},
		{"POST", "/actions/sync", 404},
	} {
		w := ask(t, handler, tt.method, tt.path)
		if w.Code != tt.status {
			t.Errorf("%s %s: status %d, want %d", tt.method, tt.path, w.Code, tt.status)
		}
		if w.Header().Get("X-Frame-Options") != "DENY" || w.Header().Get("Referrer-Policy") == "" {
			t.Errorf("%s %s: %v", tt.method, tt.path, w.Header())
		}
	}
	want := []string{"GET /", "HEAD /", "GET /destinations/a/b", "GET /static/style.css", "GET /static/../metrics"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersOfTheAPIHaveTheHeadersThatKeepBrowsersOut(t *testing.T) {
	h := newHouse(t)
	for _, w := range []*httptest.ResponseRecorder{
		h.get("/api/v1/status"), h.get("/api/openapi.json"), h.get("/api/v1/history?limit=x"), h.get("/api/v1/nothing"),
		h.post("/actions/sync", destinationForm("", heldOne)), h.post("/actions/sync", destinationForm("", heldOne), bearer(goodToken)...),
	} {
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store",
			"Cross-Origin-Resource-Policy": "same-origin", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%d %s: %q", w.Code, name, got)
			}
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("other sites may read it: %q", got)
		}
	}
}
