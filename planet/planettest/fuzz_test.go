package planettest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rotatord/rotatord/planet/planettest"
)

func FuzzServeHTTP(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "", "", ""},
		{"GET", "/", "archived=true&sort_by=name", ""},
		{"GET", "/ID", "", ""},
		{"PATCH", "/ID", "", newKeys("new")},
		{"PATCH", "/ID/", "", `{"archive":true,"name":"other"}`},
		{"POST", "", "", `{"type":"google_cloud_storage","parameters":{"bucket":"tiles","credentials":"` + serviceAccount + `"}}`},
		{"POST", "/", "", `{"type":"google_cloud_storage","parameters":{"bucket":"tiles","credentials":"IA=="}}`},
		{"PUT", "/default", "", `{"destination_id":"ID"}`},
		{"DELETE", "/default", "", ""},
		{"GET", "/spec", "", ""},
		{"PATCH", "/ID", "", `{"parameters":{"a":{"b":[1,"\ud800"]}}}`},
	} {
		f.Add(seed[0], seed[1], seed[2], []byte(seed[3]))
	}
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte) {
		serveAnything(t, method, "/destinations/v1"+path, query, body)
	})
}

func FuzzServeOrdersAndSubscriptions(f *testing.F) {
	for _, seed := range [][4]string{
		{"GET", "/compute/ops/orders/v2", "state=failed&last_modified=2026-02-12T18:41:22Z/..&page=2&page_size=1&user_id=all", ""},
		{"POST", "/compute/ops/orders/v2", "", `{"name":"x","delivery":{"destination":{"ref":"pl:destinations/ID","path_prefix":"p"}}}`},
		{"GET", "/compute/ops/orders/v2/ITEM", "", ""},
		{"GET", "/subscriptions/v1", "status=running&updated=../2026-02-12T18:41:22Z&destination_ref=pl:destinations/ID", ""},
		{"POST", "/subscriptions/v1", "", `{"name":"x","delivery":{"type":"destination","parameters":{"ref":"pl:destinations/ID"}}}`},
		{"GET", "/subscriptions/v1/ITEM/results", "status=failed", ""},
		{"POST", "/subscriptions/v1/ITEM/cancel", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], []byte(seed[3]))
	}
	f.Fuzz(serveAnything)
}

// serveAnything makes a request of which any part may be senseless.
func serveAnything(t *testing.T, method, path, query string, body []byte) {
	sim := newSim(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	sim.Seed("root", s3("other"))
	names := strings.NewReplacer("ID", id, "ITEM", sim.Subscribe("ada", "pl:destinations/"+id, planettest.Subscription{}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, base, strings.NewReader(names.Replace(string(body))))
	r.Method = method
	r.URL = &url.URL{Scheme: "http", Host: "planet.test", Path: names.Replace(path), RawQuery: names.Replace(query)}
	r.Header.Set("Authorization", "api-key root-key")
	w := httptest.NewRecorder()
	sim.ServeHTTP(w, r)
	if w.Code < 200 || w.Code >= 500 || w.Code >= 300 && w.Code < 400 {
		t.Errorf("answered %d", w.Code)
	}
	if w.Code != http.StatusNoContent && !json.Valid(w.Body.Bytes()) {
		t.Errorf("the answer of a %d is no JSON: %q", w.Code, w.Body)
	}
	record := last(sim)
	if record.Status != w.Code || record.Result != w.Code {
		t.Errorf("the record says %d and %d, the answer was %d", record.Status, record.Result, w.Code)
	}
	if w.Code >= 400 && !record.Effect.IsZero() {
		t.Errorf("a %d took effect", w.Code)
	}
	if _, err := json.Marshal(record); err != nil {
		t.Errorf("the record is no JSON: %v", err)
	}
}
