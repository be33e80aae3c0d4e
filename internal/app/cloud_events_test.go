package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/store"
)

func (a *amazon) announce(d *destination) { a.queue.Put(d.event(), nil) }

// emptied waits until the queue has nothing that was not acknowledged.
func (a *amazon) emptied(t testing.TB) {
	t.Helper()
	until(t, "the queue is empty", func() bool { return a.queue.Left() == 0 })
}

func sourceOf(t testing.TB, c *app.Connection, name string) web.Source {
	t.Helper()
	all, err := c.Sources(context.Background())
	must(t, err)
	for _, s := range all {
		if s.Source == name {
			return s
		}
	}
	t.Fatalf("there is no source %s", name)
	return web.Source{}
}

// There is no schedule: what reaches Planet here, an event has brought.
func TestAnEventInAQueueReachesPlanet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50))
	fast(w)
	a := w.amazon()
	d, other := a.add("queued"), a.add("other")
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	wait(t, c, other, store.StateInSync, "")
	asked := a.secrets.Count("DescribeSecret")
	k := d.rotate()
	a.announce(d)
	until(t, "planet holds the new key", func() bool { return d.held(k) && d.settled(c) })
	a.emptied(t)
	if n := a.secrets.Count("DescribeSecret") - asked; n != 1 {
		t.Errorf("%d questions to the secret manager for one event", n)
	}
	if n := len(w.patches(d)); n != 2 {
		t.Errorf("%d PATCHes, want one at first sight and one after the event", n)
	}

	// What nobody understands, and what concerns nobody, stops nothing.
	a.queue.Put("junk "+canary, nil)
	a.queue.Put(`{"secret":"arn:aws:secretsmanager:us-west-2:123456789012:secret:somebody/elses-abcdef"}`, nil)
	a.queue.Put(strings.Replace(d.event(), "Secret Label Updated", "Something New", 1), nil)
	a.emptied(t)
	failed := fmt.Sprintf(`{"detail-type":"AWS Service Event via CloudTrail","source":"aws.secretsmanager","time":"2026-02-06T16:43:48Z",
"detail":{"eventName":"RotationFailed","eventTime":%q,"additionalEventData":{"SecretId":%q}}}`, time.Now().UTC().Format(time.RFC3339), other.secret)
	a.queue.Put(failed, nil)
	until(t, "the failed rotation is a note", func() bool {
		s := status(t, c, other)
		return len(s.Notes) == 1 && s.Notes[0].Kind == "rotation_failed" && s.State == store.StateInSync
	})
	if s := sourceOf(t, c, "sqs"); s.State != "up" || s.LastMessage.IsZero() || len(s.Announces) != 2 {
		t.Errorf("the source stands so: %+v", s)
	}
	_, metrics := daemon.get("/metrics")
	for _, line := range []string{
		`rotatord_source_up{source="sqs"} 1`, `rotatord_source_parts_total{part="not_json",source="sqs"} 1`,
		`rotatord_source_parts_total{part="aws_label",source="sqs"} 1`, `rotatord_source_parts_total{part="aws_other",source="sqs"} 1`,
		`rotatord_events_total{result="unmatched",source="sqs"} 1`, `rotatord_source_messages_total{source="sqs",verdict="never"} 2`,
		fmt.Sprintf(`rotatord_note{destination=%q,kind="rotation_failed"} 1`, other.id),
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("/metrics has no %s", line)
		}
	}
	other.rotate()
	a.announce(other)
	until(t, "a newer version ends the note", func() bool { return other.settled(c) && len(status(t, c, other).Notes) == 0 })
	w.checkNoSecret(daemon, c)
	daemon.stop()
}

// TestKilledAtAnyStepOfAnEventNothingIsLost kills the daemon at each step of a
// message that can be told from outside. Afterwards the message is still in
// the queue, or what it means is in the store.
func TestKilledAtAnyStepOfAnEventNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]struct {
		action string
		done   bool // after the server has acted
	}{
		"once it was given out":           {"AmazonSQS.ReceiveMessage", true},
		"when it is about to be deleted":  {"AmazonSQS.DeleteMessageBatch", false},
		"once it was deleted, unanswered": {"AmazonSQS.DeleteMessageBatch", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, perSecond(50))
			fast(w)
			a := w.amazon()
			d := a.add("killed")
			w.configure()
			daemon := w.run()
			wait(t, w.reach(), d, store.StateInSync, "")
			var armed atomic.Bool
			killed := make(chan struct{})
			at := func(action string, done bool, answer string) {
				of := action != "AmazonSQS.ReceiveMessage" || strings.Contains(answer, "ReceiptHandle")
				if action == step.action && done == step.done && of && armed.CompareAndSwap(true, false) {
					daemon.kill()
					close(killed)
				}
			}
			a.onQueue.Store(&at)
			k := d.rotate()
			armed.Store(true)
			a.announce(d)
			<-killed
			a.onQueue.Store(nil)

			inQueue := a.queue.Left() == 1
			r := w.recorded(d)
			inStore := r.Due > r.Done || r.Accepted.Version == d.version
			if !inQueue && !inStore {
				t.Error("the message is deleted, and the store does not know of it")
			}
			if step.action == "AmazonSQS.DeleteMessageBatch" && !inStore {
				t.Error("it is about to be deleted before it is in the store")
			}
			a.queue.Expire()
			daemon = w.run()
			c := w.reach()
			until(t, "planet holds the new key", func() bool { return d.held(k) && d.settled(c) })
			a.emptied(t)
			daemon.stop()
		})
	}
}

// recorded reads the record of a destination while no daemon runs.
func (w *world) recorded(d *destination) store.Record {
	w.t.Helper()
	st, err := store.Open(context.Background(), store.Options{Dir: w.storeDir()})
	must(w.t, err)
	r, err := st.Load(context.Background(), d.id)
	must(w.t, err)
	must(w.t, st.Close())
	return r
}

// TestABurstOfEventsCostsOnePatchAVersion: ten thousand events for fifty
// destinations, duplicated and out of order, while secrets rotate.
func TestABurstOfEventsCostsOnePatchAVersion(t *testing.T) {
	t.Parallel()
	const destinations, rotations = 50, 4
	const events = 10_000
	w := newWorld(t, perSecond(100))
	w.account = "requests_per_second = 100"
	a := w.amazon()
	var all []*destination
	for i := range destinations {
		all = append(all, a.add(fmt.Sprintf("burst-%02d", i), `first_sight = "adopt"`))
	}
	w.configure()
	daemon := w.run()
	c := w.reach()
	for _, d := range all {
		wait(t, c, d, store.StateInSync, "")
	}
	before := daemon.memory()
	a.queues.Shuffle(7)
	r := rand.New(rand.NewPCG(3, 5))
	var known []string // events that were sent, to be repeated
	for sent := 0; sent < events; sent++ {
		if d := all[sent%destinations]; sent%(events/rotations) < destinations {
			d.rotate()
			known = append(known, d.event())
		}
		a.queue.Put(known[len(known)-1-r.IntN(min(len(known), 3*destinations))], nil)
	}
	most := 0
	until(t, "the queue is empty", func() bool {
		most = max(most, daemon.memory())
		return a.queue.Left() == 0
	})
	until(t, "planet holds the newest key of each", func() bool {
		for _, d := range all {
			if !d.held(d.newest()) {
				return false
			}
		}
		return true
	})
	for _, d := range all {
		until(t, d.id+" is in sync", func() bool { return status(t, c, d).State == store.StateInSync })
		seen := map[string]int{}
		for _, p := range w.patches(d) {
			seen[p.Fingerprints["access_key_id"]]++
		}
		for _, n := range seen {
			if n > 1 {
				t.Errorf("%s: a version was sent %d times", d.id, n)
			}
		}
		if len(seen) == 0 || len(seen) > rotations {
			t.Errorf("%s: %d versions were sent, there were %d", d.id, len(seen), rotations)
		}
	}
	a.emptied(t)
	t.Logf("%d events, %d PATCHes, %d questions to the secret manager; %d KiB resident before, at most %d", events, len(w.patches()),
		a.secrets.Count("DescribeSecret"), before, most)
	if most > 3*before {
		t.Errorf("it took %d KiB before the burst and %d in it", before, most)
	}
	daemon.stop()
}

// memory is what a daemon has resident, in KiB; 0 where it can't be known.
func (p *process) memory() int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		var kib int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kib); err == nil {
			return kib
		}
	}
	return 0
}

// An event that nobody has brought is counted, once the grace is over.
func TestAChangeThatTheScheduleFindsIsCountedAsMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50))
	fast(w)
	w.top = "[events]\nmissed_after = \"300ms\""
	a := w.amazon()
	d := a.add("missed", `schedule = "@every 1s"`)
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	k := d.rotate()
	until(t, "planet holds the new key", func() bool { return d.held(k) })
	until(t, "the event counts as missed", func() bool {
		_, metrics := daemon.get("/metrics")
		return strings.Contains(metrics, `rotatord_events_missed_total{source="sqs"} 1`)
	})
	k = d.newKey()
	d.give(k)
	a.announce(d)
	until(t, "planet holds the next key", func() bool { return d.held(k) && d.settled(c) })
	until(t, "nothing is waited for", func() bool { return status(t, c, d).Unannounced == nil })
	if _, metrics := daemon.get("/metrics"); !strings.Contains(metrics, `rotatord_events_missed_total{source="sqs"} 1`) {
		t.Error("an event that came counts as missed")
	}
	daemon.stop()
}

func TestEventsAreTestedThroughTheSourcesThemselves(t *testing.T) {
	w := newWorld(t, perSecond(50))
	fast(w)
	a := w.amazon()
	w.write("hook.key", []byte("whsec_"+strings.Repeat("QUJD", 11)+"\n"))
	w.top += fmt.Sprintf("[webhooks]\nlisten = \"127.0.0.1:0\"\n[[source.webhook]]\nsecret_file = %q\n[[source.pubsub_push]]\naudience = \"https://a.example\"\nservice_account = \"a@b.iam.gserviceaccount.com\"\n", w.path("hook.key"))
	d := a.add("tested")
	w.configure()
	check := func(c *app.Connection) {
		t.Helper()
		tested, err := c.TestEvents(t.Context(), web.EventTest{})
		must(t, err)
		if len(tested) != 3 {
			t.Fatalf("%d sources were tested", len(tested))
		}
		for _, one := range tested {
			untestable := one.Kind == "pubsub_push"
			if one.OK == untestable || untestable != (one.Untestable != "") || one.Error != "" || one.NotCovered == "" {
				t.Errorf("%s: %+v", one.Source, one)
			}
			if one.OK && (one.Sent.IsZero() || one.Received.IsZero() || one.Recorded.IsZero() || one.Acknowledged.IsZero() || string(one.Secret) != d.secret) {
				t.Errorf("%s is said to be well: %+v", one.Source, one)
			}
		}
		a.emptied(t)
	}
	// Without a daemon, in this process.
	for _, e := range w.env {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	alone, err := app.Reach(t.Context(), w.options())
	must(t, err)
	if alone.Daemon {
		t.Fatal("a daemon answers")
	}
	check(alone)
	must(t, alone.Close())

	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	check(c)
	tested, err := c.TestEvents(t.Context(), web.EventTest{Sources: []string{"sqs"}, Secret: "arn:aws:secretsmanager:us-west-2:123456789012:secret:nobodys"})
	must(t, err)
	if tested[0].OK || tested[0].Matched || tested[0].Error == "" {
		t.Errorf("a secret of nobody's: %+v", tested[0])
	}
	if _, err := c.TestEvents(t.Context(), web.EventTest{Sources: []string{"sqz"}}); err == nil || !strings.Contains(err.Error(), "sqs") {
		t.Errorf("a source that does not exist: %v", err)
	}
	a.queues.Deny("SendMessage")
	tested, err = c.TestEvents(t.Context(), web.EventTest{Sources: []string{"sqs"}})
	must(t, err)
	if tested[0].OK || !strings.Contains(tested[0].Error, "sqs:SendMessage") {
		t.Errorf("without the permission to send: %+v", tested[0])
	}
	if n := len(w.patches(d)); n != 1 {
		t.Errorf("%d PATCHes; tests send none", n)
	}
	daemon.stop()
}

// A source that can't be used never takes the daemon down.
func TestASourceThatIsDownIsAStateAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, perSecond(50))
	fast(w)
	a := w.amazon()
	a.queues.Deny("ReceiveMessage")
	d := a.add("down")
	w.configure()
	daemon := w.run()
	c := w.reach()
	wait(t, c, d, store.StateInSync, "")
	until(t, "the source is down", func() bool { return sourceOf(t, c, "sqs").State == "down" })
	if s := sourceOf(t, c, "sqs"); s.LastReason != "denied" || !strings.Contains(s.LastError, "sqs:ReceiveMessage") {
		t.Errorf("the source stands so: %+v", s)
	}
	if _, metrics := daemon.get("/metrics"); !strings.Contains(metrics, `rotatord_source_up{source="sqs"} 0`) {
		t.Error("/metrics does not say that the source is down")
	}
	k := d.rotate()
	a.announce(d)
	a.queues.Allow()
	until(t, "it is up again and has brought the event", func() bool { return d.held(k) && sourceOf(t, c, "sqs").State == "up" })
	daemon.stop()
}

// BenchmarkEventToAcceptedPatch is the time from an event in a queue to
// Planet's acceptance of the PATCH, without the time for which the servers had
// a request in their hands: Secrets Manager's, the bucket's three of preflight
// and Planet's PATCH. The queue's time counts.
func BenchmarkEventToAcceptedPatch(b *testing.B) {
	const rotations = 100
	w := newWorld(b, perSecond(100))
	w.account = "requests_per_second = 100"
	a := w.amazon()
	d := a.add("queued")
	w.configure()
	daemon := w.run()
	c := w.reach()
	until(b, "it is in sync", func() bool { return d.settled(c) })
	servers := func() time.Duration { return time.Duration(w.bucketTime.Load() + a.took.Load()) }
	answers := make(chan time.Duration, 10)
	at := make(chan time.Time, 10)
	onPatch := func(took time.Duration) { at <- time.Now(); answers <- took + servers() }
	w.onPatch.Store(&onPatch)
	var whole, own []time.Duration
	for b.Loop() {
		for range rotations {
			d.rotate()
			before := servers()
			begun := time.Now()
			a.announce(d)
			took := (<-at).Sub(begun)
			whole = append(whole, took)
			own = append(own, took-(<-answers-before))
			until(b, "the look is over", func() bool { return d.settled(c) })
		}
	}
	reportTimes(b, "", own)
	reportTimes(b, "whole-", whole)
	w.onPatch.Store(nil)
	daemon.stop()
}
