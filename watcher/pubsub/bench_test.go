package pubsub

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/rotatord/rotatord/watcher"
)

// BenchmarkPublishToDeliver measures from before a message is published until
// Deliver is called. The fake hands messages out every ten milliseconds, which
// is most of it.
func BenchmarkPublishToDeliver(b *testing.B) {
	s := newServer(b)
	arrived := make(chan time.Time)
	run(b, s.transport(b), func(context.Context, watcher.Message) watcher.Verdict {
		arrived <- time.Now()
		return watcher.Done
	}).becomesUp()
	var took []time.Duration
	for b.Loop() {
		sent := time.Now()
		s.send([]byte("event"), nil)
		took = append(took, (<-arrived).Sub(sent))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}
