package rotation_test

import (
	"context"
	"testing"
	"time"

	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

func TestASyncBesideTheRunningQueueLooksOnce(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		r := w.start()
		time.Sleep(time.Minute)
		next := w.newKey("dest-00")
		w.src.put(w.destinations[0].Secret, next)
		asked, read := w.src.current, w.src.reads
		records, err := r.Sync(context.Background(), 0)
		must(t, err)
		time.Sleep(time.Minute)
		if records[0].Status.State != store.StateInSync || w.stored(0) != next.id {
			t.Errorf("after the sync it is %s", records[0].Status.State)
		}
		if got := w.src.current - asked; got != 1 {
			t.Errorf("the source was asked %d times, want once", got)
		}
		if got := w.src.reads - read; got != 1 {
			t.Errorf("the value was read %d times, want once", got)
		}
		if w.record(0).IsDue() {
			t.Error("the mark is left")
		}
	})
}

func TestWhatASyncLeavesUndoneTheQueueTakesUp(t *testing.T) {
	in(t, 1, nil, func(t *testing.T, w *world) {
		w.schedule = 0
		r := w.start()
		time.Sleep(time.Minute)
		next := w.newKey("dest-00")
		w.src.put(w.destinations[0].Secret, next)
		w.sim.Inject(planettest.Fault{Method: "PATCH", Kind: planettest.Status, Status: 503})
		records, err := r.Sync(context.Background(), 0)
		must(t, err)
		if got := records[0].Status.State; got != store.StateUnknown {
			t.Errorf("after the sync it is %s, want unknown", got)
		}
		time.Sleep(time.Minute)
		w.wantState(0, store.StateInSync, "")
		w.wantStored(0, next)

		time.Sleep(3 * time.Minute) // past the fence

		// A caller who goes away leaves the work to the queue too.
		last := w.newKey("dest-00")
		w.src.put(w.destinations[0].Secret, last)
		w.s3.SetLatency(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
		defer cancel()
		if _, err := r.Sync(ctx, 0); err == nil {
			t.Error("the sync did not notice that its caller has gone")
		}
		time.Sleep(time.Minute)
		w.wantStored(0, last)
	})
}
