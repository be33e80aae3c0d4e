package sqstest

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"time"
)

// trouble is what is wrong with the server.
type trouble struct {
	throttle  int
	fail      int
	status    int
	errors    []Code
	cut       int
	cutAfter  int
	garble    int
	corrupt   int
	entries   int
	entryFrom string
	duplicate int
	offline   bool
	hang      bool
	latency   time.Duration
	denied    map[string]bool
}

// Forever is a number of requests that no test gets to.
const Forever = 1 << 30

// Code is a typed refusal of SQS.
type Code string

// Refusals that a receiver has to tell apart.
const (
	QueueDoesNotExist    Code = "QueueDoesNotExist"
	RequestThrottled     Code = "RequestThrottled"
	OverLimit            Code = "OverLimit"
	KmsAccessDenied      Code = "KmsAccessDenied"
	KmsDisabled          Code = "KmsDisabled"
	KmsNotFound          Code = "KmsNotFound"
	KmsThrottled         Code = "KmsThrottled"
	InvalidSecurity      Code = "InvalidSecurity"
	UnsupportedOperation Code = "UnsupportedOperation"
	ReceiptHandleInvalid Code = "ReceiptHandleIsInvalid"
)

// What the older query protocol calls the same, where that differs, and what
// Amazon says.
var codes = map[Code]struct{ query, message string }{
	QueueDoesNotExist:    {"AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."},
	RequestThrottled:     {"RequestThrottled", "Request is throttled."},
	OverLimit:            {"OverLimit", "The number of in flight messages has reached its maximum."},
	KmsAccessDenied:      {"KMS.AccessDeniedException", "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access."},
	KmsDisabled:          {"KMS.DisabledException", "arn:aws:kms:us-west-2:123456789012:key/1234abcd is disabled."},
	KmsNotFound:          {"KMS.NotFoundException", "Invalid keyId '1234abcd'"},
	KmsThrottled:         {"KMS.ThrottlingException", "Rate exceeded"},
	InvalidSecurity:      {"InvalidSecurity", "All requests to this queue must use HTTPS and SigV4."},
	UnsupportedOperation: {"AWS.SimpleQueueService.UnsupportedOperation", "Unsupported operation."},
	ReceiptHandleInvalid: {"ReceiptHandleIsInvalid", "The input receipt handle is invalid."},
}

func (c Code) refusal() *refusal {
	return &refusal{http.StatusBadRequest, "com.amazonaws.sqs#" + string(c), codes[c].query, codes[c].message}
}

// Throttle refuses the next n requests.
func (s *Server) Throttle(n int) { s.hurt(func(t *trouble) { t.throttle = n }) }

// Fail answers the next n requests with a status from 500.
func (s *Server) Fail(n, status int) { s.hurt(func(t *trouble) { t.fail, t.status = n, status }) }

// Refuse gives each of these refusals to one of the next requests.
func (s *Server) Refuse(c ...Code) {
	s.hurt(func(t *trouble) { t.errors = append(t.errors, c...) })
}

// Cut closes the connections of the next n requests without doing what they
// ask.
func (s *Server) Cut(n int) { s.hurt(func(t *trouble) { t.cut = n }) }

// CutAfter does what the next n requests ask and closes their connections
// instead of an answer.
func (s *Server) CutAfter(n int) { s.hurt(func(t *trouble) { t.cutAfter = n }) }

// Garble breaks the JSON of the next n successful answers.
func (s *Server) Garble(n int) { s.hurt(func(t *trouble) { t.garble = n }) }

// Corrupt gives a wrong MD5 sum of the body with the next n messages.
func (s *Server) Corrupt(n int) { s.hurt(func(t *trouble) { t.corrupt = n }) }

// Offline closes every connection without an answer, also those that are
// waiting, and takes none, as a network that is gone.
func (s *Server) Offline(on bool) { s.hurt(func(t *trouble) { t.offline = on }) }

// Hang leaves requests without an answer until their senders give up.
func (s *Server) Hang(on bool) { s.hurt(func(t *trouble) { t.hang = on }) }

// SetLatency makes each request wait that long before anything is done.
func (s *Server) SetLatency(d time.Duration) { s.hurt(func(t *trouble) { t.latency = d }) }

// Heal ends all trouble but a shuffled order.
func (s *Server) Heal() {
	s.hurt(func(t *trouble) { *t = trouble{denied: map[string]bool{}} })
}

// FailEntries lets the next n entries of batches of an action fail, for no
// fault of the sender.
func (s *Server) FailEntries(action string, n int) {
	s.hurt(func(t *trouble) { t.entryFrom, t.entries = action, n })
}

// Duplicate leaves the next n messages that are received visible, as a server
// that was not reached when another gave them out: they come twice.
func (s *Server) Duplicate(n int) { s.hurt(func(t *trouble) { t.duplicate = n }) }

// Shuffle gives messages out in an order that the seed draws. Without it they
// come in the order of arrival, which no standard queue promises.
func (s *Server) Shuffle(seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.order = rand.New(rand.NewPCG(seed, 1))
}

// Deny refuses actions, "ReceiveMessage", to everybody. Several add up.
func (s *Server) Deny(actions ...string) {
	s.hurt(func(t *trouble) {
		for _, action := range actions {
			t.denied[action] = true
		}
	})
}

// Allow takes back what Deny did.
func (s *Server) Allow() {
	s.hurt(func(t *trouble) { maps.DeleteFunc(t.denied, func(string, bool) bool { return true }) })
}

func (s *Server) hurt(f func(*trouble)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.trouble)
	s.stir()
}

// stir wakes whoever waits for a change. The lock is held.
func (s *Server) stir() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// refused takes the trouble of one request from the counters.
func (t *trouble) refused() (no *refusal, cut bool) {
	switch {
	case t.offline:
		return nil, true
	case t.cut > 0:
		t.cut--
		return nil, true
	case t.throttle > 0:
		t.throttle--
		return RequestThrottled.refusal(), false
	case t.fail > 0:
		t.fail--
		return &refusal{t.status, "com.amazonaws.sqs#InternalError", "InternalError", "We encountered an internal error. Please try again."}, false
	case len(t.errors) > 0:
		c := t.errors[0]
		t.errors = t.errors[1:]
		return c.refusal(), false
	}
	return nil, false
}
