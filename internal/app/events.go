package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/metrics"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/inbox"
	"github.com/rotatord/rotatord/watcher/payload"
	"github.com/rotatord/rotatord/watcher/webhook"
)

const (
	defaultTestWait = 30 * time.Second
	mostTestWait    = 10 * time.Minute
	// sendWithin bounds the sending of one test message.
	sendWithin = 20 * time.Second
)

// events are the configured sources of messages. It implements web.Events.
type events struct {
	listening *listening
	sources   []*source
	secrets   []credential.Secret // configured, in order
	handler   http.Handler        // of the webhooks
	tests     inbox.Tests
	log       *slog.Logger

	mu      sync.Mutex
	running bool
}

var _ web.Events = (*events)(nil)

// newEvents builds the sources and starts nothing. emit and matches are the
// engine's.
func newEvents(cfg *config.Config, set providers.Set, m *metrics.Metrics, log *slog.Logger) (*events, error) {
	ev := &events{listening: &listening{metrics: m, settings: cfg.Webhooks}, secrets: secretsOf(cfg), log: log}
	for _, e := range ev.listening.transports(cfg, log) {
		t, err := e.open()
		if err != nil {
			return nil, fmt.Errorf("source %q: %w", e.Name, err)
		}
		ev.sources = append(ev.sources, &source{name: e.Name, kind: e.kind, where: e.where, transport: t,
			secrets: e.announced(ev.secrets, set)})
	}
	var err error
	ev.handler, err = webhook.Handler(ev.listening.endpoints...)
	return ev, err
}

// connect puts an inbox before each source.
func (ev *events) connect(emit func(name string) watcher.Emit, matches func(credential.Event) bool, m *metrics.Metrics) error {
	for _, s := range ev.sources {
		b, err := inbox.New(inbox.Options{Source: s.name, Emit: emit(s.name), Matches: matches, Counter: m, Tests: &ev.tests, Logger: ev.log})
		if err != nil {
			return err
		}
		s.inbox = b
	}
	return nil
}

// secretsOf are the secrets that a configuration names, those of API keys too.
func secretsOf(cfg *config.Config) []credential.Secret {
	var all []credential.Secret
	for _, d := range cfg.Destinations {
		all = append(all, d.Secret)
	}
	for _, a := range cfg.Accounts {
		if a.APIKeySecret != "" {
			all = append(all, a.APIKeySecret)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// parts are the words that messages are counted by.
func parts() []string {
	var words []string
	for _, s := range payload.Shapes() {
		words = append(words, string(s))
	}
	for _, k := range payload.Kinds() {
		words = append(words, string(k))
	}
	return words
}

// announcers are the names of the sources that should tell of a secret.
func (ev *events) announcers(s credential.Secret) []string {
	var names []string
	for _, src := range ev.sources {
		if slices.Contains(src.secrets, s) {
			names = append(names, src.name)
		}
	}
	return names
}

// states is what metrics show.
func (ev *events) states() []metrics.SourceState {
	out := make([]metrics.SourceState, 0, len(ev.sources))
	for _, s := range ev.sources {
		st := s.inbox.State()
		out = append(out, metrics.SourceState{Source: s.name, Up: st.Up, Since: st.Since, LastMessage: st.LastMessage})
	}
	return out
}

// run receives from one source until ctx ends. Whatever is wrong with it never
// takes the daemon down: it is a state, and begun anew.
func (ev *events) run(ctx context.Context, s *source) error {
	for {
		err := s.transport.Receive(ctx, s.inbox.Deliver, s.inbox)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // what ends with its context has ended well
		}
		if err == nil {
			err = &watcher.Error{Op: "receive from", Source: s.where, Reason: watcher.ReasonUnavailable, Hint: "it ended by itself, and is begun anew"}
		}
		s.inbox.Down(err)
		sleep(ctx, sourceRetry)
	}
}

func (ev *events) setRunning(is bool) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.running = is
}

func (ev *events) isRunning() bool {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return ev.running
}

// Sources implements web.Events.
func (ev *events) Sources(context.Context) ([]web.Source, error) {
	out := make([]web.Source, 0, len(ev.sources))
	running := ev.isRunning()
	for _, s := range ev.sources {
		st := s.inbox.State()
		one := web.Source{Source: s.name, Kind: s.kind, Where: s.where, State: "stopped", Announces: s.secrets}
		if running {
			one.State, one.Since, one.LastMessage = "down", st.Since, st.LastMessage
			one.LastError, one.LastReason, one.LastErrorAt = st.LastError, string(st.LastReason), st.LastErrorAt
			switch {
			case st.Up:
				one.State = "up"
			case st.LastErrorAt.IsZero():
				one.State = "starting"
			}
		}
		out = append(out, one)
	}
	return out, nil
}

// Test implements web.Events. Where no daemon runs, the sources are received
// from for as long as the test takes; what comes meanwhile is recorded as
// always, and acted on by the next daemon.
func (ev *events) Test(ctx context.Context, r web.EventTest) ([]web.EventTested, error) {
	chosen, err := ev.choose(r.Sources)
	if err != nil {
		return nil, err
	}
	switch {
	case r.Wait < 0 || r.Wait > mostTestWait:
		return nil, web.Wrong(fmt.Sprintf("wait is up to %s", mostTestWait))
	case r.Wait == 0:
		r.Wait = defaultTestWait
	}
	if !ev.isRunning() {
		stop, err := ev.receive(ctx, chosen)
		if err != nil {
			return nil, err
		}
		defer stop()
	}
	out := make([]web.EventTested, len(chosen))
	var all sync.WaitGroup
	for i, s := range chosen {
		all.Go(func() { out[i] = ev.test(ctx, s, r) })
	}
	all.Wait()
	return out, ctx.Err()
}

func (ev *events) choose(names []string) ([]*source, error) {
	if len(ev.sources) == 0 {
		return nil, web.Refused("no source of events is configured: changes are found by schedule, and at once in files. docs/setup says how to add one")
	}
	if len(names) == 0 {
		return ev.sources, nil
	}
	var chosen []*source
	for _, n := range names {
		i := slices.IndexFunc(ev.sources, func(s *source) bool { return s.name == n })
		if i < 0 {
			var known []string
			for _, s := range ev.sources {
				known = append(known, s.name)
			}
			return nil, web.Wrong(fmt.Sprintf("there is no source %q; configured: %s", n, strings.Join(known, ", ")))
		}
		chosen = append(chosen, ev.sources[i])
	}
	return chosen, nil
}

// receive lets sources work without a daemon.
func (ev *events) receive(ctx context.Context, chosen []*source) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	l, err := ev.listening.open(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	if l != nil {
		all.Go(func() {
			if err := serve(ctx, l, webhook.NewServer(ev.handler, ev.log)); err != nil {
				ev.log.ErrorContext(ctx, "listener for webhooks has ended", "error", err)
			}
		})
	}
	for _, s := range chosen {
		all.Go(func() { _ = ev.run(ctx, s) })
	}
	return func() { cancel(); all.Wait() }, nil
}

// test sends one message through one source and follows it.
func (ev *events) test(ctx context.Context, s *source, r web.EventTest) web.EventTested {
	out := web.EventTested{Source: s.name, Kind: s.kind, Secret: ev.secretFor(s, r.Secret), NotCovered: notCovered[s.kind]}
	sender, ok := s.transport.(watcher.Sender)
	if !ok || cannotSign[s.kind] != "" {
		out.Untestable = cannotSign[s.kind]
		return out
	}
	number := testNumber()
	forget := ev.tests.Expect(number)
	defer forget()
	body, err := json.Marshal(map[string]string{"secret": string(out.Secret), "test": number})
	if err != nil {
		out.Error = "make the message: " + err.Error()
		return out
	}
	sending, cancel := context.WithTimeout(ctx, min(sendWithin, r.Wait))
	defer cancel()
	begun := time.Now()
	if err := sender.Send(sending, body); err != nil {
		out.Error = err.Error()
		return out
	}
	out.Sent = time.Now()
	waiting, cancel := context.WithDeadline(ctx, begun.Add(r.Wait))
	defer cancel()
	trace := ev.tests.Await(waiting, number)
	out.Received, out.Matched, out.Recorded, out.Acknowledged = trace.Received, trace.Matched, trace.Recorded, trace.Acknowledged
	out.OK = out.Matched && !out.Acknowledged.IsZero()
	out.Error = missingLink(out, s, r.Wait)
	return out
}

// missingLink says which link of the chain did not hold.
func missingLink(t web.EventTested, s *source, wait time.Duration) string {
	switch {
	case t.OK:
		return ""
	case t.Received.IsZero():
		if st := s.inbox.State(); !st.Up && st.LastError != "" {
			return "it did not come back within " + wait.String() + ": " + st.LastError
		}
		return "it did not come back within " + wait.String() + ": does somebody else receive from there too?"
	case t.Recorded.IsZero():
		return "it came back and could not be recorded; see the log"
	case t.Acknowledged.IsZero():
		return "it was recorded, and the source has not confirmed that it is done with; it will come again"
	}
	return "it came back and no destination uses the secret " + string(t.Secret)
}

// secretFor is what a test message names.
func (ev *events) secretFor(s *source, wanted credential.Secret) credential.Secret {
	switch {
	case wanted != "":
		return wanted
	case len(s.secrets) > 0:
		return s.secrets[0]
	case len(ev.secrets) > 0:
		return ev.secrets[0]
	}
	return ""
}

func testNumber() string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// cannotSign says why a kind of webhook can't be sent to from here.
var cannotSign = map[string]string{
	"pubsub_push": "only Google can sign its requests: publish a message to the topic, and see rotatord events list",
	"sns":         "only AWS can sign its messages: publish {\"secret\": \"…\"} to the topic (aws sns publish), and see rotatord events list",
}

// notCovered says what a message of ours does not show.
var notCovered = map[string]string{
	"sqs":           "the EventBridge rule that puts events of Secrets Manager into the queue",
	"pubsub":        "the topic in the secret's own settings, and Secret Manager's right to publish there",
	"storage_queue": "the Event Grid subscription that puts events of the vault into the queue",
	"service_bus":   "the Event Grid subscription that puts events of the vault into the queue",
	"event_grid":    "the Event Grid subscription, and the token that Entra makes for it",
	"pubsub_push":   "anything",
	"sns":           "anything",
	"webhook":       "whatever sends to it",
}
