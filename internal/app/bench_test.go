package app_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// The benchmarks run rotatord as the tests do, as a process of its own on
// loopback. They print and assert nothing about time: docs/performance.md says
// how to run them and what they gave.

// BenchmarkRenameToAcceptedPatch is the time from the rename of a secret's file
// to Planet's acceptance of the PATCH, without the time for which the servers
// had a request in their hands: the bucket's three of preflight and Planet's
// PATCH, measured in this process around their handlers. The rate limit is
// raised so that rotations can follow each other; one by itself never waits.
func BenchmarkRenameToAcceptedPatch(b *testing.B) {
	const rotations = 100
	w := newWorld(b, perSecond(100))
	w.account = "requests_per_second = 100"
	d := w.add("renamed", renamed)
	w.configure()
	daemon := w.run()
	c := w.reach()
	until(b, "it is in sync", func() bool { return d.settled(c) })

	type answer struct {
		at     time.Time
		server time.Duration
	}
	answers := make(chan answer, 10)
	onPatch := func(took time.Duration) {
		answers <- answer{time.Now(), took + time.Duration(w.bucketTime.Load())}
	}
	w.onPatch.Store(&onPatch)
	var whole, own []time.Duration
	for b.Loop() {
		for range rotations {
			k := d.newKey()
			bucketBefore := time.Duration(w.bucketTime.Load())
			begun := time.Now()
			d.give(k)
			a := <-answers
			whole = append(whole, a.at.Sub(begun))
			own = append(own, a.at.Sub(begun)-(a.server-bucketBefore))
			until(b, "the look is over", func() bool { return d.settled(c) })
		}
	}
	reportTimes(b, "", own)
	reportTimes(b, "whole-", whole)
	w.onPatch.Store(nil)
	daemon.stop()
}

// BenchmarkFiftyDestinationsDueAtOnce is how long the PATCHes of fifty
// destinations take from the first's arrival to the last's, beside the floor
// that three requests a second set.
func BenchmarkFiftyDestinationsDueAtOnce(b *testing.B) {
	const n = 50
	floor := time.Duration((n+2)/3-1) * time.Second
	for _, c := range []struct {
		name   string
		verify time.Duration
	}{{"each PATCH is answered at once", 0}, {"each PATCH takes a second", time.Second}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				w := newWorld(b, func(o *planettest.Options) { o.Behaviour.VerifyDelay = c.verify })
				for i := range n {
					w.add(fmt.Sprintf("fifty-%02d", i), renamed, `first_sight = "adopt"`)
				}
				w.configure()
				daemon := w.run()
				conn := w.reach()
				for _, d := range w.destinations {
					wait(b, conn, d, store.StateInSync, "")
				}
				for _, d := range w.destinations {
					d.rotate()
				}
				until(b, "all have their new keys", func() bool {
					return !slices.ContainsFunc(w.destinations, func(d *destination) bool { return !d.held(d.newest()) })
				})
				patches := w.patches()
				took := patches[len(patches)-1].At.Sub(patches[0].At)
				throttled := 0
				for _, r := range w.sim.Requests() {
					if r.Status == 429 {
						throttled++
					}
				}
				b.ReportMetric(took.Seconds(), "first-to-last-s")
				b.ReportMetric(took.Seconds()/floor.Seconds(), "of-the-floor")
				b.ReportMetric(float64(len(patches)), "PATCHes")
				b.ReportMetric(float64(throttled), "429s")
				b.ReportMetric(float64(w.sim.MaxInWindow(time.Second)), "most-in-1s")
				b.ReportMetric(0, "ns/op")
				wait(b, conn, w.destinations[0], store.StateInSync, "")
				daemon.stop()
			}
		})
	}
}

// BenchmarkSyncBesideCurl is the CPU time, user and system, of "sync" of one
// destination as a whole process, and beside it that of a shell loop which does
// the same with curl. Both are taken by turns against the same servers. The
// process is this test binary; rotatord itself, measured by hand, costs the same.
func BenchmarkSyncBesideCurl(b *testing.B) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Skipf("there is no %s to compare with", tool)
		}
	}
	const times = 20
	w := newWorld(b, perSecond(100))
	w.account = "requests_per_second = 100"
	d := w.add("synced", renamed)
	w.configure()
	var ours, curls []time.Duration
	for b.Loop() {
		for range times {
			ours = append(ours, w.cpuOfSync(b, d))
			curls = append(curls, w.cpuOfCurl(b, d))
		}
	}
	reportTimes(b, "sync-cpu-", ours)
	reportTimes(b, "curl-cpu-", curls)
}

func (w *world) cpuOfSync(b *testing.B, d *destination) time.Duration {
	b.Helper()
	k := d.rotate()
	p := w.launch("sync", nil)
	<-p.gone
	if p.err != nil || !d.held(k) {
		b.Fatalf("sync: %v\n%s", p.err, p.log)
	}
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
}

// cpuOfCurl gives the shell's time with that of all processes that it waited for.
func (w *world) cpuOfCurl(b *testing.B, d *destination) time.Duration {
	b.Helper()
	k := d.rotate()
	cmd := exec.Command("bash", "testdata/curl-loop.sh")
	cmd.Env = append(os.Environ(), "PLANET="+w.planet.URL+"/destinations/v1", "BUCKET="+w.bucket.URL+"/"+d.bucket,
		"KEY_FILE="+w.path("key"), "SECRETS="+d.path, "DESTINATIONS="+d.id)
	out, err := cmd.CombinedOutput()
	if err != nil || !d.held(k) {
		b.Fatalf("the shell loop: %v\n%s", err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// reportTimes gives median and 99th percentile in milliseconds.
func reportTimes(b *testing.B, prefix string, took []time.Duration) {
	slices.Sort(took)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(took[len(took)/2]), prefix+"p50-ms")
	b.ReportMetric(ms(took[len(took)*99/100]), prefix+"p99-ms")
	b.ReportMetric(0, "ns/op")
}
