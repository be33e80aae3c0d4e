package planettest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
)

func TestTheTransportTellsWhenARequestWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{Behaviour: planettest.Behaviour{Network: planettest.Network{Min: time.Second, Max: 2 * time.Second}}})
		begin := time.Now()
		wrote, first := time.Duration(-1), time.Duration(-1)
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			WroteRequest:         func(httptrace.WroteRequestInfo) { wrote = time.Since(begin) },
			GotFirstResponseByte: func() { first = time.Since(begin) },
		})
		for range 20 {
			begin = time.Now()
			if _, err := try(ctx, sim, "ada", "GET", "", ""); err != nil {
				t.Fatal(err)
			}
			arrived := last(sim).At.Sub(begin)
			if wrote != 0 || arrived < time.Second || arrived > 2*time.Second || first-arrived < time.Second || first-arrived > 2*time.Second {
				t.Fatalf("written after %v, arrived after %v, answered after %v", wrote, arrived, first)
			}
		}
	})
}

func TestACallerThatGivesUpIsFreeAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{Behaviour: planettest.Behaviour{Network: planettest.Network{Min: time.Minute}}})
		id := sim.Seed("ada", s3("demo"))
		cause := errors.New("enough")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, cause)
		defer cancel()
		begin := time.Now()
		if _, err := try(ctx, sim, "ada", "PATCH", "/"+id, newKeys("new")); !errors.Is(err, cause) || time.Since(begin) != time.Second {
			t.Errorf("the caller got %v after %v", err, time.Since(begin))
		}
		if _, err := try(ctx, sim, "ada", "GET", "", ""); !errors.Is(err, cause) {
			t.Errorf("with an ended context the caller got %v", err)
		}
		sim.Wait()
		if all := sim.Requests(); len(all) != 1 || held(t, sim, id) != "new" {
			t.Errorf("%d requests arrived, want the one that was under way and not the other", len(all))
		}
	})
}

func TestTheTransportClosesTheBody(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	body := &closing{Reader: strings.NewReader("{}")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base, body)
	if err != nil {
		t.Fatal(err)
	}
	response, err := sim.RoundTripper().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if !body.closed.Load() || response.Request != r {
		t.Error("the body is open or the response is not the request's")
	}
}

type closing struct {
	io.Reader
	closed atomic.Bool
}

func (c *closing) Close() error { c.closed.Store(true); return nil }

func TestTheTransportServesAnHTTPClient(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	client := &http.Client{Transport: sim.RoundTripper(), Timeout: time.Minute}
	response, err := client.Head(base)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if raw, err := io.ReadAll(response.Body); err != nil || len(raw) != 0 || response.StatusCode != 401 {
		t.Errorf("a HEAD was answered %d with %q, %v", response.StatusCode, raw, err)
	}
}

func TestCloseDropsWhatIsToCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{})
		id := sim.Seed("ada", s3("demo"))
		sim.Inject(planettest.Fault{Kind: planettest.Cut, Effect: planettest.EffectLate, Delay: time.Hour})
		if _, err := try(t.Context(), sim, "ada", "PATCH", "/"+id, newKeys("new")); err == nil {
			t.Fatal("the cut request was answered")
		}
		begin := time.Now()
		sim.Close()
		if time.Since(begin) != 0 || held(t, sim, id) != "old-id" {
			t.Errorf("Close took %v", time.Since(begin))
		}
	})
}

func TestARequestThatClosingEndsIsNotAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSim(t, planettest.Options{Behaviour: planettest.Behaviour{VerifyDelay: time.Hour}})
		id := sim.Seed("ada", s3("demo"))
		done := make(chan error)
		go func() {
			_, err := try(t.Context(), sim, "ada", "PATCH", "/"+id, newKeys("new"))
			done <- err
		}()
		synctest.Wait()
		sim.Close()
		if err := <-done; !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the client got %v", err)
		}
		if record := last(sim); record.Status != 0 || record.Verification != "given up" || held(t, sim, id) != "old-id" {
			t.Errorf("the record says %d, %q", record.Status, record.Verification)
		}
	})
}

// The rest runs over a real socket.

func startServer(t *testing.T, o planettest.Options) (*planettest.Simulator, *planettest.Server, *http.Transport) {
	t.Helper()
	sim := newSim(t, o)
	server := sim.Start()
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return sim, server, transport
}

func TestFaultsOverARealConnection(t *testing.T) {
	for name, c := range map[string]struct {
		fault  planettest.Fault
		is     error // nil is any
		effect bool
	}{
		"a cut before":       {planettest.Fault{Kind: planettest.Cut}, io.EOF, false},
		"a cut after":        {planettest.Fault{Kind: planettest.Cut, Effect: planettest.EffectNow}, io.EOF, true},
		"a cut, later":       {planettest.Fault{Kind: planettest.Cut, Effect: planettest.EffectLate, Delay: time.Millisecond}, io.EOF, true},
		"a reset":            {planettest.Fault{Kind: planettest.Cut, Reset: true}, syscall.ECONNRESET, false},
		"a truncated answer": {planettest.Fault{Kind: planettest.Truncate, Effect: planettest.EffectNow}, io.ErrUnexpectedEOF, true},
	} {
		t.Run(name, func(t *testing.T) {
			sim, server, transport := startServer(t, planettest.Options{})
			id := sim.Seed("ada", s3("demo"))
			sim.Inject(c.fault)
			got, err := over(t.Context(), transport, server.BaseURL+"/"+id, "ada", "PATCH", newKeys("new"))
			if err == nil || !errors.Is(err, c.is) {
				t.Errorf("the client got %d, %v, want %v", got.status, err, c.is)
			}
			server.Wait()
			if took := held(t, sim, id) == "new"; took != c.effect {
				t.Errorf("it took effect: %t", took)
			}
		})
	}
}

func TestAServerLinksToItselfAndSpeaksNoRedirects(t *testing.T) {
	sim, server, transport := startServer(t, planettest.Options{})
	id := sim.Seed("ada", s3("demo"))
	for _, path := range []string{"/destinations/v1", "/destinations/v1/", "/destinations/v1/" + id, "/destinations/v1/" + id + "/"} {
		got, err := over(t.Context(), transport, server.URL+path, "ada", "GET", "")
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 200)
		links, _ := got.body["_links"].(map[string]any)
		if self, _ := links["_self"].(string); !strings.HasPrefix(self, server.BaseURL) {
			t.Errorf("%s links to %v", path, links)
		}
	}
	for _, path := range []string{"", "/", "/destinations", "/destinations/v1//" + id, "/destinations/v1/./" + id} {
		got, err := over(t.Context(), transport, server.URL+path, "ada", "GET", "")
		if err != nil {
			t.Fatal(err)
		}
		got.want(t, 404)
	}
}

func TestClosingAServerEndsWhatItStarted(t *testing.T) {
	verifying := make(chan struct{})
	var ended atomic.Bool
	sim := newSim(t, planettest.Options{Verifier: planettest.VerifierFunc(func(ctx context.Context, _ planettest.Verification) error {
		close(verifying)
		<-ctx.Done()
		for range 10_000 { // a bucket that takes a moment to give up
			runtime.Gosched()
		}
		ended.Store(true)
		return ctx.Err()
	})})
	id := sim.Seed("ada", s3("demo"))
	server := sim.Start()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	done := make(chan error, 1)
	go func() {
		_, err := over(t.Context(), transport, server.BaseURL+"/"+id, "ada", "PATCH", newKeys("new"))
		done <- err
	}()
	<-verifying
	server.Close()
	if !ended.Load() {
		t.Error("Close did not wait for the request")
	}
	if err := <-done; err == nil {
		t.Error("a request was answered by a closed server")
	}
	if held(t, sim, id) != "old-id" || last(sim).Verification != "given up" {
		t.Errorf("the request that was given up has verification %q", last(sim).Verification)
	}
	again := sim.Start()
	defer again.Close()
	got, err := over(t.Context(), transport, again.BaseURL+"/"+id, "ada", "GET", "")
	if err != nil {
		t.Fatal(err)
	}
	got.want(t, 200)
}

func TestAServerTakesAListenerOfTheCallers(t *testing.T) {
	sim := newSim(t, planettest.Options{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := sim.StartOn(listener)
	defer server.Close()
	if server.URL != "http://"+listener.Addr().String() {
		t.Errorf("the URL is %s", server.URL)
	}
}
