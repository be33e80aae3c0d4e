// Package pubsub takes messages from a subscription of Google Cloud Pub/Sub by
// streaming pull: Pub/Sub pushes them down a stream that stays open, so that an
// event is here a few milliseconds after it was published, and an idle
// subscription costs one keep-alive each half minute.
//
// Connection, credentials and calls are those of Google's generated client,
// cloud.google.com/go/pubsub/v2/apiv1. The client that Google puts on top of it
// would not do for a daemon: it looks thirty times a second whether there is
// something to acknowledge, for ever, and it opens a broken stream again and
// again without telling anybody. What it does besides is small, and is here.
//
// # The stream
//
// The first request names the subscription and says how much may be under way;
// Pub/Sub counts, and sends no more than that. An emulator does not, so that
// nothing is read while more is in hand. Right behind it goes a keep-alive, which
// Pub/Sub answers at once: a subscription without traffic is known to be up after
// one round trip. Another one follows each 30 seconds. A stream on which nothing
// is heard for 75 is dead even if no error says so (stream.go).
//
// A stream that was well and is closed, as Pub/Sub does every half hour or so, is
// opened again a quarter of a second later, and nobody is told. Any other failure
// ends the connection (session.go): [Transport.Receive] says [watcher.Health]
// why, makes a new one with credentials of its own, and pauses between attempts
// for a time that grows to half a minute. Nothing below makes attempts of its
// own: the generated client's retries are off.
//
// # Leases
//
// A message is ours for 20 seconds, whatever the subscription says: the stream's
// deadline goes before the subscription's. While it is in hand, which is until
// Pub/Sub has taken its acknowledgement, the lease is renewed when half of it is
// over, for five minutes in all (hand.go). Few are ever renewed, since a delivery
// is one write to the store. While nothing is in hand there is no timer.
//
// # Acknowledgements
//
// They leave within a tenth of a second after [watcher.Done], in batches
// (batch.go). What may pass is tried again for a minute (calls.go). If one is lost
// the message comes again, which is harmless, and that they don't get through is
// logged.
//
// With exactly-once delivery Pub/Sub answers for each message by itself, and
// refuses what is not ours any more. A message is delivered only after Pub/Sub
// has confirmed that it is ours, leases are a minute, and a refused
// acknowledgement is logged.
//
// Ordered delivery needs nothing: messages with one key may be delivered at the
// same time or the wrong way round here, and an event says no more than that
// there is something to look at.
//
// # Again
//
// A message that is given back is delivered at once, unless the subscription
// has a retry policy. With a store that can't record events that is a loop as
// hot as the network allows. So a message that is wanted again is held before
// it is given back, half a second the first time, twice as long each time after,
// up to half a minute. The subscription's own retry policy comes on top.
//
// A dead-letter policy counts deliveries and does not ask why: messages that are
// given back while a disk is full are moved as well, after the policy's maximum.
// What is moved is not lost, since a schedule finds the change too; it only is
// found later.
//
// # The end
//
// When the context ends, our end of the stream is closed, and what was on its way
// is given back as it comes. What is held is given back, deliveries under way
// finish, and their acknowledgements are sent; those that don't finish are
// abandoned and given back. After five seconds the connection is closed whatever
// is left. What was not acknowledged comes again: some 20 seconds after a crash,
// at once after an orderly end.
//
// # Permissions
//
//	pubsub.subscriptions.consume  to pull, to acknowledge, to give back
//	pubsub.topics.publish         for "rotatord events test" only
//
// # Surroundings
//
// Who rotatord is comes from Google's default credentials unless Options say
// otherwise. The client's telemetry is off, and so is its log, whatever
// GOOGLE_SDK_GO_LOGGING_LEVEL says: at its finest it would write messages.
// PUBSUB_EMULATOR_HOST is honoured by the client and means plain text without
// any authentication.
package pubsub
