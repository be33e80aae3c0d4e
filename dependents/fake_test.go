package dependents_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/dependents"
	"github.com/rotatord/rotatord/planet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// call is one call of a fake's.
type call struct {
	at   time.Duration // since its begin
	what string        // "all", or the id that was asked for alone
}

// fake is a gatherer, a list of targets and a place to save into.
type fake struct {
	began time.Time

	mu      sync.Mutex
	calls   []call
	answer  func(id string, alone bool) (planet.Dependents, error)
	takes   time.Duration
	targets []dependents.Target
	saved   map[string]planet.Dependents
	saves   int
	saveErr error
	log     bytes.Buffer
}

func newFake(ids ...string) *fake {
	f := &fake{began: time.Now(), saved: map[string]planet.Dependents{}}
	f.answer = func(string, bool) (planet.Dependents, error) { return planet.Dependents{Open: 1}, nil }
	for _, id := range ids {
		f.add(id)
	}
	return f
}

func (f *fake) add(id string) {
	no := false
	t := dependents.Target{Name: "name of " + id}
	t.Destination = planet.Destination{ID: id, Default: &no}
	f.targets = append(f.targets, t)
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) one(id string, alone bool) (planet.Dependents, error) {
	d, err := f.answer(id, alone)
	d.At = time.Now()
	return d, err
}

func (f *fake) begin(ctx context.Context, what string) {
	f.mu.Lock()
	f.calls = append(f.calls, call{time.Since(f.began), what})
	takes := f.takes
	f.mu.Unlock()
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (f *fake) GatherAll(ctx context.Context, targets []planet.Target) (map[string]planet.Dependents, error) {
	f.begin(ctx, "all")
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]planet.Dependents{}
	var failed error
	for _, t := range targets {
		d, err := f.one(t.Destination.ID, false)
		out[t.Destination.ID] = d
		failed = err
	}
	return out, failed
}

func (f *fake) Gather(ctx context.Context, t planet.Target) (planet.Dependents, error) {
	f.begin(ctx, t.Destination.ID)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.one(t.Destination.ID, true)
}

func (f *fake) list(context.Context) ([]dependents.Target, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := append([]dependents.Target(nil), f.targets...)
	for i := range out {
		if d, ok := f.saved[out[i].Name]; ok {
			out[i].Known = &d
		}
	}
	return out, nil
}

func (f *fake) save(_ context.Context, name string, d planet.Dependents) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.saveErr != nil {
		return f.saveErr
	}
	f.saved[name] = d
	f.saves++
	return nil
}

func (f *fake) options(every time.Duration) dependents.Options {
	return dependents.Options{Account: "acct", Gatherer: f, Targets: f.list, Save: f.save, Every: every,
		Logger: slog.New(slog.NewTextHandler(&f.log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "error" {
				return slog.Attr{}
			}
			return a
		}}))}
}

// run lets an Asker run until the end of the test.
func run(t *testing.T, o dependents.Options) *dependents.Asker {
	t.Helper()
	a, stop := start(t, o)
	t.Cleanup(stop)
	return a
}

func start(t *testing.T, o dependents.Options) (a *dependents.Asker, stop func()) {
	t.Helper()
	a, err := dependents.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	return a, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
}

// rounds are the times of the lists of everything.
func (f *fake) rounds() (at []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.what == "all" {
			at = append(at, c.at)
		}
	}
	return at
}

// alone are the ids that were asked for alone, in order.
func (f *fake) alone() (ids []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.what != "all" {
			ids = append(ids, c.what)
		}
	}
	return ids
}

func (f *fake) counts() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]string{}
	for name, d := range maps.All(f.saved) {
		out[strings.TrimPrefix(name, "name of ")] = show(d)
	}
	return out
}

func show(d planet.Dependents) string {
	text := fmt.Sprintf("%d running, %d open, %d failed, %d for the credential", d.Running, d.Open, d.Failed, d.FailedCredential)
	if d.Incomplete {
		text += ", perhaps more"
	}
	return text
}
