package rotation_test

import (
	"testing"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

func TestAccountsHaveEachTheirOwnKeyAndRate(t *testing.T) {
	in(t, 12, nil, func(t *testing.T, w *world) {
		w.keys["second"] = adminKey
		for i := range w.destinations {
			if i%2 == 1 {
				w.destinations[i].Account = "second"
			}
		}
		w.start()
		time.Sleep(3 * time.Second) // one account would need four
		for i := range w.destinations {
			w.wantState(i, store.StateInSync, "")
		}
		users := map[string]int{}
		for _, r := range w.sim.Requests() {
			users[r.User]++
		}
		if users["owner"] != 7 || users["admin"] != 7 {
			t.Errorf("requests by user: %v, want a list and six PATCHes of each", users)
		}
		w.checkRequests()
	})
}

func TestABlockedAccountLeavesTheOthersAlone(t *testing.T) {
	in(t, 2, nil, func(t *testing.T, w *world) {
		w.keys["second"] = adminKey
		w.destinations[1].Account = "second"
		w.start()
		time.Sleep(time.Minute)
		w.sim.Inject(planettest.Fault{User: "owner", Kind: planettest.Status, Status: 401, Times: -1})
		w.rotate(0, w.newKey("dest-00"))
		next := w.newKey("dest-01")
		w.rotate(1, next)
		time.Sleep(time.Minute)
		w.wantState(0, store.StateBlocked, store.ReasonAccountBlocked)
		w.wantState(1, store.StateInSync, "")
		w.wantStored(1, next)
	})
}

func TestOneDestinationThroughTwoAccountsIsNotFoughtOver(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.keys["second"] = adminKey
		w.start()
		time.Sleep(time.Minute)
		w.stop()
		twin := w.destinations[0]
		twin.Name, twin.Account = "pl:destinations/"+twin.Name, "second"
		w.destinations = append(w.destinations, twin)
		n := w.patches()
		w.start()
		time.Sleep(time.Minute)
		w.wantState(1, store.StateBlocked, store.ReasonDuplicate)
		if got := w.patches(); got != n {
			t.Errorf("%d PATCHes through the second account", got-n)
		}
	})
}
