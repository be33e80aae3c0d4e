package tracing

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

const canary = "T0KENcanary"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var begun = time.Unix(1_790_000_000, 0)

func at(ms int) time.Time { return begun.Add(time.Duration(ms) * time.Millisecond) }

// rotation is a tree as a caller makes it.
func rotation() Span {
	return Span{Name: "rotation", Begun: at(0), Ended: at(900), Attributes: []Attribute{{"rotatord.destination", "prod"}, {"rotatord.reason", ""}},
		Children: []Span{
			{Name: "current", Begun: at(1), Ended: at(5)},
			{Name: "push", Begun: at(5), Ended: at(890), Failed: true, Why: "refused", Children: []Span{
				{Name: "patch", Begun: at(100), Ended: at(880), Failed: true, Why: "refused", Attributes: []Attribute{{"rotatord.outcome", "bad\xff" + strings.Repeat("x", 400)}}},
			}},
		}}
}

// losses counts what was lost.
type losses struct {
	mu    sync.Mutex
	count map[Loss]int
}

func (l *losses) lost(why Loss, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == nil {
		l.count = map[Loss]int{}
	}
	l.count[why] += n
}

func (l *losses) all() map[Loss]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// wire is a RoundTripper that needs no network, so that a bubble's time can move.
type wire struct {
	mu     sync.Mutex
	seen   []*http.Request
	spans  int
	answer func(n int, r *http.Request) (*http.Response, error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	_ = r.Body.Close()
	w.mu.Lock()
	w.seen = append(w.seen, r)
	n := len(w.seen)
	w.mu.Unlock()
	res, err := w.answer(n, r)
	if err == nil && res.StatusCode == http.StatusOK {
		w.mu.Lock()
		w.spans += len(flat(body))
		w.mu.Unlock()
	}
	return res, err
}

func (w *wire) got() (requests, spans int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen), w.spans
}

func status(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

func flat(body []byte) (spans []*tracepb.Span) {
	var data tracepb.TracesData
	if proto.Unmarshal(body, &data) != nil {
		return nil
	}
	for _, r := range data.ResourceSpans {
		for _, s := range r.ScopeSpans {
			spans = append(spans, s.Spans...)
		}
	}
	return spans
}

func start(t *testing.T, r *Recorder) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { r.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

func mustNew(t *testing.T, o Options) *Recorder {
	t.Helper()
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// collector is a real server that takes OTLP.
func collector(t *testing.T) (server *httptest.Server, requests chan *http.Request, bodies chan []byte) {
	t.Helper()
	requests, bodies = make(chan *http.Request, 10), make(chan []byte, 10)
	server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- r
		bodies <- body
	}))
	t.Cleanup(server.Close)
	return server, requests, bodies
}

func TestATreeArrivesAsSpansOfOneTrace(t *testing.T) {
	server, requests, bodies := collector(t)
	headers := func() (http.Header, error) { return ParseHeaders([]byte("Authorization: Bearer " + canary + "\n")) }
	r := mustNew(t, Options{Endpoint: server.URL + "/", Headers: headers, Version: "v1.2.3", Lost: func(why Loss, n int) { t.Errorf("%d lost: %s", n, why) }})
	stop := start(t, r)
	r.Record(rotation())
	stop()

	req, body := <-requests, <-bodies
	got := []string{req.Method, req.URL.Path, req.Header.Get("Content-Type"), req.Header.Get("Authorization"), req.Header.Get("Traceparent")}
	if diff := cmp.Diff([]string{"POST", "/v1/traces", "application/x-protobuf", "Bearer " + canary, ""}, got); diff != "" {
		t.Error(diff)
	}
	var data tracepb.TracesData
	if err := proto.Unmarshal(body, &data); err != nil {
		t.Fatal(err)
	}
	if len(data.ProtoReflect().GetUnknown()) > 0 || len(data.ResourceSpans) != 1 {
		t.Fatalf("%d resources, unknown fields %x", len(data.ResourceSpans), data.ProtoReflect().GetUnknown())
	}
	resource := map[string]string{}
	for _, a := range data.ResourceSpans[0].Resource.Attributes {
		resource[a.Key] = a.Value.GetStringValue()
	}
	if diff := cmp.Diff(map[string]string{"service.name": "rotatord", "service.version": "v1.2.3"}, resource); diff != "" {
		t.Error(diff)
	}
	type span struct {
		Parent   string
		From, To int64 // milliseconds
		Error    string
	}
	spans := map[string]span{}
	names, traces := map[string]string{"": ""}, map[string]bool{}
	for _, s := range flat(body) {
		names[hex.EncodeToString(s.SpanId)] = s.Name
	}
	for _, s := range flat(body) {
		traces[hex.EncodeToString(s.TraceId)] = true
		one := span{Parent: names[hex.EncodeToString(s.ParentSpanId)], From: int64(s.StartTimeUnixNano-uint64(begun.UnixNano())) / 1e6, To: int64(s.EndTimeUnixNano-uint64(begun.UnixNano())) / 1e6}
		if s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			one.Error = s.Status.Message
		}
		spans[s.Name] = one
		for _, a := range s.Attributes {
			if v := a.Value.GetStringValue(); len(v) > maxText+8 || v == "" {
				t.Errorf("%s has %d bytes", a.Key, len(v))
			}
		}
	}
	want := map[string]span{"rotation": {"", 0, 900, ""}, "current": {"rotation", 1, 5, ""},
		"push": {"rotation", 5, 890, "refused"}, "patch": {"push", 100, 880, "refused"}}
	if diff := cmp.Diff(want, spans); diff != "" || len(traces) != 1 {
		t.Errorf("%d traces; (-want +got):\n%s", len(traces), diff)
	}
	if bytes.Contains(body, []byte(canary)) {
		t.Error("the token is in the body")
	}
}

func TestNothingRunsBeforeRunAndAfterIt(t *testing.T) {
	before := goleak.IgnoreCurrent()
	r := mustNew(t, Options{Endpoint: "http://127.0.0.1:1"})
	r.Record(rotation())
	goleak.VerifyNone(t, before)
}

func TestACollectorThatIsDownCostsTracesAndOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost losses
		var log bytes.Buffer
		down := true
		w := &wire{answer: func(int, *http.Request) (*http.Response, error) {
			if down {
				return nil, io.ErrUnexpectedEOF
			}
			return status(200, ""), nil
		}}
		r := mustNew(t, Options{Endpoint: "https://collector.test", Transport: w, Lost: lost.lost, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Headers: func() (http.Header, error) { return ParseHeaders([]byte("X-Token: " + canary)) }})
		stop := start(t, r)
		for range 5 {
			before := time.Now()
			r.Record(rotation())
			if time.Since(before) > 0 {
				t.Error("Record took its time")
			}
			time.Sleep(time.Minute)
		}
		if n, spans := w.got(); n != 5*tries || spans != 0 {
			t.Errorf("%d requests, %d spans", n, spans)
		}
		if diff := cmp.Diff(map[Loss]int{LossUndelivered: 20}, lost.all()); diff != "" {
			t.Error(diff)
		}
		down = false
		r.Record(rotation())
		time.Sleep(time.Minute)
		stop()
		text := log.String()
		if strings.Count(text, "not delivered") != 1 || strings.Count(text, "delivered again") != 1 || strings.Contains(text, canary) || strings.Contains(text, "collector.test") {
			t.Error(text)
		}
	})
}

func TestAFullQueueDropsAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost losses
		w := &wire{answer: func(_ int, r *http.Request) (*http.Response, error) {
			<-r.Context().Done() // as slow as it is let
			return nil, r.Context().Err()
		}}
		r := mustNew(t, Options{Endpoint: "https://collector.test", Transport: w, Lost: lost.lost})
		stop := start(t, r)
		r.Record(rotation())
		time.Sleep(2 * time.Second) // it is being sent
		for range queued + 3 {
			r.Record(Span{Name: "look", Begun: at(0), Ended: at(1)})
		}
		if diff := cmp.Diff(map[Loss]int{LossQueueFull: 3}, lost.all()); diff != "" {
			t.Error(diff)
		}
		before := time.Now()
		stop()
		if took := time.Since(before); took != flushFor {
			t.Errorf("the end took %s", took)
		}
		if diff := cmp.Diff(map[Loss]int{LossQueueFull: 3, LossUndelivered: 4 + queued}, lost.all()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnswersMeanWhatOTLPSays(t *testing.T) {
	partial := protowire.AppendTag(nil, 1, protowire.BytesType)
	inner := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 3)
	inner = protowire.AppendString(protowire.AppendTag(inner, 2, protowire.BytesType), "you are "+canary)
	partial = protowire.AppendBytes(partial, inner)
	for _, tt := range []struct {
		name     string
		code     int
		body     string
		requests int
		lost     map[Loss]int
	}{
		{"all taken", 200, "", 1, nil},
		{"some rejected", 200, string(partial), 1, map[Loss]int{LossRejected: 3}},
		{"an answer that is no protobuf", 200, "\xff\xff<html>", 1, nil},
		{"busy", 503, "", tries, map[Loss]int{LossUndelivered: 4}},
		{"too many", 429, "", tries, map[Loss]int{LossUndelivered: 4}},
		{"not allowed", 401, canary, 1, map[Loss]int{LossUndelivered: 4}},
		{"somewhere else", 302, "", 1, map[Loss]int{LossUndelivered: 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var lost losses
				var log bytes.Buffer
				w := &wire{answer: func(int, *http.Request) (*http.Response, error) {
					res := status(tt.code, tt.body)
					res.Header.Set("Location", "https://elsewhere.test/")
					return res, nil
				}}
				r := mustNew(t, Options{Endpoint: "https://collector.test/otlp", Transport: w, Lost: lost.lost, Logger: slog.New(slog.NewTextHandler(&log, nil))})
				stop := start(t, r)
				r.Record(rotation())
				time.Sleep(time.Minute)
				stop()
				if n, _ := w.got(); n != tt.requests {
					t.Errorf("%d requests, want %d", n, tt.requests)
				}
				for _, req := range w.seen {
					if got := req.URL.String(); got != "https://collector.test/otlp/v1/traces" {
						t.Error(got)
					}
				}
				if diff := cmp.Diff(tt.lost, lost.all()); diff != "" {
					t.Error(diff)
				}
				if strings.Contains(log.String(), canary) {
					t.Error(log.String())
				}
			})
		})
	}
}

func TestWhatIsNotSampledIsNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(int, *http.Request) (*http.Response, error) { return status(200, ""), nil }}
		r := mustNew(t, Options{Endpoint: "https://collector.test", Transport: w, Percent: 10, Lost: func(Loss, int) { t.Error("lost") }})
		stop := start(t, r)
		for range 1000 {
			r.Record(rotation())
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		stop()
		// Whole trees of four spans; 100 of a thousand are expected, and 10 sigma allowed.
		if _, spans := w.got(); spans%4 != 0 || spans < 4*5 || spans > 4*195 {
			t.Errorf("%d spans of 4,000 were sent", spans)
		}
	})
}

func TestHeadersAreReadAndNeverQuoted(t *testing.T) {
	h, err := ParseHeaders([]byte("\n Authorization: Bearer x:y \r\nX-Scope-OrgID:7\n"))
	if diff := cmp.Diff(http.Header{"Authorization": {"Bearer x:y"}, "X-Scope-Orgid": {"7"}}, h); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for in, want := range map[string]string{
		canary:                      "line 1 is not a header",
		"a: b\n" + canary + " c: d": "line 2 is not a header",
		"a: " + canary + "\x00":     "line 1 is not a header",
		"a:":                        "line 1 is not a header",
		"content-type: " + canary:   "line 1 sets a header",
		"traceparent: 00-" + canary: "line 1 sets a header",
		" \n":                       "no headers",
	} {
		if _, err := ParseHeaders([]byte(in)); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestAddressesThatAreNoneAreRefusedUnquoted(t *testing.T) {
	for _, at := range []string{"", "collector:4317", "grpc://c:4317", "https://user:" + canary + "@c", "https://c/?key=" + canary, "https://\x00" + canary} {
		if _, err := New(Options{Endpoint: at}); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%q: %v", at, err)
		}
	}
	if _, err := New(Options{Endpoint: "https://c", Percent: 101}); err == nil {
		t.Error("101 percent")
	}
}

func FuzzAnswersOfCollectors(f *testing.F) {
	f.Add([]byte("\x0a\x02\x08\x03"))
	f.Add([]byte("\x0a\x02\x08"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := rejected(b); n < 0 {
			t.Error(n)
		}
	})
}

func FuzzHeaders(f *testing.F) {
	f.Add([]byte("Authorization: Bearer x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := ParseHeaders(b)
		if err == nil && len(h) == 0 {
			t.Error("nothing and no error")
		}
	})
}
