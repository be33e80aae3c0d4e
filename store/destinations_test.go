package store

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fullFacts has a value in every field, whatever fields there are.
func fullFacts() Facts {
	var f Facts
	fillValue(reflect.ValueOf(&f).Elem())
	return f
}

func fillValue(v reflect.Value) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 5, 4, 3, 2, 1, 123456789, time.UTC)))
		return
	case json.RawMessage:
		v.SetBytes([]byte(`{"a":[1,"b"]}`))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillValue(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fillValue(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillValue(v.Index(0))
		fillValue(v.Index(1))
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(42)
	default:
		panic("a kind of field that the store has not had yet: " + v.Type().String())
	}
}

func TestARecordComesBackAsItWasSaved(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	ensureTest(t, s, "one")
	r := loadTest(t, s, "one")
	r.Facts, r.Done = fullFacts(), r.Due
	if err := s.Save(t.Context(), &r); err != nil {
		t.Fatal(err)
	}
	wantSame(t, r, loadTest(t, s, "one"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wantSame(t, r, loadTest(t, openTest(t, dir), "one"))
}

func TestEnsure(t *testing.T) {
	s := openTest(t, t.TempDir())
	ctx := t.Context()
	first := []Record{{Destination: "b", Account: "x", Secret: "file:///b"}, {Destination: "a", Account: "x", Secret: "file:///a"}}
	if err := s.Ensure(ctx, first); err != nil {
		t.Fatal(err)
	}
	list, err := s.List(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{
		{Destination: "a", Account: "x", Secret: "file:///a", Epoch: 1, Due: 1, DueSource: "configured", Facts: Facts{Status: Status{State: StateNew}}},
		{Destination: "b", Account: "x", Secret: "file:///b", Epoch: 1, Due: 1, DueSource: "configured", Facts: Facts{Status: Status{State: StateNew}}},
	}
	if diff := cmp.Diff(want, list, cmpopts.IgnoreFields(Record{}, "DueAt"), cmpopts.IgnoreFields(Status{}, "Since")); diff != "" {
		t.Fatalf("a new destination is new and due (-want +got)\n%s", diff)
	}

	t.Run("repeating it changes nothing", func(t *testing.T) {
		if err := s.Ensure(ctx, first); err != nil {
			t.Fatal(err)
		}
		again, err := s.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, list, again)
	})
	t.Run("another secret makes the record due, keeps its facts and stops a save that is under way", func(t *testing.T) {
		loaded := loadTest(t, s, "a")
		loaded.Done, loaded.Accepted = loaded.Due, &Accepted{Version: "v1"}
		if err := s.Save(ctx, &loaded); err != nil {
			t.Fatal(err)
		}
		if err := s.Ensure(ctx, []Record{{Destination: "a", Account: "x", Secret: "file:///other"}}); err != nil {
			t.Fatal(err)
		}
		now := loadTest(t, s, "a")
		if !now.IsDue() || now.Secret != "file:///other" || now.Accepted == nil || now.Revision != loaded.Revision+1 {
			t.Errorf("got %+v", now)
		}
		if err := s.Save(ctx, &loaded); !errors.Is(err, ErrConflict) {
			t.Errorf("save of what was loaded before: %v", err)
		}
	})
	t.Run("another account makes the record due", func(t *testing.T) {
		before := loadTest(t, s, "b")
		if err := s.Ensure(ctx, []Record{{Destination: "b", Account: "y", Secret: "file:///b"}}); err != nil {
			t.Fatal(err)
		}
		if now := loadTest(t, s, "b"); now.Due != before.Due+1 || now.Account != "y" {
			t.Errorf("got %+v", now)
		}
	})
	t.Run("a list that can't be right changes nothing", func(t *testing.T) {
		before, _ := s.List(ctx)
		for _, bad := range [][]Record{{{Destination: "new"}, {Destination: ""}}, {{Destination: "new"}, {Destination: "new"}}} {
			if err := s.Ensure(ctx, bad); !errors.Is(err, ErrInvalid) {
				t.Errorf("%v: %v", bad, err)
			}
		}
		after, _ := s.List(ctx)
		wantSame(t, before, after)
	})
}

func TestSaveRefuses(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	stale := loadTest(t, s, "one")
	fresh := stale
	if err := s.Save(t.Context(), &fresh); err != nil {
		t.Fatal(err)
	}
	ahead := fresh
	ahead.Done = fresh.Due + 1
	unknown := fresh
	unknown.Destination = "nobody"
	huge := fresh
	huge.Pin = &Pin{Name: strings.Repeat("x", maxFacts), Structural: json.RawMessage(`{}`)}
	broken := fresh
	broken.Pin = &Pin{Structural: json.RawMessage(`{"canary`)}
	for name, test := range map[string]struct {
		record Record
		want   error
		kind   Kind
	}{
		"a record that was saved since it was loaded":   {stale, ErrConflict, KindConflict},
		"a done ahead of all marks":                     {ahead, ErrInvalid, KindInvalid},
		"a record that does not exist":                  {unknown, ErrNotFound, KindNotFound},
		"facts of more than a megabyte":                 {huge, ErrInvalid, KindInvalid},
		"a structural document that is not JSON at all": {broken, ErrInvalid, KindInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			before, r := loadTest(t, s, "one"), test.record
			err := s.Save(t.Context(), &r, Entry{Kind: EntryState, Outcome: "nothing"})
			if !errors.Is(err, test.want) || KindOf(err) != test.kind {
				t.Errorf("got %v of kind %s", err, KindOf(err))
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error quotes: %v", err)
			}
			wantSame(t, test.record, r)
			wantSame(t, before, loadTest(t, s, "one"))
			if entries, err := s.History(t.Context(), HistoryQuery{}); err != nil || len(entries) > 0 {
				t.Errorf("history has %v, %v", entries, err)
			}
		})
	}
}

func TestAnOwnerOfAnEarlierEpochIsFencedOff(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	r := loadTest(t, s, "one")
	err := s.writer.do(t.Context(), func(tx *transaction) error {
		_, err := tx.exec(`UPDATE destinations SET epoch = 99`)
		if err == nil {
			_, err = tx.exec(`INSERT INTO accounts VALUES ('default', 99, '{"name":"default"}')`)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), &r); !errors.Is(err, ErrFenced) || KindOf(err) != KindFenced {
		t.Errorf("save: %v", err)
	}
	if err := s.SaveAccount(t.Context(), Account{Name: "default"}); !errors.Is(err, ErrFenced) {
		t.Errorf("save account: %v", err)
	}
	if err := s.Ensure(t.Context(), []Record{{Destination: "one", Account: "other"}}); !errors.Is(err, ErrFenced) {
		t.Errorf("ensure: %v", err)
	}
	if err := s.MarkDue(t.Context(), "test", time.Now(), "one"); err != nil {
		t.Errorf("a mark is welcome from anybody: %v", err)
	}
}

func TestEachOwnerHasAHigherEpoch(t *testing.T) {
	dir := t.TempDir()
	for want := int64(1); want <= 3; want++ {
		s := openTest(t, dir)
		if s.Epoch() != want {
			t.Errorf("epoch %d, want %d", s.Epoch(), want)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMarkDue(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one", "two")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	before := loadTest(t, s, "one")
	err := s.MarkDue(t.Context(), "file", at, "one", "nobody", "two")
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `"nobody"`) {
		t.Errorf("an unknown destination: %v", err)
	}
	after := loadTest(t, s, "one")
	want := before
	want.Due, want.DueAt, want.DueSource = before.Due+1, at, "file"
	wantSame(t, want, after)
	if two := loadTest(t, s, "two"); two.Due != 2 {
		t.Errorf("those beside an unknown one are marked nevertheless: due is %d", two.Due)
	}
	before.Done = before.Due
	if err := s.Save(t.Context(), &before); err != nil {
		t.Errorf("a mark does not get in the way of a save: %v", err)
	}
	if r := loadTest(t, s, "one"); !r.IsDue() || r.DueSource != "file" {
		t.Errorf("a mark after the load survives the save: %+v", r)
	}
	if err := s.MarkDue(t.Context(), "file", at); err != nil {
		t.Errorf("marking nothing: %v", err)
	}
}

func TestForgetKeepsTheHistory(t *testing.T) {
	dir := t.TempDir()
	seedTest(t, dir)
	s := openTest(t, dir)
	if err := s.Forget(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	if err := s.Forget(t.Context(), "one"); err != nil {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.Load(t.Context(), "one"); !errors.Is(err, ErrNotFound) {
		t.Errorf("load: %v", err)
	}
	if entries, err := s.History(t.Context(), HistoryQuery{Destination: "one"}); err != nil || len(entries) != 1 {
		t.Errorf("history: %v, %v", entries, err)
	}
	if counts, err := s.Attempts(t.Context()); err != nil || len(counts) != 0 {
		t.Errorf("attempts of what is not configured: %v, %v", counts, err)
	}
	ensureTest(t, s, "one")
	if counts, err := s.Attempts(t.Context()); err != nil || len(counts) != 1 || counts[0].Count != 1 {
		t.Errorf("attempts of what came back: %v, %v", counts, err)
	}
}

func TestFactsThatCannotBeReadConcernTheirDestinationOnly(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "bad", "good", "worse")
	for name, facts := range map[string]string{"bad": `{"canary":1}`, "worse": `{"status":`} {
		err := s.writer.do(t.Context(), func(tx *transaction) error {
			_, err := tx.exec(`UPDATE destinations SET facts = ? WHERE name = ?`, facts, name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.Load(t.Context(), "bad")
	var facts *FactsError
	if !errors.As(err, &facts) || facts.Destination != "bad" || strings.Contains(err.Error(), "canary") || KindOf(err) != KindDamaged {
		t.Errorf("load: %v", err)
	}
	list, err := s.List(t.Context())
	if len(list) != 1 || list[0].Destination != "good" || err == nil ||
		!strings.Contains(err.Error(), `"bad"`) || !strings.Contains(err.Error(), `"worse"`) {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := s.Forget(t.Context(), "bad"); err != nil {
		t.Fatal(err)
	}
	ensureTest(t, s, "bad")
	if r := loadTest(t, s, "bad"); r.Status.State != StateNew {
		t.Errorf("forgotten and configured again: %+v", r)
	}
}
