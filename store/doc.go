// Package store remembers what rotatord must not forget: for each destination
// what Planet accepted last, what may be on its way, what is held and why, and
// a history of it all. It is one directory with one SQLite database in it;
// nothing has to be installed, and nothing has to be looked after.
//
// # Who writes what
//
// A [Record] has two writers that never get into each other's way. Whoever
// hears that a secret may have changed counts a mark, [Store.MarkDue]; when
// that returns, the mark is on disk, and the message that brought it may be
// acknowledged. The engine loads a record, acts, and saves everything else
// with [Store.Save], naming in Done the mark it had seen when it began. A mark
// that comes while the engine is at work makes Due larger than that, and so
// the record is still due afterwards: however the two interleave, no mark is
// lost. Several marks that came together cost one look.
//
// All writes go through one goroutine. It takes whatever is waiting and
// commits it as one transaction, so that a burst of a thousand events costs a
// few fsyncs and not a thousand; each caller still gets an answer of its own,
// and always the true one: once a write was handed over, its caller waits for
// the outcome, even if its context ends meanwhile.
//
// # One owner
//
// One process owns a store, by an operating system's lock on rotatord.lock,
// which ends with the process however it ends. Each owner gets an epoch higher
// than all before it, and a record saved in a higher epoch can't be
// overwritten by an owner of a lower one ([ErrFenced]). With the lock that
// never happens; the epoch is there because PATCHes carry it in their journal
// ([Inflight]), and because owners that hold leases in a shared database will
// need it.
//
// # What lies in the directory
//
//   - rotatord.db, with -wal and -shm beside it while it is open: the records.
//   - rotatord.lock: the lock, and the process id of who holds it.
//   - fingerprint.key: 32 random bytes. Sources that have no version ids
//     (files) name a version by a keyed fingerprint of its bytes, made with
//     this key ([Store.Fingerprint]). It is no secret of a customer: it keeps
//     whoever finds a fingerprint in a backup or a log from testing guesses of
//     the value against it. When it is lost a new one is made, and every
//     file-backed version looks new once: each such destination is preflighted
//     and pushed once more, and nothing breaks.
//   - sends-*.ledger: when requests were last sent to Planet, one small file an
//     account ([Ledger]), so that a restart within a second does not exceed
//     Planet's rate.
//
// No secret is ever in there: the types have no place for one, and sentences
// that describe what happened are bounded and lose their control characters.
//
// # When it can't be opened
//
// [Open] looks before it touches. A store that is damaged, made by a newer
// rotatord, not rotatord's at all, or owned by another process gives an
// [OpenError], which says what to do, and is left byte for byte as it was.
//
// Losing a store is survivable, and that is by design: Planet and the secret
// managers hold the truth. Without records each destination is seen for the
// first time again: its credential is preflighted and pushed once, its type
// and structural parameters are pinned as they are then. What is really lost
// is the history, the holds and the pauses.
//
// # When the disk is full
//
// Writes fail with [ErrFull], so that a watcher does not acknowledge what
// could not be kept. Nothing has to be restarted once there is space again.
package store
