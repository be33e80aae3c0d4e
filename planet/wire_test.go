package planet

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOverHTTP2APatchIsOneRequestWithTheSameOutcomes(t *testing.T) {
	for _, tc := range []struct {
		name    string
		answer  func(http.ResponseWriter)
		outcome Outcome
		kind    Kind
	}{
		{"an answer", func(w http.ResponseWriter) { _, _ = io.WriteString(w, oneDestination) }, OutcomeAccepted, ""},
		{"a stream that is reset", func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, OutcomeUnknown, KindCut},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var arrivals atomic.Int32
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				arrivals.Add(1)
				if _, err := io.ReadAll(r.Body); err != nil || r.ProtoMajor != 2 {
					t.Errorf("%s: %v", r.Proto, err)
				}
				tc.answer(w)
			}))
			srv.EnableHTTP2 = true
			srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
			srv.StartTLS()
			defer srv.Close()
			b := newBench(t, srv.URL, func(o *Options) {
				o.RootCAs = x509.NewCertPool()
				o.RootCAs.AddCert(srv.Certificate())
			})
			_, err := b.client.Modify(t.Context(), "demo-5aIp1K", canaryBody())
			if OutcomeOf(err) != tc.outcome || KindOf(err) != tc.kind || arrivals.Load() != 1 {
				t.Errorf("%s, %s, %d arrivals: %v", OutcomeOf(err), KindOf(err), arrivals.Load(), err)
			}
			noLeak(t, err, b.log())
		})
	}
}

// newWire is a request on its way in a bubble, with a turn of a limiter that
// gives one a second.
func newWire(t *testing.T, m *memory) (*wire, context.Context, *Limiter) {
	t.Helper()
	l := newLimiter(t, LimiterOptions{PerSecond: 1, Ledger: m}, quirks{})
	turn, err := l.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fl, err := l.launch(t.Context(), turn)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	fl.start()
	return &wire{cancel: cancel, flight: fl}, ctx, l
}

func TestASlowConnectionIsNotedAgainOrTheRequestDoesNotGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ledger := &memory{}
		w, ctx, _ := newWire(t, ledger)
		trace := httptrace.ContextClientTrace(w.trace(ctx))
		trace.GetConn("planet.test:443")
		time.Sleep(5 * time.Second)
		near, far := net.Pipe()
		defer func() { _ = far.Close() }()
		trace.GotConn(httptrace.GotConnInfo{Conn: near})
		if len(ledger.sent) != 2 || time.Since(ledger.sent[1]) != 0 {
			t.Errorf("notes %v", ledger.sent)
		}
		w.end(answered)

		w, ctx, _ = newWire(t, ledger)
		trace = httptrace.ContextClientTrace(w.trace(ctx))
		trace.GetConn("planet.test:443")
		time.Sleep(5 * time.Second)
		ledger.err = errors.New("disk full")
		trace.GotConn(httptrace.GotConnInfo{Conn: near})
		if _, err := near.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the connection can still be written to: %v", err)
		}
		if !errors.Is(context.Cause(ctx), errNoTurn) || !w.surelyUnsent(io.ErrClosedPipe) {
			t.Errorf("the request was not broken off: %v", context.Cause(ctx))
		}
		w.end(notSent)
	})
}

func TestARequestThatNetHTTPRepeatsWaitsForATurnOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx, l := newWire(t, &memory{})
		trace := httptrace.ContextClientTrace(w.trace(ctx))
		began := time.Now()
		for range 3 {
			trace.GetConn("planet.test:443")
			trace.GotConn(httptrace.GotConnInfo{})
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		}
		step := window + guard + DefaultAllowance
		if took := time.Since(began); took != 2*step {
			t.Errorf("three requests took %v, want %v", took, 2*step)
		}
		w.end(answered)
		if turn, err := l.Acquire(t.Context()); err != nil {
			t.Error(err)
		} else {
			turn.GiveBack()
		}
	})
}

func TestSlowDiallingHoldsTheTurnUntilTheRequestIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, ctx, l := newWire(t, &memory{})
		trace := httptrace.ContextClientTrace(w.trace(ctx))
		began := time.Now()
		trace.GetConn("planet.test:443")
		time.AfterFunc(5*time.Second, func() {
			trace.GotConn(httptrace.GotConnInfo{})
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		})
		turn, err := l.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := time.Since(began), 5*time.Second+window+guard+DefaultAllowance; got != want {
			t.Errorf("the next turn came after %v, want %v", got, want)
		}
		turn.GiveBack()
	})
}
