// Package webhook takes events that are pushed to rotatord over HTTP, on a
// listener of their own. There are four kinds of sender: Azure Event Grid,
// Google Pub/Sub push, Amazon SNS, and whatever speaks Standard Webhooks.
//
// A queue that rotatord asks is behind the cloud's own door; a webhook is
// rotatord's door to the street. So this package is about who may come in. It
// finds out who calls, does the handshakes that the clouds want before they
// send anything, and hands the bytes to [watcher.Deliver]. What the bytes mean
// is the business of package payload. And since an event is only a hint, even
// somebody who got in could do no more than make rotatord look at a secret
// once too often.
//
// # What strangers can do
//
// Very little. All that can be checked in the head of a request is checked
// before its body is read. Bodies are bounded in size and time, requests in
// number and rate. Answers are short constants and quote nothing of the
// request; no body, token, key or address with its query reaches a log; a
// refusal is logged at most once a minute for each endpoint and reason, and
// counted by the Refused hook, whose reasons are a closed set ([Refusals]).
//
// No caller can make rotatord fetch an address of its choosing. Three things
// are fetched, and each address is put together here: the keys of Google or of
// the configured tenant (constant), the certificate that SNS signs with (a
// host that follows from the configured topic, and a file name of a fixed
// shape), and the confirmation of a subscription to SNS (the same host, with
// the topic and token of a message whose signature was right). Redirects are
// not followed. SubscribeURL and validationUrl are never fetched. Fetching is
// limited in rate: a flood of requests with made-up key ids costs Google one
// request a minute.
//
// There is a budget of requests for callers who have proven who they are, and
// a ten times larger one for all. Who wants to keep real senders out has to
// exceed the larger one; what gets lost by that is found by the schedule.
//
// # What senders make of an answer
//
//	answer             Event Grid          Pub/Sub   SNS                 Standard Webhooks
//	200                done                done      done                done
//	400                gone, dead letter   again     gone, dead letter   again
//	401, 403           gone, dead letter   again     gone, dead letter   again
//	413                gone, dead letter   again     gone, dead letter   again
//	429, 503           again, 24 h         again     again, up to 1 h    again
//
// "Again" is bounded by the subscription's own policy. Sources: Microsoft,
// "Event Grid delivery and retry"; Google, "Push subscriptions"; Amazon,
// "Message delivery retries" (for HTTPS a total of 3,600 seconds) and "Fanout
// to HTTPS endpoints" (all 5xx and 429 are tried again, other 4xx are not);
// standardwebhooks.com.
//
// So whatever may be better in a moment answers 503 with Retry-After: a store
// that can't take the event, an endpoint that does not receive yet or any
// more, keys that can't be fetched, a key id that is unknown while it is too
// early to ask for the keys once more. An answer that throws the event away is
// kept for what no repetition can mend: who is not let in, and bodies that are
// too large. A request that nobody will ever understand (the verdict Never) is
// answered with 200 and thereby dropped, or, with DeadLetter, with 400, so
// that the sender's dead-letter policy decides; Pub/Sub gets there after its
// maximum of delivery attempts.
//
// # Rotating keys
//
// Shared keys come from a function that is asked at each request, so they may
// change while rotatord runs. Several are valid at the same time: add the new
// one here, change the sender, remove the old one here. In any other order
// Event Grid drops events, since a 403 is final to it.
package webhook
