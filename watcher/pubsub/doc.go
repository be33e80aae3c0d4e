// Package pubsub takes messages from a subscription of Google Cloud Pub/Sub by
// streaming pull: Pub/Sub pushes them down a stream that stays open, so that an
// event is here a few milliseconds after it was published, and an idle
// subscription costs nothing.
//
// The stream, the leases of messages and the batching of acknowledgements are
// those of Google's own client, cloud.google.com/go/pubsub/v2. Three things
// about it would not do for a daemon, and this package is mostly about them.
//
// # Knowing how it stands
//
// The client is silent. It opens a broken stream again and again, with pauses
// of up to a minute, tells nobody, and gives up only for answers that will not
// change. So a stream interceptor stands between it and gRPC (pulse.go) and
// sees what the client sees: any message, or the answer to a keep-alive, says
// that the subscription is up. The client sends its first keep-alive after half
// a minute; the interceptor sends one right behind the first request, so that a
// subscription without traffic is known to be up after one round trip and not
// after thirty seconds.
//
// A stream that was well and is closed, as Pub/Sub does every half hour or so,
// is left to the client, which opens the next one within a second. Any other
// failure ends the client: [Transport.Receive] says [watcher.Health] why, makes a new
// one with connections and credentials of its own, and pauses between attempts
// for a time that grows to half a minute. A stream on which nothing is heard
// for 75 seconds, although the client sends a keep-alive each 30, is dead even
// if no error says so.
//
// This also avoids a trap: while the client looks for its stream it holds a lock
// that its own end has to take, so that a process would not stop during an outage.
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
// When the context ends, no more is pulled, deliveries under way finish, and
// their acknowledgements are sent; after five seconds the connection is closed
// whatever is left. What was not acknowledged comes again: some 20 seconds after
// a crash, at once after an orderly end.
//
// Acknowledgements leave within a tenth of a second after [watcher.Done], in
// batches. If one is lost the message comes again, which is harmless. With
// exactly-once delivery Pub/Sub says whether it took them, and that is waited for;
// without it nobody is told, but what the server says of a refused
// acknowledgement is logged.
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
