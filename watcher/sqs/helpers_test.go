package sqs_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/sqs"
	"github.com/rotatord/rotatord/watcher/sqs/sqstest"
)

func TestMain(m *testing.M) {
	if child() {
		return
	}
	// A developer's own AWS configuration is no part of these tests.
	for _, e := range os.Environ() {
		if name, _, _ := strings.Cut(e, "="); strings.HasPrefix(name, "AWS_") {
			must(os.Unsetenv(name))
		}
	}
	must(os.Setenv("AWS_EC2_METADATA_DISABLED", "true"))
	must(os.Setenv("AWS_CONFIG_FILE", os.DevNull))
	must(os.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull))
	goleak.VerifyTestMain(m)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// own is rotatord's key in these tests.
var own = sqstest.Key{ID: "AKIAROTATORD", Secret: "rotatord/own+secret=key"}

func static() credentials.StaticCredentialsProvider {
	return credentials.NewStaticCredentialsProvider(own.ID, own.Secret, "")
}

// start gives a server on loopback that knows own.
func start(t testing.TB) *sqstest.Server {
	t.Helper()
	s := sqstest.New(sqstest.Options{Keys: []sqstest.Key{own}})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// virtual gives a server without a network, for bubbles.
func virtual() *sqstest.Server { return sqstest.New(sqstest.Options{Keys: []sqstest.Key{own}}) }

// onLoopback gives a transport over real HTTP.
func onLoopback(t testing.TB, s *sqstest.Server, q *sqstest.Queue, with ...func(*sqs.Options)) *sqs.Transport {
	t.Helper()
	return open(t, append([]func(*sqs.Options){func(o *sqs.Options) { o.Queue, o.Endpoint = q.URL(), s.URL() }}, with...)...)
}

// inMemory gives a transport over a RoundTripper.
func inMemory(t testing.TB, carrier http.RoundTripper, q *sqstest.Queue, with ...func(*sqs.Options)) *sqs.Transport {
	t.Helper()
	return open(t, append([]func(*sqs.Options){func(o *sqs.Options) { o.Queue, o.Transport = q.URL(), carrier }}, with...)...)
}

func open(t testing.TB, with ...func(*sqs.Options)) *sqs.Transport {
	t.Helper()
	o := sqs.Options{Name: "aws", Credentials: static()}
	for _, f := range with {
		f(&o)
	}
	transport, err := sqs.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return transport
}

// run receives until stop, which may be called twice.
func run(t testing.TB, transport *sqs.Transport, deliver watcher.Deliver) (h *health, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h = &health{changed: make(chan struct{}, 1)}
	done := make(chan error, 1)
	go func() { done <- transport.Receive(ctx, deliver, h) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Receive ends with %v", err)
			}
		})
	}
	t.Cleanup(stop)
	return h, stop
}

// health is what a transport says of itself: "up", or why not.
type health struct {
	mu      sync.Mutex
	said    []string
	err     error
	changed chan struct{}
}

func (h *health) Up() { h.say("up", nil) }

func (h *health) Down(err error) { h.say("down: "+string(watcher.ReasonOf(err)), err) }

func (h *health) say(what string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.said) == 0 || h.said[len(h.said)-1] != what {
		h.said = append(h.said, what)
	}
	h.err = err
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *health) story() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.said, ", ")
}

func (h *health) last() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// reason holds that err is one of the contract's, made of our own words, and
// gives it.
func reason(t testing.TB, err error) *watcher.Error {
	t.Helper()
	var e *watcher.Error
	if !errors.As(err, &e) {
		t.Fatalf("%T is no *watcher.Error: %v", err, err)
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		of := reflect.TypeOf(inner)
		if of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if strings.Contains(of.PkgPath(), "github.com/aws/") {
			t.Errorf("%T of the SDK's is passed on", inner)
		}
	}
	if strings.Contains(err.Error(), own.Secret) || strings.Contains(err.Error(), "session") {
		t.Errorf("the error shows a credential")
	}
	return e
}

// book records what was delivered.
type book struct {
	mu     sync.Mutex
	bodies map[string]int
	done   map[string]bool
}

func newBook() *book { return &book{bodies: map[string]int{}, done: map[string]bool{}} }

func (b *book) record(_ context.Context, m watcher.Message) watcher.Verdict {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bodies[string(m.Body)]++
	b.done[string(m.Body)] = true
	return watcher.Done
}

func (b *book) count(body string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bodies[body]
}

func (b *book) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.bodies)
}
