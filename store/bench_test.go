package store

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// Directory of the benchmarks: b.TempDir, so set TMPDIR to the disk in question.

func BenchmarkMarkDue(b *testing.B) {
	for _, callers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openTest(b, b.TempDir())
			var names []string
			for i := range 1000 {
				names = append(names, fmt.Sprintf("destination-%d", i))
			}
			ensureTest(b, s, names...)
			took := make([][]time.Duration, callers)
			b.ResetTimer()
			var group sync.WaitGroup
			for c := range callers {
				group.Go(func() {
					for i := c; i < b.N; i += callers {
						began := time.Now()
						if err := s.MarkDue(b.Context(), "bench", began, names[i%len(names)]); err != nil {
							b.Error(err)
						}
						took[c] = append(took[c], time.Since(began))
					}
				})
			}
			group.Wait()
			b.StopTimer()
			all := slices.Concat(took...)
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
		})
	}
}

func BenchmarkSave(b *testing.B) {
	s := openTest(b, b.TempDir())
	ensureTest(b, s, "one")
	r := loadTest(b, s, "one")
	r.Facts = fullFacts()
	for b.Loop() {
		if err := s.Save(b.Context(), &r, Entry{Kind: EntryAttempt, Outcome: "accepted"}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	s := openTest(b, b.TempDir())
	ensureTest(b, s, "one")
	r := loadTest(b, s, "one")
	r.Facts = fullFacts()
	if err := s.Save(b.Context(), &r); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Load(b.Context(), "one"); err != nil {
			b.Fatal(err)
		}
	}
}
