package rotation

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/store"
)

// A bucket that denies a read says nothing of writing. That Planet took a key at
// its first try is a check; at its second, after a refusal, it may be none.
func TestAnUntriedVersionThatWasSentTwiceOpensNoGateOnADenial(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		first    time.Time
		unproven bool
		leftover store.Leftover
		want     Verdict
	}{
		"sent once":                    {at, true, store.Leftover{State: "cannot_tell", Reason: "denied"}, VerdictSafe},
		"sent twice":                   {at.Add(-time.Minute), true, store.Leftover{State: "cannot_tell", Reason: "denied"}, VerdictStuck},
		"sent twice, the bucket tells": {at.Add(-time.Minute), true, store.Leftover{State: "absent"}, VerdictSafe},
		"sent twice, tried before":     {at.Add(-time.Minute), false, store.Leftover{State: "cannot_tell", Reason: "denied"}, VerdictSafe},
	} {
		r := store.Record{Facts: store.Facts{Leftover: tc.leftover, Status: store.Status{State: store.StateInSync},
			Accepted: &store.Accepted{Version: "v", Sent: at, At: at, FirstSent: tc.first, Unproven: tc.unproven}}}
		if d := gateOf(r, "v", at); d.Verdict != tc.want {
			t.Errorf("%s: %s (%s)", name, d.Verdict, d.Detail)
		}
	}
}
