package testserver_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rotatord/rotatord/internal/testserver"
)

// mirror answers with what it was asked, cuts where that is "/cut", and waits
// for the sender where that is "/hang".
func mirror(waiting chan<- struct{}) testserver.Service {
	return func(r *http.Request) (*testserver.Answer, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		switch r.URL.Path {
		case "/cut":
			return nil, syscall.ECONNRESET
		case "/half":
			return &testserver.Answer{Status: http.StatusOK, Header: http.Header{}, Body: []byte("1234"), Cut: true}, nil
		case "/nothing":
			return &testserver.Answer{Status: http.StatusOK, Header: http.Header{}, Cut: true}, nil
		case "/secure":
			return &testserver.Answer{Status: http.StatusOK, Header: http.Header{}, Body: fmt.Append(nil, r.TLS != nil)}, nil
		case "/hang":
			waiting <- struct{}{}
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return &testserver.Answer{
			Status: http.StatusTeapot, Header: http.Header{"X-Said": {r.RequestURI}}, Body: body,
		}, nil
	}
}

// ways are the two ways to ask a server, each as a client and an address.
func ways(t *testing.T, waiting chan<- struct{}) map[string]func(ctx context.Context, path string) (*http.Response, error) {
	s := testserver.New("mirror", mirror(waiting))
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	ask := func(carrier http.RoundTripper, base string) func(context.Context, string) (*http.Response, error) {
		client := &http.Client{Transport: carrier}
		t.Cleanup(client.CloseIdleConnections)
		return func(ctx context.Context, path string) (*http.Response, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, strings.NewReader("body"))
			if err != nil {
				return nil, err
			}
			return client.Do(r)
		}
	}
	return map[string]func(context.Context, string) (*http.Response, error){
		"over TCP":  ask(&http.Transport{}, s.URL()),
		"in memory": ask(s.RoundTripper(), "http://nowhere.example"),
	}
}

func TestBothWaysSeeTheSameServer(t *testing.T) {
	for name, ask := range ways(t, nil) {
		t.Run(name, func(t *testing.T) {
			resp, err := ask(t.Context(), "/a%20path?q=1")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || string(body) != "body" || resp.ContentLength != 4 {
				t.Errorf("body %q of length %d, %v", body, resp.ContentLength, err)
			}
			if resp.StatusCode != http.StatusTeapot || resp.Header.Get("X-Said") != "/a%20path?q=1" {
				t.Errorf("%d, asked for %q", resp.StatusCode, resp.Header.Get("X-Said"))
			}
			for _, path := range []string{"/cut", "/nothing"} {
				if resp, err := ask(t.Context(), path); err == nil {
					resp.Body.Close()
					t.Error("an answer where there should be none:", path)
				}
			}
			half, err := ask(t.Context(), "/half")
			if err != nil {
				t.Fatal(err)
			}
			defer half.Body.Close()
			if body, err := io.ReadAll(half.Body); string(body) != "12" || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("of a cut answer %q, %v", body, err)
			}
		})
	}
}

func TestInMemoryTheSchemeTellsWhetherTheConnectionIsSecure(t *testing.T) {
	s := testserver.New("mirror", mirror(nil))
	for scheme, want := range map[string]string{"http": "false", "https": "true"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+"://h/secure", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.RoundTripper().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != want || r.TLS != nil {
			t.Errorf("%s: %s, %v", scheme, body, err)
		}
	}
}

func TestWaitingEndsWithTheTimeOrTheSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := testserver.Wait(t.Context(), time.Minute, false); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := testserver.Wait(ctx, 0, true); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != time.Hour+time.Minute {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

func TestAWaitingRequestEndsWithItsSender(t *testing.T) {
	waiting := make(chan struct{}, 1)
	for name, ask := range ways(t, waiting) {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-waiting; cancel() }()
			resp, err := ask(ctx, "/hang")
			if err == nil {
				resp.Body.Close()
			}
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAClosedServerEndsWhatWaitsAndCanBeStartedAgain(t *testing.T) {
	waiting := make(chan struct{}, 1)
	ended := make(chan error, 1)
	service := mirror(waiting)
	s := testserver.New("mirror", func(r *http.Request) (*testserver.Answer, error) {
		a, err := service(r)
		ended <- err
		return a, err
	})
	if s.Close(); s.URL() != "" {
		t.Error("an address before it was started")
	}
	for range 2 {
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start(); err == nil || !strings.Contains(err.Error(), "start mirror: it is running already") {
			t.Errorf("started twice: %v", err)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/hang", nil)
		if err != nil {
			t.Fatal(err)
		}
		answered := make(chan error, 1)
		go func() {
			carrier := &http.Transport{DisableKeepAlives: true}
			resp, err := carrier.RoundTrip(r)
			if err == nil {
				resp.Body.Close()
			}
			answered <- err
		}()
		<-waiting
		s.Close()
		if err := <-answered; err == nil {
			t.Error("an answer from a closed server")
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the request ended with %v", err)
		}
		if s.URL() != "" {
			t.Error("an address after it was closed")
		}
	}
}
