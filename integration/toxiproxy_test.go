package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/rotatord/rotatord/bucket"
	"github.com/rotatord/rotatord/bucket/conformance"
	"github.com/rotatord/rotatord/probe"
)

// badNetwork puts a toxiproxy before the gateway.
func badNetwork(t *testing.T) *toxiproxy.Proxy {
	t.Helper()
	return badNetworkTo(t, gateway.url)
}

// badNetworkTo puts one before any server.
func badNetworkTo(t *testing.T, url string) *toxiproxy.Proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", strings.TrimPrefix(url, "http://"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// poison adds a toxic to one direction of all connections.
func poison(t *testing.T, p *toxiproxy.Proxy, kind, stream string, attributes map[string]int) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"name": "it", "type": kind, "stream": stream, "toxicity": 1.0, "attributes": attributes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

func TestKindsOverABadNetwork(t *testing.T) {
	const patient, hasty = 20 * time.Second, 200 * time.Millisecond
	for _, tc := range []struct {
		name, toxic, stream string
		attributes          map[string]int
		timeout             time.Duration
		ok                  bool
		cause               error
	}{
		{"a slow answer is waited for", "latency", "downstream", map[string]int{"latency": 120}, patient, true, nil},
		{"an answer slower than the time-out is unreachable", "latency", "downstream", map[string]int{"latency": 60_000}, hasty, false, context.DeadlineExceeded},
		{"a request that never arrives is unreachable", "timeout", "upstream", map[string]int{"timeout": 0}, hasty, false, context.DeadlineExceeded},
		{"a reset is unreachable", "reset_peer", "downstream", map[string]int{"timeout": 0}, patient, false, nil},
		{"an answer cut in its head is unreachable", "limit_data", "downstream", map[string]int{"bytes": 40}, patient, false, nil},
		{"an answer that never begins is unreachable", "limit_data", "downstream", map[string]int{"bytes": 0}, patient, false, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := badNetwork(t)
			poison(t, p, tc.toxic, tc.stream, tc.attributes)
			b := open(t, location("http://"+p.Listen), gateway.keys[conformance.Owner], tc.timeout)
			_, err := b.Get(t.Context(), "none.txt")
			if tc.ok {
				if kind := bucket.KindOf(err); kind != bucket.KindNotFound {
					t.Errorf("got %v", err)
				}
				return
			}
			checkUnreachable(t, err, bucket.OpGet)
			if tc.cause != nil && !errors.Is(err, tc.cause) {
				t.Errorf("the cause is not %v: %v", tc.cause, err)
			}
		})
	}
}

func checkUnreachable(t *testing.T, err error, op bucket.Op) {
	t.Helper()
	var e *bucket.Error
	if !errors.As(err, &e) || e.Kind != bucket.KindUnreachable || e.Op != op || e.Message == "" {
		t.Errorf("got %v, want %s to be unreachable", err, op)
	}
	conformance.CheckNoCanary(t, err, gateway.keys[conformance.Owner].secret, "Signature", "X-Amz")
}

func TestABodyCutInTheMiddleIsUnreachable(t *testing.T) {
	const key = "large.txt"
	putObject(t, key, bytes.Repeat([]byte("x"), 64<<10))
	defer remove(t, key)
	p := badNetwork(t)
	b := open(t, location("http://"+p.Listen), gateway.keys[conformance.Owner], 20*time.Second)
	o, err := b.Get(t.Context(), key)
	if err != nil || len(o.Body) != bucket.MaxBody {
		t.Fatalf("before: %d bytes, %v", len(o.Body), err)
	}
	// The head is some 400 bytes, the ranged body 1,024: this ends within it.
	poison(t, p, "limit_data", "downstream", map[string]int{"bytes": 1100})
	b = open(t, location("http://"+p.Listen), gateway.keys[conformance.Owner], 20*time.Second)
	_, err = b.Get(t.Context(), key)
	checkUnreachable(t, err, bucket.OpGet)
	if err != nil && !strings.Contains(err.Error(), "the connection was") {
		t.Errorf("the error does not say that it was cut: %v", err)
	}
}

func TestAServerThatStopsListeningIsUnreachable(t *testing.T) {
	p := badNetwork(t)
	b := open(t, location("http://"+p.Listen), gateway.keys[conformance.Owner], 20*time.Second)
	if err := b.Delete(t.Context(), "none.txt"); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	checkUnreachable(t, b.Put(t.Context(), "none.txt", []byte("x")), bucket.OpPut)
}

func TestPreflightWhoseAnswersAreCut(t *testing.T) {
	key := probe.ObjectKey("", "", "cut")
	p := badNetwork(t)
	poison(t, p, "limit_data", "downstream", map[string]int{"bytes": 0})
	at := location("http://" + p.Listen)
	got := probe.RunPreflight(t.Context(), open(t, at, gateway.keys[conformance.Planets], 20*time.Second), probe.PreflightOptions{Key: key})
	if got.Verdict != probe.Inconclusive || got.Kind != bucket.KindUnreachable || got.Step != bucket.OpPut {
		t.Errorf("got %+v", got)
	}
	if err := p.Toxics.RemoveToxic(t.Context(), "it"); err != nil {
		t.Fatal(err)
	}
	// The put went through, and so did the delete that cleaned up after it,
	// though neither was answered; a full one passes over a good network.
	got = probe.RunPreflight(t.Context(), open(t, at, gateway.keys[conformance.Planets], 20*time.Second), probe.PreflightOptions{Key: key})
	if got.Verdict != probe.Passed {
		t.Errorf("over a good network: %+v", got)
	}
	if left := objects(t); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}
