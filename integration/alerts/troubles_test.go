package alerts

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/planet/planettest"
)

const verifyObject = "planetverify.txt"

// troubles makes the destinations of the daemon, and says what happens to each.
// The second result is the one whose deliveries fail, the third the one that
// somebody removes.
func (w *world) troubles(main *daemonOf) (list []trouble, deliveries, gone *place) {
	add := func(p *place, cause, mend func(), alerts ...string) {
		list = append(list, trouble{alerts: alerts, labels: on(p), cause: cause, mend: mend})
	}
	for _, more := range []func(*daemonOf, func(*place, func(), func(), ...string)){
		w.bucketTroubles, w.rotationTroubles, w.planetTroubles, w.endings,
	} {
		more(main, add)
	}
	list = append(list, w.accountTroubles(main)...)
	list = append(list, w.eventTroubles()...)

	p := w.add("delivering", spot{})
	add(p, func() {
		w.judge.fail(p.id)
		w.sim.Order("owner", "pl:destinations/"+p.id, planettest.Order{})
		w.sim.Subscribe("owner", "pl:destinations/"+p.id, planettest.Subscription{Interval: 500 * time.Millisecond})
	}, func() {
		w.judge.fail("")
		p.give(all...)
	}, "RotatordDeliveriesFailing")
	drifted := w.add("drifted", spot{})
	// What others do is told apart from what rotatord has done once it has seen a
	// list that is younger than its own PATCH. So others do it again and again.
	names := 0
	rename, enough := w.again(2*time.Second, func(context.Context) {
		names++
		w.sim.Rename(drifted.id, fmt.Sprintf("renamed-%d-times", names))
	})
	add(drifted, rename, func() {
		enough()
		drifted.give(all...)
	}, "RotatordDrift")
	gone = w.add("vanished", spot{})
	add(gone, func() { w.sim.Remove(gone.id) }, nil, "RotatordDestinationVanished")
	return list, p, gone
}

// again gives what starts doing something at an interval, and what ends it and
// waits for the end.
func (w *world) again(every time.Duration, do func(context.Context)) (start, stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var doing sync.WaitGroup
	stop = func() {
		cancel()
		doing.Wait()
	}
	w.t.Cleanup(stop)
	return func() {
		doing.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for ctx.Err() == nil {
				do(ctx)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}, stop
}

// daemonOf is the daemon that is made after the destinations.
type daemonOf struct{ d *daemon }

func (w *world) bucketTroubles(main *daemonOf, add func(*place, func(), func(), ...string)) {
	rejected := w.add("rejected", spot{})
	add(rejected, func() { w.s3.Revoke(rejected.newest) }, func() { rejected.give(all...) }, "RotatordCredentialRejected", "RotatordStandingDoubtful")

	leftover := w.add("leftover", spot{lines: []string{`preflight = "off"`}})
	add(leftover, func() { leftover.give(buckettest.Put, buckettest.Get) }, func() {
		w.s3.Allow(leftover.newest, all...)
		must(w.t, w.s3.DeleteObject(leftover.bucket, verifyObject))
		main.d.do("push", "--destination", leftover.id)
	}, "RotatordLeftover")

	// Planet's check overwrites nothing here, and what was there before stays. Times
	// of HTTP are exact to a second, so the push has to come well after it.
	old := w.add("old-leftover", spot{})
	w.judge.set(w.judge.unseen, old.id, true)
	must(w.t, w.s3.PutObject(old.bucket, verifyObject, []byte("left behind long ago")))
	put := time.Now()
	add(old, func() {
		until(w.t, "the object is older than the next push", func() bool { return time.Since(put) > 5*time.Second })
		old.give(all...)
	}, func() { must(w.t, w.s3.DeleteObject(old.bucket, verifyObject)) }, "RotatordOldLeftover")

	lone := w.add("unreachable", spot{server: w.lone})
	add(lone, func() { w.lone.SetDown(true) }, func() { w.lone.SetDown(false) }, "RotatordStandingUnknown")

	skewed := w.add("skewed", spot{endpoint: w.skewed.URL})
	add(skewed, func() { w.wrong.Store(true) }, func() { w.wrong.Store(false) }, "RotatordClockSkew")
}

func (w *world) rotationTroubles(main *daemonOf, add func(*place, func(), func(), ...string)) {
	held := w.add("held", spot{})
	add(held, held.bad, func() { held.give(all...) }, "RotatordVersionHeld")

	late := w.add("late", spot{})
	list := func(p *place, alerts ...string) { add(p, p.bad, func() { p.give(all...) }, alerts...) }
	list(late, "RotatordVersionHeld")

	list(w.add("pushing", spot{lines: []string{`propagation_window = "1h"`}}), "RotatordPushFailing")

	unread := w.add("unreadable", spot{})
	add(unread, func() { must(w.t, os.Remove(w.path(unread.file))) }, func() { unread.give(all...) }, "RotatordSecretUnreadable")

	lost := w.add("lost-answers", spot{})
	add(lost, func() {
		w.sim.Inject(planettest.Fault{Method: http.MethodPatch, Path: "/" + lost.id, Times: -1, Kind: planettest.Status, Status: http.StatusServiceUnavailable})
		lost.give(all...)
	}, func() { main.d.do("retry", lost.id) }, "RotatordUncertain")

	// Two that share a secret: the first by name is refused, the second spared.
	first := w.add("shared-a", spot{})
	second := w.add("shared-b", spot{shares: first})
	add(first, func() {
		w.judge.set(w.judge.refused, first.id, true)
		first.giveBoth(second)
	}, func() {
		w.judge.set(w.judge.refused, first.id, false)
		first.giveBoth(second)
	}, "RotatordRestoreFailed")
	add(second, nil, func() {}, "RotatordRolloutStopped")
}

func (w *world) planetTroubles(_ *daemonOf, add func(*place, func(), func(), ...string)) {
	archived := w.add("archived", spot{lines: []string{`on_drift = "push"`}})
	add(archived, func() { w.sim.Archive(archived.id, true) }, func() { w.sim.Archive(archived.id, false) }, "RotatordDestinationArchived")

	foreign := w.add("foreign", spot{lines: []string{`on_drift = "push"`}})
	add(foreign, func() { w.sim.SetCanWrite(foreign.id, "owner", false) }, func() { w.sim.SetCanWrite(foreign.id, "owner", true) }, "RotatordDestinationBlocked")

	moved := w.add("moved", spot{lines: []string{`on_drift = "push"`}})
	add(moved, func() { w.sim.SetParameter(moved.id, "bucket", "elsewhere") }, func() { w.sim.SetParameter(moved.id, "bucket", moved.bucket) }, "RotatordPinMismatch")

	reset := w.add("reset", spot{planet: w.resets, lines: []string{`on_drift = "push"`}})
	add(reset, nil, func() {
		w.resets.Behave(func(b *planettest.Behaviour) { b.ResetOptional = false })
		w.resets.SetParameter(reset.id, "use_path_style", true)
	}, "RotatordParametersChanged")
}

// endings are credentials that end. Their lives are shortened as the rules are:
// seven days are 42 minutes.
func (w *world) endings(_ *daemonOf, add func(*place, func(), func(), ...string)) {
	for _, e := range []struct {
		name, alert string
		left        time.Duration
	}{
		{"ends-soon", "RotatordCredentialExpiresSoon", 25 * time.Minute},
		{"ends-in-a-day", "RotatordCredentialExpiresInADay", 5 * time.Minute},
		{"ended", "RotatordCredentialExpired", 25 * time.Second},
	} {
		p := w.addSAS(e.name, false)
		add(p, func() { p.giveSAS(e.left) }, func() { p.giveSAS(31 * 24 * time.Hour) }, e.alert)
	}
	p := w.addSAS("ends-unreplaced", true)
	add(p, func() { w.vault.SetNextRotation(p.arn, time.Now().Add(60*24*time.Hour)) },
		func() { w.vault.SetNextRotation(p.arn, time.Now().Add(24*time.Hour)) }, "RotatordCredentialExpiresUnreplaced")
}

func (w *world) accountTroubles(main *daemonOf) []trouble {
	account := func(name string) map[string]string { return map[string]string{"account": name} }
	places := map[string]*place{}
	for _, name := range []string{"refused", "throttled", "down", "full"} {
		places[name] = w.add("of-"+name, spot{user: name})
	}
	var filling []string
	for i := range 45 {
		filling = append(filling, w.sim.Seed("full", planettest.Destination{Name: fmt.Sprintf("filling-%d", i), Type: "amazon_s3",
			Parameters: map[string]any{"bucket": "b", "aws_region": "us-east-1", "aws_access_key_id": "k", "aws_secret_access_key": "s"}}))
	}
	return []trouble{
		{[]string{"RotatordAccountBlocked"}, account("refused"), func() { w.write("key-refused", "PLAKofSomebodyElse\n") }, func() {
			w.write("key-refused", apiKey+"refused\n")
			main.d.do("retry", places["refused"].id)
		}},
		{[]string{"RotatordPlanetThrottled"}, account("throttled"), func() {
			w.sim.Inject(planettest.Fault{User: "throttled", Times: -1, Kind: planettest.Status, Status: http.StatusTooManyRequests})
		}, func() {}},
		{[]string{"RotatordPlanetUnavailable"}, account("down"), func() {
			w.sim.Inject(planettest.Fault{User: "down", Times: -1, Kind: planettest.Cut})
		}, func() {}},
		{[]string{"RotatordQuotaNear"}, account("full"), nil, func() {
			for _, id := range filling[:20] {
				w.sim.Remove(id)
			}
		}},
	}
}

func (w *world) eventTroubles() []trouble {
	source := func(name string) map[string]string { return map[string]string{"source": name} }
	queue := w.queues.Queue("rotatord")
	nothing := func() {} // it ends by itself
	missed := w.add("missed", spot{aws: true})
	failed := w.add("failed-at-source", spot{aws: true})
	late := w.add("late-receipt", spot{})
	return []trouble{
		{[]string{"RotatordEventSourceDown"}, source("absent"), nil, func() { w.queues.Queue("absent") }},
		{[]string{"RotatordMessagesNotUnderstood"}, source("queue"), func() { queue.Put("nobody understands this", nil) }, nothing},
		{[]string{"RotatordEventsMissed"}, source("queue"), func() { missed.give(all...) }, nothing},
		{[]string{"RotatordRotationFailedAtSource"}, on(failed), func() { queue.Put(w.rotationFailed(failed.arn), nil) }, func() { failed.give(all...) }},
		{[]string{"RotatordReceiptLate"}, map[string]string{"secret": "file://" + w.path(late.file)}, late.bad, func() { late.give(all...) }},
		{[]string{"RotatordAnnouncementsFailing"}, map[string]string{"target": "ops"}, func() { w.deaf.Store(true) }, func() { w.deaf.Store(false) }},
		w.stranger(),
	}
}

// rotationFailed is the event of CloudTrail about a secret's own rotation.
func (w *world) rotationFailed(arn string) string {
	text := read(w.t, root+"/watcher/payload/testdata/aws_svc_RotationFailed.json")
	text = strings.ReplaceAll(text, "arn:aws:secretsmanager:us-west-2:123456789012:secret:planet/dest-a1b2c3", arn)
	return strings.ReplaceAll(text, "2026-02-06T16:43:48Z", time.Now().UTC().Format(time.RFC3339))
}

// stranger calls the webhook again and again without a signature.
func (w *world) stranger() trouble {
	start, stop := w.again(200*time.Millisecond, func(ctx context.Context) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+w.webhook+"/events/hook", strings.NewReader("{}"))
		if err != nil {
			return
		}
		if res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r); err == nil {
			_ = res.Body.Close()
		}
	})
	return trouble{[]string{"RotatordWebhookRefused"}, map[string]string{"source": "hook"}, start, stop}
}
