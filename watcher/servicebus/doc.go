// Package servicebus receives messages from an Azure Service Bus queue, or from
// a subscription to a topic, where Event Grid can put the events of a Key Vault.
// It speaks AMQP 1.0 over TLS: outbound port 5671 must be open.
//
// Service Bus tells of a message at once; nothing is polled. A [Transport] keeps
// one connection with one link, takes messages in peek-lock mode, and delivers
// each in a goroutine of its own, some dozens at a time.
//
// # What becomes of a message
//
// A received message is locked: nobody else sees it until it is completed, or
// given up, or its lock expires (a minute or less, as the queue is set up). After
// Done it is completed. After Never it is completed too, or moved to the
// dead-letter queue with a reason, as Options.DeadLetter says.
//
// Again is where Service Bus needs care. To abandon a message makes it visible at
// once and adds one to its delivery count; at the tenth delivery (the default of
// MaxDeliveryCount) the message goes to the dead-letter queue. A store that is
// locked for a minute would so lose us every message that came in that minute,
// in a hot loop. So a message is not abandoned: it is held. Its lock is renewed
// while rotatord waits, one second, two, four, up to a minute, and then it is
// delivered again from memory. That adds nothing to its delivery count however
// long it lasts. As many messages are held as are delivered at a time, then no
// more are taken, and the rest wait where they are safe. If a lock is lost, or
// the connection, Service Bus delivers the message anew.
//
// When the transport ends, what it still holds is abandoned, so that the process
// that follows need not wait for the locks. That costs one delivery; so does a
// crash. A message therefore survives nine deaths of rotatord in a row that
// happen while it is held.
//
// # When the connection ends
//
// Service Bus closes links that are idle for ten minutes, and moves connections
// as it pleases. The library opens the link again; rotatord asks for a peek, the
// cheapest question that needs the permission to listen, and says that the source
// is up when it is answered. If it is refused or not answered the whole client is
// made anew, after a growing pause, with a new token.
//
// # Permissions
//
// To receive: the role "Azure Service Bus Data Receiver" on the queue or the
// subscription, or a key with the claim Listen. To send, which only "rotatord
// events test" does: "Azure Service Bus Data Sender" on the queue or topic, or
// the claim Send. The rights to peek, to renew a lock, to complete, to abandon and
// to move to the dead-letter queue are all part of listening.
//
// Queues with sessions can't be received from: nothing here depends on order.
package servicebus
