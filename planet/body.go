package planet

import (
	"io"
	"sync"
)

// secretBody is a request body that can be wiped at any moment: a transport
// may still be reading when RoundTrip has returned.
//
// A request made with it has no GetBody, on purpose. net/http repeats requests
// by itself: on HTTP/1 when a reused connection turns out to be dead and the
// request is replayable (GET and the like, or with an Idempotency-Key header,
// which we never set) or was not written at all and its body can be rewound;
// on HTTP/2 after REFUSED_STREAM or GOAWAY, if the body can be rewound.
// Without GetBody nothing of a body that was touched is ever sent twice.
type secretBody struct {
	mu   sync.Mutex
	rest []byte
	all  []byte
}

func newSecretBody(b []byte) *secretBody { return &secretBody{rest: b, all: b} }

func (s *secretBody) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		return 0, io.ErrClosedPipe
	}
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Close is the transport's word that it is done; wiping is the caller's.
func (s *secretBody) Close() error { return nil }

func (s *secretBody) wipe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.all)
	s.all, s.rest = nil, nil
}
