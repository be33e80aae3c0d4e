package planet_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
)

// A connection that is kept would keep the credential in its buffers, and may
// be dead by the next PATCH, which then nobody knows the outcome of.
func TestEachPatchHasAConnectionOfItsOwnAndGetsShareOne(t *testing.T) {
	var opened atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			_, _ = w.Write([]byte(`{"destinations":[]}`))
			return
		}
		_, _ = w.Write([]byte(`{"id":"demo-5aIp1K","type":"amazon_s3","parameters":{}}`))
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	limiter, err := planet.NewLimiter(planet.LimiterOptions{PerSecond: 100})
	if err != nil {
		t.Fatal(err)
	}
	c, err := planet.New(planet.Options{BaseURL: server.URL + "/destinations/v1", Limiter: limiter,
		Auth: planet.APIKey(planet.KeyFromValue(credential.NewValue([]byte("key"))))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdleConnections()
	for range 3 {
		if _, err := c.List(t.Context(), planet.ListOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := opened.Load(); got != 1 {
		t.Errorf("three lists opened %d connections, want 1", got)
	}
	for range 3 {
		if _, err := c.Modify(t.Context(), "demo-5aIp1K", planet.ModifyRequest{Parameters: json.RawMessage(`{"a":"b"}`)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := opened.Load(); got != 4 {
		t.Errorf("three PATCHes opened %d connections, want 3 more than the lists' one", got-1)
	}
}
