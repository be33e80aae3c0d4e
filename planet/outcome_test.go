package planet

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if runAsProxyClient() {
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	keyCanary    = "PLAK0canary0key0123456789abcdef"
	idCanary     = "AKIACANARY0123456789"
	proxyCanary  = "proxyCanary0password"
	secretCanary = "wJalr/Canary+K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// canaryBody is a PATCH whose values must turn up nowhere.
func canaryBody() ModifyRequest {
	b, _ := json.Marshal(map[string]string{"aws_access_key_id": idCanary, "aws_secret_access_key": secretCanary})
	return ModifyRequest{Parameters: b}
}

// noLeak fails if any rendering of v shows a canary, or a piece of one.
func noLeak(t *testing.T, v any, logged string) {
	t.Helper()
	text := logged
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		text += fmt.Sprintf(verb, v) + "\n"
	}
	if err, ok := v.(error); ok {
		text += err.Error()
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).InfoContext(t.Context(), "x", "err", err)
		slog.New(slog.NewTextHandler(&out, nil)).InfoContext(t.Context(), "x", "err", err)
		text += out.String()
	}
	for _, canary := range []string{keyCanary, idCanary, secretCanary, proxyCanary} {
		for _, piece := range []string{canary, canary[:12], canary[len(canary)-12:], fmt.Sprintf("%x", canary), url.QueryEscape(canary)} {
			if strings.Contains(text, piece) {
				t.Errorf("a rendering shows %d bytes of a secret", len(piece)) // and this test does not
			}
		}
	}
}

// bench is a client of a server, with what both saw.
type bench struct {
	client   *Client
	mu       sync.Mutex
	logged   bytes.Buffer
	observed []Observation
}

func (b *bench) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logged.Write(p)
}

func (b *bench) log() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.logged.String()
}

func newBench(t *testing.T, base string, change func(*Options)) *bench {
	t.Helper()
	b := &bench{}
	l, err := NewLimiter(LimiterOptions{PerSecond: 1000})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{
		BaseURL: base, Limiter: l, Backoff: time.Millisecond,
		Auth:   APIKey(KeyFromValue(credential.NewValue([]byte(keyCanary + "\n")))),
		Logger: slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observer: func(o Observation) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.observed = append(b.observed, o)
		},
	}
	if change != nil {
		change(&o)
	}
	if b.client, err = New(o); err != nil {
		t.Fatal(err)
	}
	noLeak(t, o, "")
	noLeak(t, b.client, "")
	t.Cleanup(b.client.CloseIdleConnections)
	return b
}

// hijack takes the connection from the server.
func hijack(w http.ResponseWriter) *net.TCPConn {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn.(*net.TCPConn)
}

const oneDestination = `{"_links":{"_self":"x"},"archived":null,"created":"2026-02-12T18:41:22.659959594Z","default":false,
 "id":"demo-5aIp1K","name":"demo","ownership":{"is_owner":true,"owner_id":7},"parameters":{"bucket":"b","credentials":"<REDACTED>"},
 "permissions":{"can_write":true},"pl:ref":"pl:destinations/demo-5aIp1K","type":"google_cloud_storage","updated":"2026-02-12T18:41:22.659960762Z","future":[1]}`

// echo answers with a status and repeats all it was sent, as servers do.
func echo(status int, header ...string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, r *http.Request, body string) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{
			"code":    4711,
			"message": "Verification\x1b[31m failed for " + body + " and " + r.Header.Get("Authorization") + " at " + secretCanary,
		})
	}
}

func raw(status int, body string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func cutAfter(text string) func(http.ResponseWriter, *http.Request, string) {
	return func(w http.ResponseWriter, _ *http.Request, _ string) {
		conn := hijack(w)
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

type outcomeCase struct {
	name    string
	answer  func(http.ResponseWriter, *http.Request, string)
	outcome Outcome
	kind    Kind
	status  int
	shown   bool // the Answer holds the destination
}

func outcomeCases(elsewhere string) []outcomeCase {
	cases := []outcomeCase{
		{"200 with the destination", raw(200, oneDestination), OutcomeAccepted, "", 200, true},
		{"202 without a body", raw(202, ""), OutcomeAccepted, "", 202, false},
		{"204", raw(204, ""), OutcomeAccepted, "", 204, false},
		{"200 in no JSON, from a portal or a proxy", raw(200, "<html>"+secretCanary), OutcomeUnknown, KindInvalidAnswer, 200, false},
		{"200 with another object", raw(200, `{"ok":true}`), OutcomeAccepted, "", 200, false},
		{"200 cut in its body", cutAfter("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"id\":"), OutcomeAccepted, "", 200, false},
		{"cut before the answer", cutAfter(""), OutcomeUnknown, KindCut, 0, false},
		{"cut within the headers", cutAfter("HTTP/1.1 200 OK\r\nContent-Le"), OutcomeUnknown, KindCut, 0, false},
		{"an answer that is not HTTP", cutAfter("220 smtp ready " + secretCanary + "\r\n\r\n"), OutcomeUnknown, KindCut, 0, false},
		{"reset after the request was read", func(w http.ResponseWriter, _ *http.Request, _ string) {
			conn := hijack(w)
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}, OutcomeUnknown, KindCut, 0, false},
		{"a refusal cut in its body", cutAfter("HTTP/1.1 422 No\r\nContent-Length: 999\r\n\r\n{\"code\":"), OutcomeRefused, KindUnprocessable, 422, false},
		{"a refusal that is a web page", raw(400, "<html>"+secretCanary), OutcomeRefused, KindBadRequest, 400, false},
		{"429 with Retry-After", echo(429, "Retry-After", "2"), OutcomeThrottled, KindThrottled, 429, false},
	}
	for status, want := range map[int]struct {
		o Outcome
		k Kind
	}{
		400: {OutcomeRefused, KindBadRequest}, 409: {OutcomeRefused, KindConflict}, 422: {OutcomeRefused, KindUnprocessable},
		401: {OutcomeBlocked, KindUnauthorized}, 403: {OutcomeBlocked, KindForbidden}, 404: {OutcomeNotFound, KindNotFound},
		429: {OutcomeThrottled, KindThrottled}, 407: {OutcomeNotSent, KindUnreachable},
		405: {OutcomeUnknown, KindRejected}, 408: {OutcomeUnknown, KindRejected}, 410: {OutcomeUnknown, KindRejected},
		500: {OutcomeUnknown, KindServerError}, 502: {OutcomeUnknown, KindServerError}, 503: {OutcomeUnknown, KindServerError}, 504: {OutcomeUnknown, KindServerError},
		600: {OutcomeUnknown, KindInvalidAnswer},
	} {
		cases = append(cases, outcomeCase{strconv.Itoa(status), echo(status), want.o, want.k, status, false})
	}
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		cases = append(cases, outcomeCase{strconv.Itoa(status) + " to another host", func(w http.ResponseWriter, r *http.Request, _ string) {
			w.Header().Set("Location", elsewhere+r.URL.Path)
			w.WriteHeader(status)
		}, OutcomeUnknown, KindRedirected, status, false})
	}
	return cases
}

func TestEachAnswerToAPatchHasItsOutcome(t *testing.T) {
	var strayed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()
	for _, tc := range outcomeCases(elsewhere.URL) {
		t.Run(tc.name, func(t *testing.T) {
			var patches atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				patches.Add(1)
				body, _ := io.ReadAll(r.Body)
				want := `{"parameters":` + string(canaryBody().Parameters) + `}`
				if r.Method != "PATCH" || r.URL.Path != "/destinations/v1/demo-5aIp1K" || string(body) != want ||
					r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Authorization") != "api-key "+keyCanary || r.ContentLength != int64(len(want)) {
					t.Error("the request is not what the official client sends")
				}
				tc.answer(w, r, string(body))
			}))
			defer srv.Close()
			b := newBench(t, srv.URL+"/destinations/v1", nil)
			got, err := b.client.Modify(t.Context(), "demo-5aIp1K", canaryBody())
			if OutcomeOf(err) != tc.outcome || KindOf(err) != tc.kind {
				t.Errorf("outcome %s, kind %q, want %s, %q: %v", OutcomeOf(err), KindOf(err), tc.outcome, tc.kind, err)
			}
			status := got.Status
			var e *Error
			if errors.As(err, &e) {
				status = e.Status
				noLeak(t, *e, "")
			}
			if status != tc.status || (got.Destination != nil) != tc.shown {
				t.Errorf("status %d, want %d; destination shown: %v, want %v", status, tc.status, got.Destination != nil, tc.shown)
			}
			if patches.Load() != 1 {
				t.Errorf("the server saw %d requests, want exactly one", patches.Load())
			}
			if len(b.observed) != 1 || b.observed[0].Kind != tc.kind || b.observed[0].Route != "/destinations/v1/{id}" || b.observed[0].Status != tc.status {
				t.Errorf("observed %+v", b.observed)
			}
			noLeak(t, err, b.log())
		})
	}
	if strayed.Load() != 0 {
		t.Errorf("%d requests followed a redirect", strayed.Load())
	}
}

func TestAMessageOfPlanetsIsKeptButForSecrets(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		echo(422, "Retry-After", "3")(w, r, string(body))
	}))
	defer srv.Close()
	_, err := newBench(t, srv.URL, nil).client.Modify(t.Context(), "demo-5aIp1K", canaryBody())
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	const want = `Verification [31m failed for {"parameters":{"aws_access_key_id":"<redacted>","aws_secret_access_key":"<redacted>"}} and api-key <redacted> at <redacted>`
	if e.Message != want || e.Code != 4711 || e.RetryAfter != 3*time.Second || e.Op != "modify destination" || e.Method != "PATCH" {
		t.Errorf("message %q, code %d, retry after %v", e.Message, e.Code, e.RetryAfter)
	}
	if text := err.Error(); !strings.HasPrefix(text, "modify destination demo-5aIp1K: planet answered 422 Unprocessable Entity: Verification") {
		t.Error(text)
	}
}

func TestWhatNeverReachedTheAPIIsNotSent(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(407) }))
	defer refusing.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer secure.Close()
	via := func(proxy string) func(*Options) {
		u, err := url.Parse(proxy)
		return func(o *Options) { o.Proxy = func(*http.Request) (*url.URL, error) { return u, err } }
	}
	for _, tc := range []struct {
		name   string
		base   string
		change func(*Options)
		kind   Kind
	}{
		{"nobody listens", closed.URL, nil, KindUnreachable},
		{"a certificate of an unknown authority", secure.URL, nil, KindTLS},
		{"a certificate of an authority that is not in RootCAs", secure.URL, func(o *Options) { o.RootCAs = x509.NewCertPool() }, KindTLS},
		{"https to a server that speaks http", strings.Replace(refusing.URL, "http:", "https:", 1), nil, KindTLS},
		{"a proxy that is not there", secure.URL, via(closed.URL), KindUnreachable},
		{"a proxy that refuses", secure.URL, via(refusing.URL), KindUnreachable},
		{"a proxy whose address is none", secure.URL, via("http://user:" + proxyCanary + "@:bad:port"), KindUnreachable},
		{"an in-memory transport that fails to resolve", "http://planet.test", func(o *Options) {
			o.Transport = roundTrips(func(*http.Request) (*http.Response, error) {
				return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "planet.test"}}
			})
		}, KindUnreachable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, tc.base, tc.change)
			_, err := b.client.Modify(t.Context(), "demo-5aIp1K", canaryBody())
			if OutcomeOf(err) != OutcomeNotSent || KindOf(err) != tc.kind {
				t.Errorf("%s, %s: %v", OutcomeOf(err), KindOf(err), err)
			}
			noLeak(t, err, b.log())
		})
	}
}

// loudError is an error that shows what it holds to every verb of fmt.
type loudError struct {
	Body   string
	Header http.Header
}

func (e loudError) Error() string { return fmt.Sprintf("cannot send %q with %v", e.Body, e.Header) }

func TestATransportsErrorThatQuotesTheRequestIsRedacted(t *testing.T) {
	b := newBench(t, "http://planet.test", func(o *Options) {
		o.Transport = roundTrips(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			return nil, loudError{Body: string(body), Header: r.Header}
		})
	})
	_, err := b.client.Modify(t.Context(), "demo-5aIp1K", canaryBody())
	if OutcomeOf(err) != OutcomeUnknown {
		t.Error(err)
	}
	noLeak(t, err, b.log())
	var e *Error
	if errors.As(err, &e) {
		noLeak(t, *e, "")
	}
	noLeak(t, fmt.Errorf("push: %w", err), "")
}

func TestTimeOutsAndLeavingCallersAreUnknownOnceTheRequestIsOut(t *testing.T) {
	for _, tc := range []struct {
		name  string
		leave bool
		kind  Kind
	}{
		{"the patch time-out passes", false, KindTimeout},
		{"the caller leaves", true, KindCanceled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			arrived := make(chan struct{})
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				close(arrived)
				<-r.Context().Done()
			}))
			defer srv.Close()
			b := newBench(t, srv.URL, nil)
			if tc.leave {
				go func() { <-arrived; leave() }()
			} else {
				b.client.patch = 200 * time.Millisecond
			}
			_, err := b.client.Modify(ctx, "demo-5aIp1K", canaryBody())
			if OutcomeOf(err) != OutcomeUnknown || KindOf(err) != tc.kind {
				t.Errorf("%s, %s: %v", OutcomeOf(err), KindOf(err), err)
			}
			noLeak(t, err, b.log())
		})
	}
}

// A reused connection that dies with the request on it: net/http would repeat
// what it thinks safe. A PATCH must not be among that, and the repetition of a
// GET is a request like any other to the rate limit.
func TestADeadConnectionRepeatsNoPatchAndEachRepeatedGetTakesATurn(t *testing.T) {
	for _, tc := range []struct {
		method          string
		arrivals, turns int
	}{{"PATCH", 1, 1}, {"GET", 2, 2}} {
		t.Run(tc.method, func(t *testing.T) {
			var arrivals, warm atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				if warm.Add(1) == 1 {
					_, _ = io.WriteString(w, oneDestination)
					return
				}
				if arrivals.Add(1) == 1 {
					_ = hijack(w).Close()
					return
				}
				_, _ = io.WriteString(w, oneDestination)
			}))
			defer srv.Close()
			ledger := &memory{}
			b := newBench(t, srv.URL, func(o *Options) {
				o.Attempts = 1
				o.Limiter, _ = NewLimiter(LimiterOptions{PerSecond: 100, Ledger: ledger})
			})
			if _, err := b.client.Get(t.Context(), "demo-5aIp1K"); err != nil {
				t.Fatal(err)
			}
			before := len(ledger.sent)
			var err error
			if tc.method == "GET" {
				_, err = b.client.Get(t.Context(), "demo-5aIp1K")
			} else {
				_, err = b.client.Modify(t.Context(), "demo-5aIp1K", canaryBody())
			}
			if got := int(arrivals.Load()); got != tc.arrivals || len(ledger.sent)-before < tc.turns {
				t.Errorf("%d arrivals and %d turns, want %d and %d: %v", got, len(ledger.sent)-before, tc.arrivals, tc.turns, err)
			}
			if tc.method == "PATCH" && OutcomeOf(err) != OutcomeUnknown {
				t.Error(err)
			}
		})
	}
}
