// Package inboxtest measures what operators wait for: the time from a message
// in a queue to the durable record of what it means. Each transport has a
// benchmark that uses it, with its own server on loopback; the inbox, the
// payload's decoding and the store are the real ones.
//
//	d := inboxtest.New(b)
//	go transport.Receive(ctx, d.Deliver, health)
//	for b.Loop() {
//		d.Time(func() { send(inboxtest.Message) })
//	}
//	d.Report(b)
package inboxtest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/store"
	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/inbox"
)

// Message is an event that concerns the one destination of the store.
var Message = []byte(`{"secret": "file:///run/secrets/planet", "version": "v2"}`)

// Durable is an inbox before a store on disk.
type Durable struct {
	*inbox.Inbox
	recorded chan time.Time
	took     []time.Duration
}

// New makes a store below a temporary directory and an inbox before it.
func New(b *testing.B) *Durable {
	b.Helper()
	st, err := store.Open(b.Context(), store.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = st.Close() })
	if err := st.Ensure(b.Context(), []store.Record{{Destination: "d", Account: "a", Secret: "file:///run/secrets/planet"}}); err != nil {
		b.Fatal(err)
	}
	d := &Durable{recorded: make(chan time.Time, 1)}
	d.Inbox, err = inbox.New(inbox.Options{Source: "bench", Counter: nobody{}, Matches: func(credential.Event) bool { return true },
		Emit: func(ctx context.Context, e credential.Event) error {
			err := st.MarkHeard(ctx, store.Heard{Version: e.Version, Source: e.Source, At: time.Now()}, "d")
			if err == nil {
				d.recorded <- time.Now()
			}
			return err
		}})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// Time sends one message and waits until it is recorded.
func (d *Durable) Time(send func()) {
	begun := time.Now()
	send()
	d.took = append(d.took, (<-d.recorded).Sub(begun))
}

// Report gives the median and the 99th percentile of what was timed, in
// milliseconds.
func (d *Durable) Report(b *testing.B) {
	b.Helper()
	slices.Sort(d.took)
	b.ReportMetric(float64(d.took[len(d.took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(d.took[len(d.took)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(0, "ns/op")
}

// nobody counts nothing.
type nobody struct{}

func (nobody) Message(string, watcher.Verdict) {}
func (nobody) Part(string, string)             {}
func (nobody) Trouble(string, watcher.Reason)  {}
