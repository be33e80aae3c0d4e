package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/rotation"
	"github.com/rotatord/rotatord/store"
)

// canary is in every secret, so that one search tells whether any got out.
const canary = "CANARYsecretCANARY"

const (
	goodToken = canary + "-a-token-of-the-house"
	arn       = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:planet/prod"
	fineOne   = "prod-imagery-CKxV9io"
	heldOne   = "archive-BdTn27q"
)

// house is an API on a store with two destinations, and what is around it.
type house struct {
	api     *API
	store   *store.Store
	log     *safeBuffer
	handler http.Handler
	token   *tokenFile
	clock   *clock
	// said is all that was answered, to be searched for secrets.
	said strings.Builder
}

type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// tokenFile is what the configured file holds.
type tokenFile struct {
	text string
	err  error
}

func (f *tokenFile) read() (credential.Value, error) {
	return credential.NewValue([]byte(f.text)), f.err
}

// vault is a secret manager with one secret.
type vault struct{}

func (vault) Current(context.Context, credential.Secret) (credential.Version, error) {
	return credential.Version{ID: "7e1f0c52", Created: example}, nil
}

func (vault) Read(context.Context, credential.Secret, string) (credential.Value, error) {
	return credential.NewValue([]byte(`{"secret_access_key": "` + canary + `"}`)), nil
}

// sources are two sources of events.
type sources struct{ err error }

func (s sources) Sources(context.Context) ([]Source, error) {
	return []Source{
		{Source: "sqs", Kind: "sqs", Where: "https://sqs.eu-west-1.amazonaws.com/123456789012/rotations", State: "up", Since: example,
			LastMessage: example.Add(time.Hour), Announces: []credential.Secret{arn}},
		{Source: "webhook", Kind: "webhook", Where: "/events/webhook", State: "starting"},
	}, s.err
}

func (sources) Test(context.Context, EventTest) ([]EventTested, error) {
	return []EventTested{{Source: "sqs", Kind: "sqs", Secret: arn}}, nil
}

// rooms is a directory.
type rooms struct{ err error }

func (d rooms) Find(context.Context, Find) ([]Destination, error) {
	return []Destination{{ID: fineOne, Location: json.RawMessage(`{"bucket": "b"}`), Options: json.RawMessage(`{}`)}}, d.err
}
func (d rooms) Create(context.Context, Create) (Created, error) {
	return Created{Checks: []Check{}}, d.err
}
func (d rooms) Change(context.Context, Change) (Changed, error) { return Changed{}, d.err }

// example is when everything of the examples happened.
var example = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func newHouse(t *testing.T) *house {
	t.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	h := &house{store: s, log: &safeBuffer{}, token: &tokenFile{text: goodToken + "\n"}, clock: &clock{at: example}}
	logger := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	engine, err := rotation.New(rotation.Options{Store: s, Source: vault{}, Logger: logger,
		Accounts: []rotation.Account{{Name: "default"}},
		Destinations: []rotation.Destination{
			{Name: fineOne, Account: "default", Secret: arn}, {Name: heldOne, Account: "default", Secret: "file:///run/secrets/archive"},
		}})
	must(t, err)
	must(t, s.Ensure(ctx, []store.Record{{Destination: fineOne, Account: "default", Secret: arn},
		{Destination: heldOne, Account: "default", Secret: "file:///run/secrets/archive"}}))
	h.save(t, fineOne, func(r *store.Record) {
		r.Pin = &store.Pin{ID: fineOne, Ref: "pl:destinations/" + fineOne, Name: "prod-imagery", Type: "amazon_s3", Structural: json.RawMessage(`{}`), At: example}
		r.Accepted = &store.Accepted{Version: "7e1f0c52", Created: example.Add(-time.Minute), Sent: example, At: example.Add(2 * time.Second), GetProven: true}
		r.Source = &store.Source{Version: "7e1f0c52", Created: example.Add(-time.Minute), At: example.Add(time.Hour)}
		r.Status = store.Status{State: store.StateInSync, Since: example.Add(2 * time.Second)}
		r.Leftover = store.Leftover{State: "absent", CheckedAt: example.Add(time.Minute)}
		r.Standing = store.Standing{State: "works", Since: example, CheckedAt: example.Add(time.Hour), Worked: example.Add(time.Hour)}
		r.NextLook, r.LastSuccess = example.Add(2*time.Hour), example.Add(time.Hour)
		r.Done = r.Due
	}, store.Entry{At: example.Add(2 * time.Second), Destination: fineOne, Kind: store.EntryAttempt, Version: "7e1f0c52", Outcome: "accepted", Duration: 1900 * time.Millisecond})
	h.save(t, heldOne, func(r *store.Record) {
		r.Status = store.Status{State: store.StateHeld, Reason: store.ReasonPlanetRefused, Detail: "Planet refused the credential", Since: example}
		r.Hold = &store.Hold{}
		r.Done = r.Due
	})
	must(t, s.SetDependents(ctx, fineOne, planet.Dependents{At: example, Since: example.Add(-time.Hour), Running: 3, Open: 1}))
	must(t, s.SaveReceipt(ctx, store.Receipt{Secret: arn, Version: "7e1f0c52", At: example.Add(2 * time.Second), Opens: example.Add(time.Hour), Safe: example.Add(time.Hour)}))
	h.api = &API{Engine: engine, Store: s, Logger: logger, Events: sources{}, Directory: rooms{}, Version: "1.2.3"}
	h.open(&Actions{ActionsOptions: ActionsOptions{Token: h.token.read, Logger: logger, Sessions: NewSessions(h.clock.now)}})
	t.Cleanup(func() {
		if text := h.said.String() + h.log.String(); strings.Contains(text, canary) {
			t.Errorf("a secret got out:\n%s", text)
		}
	})
	return h
}

// open makes the handler, with actions if there are any.
func (h *house) open(actions *Actions) {
	o := AdminOptions{API: h.api, Version: "1.2.3"}
	if actions != nil {
		all := actions.ActionsOptions
		all.API = h.api
		o.Actions = NewActions(all)
	}
	h.handler = Admin(o)
}

func (h *house) save(t *testing.T, name string, change func(*store.Record), entries ...store.Entry) {
	t.Helper()
	ctx := context.Background()
	r, err := h.store.Load(ctx, name)
	must(t, err)
	change(&r)
	must(t, h.store.Save(ctx, &r, entries...))
}

// person gives what the history says that people have done.
func (h *house) person(t *testing.T) (done []string) {
	t.Helper()
	all, err := h.store.History(context.Background(), store.HistoryQuery{})
	must(t, err)
	for _, e := range all {
		if e.Kind == store.EntryPerson {
			done = append(done, e.Destination+": "+e.Detail)
		}
	}
	return done
}

// do asks the admin listener.
func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	NewServer(h.handler, slog.New(slog.NewTextHandler(h.log, nil))).Handler.ServeHTTP(w, r)
	_, _ = fmt.Fprintln(&h.said, w.Header(), w.Body)
	return w
}

func (h *house) get(target string) *httptest.ResponseRecorder {
	return h.do(httptest.NewRequest(http.MethodGet, target, http.NoBody))
}

// post sends a form; headers come in pairs.
func (h *house) post(path string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://rotatord.test"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "127.0.0.1:4711"
	for i := 0; i+1 < len(headers); i += 2 {
		switch headers[i] {
		case "from":
			r.RemoteAddr = headers[i+1]
		default:
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	return h.do(r)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var errBroken = errors.New("the cloud is away")

// stalledEngine is one whose Planet does not answer before it may.
func stalledEngine(h *house, asked chan<- struct{}, release <-chan struct{}) (*rotation.Engine, error) {
	return rotation.New(rotation.Options{Store: h.store, Source: vault{},
		Accounts:     []rotation.Account{{Name: "default", API: stalled{asked: asked, release: release}}},
		Destinations: []rotation.Destination{{Name: heldOne, Account: "default", Secret: "file:///run/secrets/archive"}}})
}

type stalled struct {
	rotation.Planet
	asked   chan<- struct{}
	release <-chan struct{}
}

func (s stalled) List(context.Context, planet.ListOptions) ([]planet.Destination, error) {
	close(s.asked)
	<-s.release
	return nil, errBroken
}
