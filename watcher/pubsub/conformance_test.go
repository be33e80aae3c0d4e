package pubsub

import (
	"testing"

	"github.com/rotatord/rotatord/watcher"
	"github.com/rotatord/rotatord/watcher/watchertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deadLetter bool
		options    []serverOption
	}{
		"at least once":             {},
		"exactly once":              {options: []serverOption{exactlyOnce}},
		"with a dead-letter policy": {deadLetter: true, options: []serverOption{deadLetters}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			watchertest.Test(t, watchertest.Harness{New: func(t testing.TB) *watchertest.Queue {
				s := newServer(t, c.options...)
				return &watchertest.Queue{
					Open: func() watcher.Transport {
						return s.transport(t, func(o *Options) { o.DeadLetter = c.deadLetter })
					},
					Send:   func(body []byte, attributes map[string]string) { s.send(body, attributes) },
					Left:   s.left,
					Dead:   s.buried,
					Expire: s.expire,
					Cut:    s.net.cut, Mend: s.net.mend,
					Deny: s.deny, Allow: s.allow,
					DeadLetter: c.deadLetter,
				}
			}})
		})
	}
}
