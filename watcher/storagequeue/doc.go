// Package storagequeue receives messages from an Azure Storage Queue, the
// cheapest place for Event Grid to put events of a Key Vault.
//
// A Storage Queue can't call and can't be waited on: one has to look. After a
// message the [Transport] looks again at once; while nothing comes, the pause
// between two looks grows from a tenth of a second to Options.Poll. So a burst
// is drained as fast as the queue answers, and a first event is noticed within
// Poll, on average within half of it. Service Bus (watcher/servicebus) tells at
// once, and costs more.
//
// # Cost
//
// A look is one request, whether it finds something or not, and Azure counts
// each as a transaction. An idle queue costs 2,592,000 seconds ÷ Poll a month:
//
//	Poll  1 s    2.6 million requests
//	Poll  2 s    1.3 million    (the default)
//	Poll 10 s    260,000
//	Poll  1 min   43,000
//
// A message adds one request, its deletion, for each batch's share of a look.
//
// # What becomes of a message
//
// A look hides up to Batch messages from everyone else for Visibility. After
// Done the message is deleted with the receipt of that look. If it is gone, or
// the receipt is an old one, somebody else has had it since: nothing is lost, an
// event twice is harmless. After Again the message is made visible in one
// second, two, four, up to a minute, growing with how often it was delivered. To
// change when it becomes visible is an update, for which the least permissions
// below are not enough; without it the message simply comes again when Visibility
// is over. A process that dies leaves it the same way.
//
// A Storage Queue has no dead-letter queue: after Never the message is deleted.
//
// The text of a message is handed over as it is. Event Grid writes base64, others
// write JSON: package payload tells them apart. There are no attributes.
//
// # Permissions
//
// To receive: the role "Storage Queue Data Message Processor" on the queue, or a
// SAS with permission p (process). With "Storage Queue Data Contributor", or p
// and u (update), a message that could not be recorded comes again sooner. To
// send, which only "rotatord events test" does: "Storage Queue Data Message
// Sender", or permission a (add). No other call is made than Get Messages, Delete
// Message, Update Message and Put Message.
//
// # Credentials
//
// A connection string holds an account key or a SAS; without one the tokens are
// Entra's, from the SDK's default chain. Errors are made of Azure's code, the
// status and the request id, never of the SDK's own text: with a SAS the URL of a
// request is a credential, and net/http puts the URL into its errors.
package storagequeue
