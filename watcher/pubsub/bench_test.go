package pubsub

import (
	"testing"

	"github.com/rotatord/rotatord/watcher/inbox/inboxtest"
)

// BenchmarkQueueToRecord is how long an event takes from the call of Publish to
// its durable record, over gRPC on this machine. Up to 10 ms of it is the
// fake's: it looks for messages to send a hundred times a second.
func BenchmarkQueueToRecord(b *testing.B) {
	s := newServer(b)
	d := inboxtest.New(b)
	run(b, s.transport(b), d.Deliver).becomesUp()
	for b.Loop() {
		d.Time(func() { s.send(inboxtest.Message, nil) })
	}
	d.Report(b)
}
