package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// No order of marks, loads and saves loses a mark: one that was acknowledged
// after a load leaves the record due after the save that follows.
func TestNoMarkIsEverLost(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one", "two")
	var marks, saves atomic.Int64
	var markers, engines sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		markers.Go(func() {
			for range 25 {
				names := [][]string{{"one"}, {"one", "two"}}[i%2]
				if err := s.MarkDue(t.Context(), "test", time.Now(), names...); err != nil {
					t.Error(err)
				}
				marks.Add(1)
			}
		})
	}
	for i := range 2 {
		rng := rand.New(rand.NewPCG(1, uint64(i)))
		engines.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := s.Load(t.Context(), "one")
				if err != nil {
					t.Error(err)
					return
				}
				marked := rng.IntN(2) == 0
				if marked {
					if err := s.MarkDue(t.Context(), "own", time.Now(), "one"); err != nil {
						t.Error(err)
					}
					marks.Add(1)
				}
				loaded := r.Due
				r.Done = r.Due
				switch err := s.Save(t.Context(), &r); {
				case err == nil:
					saves.Add(1)
				case errors.Is(err, ErrConflict):
					continue
				default:
					t.Error(err)
				}
				if now, err := s.Load(t.Context(), "one"); err != nil || marked && now.Due <= loaded {
					t.Errorf("a mark after the load of %d is gone: due %d, %v", loaded, now.Due, err)
				}
			}
		})
	}
	markers.Wait()
	close(stop)
	engines.Wait()
	r := loadTest(t, s, "one")
	if r.Due != marks.Load()+1 {
		t.Errorf("due is %d after %d marks and the first", r.Due, marks.Load())
	}
	if r.Revision != saves.Load() {
		t.Errorf("revision is %d after %d saves", r.Revision, saves.Load())
	}
	if saves.Load() == 0 {
		t.Error("no save came through")
	}
}

func TestAConflictInABatchConcernsItsCallerOnly(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	ok := func(tx *transaction) error {
		_, err := tx.exec(`UPDATE destinations SET due = due + 1`)
		return err
	}
	declines := func(tx *transaction) error { return errors.Join(ok(tx), ErrConflict) }
	fails := func(tx *transaction) error {
		_, err := tx.exec(`INSERT INTO meta VALUES ('epoch', 1)`) // it is there already
		return errors.Join(ok(tx), err)
	}
	for name, test := range map[string]struct {
		batch []func(*transaction) error
		want  []Kind
	}{
		"one that declines takes back its own changes": {[]func(*transaction) error{ok, declines, ok}, []Kind{"", KindConflict, ""}},
		"one under which the database fails too":       {[]func(*transaction) error{ok, fails, declines, ok}, []Kind{"", KindDamaged, KindConflict, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			before := loadTest(t, s, "one")
			var batch []*operation
			for _, run := range test.batch {
				batch = append(batch, &operation{run: run})
			}
			var kinds []Kind
			// The loop is idle and takes the batch from nobody.
			for _, err := range s.writer.commit(batch) {
				kinds = append(kinds, KindOf(classify(err)))
			}
			wantSame(t, test.want, kinds)
			if after := loadTest(t, s, "one"); after.Due != before.Due+2 {
				t.Errorf("due went from %d to %d", before.Due, after.Due)
			}
		})
	}
}

func TestACancelledContextWritesNothing(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.MarkDue(ctx, "test", time.Now(), "one"); !errors.Is(err, context.Canceled) || KindOf(err) != KindCanceled {
		t.Errorf("mark: %v", err)
	}
	if r := loadTest(t, s, "one"); r.Due != 1 {
		t.Errorf("due is %d", r.Due)
	}
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	r := loadTest(t, s, "one")
	ledger := s.Ledger("default")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"mark":   s.MarkDue(t.Context(), "test", time.Now(), "one"),
		"save":   s.Save(t.Context(), &r),
		"list":   second(s.List(t.Context())),
		"load":   second(s.Load(t.Context(), "one")),
		"ledger": ledger.Sent(t.Context(), time.Now()),
		"prune":  second(s.Prune(t.Context(), time.Now())),
	} {
		if !errors.Is(err, ErrClosed) || KindOf(err) != KindClosed {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestItWorksInABubbleOfVirtualTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ensureTest(t, s, "one")
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				time.Sleep(time.Duration(i%3) * time.Hour)
				if err := s.MarkDue(t.Context(), "test", time.Now(), "one"); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		group.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := s.Load(ctx, "one")
		if err != nil || r.Due != 21 || !r.DueAt.Equal(time.Date(2000, 1, 1, 2, 0, 0, 0, time.UTC)) {
			t.Errorf("got %+v, %v", r, err)
		}
		if err := s.Ledger("x").Sent(ctx, time.Now()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
