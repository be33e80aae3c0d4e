package sqs_test

import (
	"testing"

	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/sqs"
	"github.com/rotatord/rotatord/watcher/watchertest"
)

func TestConformance(t *testing.T) {
	for name, deadLetter := range map[string]bool{"deleting": false, "with a redrive policy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			watchertest.Test(t, watchertest.Harness{New: func(t testing.TB) *watchertest.Queue {
				s := start(t)
				q, dead := s.Queue("rotatord"), s.Queue("dead")
				q.Redrive(dead, 5)
				return &watchertest.Queue{
					Open: func() watcher.Transport {
						return onLoopback(t, s, q, func(o *sqs.Options) { o.DeadLetter = deadLetter })
					},
					Send: func(body []byte, attributes map[string]string) { q.Put(string(body), attributes) },
					Left: q.Left, Dead: dead.Left, Expire: q.Expire,
					Cut: func() { s.Offline(true) }, Mend: func() { s.Offline(false) },
					Deny: func() { s.Deny("ReceiveMessage") }, Allow: s.Allow,
					DeadLetter: deadLetter,
				}
			}})
		})
	}
}
