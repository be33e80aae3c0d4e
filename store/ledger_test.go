package store

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func at(n int64) time.Time { return time.Unix(1_700_000_000, n).UTC() }

func recent(t testing.TB, l *Ledger) []time.Time {
	t.Helper()
	times, err := l.Recent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return times
}

func TestALedgerRemembersAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	if got := recent(t, s.Ledger("a")); len(got) != 0 {
		t.Errorf("a new one has %v", got)
	}
	for n := range int64(3) {
		if err := s.Ledger("a").Sent(t.Context(), at(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Ledger("../b").Sent(t.Context(), at(9)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	wantSame(t, []time.Time{at(0), at(1), at(2)}, recent(t, s.Ledger("a")))
	wantSame(t, []time.Time{at(9)}, recent(t, s.Ledger("../b")))
	if err := s.Ledger("a").Sent(t.Context(), at(3)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, []time.Time{at(0), at(1), at(2), at(3)}, recent(t, s.Ledger("a")))
}

func TestALedgerKeepsTheLastSendsEvenWhenTheClockGoesBack(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, dir)
	var want []time.Time
	for n := range int64(2*ledgerSlots + 10) {
		moment := at(-n)
		if err := s.Ledger("a").Sent(t.Context(), moment); err != nil {
			t.Fatal(err)
		}
		want = append(want, moment)
	}
	want = want[len(want)-ledgerSlots:]
	wantSame(t, want, recent(t, s.Ledger("a")))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, dir)
	if err := s.Ledger("a").Sent(t.Context(), at(5)); err != nil {
		t.Fatal(err)
	}
	wantSame(t, append(want[1:], at(5)), recent(t, s.Ledger("a")))
}

func TestALedgerOfManyGoroutinesLosesNothing(t *testing.T) {
	s := openTest(t, t.TempDir())
	var group sync.WaitGroup
	for i := range int64(8) {
		group.Go(func() {
			for n := range int64(20) {
				if err := s.Ledger("a").Sent(t.Context(), at(i*20+n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	got := recent(t, s.Ledger("a"))
	slices.SortFunc(got, time.Time.Compare)
	if len(got) != 160 || !got[0].Equal(at(0)) || !got[159].Equal(at(159)) {
		t.Errorf("got %d: %v", len(got), got)
	}
}

func TestADamagedLedgerLosesTheDamagedSlotsOnly(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func([]byte) []byte
		want  []time.Time
	}{
		"a torn slot": {func(b []byte) []byte { b[2*slotSize+9] ^= 1; return b }, []time.Time{at(1), at(3)}},
		"a moved slot": {func(b []byte) []byte {
			copy(b[9*slotSize:], b[slotSize:2*slotSize])
			clear(b[slotSize : 2*slotSize])
			return b
		}, []time.Time{at(2), at(3)}},
		"a file cut short":  {func(b []byte) []byte { return b[:2*slotSize+5] }, []time.Time{at(1)}},
		"a file too long":   {func(b []byte) []byte { return append(b, b...) }, []time.Time{at(1), at(2), at(3)}},
		"an empty file":     {func([]byte) []byte { return nil }, []time.Time{}},
		"a file of garbage": {func(b []byte) []byte { return bytes.Repeat([]byte{0xa5}, len(b)) }, []time.Time{}},
		"a text":            {func([]byte) []byte { return []byte("hello") }, []time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openTest(t, dir)
			for n := range int64(3) {
				if err := s.Ledger("a").Sent(t.Context(), at(n+1)); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			edit(t, s.Ledger("a").path, test.spoil)
			s = openTest(t, dir)
			wantSame(t, test.want, recent(t, s.Ledger("a")))
			if err := s.Ledger("a").Sent(t.Context(), at(4)); err != nil {
				t.Fatal(err)
			}
			wantSame(t, append(test.want, at(4)), recent(t, s.Ledger("a")))
		})
	}
}

func TestALedgerThatCannotBeOpenedSaysSo(t *testing.T) {
	s := openTest(t, t.TempDir())
	l := s.Ledger("a")
	if err := os.Mkdir(l.path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Sent(t.Context(), at(0)); KindOf(err) != KindUnwritable || !strings.Contains(err.Error(), "note a send") {
		t.Errorf("got %v", err)
	}
	if err := os.Remove(l.path); err != nil {
		t.Fatal(err)
	}
	if err := l.Sent(t.Context(), at(0)); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func FuzzLedger(f *testing.F) {
	var slot [slotSize]byte
	encodeSlot(&slot, ledgerSlots, 42)
	f.Add(slot[:])
	f.Add(make([]byte, ledgerSize))
	f.Fuzz(func(t *testing.T, raw []byte) {
		sends := decodeLedger(raw)
		if len(sends) > ledgerSlots {
			t.Fatalf("%d sends", len(sends))
		}
		for i, s := range sends {
			if s.number == 0 || s.number+1 < s.number || i > 0 && s.number <= sends[i-1].number {
				t.Fatalf("numbers are not in order: %v", sends)
			}
		}
		// What is read is what writing it again gives.
		again := make([]byte, ledgerSize)
		for _, s := range sends {
			var slot [slotSize]byte
			encodeSlot(&slot, s.number, s.at)
			copy(again[s.number%ledgerSlots*slotSize:], slot[:])
		}
		if !slices.Equal(sends, decodeLedger(again)) {
			t.Fatalf("%v reads differently", sends)
		}
	})
}

func BenchmarkLedgerSent(b *testing.B) {
	s := openTest(b, filepath.Join(b.TempDir(), "store"))
	l, ctx := s.Ledger("a"), b.Context()
	for b.Loop() {
		if err := l.Sent(ctx, at(0)); err != nil {
			b.Fatal(err)
		}
	}
}
