// Package planettest is a Planet Destinations API without Planet: what
// net/http/httptest is to net/http, this is to a client of that API.
//
// Planet has no sandbox for destinations. Whoever writes a program that
// creates or updates them has so far had the choice between an account with
// real buckets and a mock that answers what its author hoped for. A
// [Simulator] holds the rules that Planet documents (strict bodies, redacted
// answers, quota, unique names, ownership, archiving, the default, three
// requests a second a user) and lets the caller choose wherever Planet's
// documents are silent or say two things: each open question is a field of
// [Behaviour], so that a client can be proved to work whatever the answer
// turns out to be.
//
//	sim, err := planettest.New(planettest.Options{
//		Users: []planettest.User{{Name: "ada", Key: "ada-key"}},
//	})
//	server := sim.Start() // 127.0.0.1, a free port
//	defer server.Close()
//	// any client, with server.BaseURL and "Authorization: api-key ada-key"
//
// # Verification
//
// Planet checks credentials by writing planetverify.txt into the bucket and
// deleting it again. The simulator leaves that to a [Verifier], so that this
// package needs no cloud SDK; without one every credential is good. A key
// that may write but not delete leaves the file behind. Whether Planet then
// refuses the credential is not documented; here it is accepted in silence
// unless [Behaviour.DeleteFailureRefuses] is set, because that is the case a
// client must discover by itself.
//
// # Deliveries
//
// What a destination is for is delivering. [Simulator.Subscribe] and
// [Simulator.Order], or their counterparts over HTTP, write files into the
// bucket on a clock, through a [Deliverer], with the credential that was stored
// when the delivery started; and fail when that one has stopped to work
// meanwhile. [Simulator.Delivered] is the figure that a rotation is judged by.
//
// # Faults
//
// A [Fault] given to [Simulator.Inject] hits chosen requests: a status, a cut
// connection, a slow, senseless or huge answer. What it does to the
// connection and what becomes of the request are separate ([Kind] and
// [Effect]): the PATCH that was cut and still takes effect ten seconds later
// is one line. [FaultRates] spread such faults over all requests from a seed;
// the same requests meet the same faults again, whatever order goroutines
// ran in.
//
// # Judging a client
//
// [Simulator.Requests] is a record of every request: when it arrived, who
// sent it, which fields it had, what it was answered, and when it took effect.
// [Simulator.MaxInWindow] is the figure a rate limiter is judged by. The
// record is safe to print: of a secret it holds a keyed hash, to be compared
// with [Simulator.Fingerprint].
//
// # Virtual time
//
// Loopback sockets hang in a testing/synctest bubble.
// [Simulator.RoundTripper] is a transport that stays in memory and behaves as
// a network would where it matters: a caller that gives up gets its error at
// once while the handler goes on, a cut connection is an error, and hooks of
// net/http/httptrace see the request written. All waiting in this package is
// done with timers, so in a bubble it costs nothing. Make the Simulator inside
// the bubble.
package planettest
