// Package announce tells other systems what has happened: that a credential was
// pushed, held or blocked, that Planet left its test object behind, that a
// credential ends soon, that an old one may be revoked.
//
// A rotation must never wait for somebody who listens. So [Announcer.Announce]
// puts an [Announcement] into one bounded queue a target and returns; one worker
// a target posts what waits there. A target that is slow, down or hostile costs
// its own queue and nothing else. When a queue is full its oldest announcement
// is dropped and counted, since the newest says best how things stand.
//
// # How often, and in which order
//
// What was taken is delivered at least once while the process lives: a post
// without an answer is repeated, and may have arrived. All posts of an
// announcement carry the same id, made of what it says and not of when it was
// said, so that a receiver can tell a repetition, even one from another life of
// the process. Nothing is kept on disk: the store is the truth, an announcement
// is a courtesy, and who must not miss anything reads metrics.
//
// The engine may repeat itself, as every look may be repeated. An id that was
// announced within the window is not announced again. The window begins with the
// first time: a trouble that goes on for longer is told of once a window.
//
// Announcements of one subject, a destination or a secret, arrive in the order
// in which they were made: "recovered" never overtakes "held". Those of
// different subjects may overtake each other, so that one announcement that
// makes a receiver stumble does not keep all others waiting.
//
// # What a target can be
//
// A [Webhook] gets a CloudEvents 1.0 event in JSON, signed after Standard
// Webhooks with every key that is valid at that moment: a receiver knows it by
// the old or by the new key while keys change. A [Slack] gets a message that a
// person can act on when it wakes them. Mattermost and others that take Slack's
// messages show the plain text of the same message.
//
// # Secrets
//
// No field of an Announcement can hold a [credential.Value]. What is secret here
// is how to reach a target: Slack's URL is all that is needed to write to a
// channel, that of a webhook may hold a token. No error, no log line and no
// state shows one; errors name the target, and of a webhook the host. Errors of
// the transport are put into words of our own, because they quote URLs, and
// answers are not shown at all, because they may quote the request.
package announce
