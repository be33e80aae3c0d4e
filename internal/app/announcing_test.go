package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/store"
)

const tellTale = "T0KENcanary"

func signingKey(fill string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fill, 32)))
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.TempDir(), name)
	}
	// Put there whole, as a mounted secret is.
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	return name
}

// arrived is one post at a receiver.
type arrived struct {
	header http.Header
	path   string
	body   []byte
}

// receiver is a server that people run. Its answers come from status, 200
// without.
type receiver struct {
	*httptest.Server
	posts chan arrived

	mu     sync.Mutex
	status int
}

func newReceiver(t *testing.T, start func(http.Handler) *httptest.Server) *receiver {
	t.Helper()
	r := &receiver{posts: make(chan arrived, 100)}
	r.Server = start(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		status := r.status
		r.mu.Unlock()
		if status != 0 {
			http.Error(w, "no "+tellTale, status)
			return
		}
		r.posts <- arrived{q.Header, q.URL.Path, body}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// station is an announcing that runs.
type station struct {
	*announcing
	log  *lines
	seen chan announce.Observation
	stop func()
}

func onAir(t *testing.T, cfg *config.Config) *station {
	t.Helper()
	s := &station{log: &lines{}, seen: make(chan announce.Observation, 1000)}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := newAnnouncer(cfg, func(o announce.Observation) { s.seen <- o }, log)
	if err != nil {
		t.Fatal(err)
	}
	s.announcing = newAnnouncing(a, week, func(context.Context) ([]store.Record, error) { return nil, nil }, log)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// await gives the first observation of an event.
func (s *station) await(t *testing.T, e announce.Event) announce.Observation {
	t.Helper()
	for {
		if o := next(t, s.seen); o.Event == e {
			return o
		}
	}
}

// next receives one. What does not come within a minute won't come.
func next[T any](t *testing.T, c <-chan T) (one T) {
	t.Helper()
	select {
	case one = <-c:
	case <-time.After(time.Minute):
		t.Fatal("nothing has come")
	}
	return one
}

func verifies(t *testing.T, key string, a arrived) bool {
	t.Helper()
	w, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		t.Fatal(err)
	}
	return w.Verify(a.body, a.header) == nil
}

func TestAnnouncementsReachRealReceivers(t *testing.T) {
	t.Parallel()
	hook := newReceiver(t, httptest.NewTLSServer)
	chat := newReceiver(t, httptest.NewServer)
	oldKey, newKey := signingKey("o"), signingKey("n")
	keys := write(t, "keys", oldKey+"\n")
	ca := write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hook.Certificate().Raw})))
	cfg := &config.Config{Announce: config.Announce{Source: "rotatord/eu",
		Webhooks: []config.AnnounceWebhook{{Name: "ops", URLFile: write(t, "url", hook.URL+"/in?token="+tellTale+"\n"), SecretFile: keys, CAFile: ca}},
		Slack: []config.AnnounceSlack{{Name: "chat", URLFile: write(t, "slack", chat.URL+"/services/"+tellTale),
			Kinds: []string{"held", "safe_to_revoke"}}}}}
	s := onAir(t, cfg)

	s.changed(settledRecord(), edited(held8(0)))
	first := next(t, hook.posts)
	if !verifies(t, oldKey, first) || verifies(t, newKey, first) {
		t.Error("not signed with the key of the file, and no other")
	}
	var event struct{ Type, Source, Subject string }
	if err := json.Unmarshal(first.body, &event); err != nil {
		t.Fatal(err)
	}
	if event.Type != "io.github.rotatord.destination.held" || event.Source != "rotatord/eu" || event.Subject != "prod" {
		t.Errorf("event %+v", event)
	}
	message := next(t, chat.posts)
	if message.path != "/services/"+tellTale || !bytes.Contains(message.body, []byte("prod does not get the new credential")) {
		t.Errorf("Slack's message at %s: %s", message.path, message.body)
	}
	s.changed(edited(held8(0)), edited(held8(0)))
	if o := s.await(t, announce.EventRepeated); o.Kind != announce.Held {
		t.Errorf("observed %+v", o)
	}

	// A second key counts at once; a file that is no key is waited for.
	write(t, keys, newKey+"\n"+oldKey+"\n")
	s.changed(edited(held8(0)), settledRecord())
	if second := next(t, hook.posts); !verifies(t, oldKey, second) || !verifies(t, newKey, second) {
		t.Error("not signed with both keys of the file")
	}
	write(t, keys, tellTale)
	s.received(store.Receipt{Secret: "mem://s", Version: "8", At: noon, Safe: noon})
	if o := s.await(t, announce.EventRetry); o.Target != "ops" || o.Reason != announce.ReasonKeys {
		t.Errorf("observed %+v", o)
	}
	next(t, chat.posts) // the other target is not kept waiting
	write(t, keys, newKey)
	if third := next(t, hook.posts); verifies(t, oldKey, third) || !verifies(t, newKey, third) {
		t.Error("not signed with the new key alone")
	}
	s.stop()
	for _, st := range s.states() {
		if st.Waiting != 0 || st.Sent != map[string]uint64{"ops": 3, "chat": 2}[st.Name] {
			t.Errorf("state %+v", st)
		}
	}
	if shown := s.log.String() + fmt.Sprintf("%+v", s.states()); strings.Contains(shown, tellTale) || !strings.Contains(shown, "does not take announcements") {
		t.Errorf("the log shows too much, or nothing:\n%s", shown)
	}
}

func TestAReceiverThatIsDownIsCountedAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	down, up := newReceiver(t, httptest.NewServer), newReceiver(t, httptest.NewServer)
	down.answer(http.StatusServiceUnavailable)
	keys := write(t, "keys", signingKey("k"))
	s := onAir(t, &config.Config{Announce: config.Announce{Webhooks: []config.AnnounceWebhook{
		{Name: "down", URL: down.URL + "/" + tellTale, SecretFile: keys}, {Name: "up", URL: up.URL, SecretFile: keys}}}})
	s.changed(settledRecord(), edited(held8(0)))
	next(t, up.posts)
	if o := s.await(t, announce.EventRetry); o.Target != "down" || o.Reason != announce.ReasonServer {
		t.Errorf("observed %+v", o)
	}
	if st := s.states()[0]; st.Retried != 1 || st.Waiting != 1 || st.LastError == "" {
		t.Errorf("state %+v", st)
	}
	down.answer(0)
	s.stop() // what waits goes out at the end
	next(t, down.posts)
	if log := s.log.String(); strings.Contains(log, tellTale) || !strings.Contains(log, "takes announcements again") {
		t.Errorf("the log shows too much, or nothing:\n%s", log)
	}
}

func TestWhatCanNotBeReadIsAnErrorAtTheStart(t *testing.T) {
	dir := t.TempDir()
	gone, good := filepath.Join(dir, "gone"), write(t, filepath.Join(dir, "good"), signingKey("k"))
	bad := write(t, filepath.Join(dir, "bad"), tellTale)
	empty := write(t, filepath.Join(dir, "empty"), " \n")
	t.Setenv("ANNOUNCE_TEST_URL", "http://far.test/"+tellTale)
	const url = "https://alerts.test/in"
	for _, c := range []struct {
		name string
		set  config.Announce
		want string
	}{
		{"a file of a URL", hookOf(config.AnnounceWebhook{URLFile: gone, SecretFile: good}), `announce.webhook "ops": url_file: open ` + gone},
		{"a URL without TLS", hookOf(config.AnnounceWebhook{URLEnv: "ANNOUNCE_TEST_URL", SecretFile: good}), `announce.webhook "ops": url_env: the URL must be https`},
		{"a variable without a URL", hookOf(config.AnnounceWebhook{URLEnv: "ANNOUNCE_TEST_NONE", SecretFile: good}), `announce.webhook "ops": url_env: $ANNOUNCE_TEST_NONE is empty`},
		{"an inline URL", hookOf(config.AnnounceWebhook{URL: "ops:" + tellTale, SecretFile: good}), `announce.webhook "ops": url: the URL can't be used`},
		{"no URL", hookOf(config.AnnounceWebhook{SecretFile: good}), `announce.webhook "ops": url: the URL can't be used`},
		{"a file of keys", hookOf(config.AnnounceWebhook{URL: url, SecretFile: gone}), `announce.webhook "ops": secret_file: open ` + gone},
		{"no key in a file", hookOf(config.AnnounceWebhook{URL: url, SecretFile: empty}), `announce.webhook "ops": secret_file: ` + empty + ` is empty`},
		{"a key that is none", hookOf(config.AnnounceWebhook{URL: url, SecretFile: bad}), `announce.webhook "ops": secret_file: a signing key is not whsec_`},
		{"a variable without keys", hookOf(config.AnnounceWebhook{URL: url, SecretEnv: "ANNOUNCE_TEST_NONE"}), `announce.webhook "ops": secret_env: $ANNOUNCE_TEST_NONE is empty`},
		{"certificates", hookOf(config.AnnounceWebhook{URL: url, SecretFile: good, CAFile: bad}), `announce.webhook "ops": ca_file: read certificates: ` + bad},
		{"a kind", hookOf(config.AnnounceWebhook{URL: url, SecretFile: good, Kinds: []string{"nope"}}), `there is no kind "nope"`},
		{"Slack's URL", config.Announce{Slack: []config.AnnounceSlack{{Name: "chat", URLFile: gone}}}, `announce.slack "chat": url_file: open ` + gone},
		{"what is no URL of Slack's", config.Announce{Slack: []config.AnnounceSlack{{Name: "chat", URLFile: bad}}}, `announce.slack "chat": url_file: the URL can't be used`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := newAnnouncer(&config.Config{Announce: c.set}, nil, slog.New(slog.DiscardHandler))
			if err == nil || a != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q in it", err, c.want)
			}
			if strings.Contains(err.Error(), tellTale) {
				t.Error("the error shows what it read")
			}
		})
	}
}

func hookOf(w config.AnnounceWebhook) config.Announce {
	w.Name = "ops"
	return config.Announce{Webhooks: []config.AnnounceWebhook{w}}
}

func TestWithoutTargetsNobodyIsTold(t *testing.T) {
	a, err := newAnnouncer(&config.Config{}, nil, slog.New(slog.DiscardHandler))
	if a != nil || err != nil {
		t.Fatal(a, err)
	}
	s := newAnnouncing(a, week, nil, nil)
	s.changed(settledRecord(), edited(held8(0)))
	s.received(store.Receipt{Safe: noon})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.run(ctx); err != nil || s.states() != nil {
		t.Error(err, s.states())
	}
}
