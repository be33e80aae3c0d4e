// Package sqstest is an Amazon SQS in memory, for tests of things that receive
// messages.
//
// [Server] speaks SQS's JSON 1.0 to the real SDK, verifies Signature Version 4
// by signing each request again, and keeps standard queues by the rules of the
// real ones, since a receiver's mistakes show in just these:
//
//   - A received message is invisible for a while and comes back by itself. It
//     has another receipt handle each time, and a handle that is not the latest
//     deletes nothing, although the answer says that it has.
//   - A long poll waits for a message to arrive or to become visible.
//   - A message that was received as often as the redrive policy says is moved
//     to the dead-letter queue instead of being given out again.
//   - A batch has up to ten entries, and each succeeds or fails by itself.
//   - Answers carry the MD5 sums of bodies and attributes; the SDK compares those
//     of bodies.
//   - Refusals have a type, a code of the older query protocol beside it, and
//     Amazon's words.
//
// A test puts messages into a [Queue] past all access control, and asks what is
// left there. Other methods make the server misbehave: throttle, break down,
// hang, lag, deny an action, cut connections before or after it has done what
// was asked, fail single entries of a batch, give messages out twice and in
// disorder.
//
// It listens on loopback ([Server.Start]) or serves an http.RoundTripper without
// any network, for testing/synctest bubbles. All its times are time.Now. FIFO
// queues, delays, purging and administration are not there.
package sqstest
