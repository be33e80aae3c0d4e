package rotation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/probe"
	"github.com/rotatord/rotatord/store"
)

// Verdict is what the gate says of revoking what came before a version.
type Verdict string

const (
	// VerdictSafe: every destination of the secret has accepted the version, and
	// no delivery that began before can still hold the old credential.
	VerdictSafe Verdict = "safe"
	// VerdictGrace: every destination has accepted it; deliveries that began
	// before may still hold the old credential.
	VerdictGrace Verdict = "grace"
	// VerdictPending: a destination has not accepted it yet, and will by itself.
	VerdictPending Verdict = "pending"
	// VerdictStuck: a destination has not accepted it, and somebody has to look.
	VerdictStuck Verdict = "stuck"
	// VerdictSuperseded: it is not the version that the source calls current.
	VerdictSuperseded Verdict = "superseded"
	// VerdictUnmapped: no destination uses the secret.
	VerdictUnmapped Verdict = "unmapped"
)

// Verdicts lists every Verdict.
func Verdicts() []Verdict {
	return []Verdict{VerdictSafe, VerdictGrace, VerdictPending, VerdictStuck, VerdictSuperseded, VerdictUnmapped}
}

// Gate is the answer to the question whether the credentials before a version
// may be revoked.
type Gate struct {
	Secret  credential.Secret
	Version string // the one asked about
	Current string // what the source calls current
	Verdict Verdict
	Detail  string
	// Receipt is when the last of the destinations accepted the version; zero
	// while one has not.
	Receipt time.Time
	// Opens is when the grace is over; zero without a receipt.
	Opens        time.Time
	Destinations []GateDestination
}

// GateDestination is how one destination of the secret stands to the version.
type GateDestination struct {
	Destination string
	Verdict     Verdict // safe, pending or stuck
	Accepted    time.Time
	Detail      string
}

// Gate tells whether the credentials before a version of a secret may be
// revoked. It is found out anew at each call, from the records and from the
// source itself: a rollback, a new destination, a refusal or a block withdraws
// what was said before. An empty version means the current one. It says nothing
// about those who use the secret beside Planet.
func (e *Engine) Gate(ctx context.Context, secret credential.Secret, version string) (Gate, error) {
	g := Gate{Secret: secret, Version: version}
	var names []string
	for _, n := range e.names {
		if e.same(e.destinations[n].Secret, secret) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		g.Verdict, g.Detail = VerdictUnmapped, "no configured destination uses this secret"
		return g, nil
	}
	// As the configuration writes it: that is what its provider was asked before.
	cur, err := e.source.Current(ctx, e.destinations[names[0]].Secret)
	if err != nil {
		return g, fmt.Errorf("ask which version is current: %w", err)
	}
	g.Current = cur.ID
	if g.Version == "" {
		g.Version = cur.ID
	}
	if g.Version != cur.ID {
		g.Verdict, g.Detail = VerdictSuperseded, "the source calls another version current"
		return g, nil
	}
	for _, n := range names {
		r, err := e.store.Load(ctx, n)
		if err != nil {
			return g, fmt.Errorf("load record of %q: %w", n, err)
		}
		if e.quirks.BlindGate {
			r.Uncertain, r.Inflight, r.Fence = false, nil, nil
		}
		g.Destinations = append(g.Destinations, gateOf(r, g.Version, time.Now()))
	}
	grace := e.grace
	if e.quirks.IgnoreGrace {
		grace = 0
	}
	g.conclude(time.Now(), grace)
	return g, nil
}

// conclude draws the verdict from those of the destinations.
func (g *Gate) conclude(now time.Time, grace time.Duration) {
	var waiting, stuck []string
	for _, d := range g.Destinations {
		switch d.Verdict {
		case VerdictStuck:
			stuck = append(stuck, d.Destination)
		case VerdictSafe:
			if d.Accepted.After(g.Receipt) {
				g.Receipt = d.Accepted
			}
		default:
			waiting = append(waiting, d.Destination)
		}
	}
	if len(stuck)+len(waiting) > 0 {
		g.Receipt = time.Time{}
	}
	switch {
	case len(stuck) > 0:
		g.Verdict, g.Detail = VerdictStuck, "needs a look: "+strings.Join(stuck, ", ")
	case len(waiting) > 0:
		g.Verdict, g.Detail = VerdictPending, "not accepted yet: "+strings.Join(waiting, ", ")
	default:
		g.Opens = g.Receipt.Add(grace)
		g.Verdict, g.Detail = VerdictSafe, fmt.Sprintf("accepted by %d of %d destinations", len(g.Destinations), len(g.Destinations))
		if now.Before(g.Opens) {
			g.Verdict = VerdictGrace
			g.Detail += "; deliveries that began before may hold the old credential until " + g.Opens.UTC().Format(time.RFC3339)
		}
	}
}

// gateOf judges one record: a pure function.
func gateOf(r store.Record, version string, now time.Time) GateDestination {
	d := GateDestination{Destination: r.Destination, Verdict: VerdictPending}
	if r.Accepted != nil {
		d.Accepted = r.Accepted.At
	}
	switch why := r.Status; {
	case r.Accepted == nil || r.Accepted.Version != version:
		d.Detail = "has not accepted it"
		if why.State.Alerting() && why.State != store.StateWaiting && why.State != store.StateUnknown || why.State == store.StatePaused {
			d.Verdict, d.Detail = VerdictStuck, "has not accepted it: "+string(why.State)+" "+string(why.Reason)
		}
	case r.Accepted.Adopted:
		d.Verdict, d.Detail = VerdictStuck, "is believed to have it and was never sent it: rotatord push "+r.Destination
	case r.Uncertain || r.Inflight != nil:
		d.Detail = "Planet may hold something else at the moment"
	case r.Fence != nil && r.Fence.Version != version && now.Before(r.Fence.Until):
		d.Detail = "an earlier request may still take effect"
	case r.Announced != nil && r.Announced.Open && r.Announced.Version != version:
		d.Detail = "an event has told of another version, which is being looked for"
	case r.Drift != nil:
		d.Verdict, d.Detail = VerdictStuck, "was changed by somebody else at Planet since: rotatord push "+r.Destination
	case r.Standing.State == store.StandingRejected && r.Standing.Version == version:
		d.Verdict, d.Detail = VerdictStuck, "its bucket does not take the credential any more"
	case r.Accepted.Unchecked:
		d.Detail = "its parameters have not been compared since"
	case r.Leftover.State == "seen" && !r.Leftover.OlderThanPush:
		d.Detail = "Planet's object was in the bucket right after its check, and is looked for again"
	case r.Leftover.NoDelete || r.Leftover.State == "present" && !r.Leftover.OlderThanPush:
		// One that was there before the push is another matter.
		d.Verdict, d.Detail = VerdictStuck, "Planet's check left its object behind: the credential may not delete"
	case r.Accepted.Unproven && r.Leftover.State == string(probe.CannotTell) && r.Leftover.Reason == string(probe.ReasonCredential):
		d.Verdict, d.Detail = VerdictStuck, "was given it untried, and its bucket does not take it"
	case r.Accepted.Unproven && again(r.Accepted) && r.Leftover.State == string(probe.CannotTell):
		// Planet may have refused it before, and taken it without a second check.
		d.Verdict, d.Detail = VerdictStuck, "was given it untried and more than once, and its bucket does not say whether it may write: rotate again, or set preflight"
	case r.Accepted.Unproven && !toldOf(r.Leftover):
		d.Detail = "was given it untried, and its bucket could not be asked since"
	case !slices.Contains([]store.State{store.StateInSync, store.StatePaused}, why.State):
		d.Verdict, d.Detail = VerdictStuck, string(why.State)+" "+string(why.Reason)
		if passing(why.State) {
			d.Verdict = VerdictPending
		}
	default:
		d.Verdict = VerdictSafe
	}
	return d
}

// again tells whether a version was sent before the time that it was accepted.
func again(a *store.Accepted) bool { return !a.FirstSent.IsZero() && a.FirstSent.Before(a.Sent) }

// toldOf tells whether the look for a leftover says something of a credential
// that no preflight has tried: what it may not read it may still write.
func toldOf(l store.Leftover) bool {
	switch probe.LeftoverState(l.State) {
	case probe.Present, probe.Absent, probe.AbsentInferred:
		return true
	case probe.CannotTell:
		return l.Reason == string(probe.ReasonDenied) || l.Reason == string(probe.ReasonNotSupported)
	}
	return false
}
