package store

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// saveEntries saves a destination once an entry.
func saveEntries(t testing.TB, s *Store, name string, entries ...Entry) {
	t.Helper()
	r := loadTest(t, s, name)
	if err := s.Save(t.Context(), &r, entries...); err != nil {
		t.Fatal(err)
	}
}

func TestHistory(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one", "two")
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	saveEntries(t, s, "one", Entry{At: day(1), Kind: EntryState, Outcome: "waiting", Version: "v1"},
		Entry{At: day(2), Kind: EntryAttempt, Outcome: "refused", Reason: ReasonPlanetRefused, Version: "v1", Detail: "d", Duration: time.Second})
	saveEntries(t, s, "two", Entry{At: day(3), Kind: EntryAttempt, Outcome: "accepted"})
	saveEntries(t, s, "one", Entry{At: day(4), Kind: EntryAttempt, Outcome: "refused", Reason: ReasonPlanetRefused})

	for name, test := range map[string]struct {
		query HistoryQuery
		want  []int64
	}{
		"all, newest first":          {HistoryQuery{}, []int64{4, 3, 2, 1}},
		"of one destination":         {HistoryQuery{Destination: "one"}, []int64{4, 2, 1}},
		"of a destination not known": {HistoryQuery{Destination: "nobody"}, nil},
		"the first page":             {HistoryQuery{Limit: 2}, []int64{4, 3}},
		"the second page":            {HistoryQuery{Limit: 2, Before: 3}, []int64{2, 1}},
		"since a day":                {HistoryQuery{Since: day(3)}, []int64{4, 3}},
		"everything at once":         {HistoryQuery{Destination: "one", Limit: 1, Before: 4, Since: day(1)}, []int64{2}},
	} {
		t.Run(name, func(t *testing.T) {
			entries, err := s.History(t.Context(), test.query)
			if err != nil {
				t.Fatal(err)
			}
			var ids []int64
			for _, e := range entries {
				ids = append(ids, e.ID)
			}
			wantSame(t, test.want, ids)
		})
	}
	t.Run("an entry comes back as it was saved", func(t *testing.T) {
		entries, err := s.History(t.Context(), HistoryQuery{Before: 3, Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, []Entry{{ID: 2, At: day(2), Destination: "one", Kind: EntryAttempt, Outcome: "refused",
			Reason: ReasonPlanetRefused, Version: "v1", Detail: "d", Duration: time.Second}}, entries)
	})
	attempts := []AttemptCount{
		{Destination: "one", Outcome: "refused", Reason: ReasonPlanetRefused, Count: 2},
		{Destination: "two", Outcome: "accepted", Count: 1},
	}
	t.Run("attempts are counted by outcome and reason", func(t *testing.T) {
		got, err := s.Attempts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, attempts, got)
	})
	t.Run("pruning drops what is old and keeps the counts", func(t *testing.T) {
		dropped, err := s.Prune(t.Context(), day(3).Add(defaultKeepHistory))
		if err != nil || dropped != 2 {
			t.Errorf("dropped %d, %v", dropped, err)
		}
		if entries, err := s.History(t.Context(), HistoryQuery{}); err != nil || len(entries) != 2 {
			t.Errorf("left are %v, %v", entries, err)
		}
		got, err := s.Attempts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, attempts, got)
	})
	t.Run("ids are not used again", func(t *testing.T) {
		if _, err := s.Prune(t.Context(), day(5).Add(defaultKeepHistory)); err != nil {
			t.Fatal(err)
		}
		saveEntries(t, s, "one", Entry{Kind: EntryState})
		if entries, err := s.History(t.Context(), HistoryQuery{}); err != nil || len(entries) != 1 || entries[0].ID != 5 ||
			time.Since(entries[0].At).Abs() > time.Hour {
			t.Errorf("got %v, %v", entries, err)
		}
	})
}

func TestPruneWorksInSteps(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	entries := make([]Entry, pruneChunk*2+1)
	for i := range entries {
		entries[i] = Entry{At: time.Unix(1, 0), Kind: EntryProbe}
	}
	saveEntries(t, s, "one", entries...)
	if dropped, err := s.Prune(t.Context(), time.Now()); err != nil || dropped != int64(len(entries)) {
		t.Errorf("dropped %d, %v", dropped, err)
	}
}

func TestAFullDatabaseRefusesAndRecovers(t *testing.T) {
	s := openTest(t, t.TempDir())
	ensureTest(t, s, "one")
	limit := func(pages int) {
		t.Helper()
		err := s.writer.do(t.Context(), func(tx *transaction) error {
			var now int
			query := map[int]string{1: `PRAGMA max_page_count = 1`, 1 << 20: `PRAGMA max_page_count = 1048576`}[pages]
			_, err := tx.scan(query, nil, []any{&now})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes it as the pages that there are
	r := loadTest(t, s, "one")
	many := make([]Entry, 200)
	for i := range many {
		many[i] = Entry{Kind: EntryAttempt, Outcome: "accepted", Detail: strings.Repeat("x", 500)}
	}
	for range 2 {
		if err := s.Save(t.Context(), &r, many...); !errors.Is(err, ErrFull) || KindOf(err) != KindFull {
			t.Fatalf("save: %v", err)
		}
	}
	if entries, err := s.History(t.Context(), HistoryQuery{}); err != nil || len(entries) > 0 {
		t.Errorf("a save that was refused wrote %d entries, %v", len(entries), err)
	}
	if err := s.MarkDue(t.Context(), "test", time.Now(), "one"); err != nil {
		t.Errorf("what needs no page goes on: %v", err)
	}
	limit(1 << 20)
	if err := s.Save(t.Context(), &r, many...); err != nil {
		t.Errorf("with space again: %v", err)
	}
}

func TestAccounts(t *testing.T) {
	s := openTest(t, t.TempDir())
	got, err := s.LoadAccount(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, Account{Name: "default"}, got)
	at := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	for _, want := range []Account{
		{Name: "default", BlockedSince: at, Detail: "401", NextLook: at.Add(time.Hour), Failures: 3},
		{Name: "default"},
	} {
		if err := s.SaveAccount(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		if got, err = s.LoadAccount(t.Context(), "default"); err != nil {
			t.Fatal(err)
		}
		wantSame(t, want, got)
	}
	if err := s.SaveAccount(t.Context(), Account{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("an account without a name: %v", err)
	}
	err = s.writer.do(t.Context(), func(tx *transaction) error {
		_, err := tx.exec(`UPDATE accounts SET facts = '{"canary":1}'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var facts *FactsError
	if _, err := s.LoadAccount(t.Context(), "default"); !errors.As(err, &facts) || facts.Account != "default" || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}
