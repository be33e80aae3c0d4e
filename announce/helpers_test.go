package announce

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
)

const (
	canary   = "T0KENcanary"
	hookURL  = "https://alerts.test/in?token=" + canary
	slackURL = "https://hooks.test/services/" + canary
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func key(fill string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))
}

func keysOf(keys ...string) func() ([]credential.Value, error) {
	return func() ([]credential.Value, error) {
		var values []credential.Value
		for _, k := range keys {
			values = append(values, credential.NewValue([]byte(k+"\n")))
		}
		return values, nil
	}
}

func urlOf(s string) func() (credential.Value, error) {
	return func() (credential.Value, error) { return credential.NewValue([]byte(s + "\n")), nil }
}

// got is one request as it arrived.
type got struct {
	at     time.Time
	header http.Header
	body   string
	url    string
}

// wire is a RoundTripper that needs no network, so that a bubble's time can move.
type wire struct {
	mu     sync.Mutex
	seen   []got
	answer func(n int, r *http.Request, body string) (*http.Response, error)
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.seen = append(w.seen, got{time.Now(), r.Header.Clone(), string(body), r.URL.String()})
	n, answer := len(w.seen), w.answer
	w.mu.Unlock()
	if answer == nil {
		return status(200), nil
	}
	return answer(n, r, string(body))
}

// reply changes the answers; nil is 200.
func (w *wire) reply(answer func(int, *http.Request, string) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *wire) all() []got {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]got(nil), w.seen...)
}

func status(code int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("echo " + canary))}
}

func always(code int, header ...string) func(int, *http.Request, string) (*http.Response, error) {
	return func(int, *http.Request, string) (*http.Response, error) { return status(code, header...), nil }
}

func hook() Webhook { return Webhook{Name: "ops", URL: hookURL, Keys: keysOf(key("k"))} }

func newTest(t testing.TB, w *wire, o Options) *Announcer {
	t.Helper()
	o.Transport = w
	if o.Targets == nil {
		o.Targets = []Target{hook()}
	}
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// start runs the announcer; the function it gives ends it and waits.
func start(t testing.TB, a *Announcer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func held(destination string) Announcement {
	return Announcement{
		Kind: Held, Time: time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC), Destination: destination, DestinationID: "d-1",
		Account: "main", Secret: "projects/p/secrets/s", Version: "7", State: "held", Reason: "preflight_refused",
		Detail: "the bucket refuses s3:DeleteObject",
	}
}

func same(t testing.TB, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

var errWire = errors.New("dial " + hookURL + " " + slackURL)
