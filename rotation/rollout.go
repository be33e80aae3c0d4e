package rotation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rotatord/rotatord/store"
)

// rolloutLook is how often a destination that waits for another looks by
// itself; it is woken when there is news.
const rolloutLook = time.Minute

// RollOut decides whether a push that was decided on may be sent now, where
// several destinations share the secret. One of them goes first; the others
// follow once Planet has accepted the version there, the parameters were
// compared and no object was left behind. A refusal by Planet stops the
// others, for what one bucket's check refuses the next one's may too, and what
// Planet holds after a refusal nobody knows. It is a pure function of their
// records; peers are all the others.
//
// Who goes first follows from the records too, so that it survives a crash: the
// one with a PATCH under way or without an answer; else the first by name of
// those that can go. A destination whose own bucket or value is in the way
// passes its turn on: nothing was sent, so nothing is learnt about the others.
func RollOut(s Snapshot, d Decision, self string, peers []store.Record) Decision {
	if d.Action != ActionPush || s.Settings.Rollout != RolloutCanary || len(peers) == 0 {
		return d
	}
	var waiting, refused, left string
	own := store.Record{Destination: self, Facts: s.Facts}
	own.Status = store.Status{} // of the last look; this one has come further
	first := self
	if !canGo(own, d.Version) {
		first = ""
	}
	for _, p := range peers {
		switch stands(p, d.Version) {
		case peerProved:
			return d
		case peerTrying:
			waiting = p.Destination
		case peerRefused:
			refused = p.Destination
		case peerLeft:
			left = p.Destination
		case peerReady:
			if first == "" || p.Destination < first {
				first = p.Destination
			}
		}
	}
	wait := Decision{Action: ActionWait, Version: d.Version, Until: s.Now.Add(rolloutLook), Reason: store.ReasonRollout}
	switch {
	case trying(own, d.Version), refusedByPlanet(own, d.Version):
		return d // ours is the one that went first; what follows for it is decided without the others
	case refused != "":
		return stopped(s, d, fmt.Sprintf("Planet refused this version for %s, which went first; once that is mended: rotatord retry %s", refused, refused))
	case left != "":
		return stopped(s, d, fmt.Sprintf("%s went first and Planet's check left its object there, so this credential may not delete", left))
	case waiting != "":
		wait.Detail = waiting + " goes first"
		return wait
	case first == "" || first == self:
		return d
	}
	wait.Detail = first + " goes first"
	return wait
}

// stopped keeps a version back, and puts the one before in its place where that
// is due.
func stopped(s Snapshot, d Decision, detail string) Decision {
	if back, ok := restore(s); ok {
		return back
	}
	return Decision{Action: ActionNothing, Version: d.Version, Until: s.Now.Add(byPerson), Reason: store.ReasonRolloutStopped, Detail: detail}
}

// peerState is how another destination of the secret stands to a version.
type peerState int

const (
	peerOut     peerState = iota // it can't go first, and says nothing of the version
	peerReady                    // it could go first
	peerTrying                   // it goes first
	peerProved                   // it has gone, and all is well
	peerRefused                  // Planet refused it there
	peerLeft                     // Planet's check left its object there
)

func stands(r store.Record, version string) peerState {
	switch acc := r.Accepted; {
	case trying(r, version):
		return peerTrying
	case acc != nil && acc.Version == version && !r.Uncertain:
		switch {
		case acc.Adopted:
			return peerOut // never sent, and will not be
		case r.Leftover.NoDelete:
			return peerLeft
		case acc.Unchecked, r.Leftover.State == "seen" && !r.Leftover.OlderThanPush:
			return peerTrying
		}
		return peerProved
	case refusedByPlanet(r, version):
		return peerRefused
	case canGo(r, version):
		return peerReady
	}
	return peerOut
}

// trying tells whether a PATCH of the version is under way or may still take
// effect.
func trying(r store.Record, version string) bool {
	return r.Inflight != nil && r.Inflight.Version == version ||
		r.Uncertain && r.Fence != nil && r.Fence.Version == version && (r.Trial == nil || r.Trial.Reason != store.ReasonPlanetRefused) && r.Hold == nil
}

func refusedByPlanet(r store.Record, version string) bool {
	planets := []store.Reason{store.ReasonPlanetRefused, store.ReasonRestoreFailed}
	return r.Hold != nil && r.Hold.Version == version && slices.Contains(planets, r.Hold.Reason) ||
		r.Trial != nil && r.Trial.Version == version && slices.Contains(planets, r.Trial.Reason)
}

// canGo tells whether nothing is known to keep a destination from being sent
// the version.
func canGo(r store.Record, version string) bool {
	switch st := r.Status; {
	case r.Paused != nil, st.State == store.StateBlocked:
		return false
	case st.State == store.StateFailing && (st.Reason == store.ReasonPlanetUnavailable || st.Reason == store.ReasonPlanetThrottled):
		return false // of another account maybe; a source that fails, fails for all
	case r.Hold != nil && r.Hold.Version == version:
		return false
	}
	return r.Trial == nil || r.Trial.Version != version || r.Trial.Reason == ""
}

// peers are the records of the other destinations of the secret, where they
// matter.
func (w *look) peers(ctx context.Context, d Decision) ([]store.Record, error) {
	names := w.e.bySecret[w.d.Secret]
	if d.Action != ActionPush || w.d.Rollout != RolloutCanary || len(names) < 2 {
		return nil, nil
	}
	out := make([]store.Record, 0, len(names)-1)
	for _, n := range names {
		if n == w.d.Name || w.e.destinations[n].Secret != w.d.Secret {
			continue
		}
		r, err := w.e.store.Load(ctx, n)
		if err != nil {
			// One that can't be read must not keep the others waiting for ever.
			w.log.ErrorContext(ctx, "record of another destination of the secret not read", "other", n, "error", err)
			continue
		}
		out = append(out, r)
	}
	return out, ctx.Err()
}

// wakePeers has those looked at that wait for this destination.
func (w *look) wakePeers(before store.Record) {
	if w.d.Rollout != RolloutCanary || !news(before, w.rec) {
		return
	}
	var names []string
	for _, n := range w.e.bySecret[w.d.Secret] {
		if n != w.d.Name && w.e.waits(n) {
			names = append(names, n)
		}
	}
	w.e.wake(names...)
}

// news tells whether a destination stands to its version otherwise than before.
func news(before, after store.Record) bool {
	of := func(r store.Record) string {
		if r.Source == nil {
			return ""
		}
		return fmt.Sprint(r.Source.Version, stands(r, r.Source.Version), r.Status.State)
	}
	return of(before) != of(after)
}

// waits tells whether a destination waits for another one of its secret.
func (e *Engine) waits(name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rolling[name]
}
