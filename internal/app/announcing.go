package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
)

const (
	// reviewEvery is how often all records are gone through: some things become
	// true by the passing of time, or are learnt outside of a look.
	reviewEvery = time.Minute
	// repeatAfter is when a trouble that goes on is told again.
	repeatAfter = 30 * 24 * time.Hour
)

// newAnnouncer makes the announcer of the configured targets; nil without any.
// What is kept outside of the configuration is read once here, so that a file
// that is not there is an error at the start, and again before each post.
// observe may be nil.
func newAnnouncer(cfg *config.Config, observe func(announce.Observation), log *slog.Logger) (*announce.Announcer, error) {
	o := announce.Options{Source: cfg.Announce.Source, Window: repeatAfter, Logger: log, Observe: observe}
	var problems []error
	for _, w := range cfg.Announce.Webhooks {
		t, err := newWebhookTarget(w)
		if err != nil {
			problems = append(problems, fmt.Errorf("announce.webhook %q: %w", w.Name, err))
			continue
		}
		o.Targets = append(o.Targets, t)
	}
	for _, s := range cfg.Announce.Slack {
		t, err := newSlackTarget(s)
		if err != nil {
			problems = append(problems, fmt.Errorf("announce.slack %q: %w", s.Name, err))
			continue
		}
		o.Targets = append(o.Targets, t)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if len(o.Targets) == 0 {
		return nil, nil //nolint:nilnil // nobody is to be told, and that is right
	}
	return announce.New(o)
}

func newWebhookTarget(w config.AnnounceWebhook) (announce.Target, error) {
	raw, err := w.URL, error(nil)
	if raw == "" {
		raw, err = urlText(w.URLFile, w.URLEnv)
	}
	if err == nil {
		err = announce.CheckURL(raw, false)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyName("url", w.URLFile, w.URLEnv), err)
	}
	keys := keysOf(w.SecretFile, w.SecretEnv)
	if err := checkKeys(keys); err != nil {
		return nil, fmt.Errorf("%s: %w", keyName("secret", w.SecretFile, w.SecretEnv), err)
	}
	transport, err := announceTransport(w.CAFile)
	if err != nil {
		return nil, err
	}
	return announce.Webhook{Name: w.Name, URL: raw, Keys: keys, Kinds: kindsOf(w.Kinds), Transport: transport}, nil
}

func newSlackTarget(s config.AnnounceSlack) (announce.Target, error) {
	raw, err := urlText(s.URLFile, s.URLEnv)
	if err == nil {
		err = announce.CheckURL(raw, false)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyName("url", s.URLFile, s.URLEnv), err)
	}
	transport, err := announceTransport(s.CAFile)
	if err != nil {
		return nil, err
	}
	// Read anew for each post, so that a new webhook needs no restart.
	at := func() (credential.Value, error) { return secretText(s.URLFile, s.URLEnv) }
	return announce.Slack{Name: s.Name, URL: at, Kinds: kindsOf(s.Kinds), Transport: transport}, nil
}

// announceTransport trusts a file's certificates beside the system's; nil for
// the one that targets share.
func announceTransport(caFile string) (http.RoundTripper, error) {
	t, err := trusting(caFile)
	if own, ok := t.(*http.Transport); ok {
		own.MaxResponseHeaderBytes = 64 << 10
	}
	return t, err
}

// urlText reads a URL that is kept outside of the configuration.
func urlText(file, variable string) (string, error) {
	v, err := secretText(file, variable)
	if err != nil {
		return "", err
	}
	defer v.Clear()
	return string(v.Bytes()), nil
}

func checkKeys(keys func() ([]credential.Value, error)) error {
	values, err := keys()
	if err != nil {
		return err
	}
	err = announce.CheckKeys(values)
	for _, v := range values {
		v.Clear()
	}
	return err
}

// keyName is the key of the configuration that was used.
func keyName(key, file, variable string) string {
	switch {
	case file != "":
		return key + "_file"
	case variable != "":
		return key + "_env"
	}
	return key
}

func kindsOf(words []string) []announce.Kind {
	var kinds []announce.Kind
	for _, w := range words {
		kinds = append(kinds, announce.Kind(w))
	}
	return kinds
}

// announcing tells of what happens to records and receipts. A nil one tells
// nobody.
type announcing struct {
	announcer *announce.Announcer
	within    time.Duration
	records   func(context.Context) ([]store.Record, error)
	log       *slog.Logger

	mu sync.Mutex
	// troubled are the states that were told of, by destination, until it is in
	// sync: what lies between, a version that waits say, must not hide that it
	// has recovered.
	troubled map[string]store.Status
	// heard is the revision that was last heard of, by destination.
	heard map[string]int64
}

// newAnnouncing gives nil without an announcer. records are those of all
// destinations.
func newAnnouncing(a *announce.Announcer, within time.Duration, records func(context.Context) ([]store.Record, error), log *slog.Logger) *announcing {
	if a == nil {
		return nil
	}
	return &announcing{announcer: a, within: within, records: records, log: log,
		troubled: map[string]store.Status{}, heard: map[string]int64{}}
}

// changed is for [rotation.Options.Changed].
func (a *announcing) changed(before, after store.Record) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard[after.Destination] = max(a.heard[after.Destination], after.Revision)
	a.tell(before, after, time.Now())
}

// tell needs the lock.
func (a *announcing) tell(before, after store.Record, now time.Time) {
	name := after.Destination
	if s, ok := a.troubled[name]; ok && before.Status.State != store.StateInSync {
		before.Status, before.Failures = s, manyFailures
	}
	for _, one := range announcements(before, after, now, a.within) {
		switch one.Kind {
		case announce.Held, announce.Blocked, announce.Failing:
			a.troubled[name] = after.Status
		}
		a.announcer.Announce(one)
	}
	if after.Status.State == store.StateInSync {
		delete(a.troubled, name)
	}
}

// received is for [rotation.Options.Receipt].
func (a *announcing) received(r store.Receipt) {
	if a == nil {
		return
	}
	if one, ok := receiptAnnouncement(r); ok {
		a.announcer.Announce(one)
	}
}

// run delivers until ctx ends, and then for some seconds more what waits by
// then. It belongs to be ended after everything that may still announce.
func (a *announcing) run(ctx context.Context) error {
	if a == nil {
		<-ctx.Done()
		return nil
	}
	var reviews sync.WaitGroup
	reviews.Go(func() { a.review(ctx) })
	err := a.announcer.Run(ctx)
	reviews.Wait()
	return err
}

// review goes through all records from time to time.
func (a *announcing) review(ctx context.Context) {
	tick := time.NewTicker(reviewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		// One that can't be read is left out, and is a state of its own.
		records, err := a.records(ctx)
		if err != nil && ctx.Err() == nil {
			a.log.DebugContext(ctx, "records not reviewed for announcements", "error", err)
		}
		for _, r := range records {
			a.seen(r, time.Now())
		}
	}
}

// seen tells of what lasts in a record, unless a later one was heard of
// meanwhile.
func (a *announcing) seen(r store.Record, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Revision >= a.heard[r.Destination] {
		a.tell(r, r, now)
	}
}

// states is what metrics show.
func (a *announcing) states() []announce.TargetState {
	if a == nil {
		return nil
	}
	return a.announcer.State()
}
