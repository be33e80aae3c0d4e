package main

import (
	"context"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// cmdRecorded writes into a destination's record what the engine finds out in
// minutes and hours.
func cmdRecorded(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "recorded NAME rejected | drift | dependents | receipt | withdrawn")
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Dir: ts.MkAbs("state")})
	ts.Check(err)
	defer s.Close()
	r, err := s.Load(ctx, worldOf(ts).ids[args[0]])
	ts.Check(err)
	before := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	switch args[1] {
	case "rejected":
		r.Standing = store.Standing{State: store.StandingRejected, Reason: "credential", Version: r.Accepted.Version, Since: before(12*time.Minute + time.Second),
			CheckedAt: before(time.Minute), Detail: "InvalidAccessKeyId"}
		ts.Check(s.Save(ctx, &r, store.Entry{At: time.Now(), Destination: r.Destination, Kind: store.EntryCheck, Outcome: "rejected", Detail: "InvalidAccessKeyId"}))
	case "drift":
		r.Drift = &store.Drift{Updated: before(time.Hour), Found: before(time.Minute)}
		ts.Check(s.Save(ctx, &r, store.Entry{At: time.Now(), Destination: r.Destination, Kind: store.EntryDrift},
			store.Entry{At: time.Now(), Destination: r.Destination, Kind: store.EntryCleanup, Outcome: "removed"}))
	case "dependents":
		ts.Check(s.SetDependents(ctx, r.Destination, planet.Dependents{At: before(time.Minute), Since: r.Accepted.At, AllUsers: true, Running: 3, Open: 2,
			Failed: 2, FailedCredential: 1, Examples: []planet.Failure{{Kind: planet.FailedOrder, ID: "o-1", Name: "fields\x1b[2J", At: before(time.Minute),
				Cause: planet.CauseCredential, Message: "AccessDenied"}}}))
	case "receipt", "withdrawn":
		receipt := store.Receipt{Secret: r.Secret, Version: r.Accepted.Version, At: before(2 * time.Hour), Opens: before(time.Hour), Safe: before(time.Hour)}
		if args[1] == "withdrawn" {
			receipt.Withdrawn, receipt.Why = before(time.Minute), "the credential is rejected"
		}
		ts.Check(s.SaveReceipt(ctx, receipt))
	default:
		ts.Fatalf("recorded %s?", args[1])
	}
}
