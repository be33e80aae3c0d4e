package webhook

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keyPair is made once for all tests: it takes a while.
var (
	keyPair  = sync.OnceValue(func() *rsa.PrivateKey { return newKey() })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return newKey() })
)

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

// outside is the world beyond rotatord: it answers for each host, and records
// every request that is made of it.
type outside struct {
	mu    sync.Mutex
	asked []string
	hosts map[string]http.Handler
	down  bool
	// transport is used in place of the handlers if it is there.
	transport http.RoundTripper
}

func newOutside() *outside { return &outside{hosts: map[string]http.Handler{}} }

func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	o.mu.Lock()
	o.asked = append(o.asked, r.Method+" "+r.URL.String())
	h, down, transport := o.hosts[r.URL.Host], o.down, o.transport
	o.mu.Unlock()
	if transport != nil {
		return transport.RoundTrip(r)
	}
	if down || h == nil {
		return nil, errors.New("unreachable: " + r.URL.String())
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func (o *outside) serve(host string, h http.HandlerFunc) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hosts[host] = h
}

func (o *outside) cut(down bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = down
}

func (o *outside) requests() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.asked...)
}

// keySetServer answers with public keys, which may change.
type keySetServer struct {
	mu   sync.Mutex
	keys map[string]*rsa.PrivateKey
}

func (s *keySetServer) set(keys map[string]*rsa.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

func (s *keySetServer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var set jose.JSONWebKeySet
	for id, k := range s.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.Public(), KeyID: id, Use: "sig", Algorithm: "RS256"})
	}
	_ = json.NewEncoder(w).Encode(set)
}

// mint signs claims.
func mint(t testing.TB, k *rsa.PrivateKey, id string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return seal(t, signer, claims)
}

func seal(t testing.TB, signer jose.Signer, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	s, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	token, err := s.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func with(claims map[string]any, name string, value any) map[string]any {
	changed := map[string]any{}
	for k, v := range claims {
		changed[k] = v
	}
	if changed[name] = value; value == nil {
		delete(changed, name)
	}
	return changed
}

// inbox takes what is delivered.
type inbox struct {
	mu       sync.Mutex
	verdict  watcher.Verdict
	messages []watcher.Message
	ups      int
	downs    []error
	hook     func(context.Context)
}

func (b *inbox) deliver(ctx context.Context, m watcher.Message) watcher.Verdict {
	b.mu.Lock()
	hook := b.hook
	m.Body = bytes.Clone(m.Body)
	b.messages = append(b.messages, m)
	v := b.verdict
	b.mu.Unlock()
	if hook != nil {
		hook(ctx)
	}
	return v
}

func (b *inbox) Up() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ups++
}

func (b *inbox) Down(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.downs = append(b.downs, err)
}

func (b *inbox) say(v watcher.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.verdict = v
}

func (b *inbox) got() []watcher.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]watcher.Message(nil), b.messages...)
}

func (b *inbox) failures() []error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]error(nil), b.downs...)
}

// stage is an endpoint that receives.
type stage struct {
	*inbox
	outside *outside
	log     *syncBuffer
	mu      sync.Mutex
	refused []Refusal
	at      Endpoint
	cancel  context.CancelFunc
	ended   chan error
}

type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newStage() *stage {
	return &stage{inbox: &inbox{verdict: watcher.Done}, outside: newOutside(), log: &syncBuffer{}}
}

func (s *stage) common() Common {
	return Common{
		Name: "hook", Path: "/in", Transport: s.outside,
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Refused: func(r Refusal) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refused = append(s.refused, r)
		},
	}
}

// refusals gives what was refused since it was last asked.
func (s *stage) refusals() []Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.refused
	s.refused = nil
	return r
}

// start lets an endpoint receive until the test ends or stop is called.
func (s *stage) start(t testing.TB, e Endpoint, err error) *stage {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background()) //nolint:usetesting // it has to end before goroutines are counted
	s.at, s.cancel, s.ended = e, cancel, make(chan error, 1)
	up := make(chan struct{})
	go func() { s.ended <- e.Receive(ctx, s.deliver, &announce{Health: s.inbox, up: up}) }()
	<-up
	t.Cleanup(func() { s.stop(t) })
	return s
}

type announce struct {
	watcher.Health
	once sync.Once
	up   chan struct{}
}

func (a *announce) Up() {
	a.Health.Up()
	a.once.Do(func() { close(a.up) })
}

func (s *stage) stop(t testing.TB) {
	t.Helper()
	if s.cancel == nil {
		return
	}
	s.cancel()
	if err := <-s.ended; err != nil {
		t.Errorf("Receive ended with %v", err)
	}
	s.cancel = nil
}

// reply is an answer.
type reply struct {
	status int
	body   string
	header http.Header
}

// call makes a request without a network.
func (s *stage) call(r *http.Request) reply {
	w := httptest.NewRecorder()
	s.at.ServeHTTP(w, r)
	return reply{w.Code, w.Body.String(), w.Header()}
}

func request(method, target, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func post(body string, header ...string) *http.Request {
	return request(http.MethodPost, "/in", body, header...)
}

// listen puts the endpoint on a real server.
func (s *stage) listen(t testing.TB) *httptest.Server {
	t.Helper()
	h, err := Handler(s.at)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	server.Config = NewServer(h, nil)
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// over sends a request over a real connection.
func over(t testing.TB, server *httptest.Server, r *http.Request) reply {
	t.Helper()
	out, err := http.NewRequestWithContext(t.Context(), r.Method, server.URL+r.URL.String(), r.Body)
	if err != nil {
		t.Fatal(err)
	}
	out.Header = r.Header
	resp, err := server.Client().Do(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, string(body), resp.Header}
}

// expect compares an answer and what was refused with it.
func (s *stage) expect(t testing.TB, got reply, status int, refused ...Refusal) {
	t.Helper()
	if got.status != status {
		t.Errorf("answered %d %q, want %d", got.status, got.body, status)
	}
	if r := s.refusals(); fmt.Sprint(r) != fmt.Sprint(refused) {
		t.Errorf("refused %v, want %v", r, refused)
	}
}

func values(keys ...string) Keys {
	return func() ([]credential.Value, error) {
		var all []credential.Value
		for _, k := range keys {
			all = append(all, credential.NewValue([]byte(k)))
		}
		return all, nil
	}
}

// google is a stage with a push subscription.
const (
	audience = "https://rotatord.example.com/in"
	account  = "push@planet-project.iam.gserviceaccount.com"
)

func googleClaims() map[string]any {
	now := time.Now()
	return map[string]any{
		"iss": "https://accounts.google.com", "aud": audience, "email": account, "email_verified": true,
		"azp": "113774264463038321964", "sub": "113774264463038321964",
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func google(t testing.TB, change ...func(*PubSubPushOptions)) (*stage, *keySetServer) {
	t.Helper()
	s, keys := newStage(), &keySetServer{}
	keys.set(map[string]*rsa.PrivateKey{"one": keyPair()})
	s.outside.serve("www.googleapis.com", keys.ServeHTTP)
	o := PubSubPushOptions{Common: s.common(), Audience: audience, ServiceAccount: account}
	for _, c := range change {
		c(&o)
	}
	e, err := NewPubSubPush(o)
	return s.start(t, e, err), keys
}

func auth(token string) []string { return []string{"Authorization", "Bearer " + token} }
