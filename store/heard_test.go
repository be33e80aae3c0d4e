package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/rotatord/rotatord/credential"
)

func heardAt(second int) time.Time { return time.Date(2026, 3, 4, 5, 6, second, 0, time.UTC) }

func TestWhatWasHeardIsKeptUntilALookHasTakenItIn(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	ensureTest(t, s, "a", "b")
	first := Heard{Kind: credential.EventRotationFailed, Version: "v1", Source: "sqs", Time: heardAt(1), At: heardAt(2)}
	second := Heard{Version: "v2", Source: "sqs", Time: heardAt(3), At: heardAt(4)}
	for _, h := range []Heard{first, second} {
		if err := s.MarkHeard(t.Context(), h, "a"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	r := loadTest(t, s, "a")
	wantSame(t, []Heard{first, second}, r.Heard)
	if r.Due != 3 || r.DueSource != "sqs" || !r.DueAt.Equal(heardAt(4)) { // one mark is the configuration's
		t.Errorf("due %d by %s at %s", r.Due, r.DueSource, r.DueAt)
	}
	if b := loadTest(t, s, "b"); len(b.Heard) != 0 || b.Due != 1 {
		t.Errorf("of another destination: %+v", b.Heard)
	}
	// Heard during the look: it must outlive the look's end.
	third := Heard{Version: "v3", Source: "sns", Time: heardAt(5), At: heardAt(6)}
	if err := s.MarkHeard(t.Context(), third, "a"); err != nil {
		t.Fatal(err)
	}
	// Saves before the end keep everything.
	if err := s.Save(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	if got := loadTest(t, s, "a"); len(got.Heard) != 3 {
		t.Fatalf("a save in the middle of a look left %d of 3", len(got.Heard))
	}
	r.Done = r.Due
	if err := s.Save(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	wantSame(t, []Heard{third}, loadTest(t, s, "a").Heard)
}

func TestAnEventThatRepeatsAnotherTakesItsPlace(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "a")
	for i, h := range []Heard{
		{Version: "v1", Source: "sqs", Time: heardAt(5), At: heardAt(10)},
		{Version: "v2", Source: "sqs", Time: heardAt(6), At: heardAt(11)},
		{Version: "v1", Source: "sns", Time: heardAt(1), At: heardAt(12)}, // late, of an earlier attempt
	} {
		if err := s.MarkHeard(t.Context(), h, "a"); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	wantSame(t, []Heard{
		{Version: "v2", Source: "sqs", Time: heardAt(6), At: heardAt(11)},
		{Version: "v1", Source: "sns", Time: heardAt(5), At: heardAt(12)},
	}, loadTest(t, s, "a").Heard)
}

func TestEventsBetweenTwoLooksAreBounded(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "a")
	for i := range 40 {
		if err := s.MarkHeard(t.Context(), Heard{Version: fmt.Sprint(i), Source: "sqs", At: heardAt(i)}, "a"); err != nil {
			t.Fatal(err)
		}
	}
	r := loadTest(t, s, "a")
	if len(r.Heard) != maxHeard || r.Heard[maxHeard-1].Version != "39" || r.Due != 41 {
		t.Errorf("%d are kept, %d marks; the newest is %q", len(r.Heard), r.Due, r.Heard[len(r.Heard)-1].Version)
	}
}

func TestAnEventForADestinationThatIsNotKnown(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "a")
	err := s.MarkHeard(t.Context(), Heard{Version: "v1", Source: "sqs", At: heardAt(1)}, "nobody", "a")
	if !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if r := loadTest(t, s, "a"); len(r.Heard) != 1 || r.Due != 2 {
		t.Errorf("the other one was not marked: %+v", r)
	}
	if err := s.Forget(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ensureTest(t, s, "a")
	if r := loadTest(t, s, "a"); len(r.Heard) != 0 {
		t.Errorf("forgotten, and %d events are still there", len(r.Heard))
	}
}
