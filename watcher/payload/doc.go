// Package payload says what a message means: bytes and attributes in, events
// out. It knows nothing of queues and webhooks, as they know nothing of what
// they carry, so any transport carries any shape.
//
// # What is understood
//
//   - Amazon's own "Secret Label Updated", and Secrets Manager's calls and
//     rotations as CloudTrail tells them, as EventBridge wraps both.
//   - Google's Secret Manager, which speaks in the attributes of a Pub/Sub
//     message and not in its data.
//   - Azure's Key Vault, in the schema of Event Grid and in CloudEvents 1.0,
//     structured, in batches, or with the event's attributes beside the body.
//   - rotatord's own plain form, {"secret": "…", "version": "…"}, for
//     everything else that can send a message: a script, a CI job, another
//     secret manager's hook. An array of them is fine.
//
// Each comes wrapped in what lies on its way: a notification of SNS, the push
// form of Pub/Sub or the JSON form that its tools print, base64 as Event Grid
// writes it into storage queues, a JSON string that holds JSON, a foreign
// CloudEvent, an array. [Decode] takes off wrapping after wrapping, in whatever
// order they come, down to [MaxDepth].
//
// # An event is a hint
//
// Whoever may put a message into the queue may write anything into it. That is
// bearable because an event makes rotatord look at a secret and nothing more:
// the secret manager is asked what is true. So Decode is generous with what a
// message says (an unknown type of event costs a counter, not the message)
// and strict with what leaves it: names, versions and numbers of tests end in
// logs, metrics and terminals, so they are short, valid UTF-8 and free of
// control characters, and those of a cloud have the shape that its names have.
//
// Three things are deliberately not taken for a change, because they would be
// noise, or worse. A call with an errorCode has changed nothing. Google's
// SECRET_ROTATE says that a rotation is due, not that it happened. And
// RotationStarted comes before there is anything to read. They are [Message]'s
// Ignored, as are the handshakes of topics and subscriptions.
//
// # One reading
//
// JSON leaves open what {"Message": 1, "message": 2} means, and parsers differ.
// A transport that checks a signature over an SNS notification reads it with
// its own parser; if this one read other bytes than those that were signed, the
// signature would be worth nothing. Therefore keys are compared as loosely as
// the loosest parser does it (without regard to case, and to spaces around
// them, which Key Vault's own documentation has), and an object in which one
// key that matters then has two different values is not understood at all:
// [Ambiguous]. Attributes are believed as much as the body is, so a transport
// whose signature covers the body only hands over none.
//
// # Bounds
//
// Decode never panics and ends in time linear in the body. Nothing recurses on
// the nesting of the JSON, only on wrappings. It keeps no part of the body:
// what leaves is copied. While it works it holds at most a few copies of the
// body, one for each wrapping whose characters had to be translated.
package payload
