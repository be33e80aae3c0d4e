package app_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/store"
)

// collectorToken stands in a header for the collector.
const collectorToken = "T0KENcollector"

// collected is what an OpenTelemetry collector was sent.
type collected struct {
	*httptest.Server
	mu     sync.Mutex
	bodies [][]byte
	tokens []string
	hang   chan struct{} // if set, nothing is answered before it is closed
}

func newCollector(t *testing.T, hang chan struct{}) *collected {
	t.Helper()
	c := &collected{hang: hang}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if c.hang != nil {
			select {
			case <-c.hang:
			case <-r.Context().Done():
			}
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.bodies = append(c.bodies, body)
		c.tokens = append(c.tokens, r.URL.Path+" "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(c.Server.Close)
	return c
}

// span is one span in words.
type span struct {
	id, parent, trace string
	said              map[string]string
}

// spans are all spans by name.
func (c *collected) spans(t *testing.T) map[string][]span {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string][]span{}
	for _, b := range c.bodies {
		var data tracepb.TracesData
		must(t, proto.Unmarshal(b, &data))
		for _, r := range data.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, one := range s.Spans {
					said := map[string]string{}
					for _, a := range one.Attributes {
						said[strings.TrimPrefix(a.Key, "rotatord.")] = a.Value.GetStringValue()
					}
					all[one.Name] = append(all[one.Name], span{hex.EncodeToString(one.SpanId), hex.EncodeToString(one.ParentSpanId), hex.EncodeToString(one.TraceId), said})
				}
			}
		}
	}
	return all
}

func TestARotationIsTracedAndSaysNoSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50))
	c := newCollector(t, nil)
	w.write("headers", []byte("Authorization: Bearer "+collectorToken+"\n"))
	w.top = fmt.Sprintf("[tracing]\nendpoint = %q\nheaders_file = %q\n", c.URL, w.path("headers"))
	fast(w)
	d := w.add("one", renamed)
	w.configure()
	p := w.run()
	conn, err := app.Reach(t.Context(), w.options())
	must(t, err)
	wait(t, conn, d, store.StateInSync, "")
	rotated(t, w, conn, d)
	w.checkNoSecret(p, conn)
	must(t, conn.Close())
	p.stop() // sends what is left

	all := c.spans(t)
	if n := len(all["rotation"]); n != 3 || len(all["look"]) != 0 {
		t.Fatalf("%d rotations and %d other looks were traced, want 3 and none", n, len(all["look"]))
	}
	traces := map[string]bool{}
	for _, root := range all["rotation"] {
		traces[root.trace] = true
		if root.said["trigger"] == "" || root.said["version"] == "" {
			t.Errorf("trigger %q, version %q", root.said["trigger"], root.said["version"])
		}
		delete(root.said, "trigger")
		delete(root.said, "version")
		want := map[string]string{"destination": d.id, "destination.id": d.id, "destination.type": "s3_compatible", "account": "acct",
			"secret": "file://" + d.path, "state": "in_sync", "outcome": "accepted"}
		if diff := cmp.Diff(want, root.said); diff != "" || root.parent != "" {
			t.Errorf("parent %q (-want +got):\n%s", root.parent, diff)
		}
	}
	parents := map[string]map[string]string{} // name → id → name of the parent
	names := map[string]string{}
	for name, list := range all {
		for _, s := range list {
			names[s.id] = name
		}
	}
	for name, list := range all {
		parents[name] = map[string]string{}
		for _, s := range list {
			parents[name][names[s.parent]] = s.trace
			if !traces[s.trace] {
				t.Errorf("%s is in a trace of its own", name)
			}
		}
	}
	for name, parent := range map[string]string{"list": "rotation", "current": "rotation", "push": "rotation",
		"read": "push", "preflight": "push", "turn": "push", "patch": "push", "probe": "push"} {
		if _, ok := parents[name][parent]; !ok || len(parents[name]) != 1 {
			t.Errorf("%s has the parents %v, want %s", name, parents[name], parent)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, b := range c.bodies {
		for _, secret := range []string{canary, collectorToken, d.newest().id, "http://", "https://"} {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("a request to the collector holds %q", secret)
			}
		}
		if c.tokens[i] != "/v1/traces Bearer "+collectorToken {
			t.Error(c.tokens[i])
		}
	}
	if strings.Contains(p.log.String(), collectorToken) {
		t.Error("the collector's token got into the log")
	}
	if n := w.traced.Load(); n != 0 {
		t.Errorf("%d requests to Planet or the bucket tell of a trace", n)
	}
}

func TestACollectorThatHangsKeepsNothingWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50))
	hang := make(chan struct{})
	c := newCollector(t, hang)
	w.top = fmt.Sprintf("[tracing]\nendpoint = %q\nevery_look = true\n", c.URL)
	fast(w)
	d := w.add("one", renamed)
	w.configure()
	p := w.run()
	conn, err := app.Reach(t.Context(), w.options())
	must(t, err)
	wait(t, conn, d, store.StateInSync, "")
	rotated(t, w, conn, d)
	must(t, conn.Close())
	p.stop() // within the time that a stop has
	close(hang)
	if len(c.spans(t)) != 0 || !strings.Contains(p.log.String(), "traces are not delivered; rotations go on") {
		t.Errorf("the log says nothing of it:\n%s", p.log)
	}
}

func TestWithoutAnEndpointNothingIsTraced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50))
	w.add("one", renamed)
	w.configure()
	p := w.run()
	if _, body := p.get("/metrics"); strings.Contains(body, "rotatord_trace_") {
		t.Error("traces have metrics")
	}
	w.top = "[tracing]\nendpoint = \"http://127.0.0.1:1\"\nheaders_file = \"/nonexistent/headers\"\n"
	w.configure()
	o := w.options()
	p.stop()
	if _, err := app.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "tracing: headers_file: ") {
		t.Errorf("headers that are not there: %v", err)
	}
}
