// Package rotation is the engine: it brings every destination to the version
// that its secret manager calls current, and says of each where it stands.
//
// The engine is level-triggered. An event, a schedule, a person or a restart
// marks a destination as due in the store and wakes a queue that carries
// names only. A worker takes a name and has a look: it loads the record,
// looks the destination up in the account's list, asks the provider which
// version is current, and lets [Decide], a pure function, say what follows:
// nothing, push, put back, wait until. It does that one thing, records how it
// ended, and decides again until there is nothing left to do now. Any look
// may be repeated and any step may crash: what must survive is in the record
// before the step that needs it.
//
// Three rules carry most of the weight.
//
// A PATCH whose outcome is unknown may still take effect, for as long as
// Planet's longest verification. Until then a fence keeps every other version
// waiting, even when sending the same version again was answered with success:
// otherwise the late first PATCH would put an older credential over a newer
// one.
//
// The intent is journalled before a PATCH is sent. A record that is loaded
// with an intent in it belongs to a process that died, and its outcome counts
// as unknown.
//
// A refusal says that this version was refused, not what Planet holds now. So
// the last accepted version is put back where its value can still be read and
// still passes preflight, and the refused one is held.
//
// The files follow the way of one look: engine.go (life-cycle, queue, events),
// look.go (one look), account.go (the account's shared list), policy.go (the
// decision), push.go (preflight, turn, journal, PATCH, answer), outcome.go
// (what an answer means for the record), leftover.go (planetverify.txt),
// person.go (retry, pause, resume, sync, plan).
package rotation
