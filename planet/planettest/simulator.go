package planettest

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync"
	"time"
)

// Simulator is the Destinations API of Planet for the users of its Options, and
// as much of the Orders and Subscriptions APIs as delivers to destinations.
// It is an http.Handler; all methods are safe for concurrent use.
type Simulator struct {
	perSecond int
	window    Window
	quota     int
	base      string
	verifier  Verifier
	logger    *slog.Logger
	onRequest func(Request)
	users     map[[sha256.Size]byte]*User
	seed      uint64
	hashKey   [32]byte
	group     *group
	clock     *group // what delivers; Wait does not wait for it, for it has no end

	deliveryOptions DeliveryOptions
	onDelivery      func(Delivery)

	mu          sync.Mutex // everything below
	behaviour   Behaviour
	rates       FaultRates
	faults      []*armed
	occurrences map[string]uint64 // how often a method and path were asked for by a user
	ids         *mathrand.Rand
	orgs        map[string]*organization
	records     []*Request
	received    int                    // requests, those forgotten included
	arrivals    map[string][]time.Time // by user and API, the requests that the rate limit counts
	work        work
}

// Format keeps everything that a Simulator holds out of every verb of fmt.
func (s *Simulator) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "planettest.Simulator") }

// Behave changes what is unknown while the simulator runs. Requests that are
// under way may see either. It panics when the result makes no sense, which is
// a mistake in the calling test.
func (s *Simulator) Behave(change func(*Behaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.behaviour
	change(&b)
	b = b.withDefaults()
	if err := b.check(); err != nil {
		panic("planettest: " + err.Error())
	}
	s.behaviour = b
}

// current is the behaviour now.
func (s *Simulator) current() Behaviour {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.behaviour
}

// Wait returns when nothing is under way any more: no request, no late
// effect, no file that lingers. Requests of a [Server] are its own affair, and
// deliveries are not waited for: subscriptions have no end.
func (s *Simulator) Wait() { s.group.wait() }

// Close drops what is under way (late effects that are still to come do not
// come, deliveries break off unrecorded) and waits for its end. It does not close Servers. Requests after it
// are answered as long as they need no waiting.
func (s *Simulator) Close() {
	s.group.cancel()
	s.clock.cancel()
	s.group.wait()
	s.clock.wait()
}
