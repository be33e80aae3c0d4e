// Package sqs receives messages from a standard queue of Amazon SQS.
//
// A queue is named by its URL, as the console shows it:
//
//	https://sqs.us-west-2.amazonaws.com/123456789012/rotatord
//
// Its host says the region, its path the account and the queue. Hosts of VPC
// endpoints, of FIPS and dual-stack endpoints and of older queues are understood
// too; for any other host, that of another server, Options.Region says what to
// sign for.
//
// # Receiving
//
// One long poll waits for messages, 20 s at a time, so that an idle queue costs
// three requests a minute and a message is here one way through the network
// after it was sent. When an answer comes back full there is probably more:
// then another receiver is started, up to eight of them, and each that gets an
// empty answer ends. Messages of one answer are delivered at the same time, for
// one that takes long would let the visibility of those behind it run out.
// At most sixteen answers are being worked on at any moment, which is what
// bounds memory.
//
// The very first poll, and each one after a failure, asks without waiting: it
// tells soon that the queue is there and may be received from.
//
// # What becomes of a message
//
// What was delivered together is settled together, with one request of each
// kind. Done is deleted; where deleting fails, for the whole batch or for single
// entries of it, it is tried again twice and then left: the message comes back
// and is recorded once more, which is harmless. Nothing is deleted that was not
// recorded before, whatever happens in between.
//
// Again makes the message visible after 1 s, 2 s, 4 s and so on to 60 s,
// depending on how often it was received. Without the permission for that
// it stays until the queue's own visibility time-out ends, which is said once.
//
// Never deletes, unless Options.DeadLetter is set. Then the message is made
// visible again after a second, so that it uses up the receives that the redrive
// policy allows it and is moved within seconds. A queue without such a policy
// would have it come back until it is too old; so from the eleventh time on the
// pauses grow to a minute.
//
// A redrive policy counts receives and does not ask why. Messages that come
// Again while a disk is full are moved as well once they were received
// maxReceiveCount times: 10 lasts for some four minutes of outage, 20 for a
// quarter of an hour. What is moved is not lost, since a schedule finds the
// change too; it only is found later.
//
// # Permissions
//
//	sqs:ReceiveMessage           to receive
//	sqs:DeleteMessage            to acknowledge
//	sqs:ChangeMessageVisibility  to have messages back sooner; can be left out
//	sqs:SendMessage              for "rotatord events test" only
//	kms:Decrypt                  if the queue is encrypted with a key of one's own,
//	                             and kms:GenerateDataKey to send to it
//	sts:AssumeRole               on Options.RoleARN, if that is set
//
// # Credentials
//
// They come from the SDK's default chain, like those of the secrets provider:
// environment, shared files and SSO, a web identity (IRSA), EKS pod identity or
// ECS, the instance profile; then a role is assumed, if one is configured. The
// chain is built with the first request, and built anew after AWS has refused
// its key. Requests go over HTTP/1.1, and nothing of the SDK's is logged,
// whatever environment and shared configuration say: GODEBUG can make Go
// dump HTTP/2 frames, with session tokens in them.
package sqs
