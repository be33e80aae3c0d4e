package schedule

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/credential"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fired is an event and when it came, counted from the start of the bubble.
type fired struct {
	Destination string
	At          time.Duration
}

// play runs a Watcher for a time in a bubble. refuse says which emits fail;
// skew is added to the clock on the wall.
func play(t *testing.T, o Options, long time.Duration, skew func(elapsed time.Duration) time.Duration, refuse func(elapsed time.Duration) bool) []fired {
	t.Helper()
	var got []fired
	synctest.Test(t, func(t *testing.T) {
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now() // midnight UTC, 1 January 2000
		w.now = func() time.Time {
			now := time.Now().UTC()
			if skew != nil {
				now = now.Add(skew(now.Sub(start)))
			}
			return now
		}
		ctx, cancel := context.WithTimeout(t.Context(), long)
		defer cancel()
		err = w.Run(ctx, func(ctx context.Context, e credential.Event) error {
			if want := (credential.Event{Destination: e.Destination, Source: "schedule"}); e != want {
				t.Errorf("event %+v, want %+v", e, want)
			}
			if refuse != nil && refuse(time.Since(start)) {
				return errors.New("the store is busy")
			}
			got = append(got, fired{e.Destination, time.Since(start)})
			return nil
		})
		if err != nil || time.Since(start) != long {
			t.Errorf("Run returns %v after %v", err, time.Since(start))
		}
	})
	return got
}

func TestEntriesFireWhenTheyAreDue(t *testing.T) {
	got := play(t, Options{Entries: []Entry{
		{"quarters", "*/15 * * * *", 0}, {"every", "@every 25m", 0}, {"every", "10 * * * *", 0}, {"tomorrow", "@daily", 0},
		{"abroad", "CRON_TZ=Asia/Kolkata 0 6 * * *", 0},
	}}, 59*time.Minute, nil, nil)
	want := []fired{{"every", 10 * time.Minute}, {"quarters", 15 * time.Minute}, {"every", 25 * time.Minute}, {"quarters", 30 * time.Minute},
		{"abroad", 30 * time.Minute}, {"quarters", 45 * time.Minute}, {"every", 50 * time.Minute}}
	byName := func(f []fired) map[fired]bool {
		m := map[fired]bool{}
		for _, x := range f {
			m[x] = true
		}
		return m
	}
	if diff := cmp.Diff(byName(want), byName(got)); diff != "" || len(got) != len(want) {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for i := range got {
		if i > 0 && got[i].At < got[i-1].At {
			t.Errorf("out of order: %v", got)
		}
	}
}

func TestNoEntriesWaitForTheEnd(t *testing.T) {
	if got := play(t, Options{}, time.Hour, nil, nil); len(got) != 0 {
		t.Errorf("events out of nothing: %v", got)
	}
}

func TestJitterSpreadsWhatIsDueAtOnce(t *testing.T) {
	var entries []Entry
	for i := range 50 {
		entries = append(entries, Entry{Destination: fmt.Sprint(i), Spec: "@hourly", Jitter: 10 * time.Minute})
	}
	o := Options{Entries: entries, Rand: rand.New(rand.NewPCG(1, 2))}
	got := play(t, o, 2*time.Hour+30*time.Minute, nil, nil)
	if len(got) != 100 {
		t.Fatalf("%d events in two and a half hours, want 100", len(got))
	}
	perMinute := map[time.Duration]int{}
	for _, f := range got {
		late := f.At % time.Hour
		if late >= 10*time.Minute {
			t.Errorf("%s comes %v late", f.Destination, late)
		}
		perMinute[late.Truncate(time.Minute)]++
	}
	for minute := range 10 {
		if n := perMinute[time.Duration(minute)*time.Minute]; n < 3 || n > 20 {
			t.Errorf("%d of 100 events in minute %d, which is not uniform", n, minute)
		}
	}
	o.Rand = rand.New(rand.NewPCG(1, 2))
	if diff := cmp.Diff(got, play(t, o, 2*time.Hour+30*time.Minute, nil, nil)); diff != "" {
		t.Errorf("one seed gives two plays:\n%s", diff)
	}
}

func TestJitterBeyondThePeriodLosesNoFiring(t *testing.T) {
	got := play(t, Options{Entries: []Entry{{"a", "@every 1m", time.Hour}}}, time.Hour, nil, nil)
	if n := len(got); n < 58 || n > 60 {
		t.Errorf("%d events in an hour of minutes", n)
	}
	for i, f := range got {
		if due := time.Duration(i+1) * time.Minute; f.At < due || f.At >= due+time.Minute {
			t.Fatalf("event %d comes at %v, outside its minute", i, f.At)
		}
	}
}

func TestAClockSetForwardMakesNoBurst(t *testing.T) {
	jump := func(elapsed time.Duration) time.Duration {
		if elapsed >= 10*time.Minute {
			return 48 * time.Hour
		}
		return 0
	}
	got := play(t, Options{Entries: []Entry{{"a", "*/15 * * * *", 0}, {"b", "@every 20m", 0}}}, 29*time.Minute, jump, nil)
	// Noticed within a nap, once each; then at their usual times: a at :15 by a
	// clock that is 48 h ahead, b 20 minutes after the catching up.
	if len(got) != 3 || got[0].At > 11*time.Minute || got[1].At > 11*time.Minute || got[2] != (fired{"a", 15 * time.Minute}) {
		t.Errorf("events: %v", got)
	}
}

func TestAClockSetBackDoesNotSilence(t *testing.T) {
	back := func(by time.Duration) func(time.Duration) time.Duration {
		return func(elapsed time.Duration) time.Duration {
			if elapsed >= 10*time.Minute {
				return -by
			}
			return 0
		}
	}
	got := play(t, Options{Entries: []Entry{{"a", "@every 15m", 0}}}, time.Hour, back(24*time.Hour), nil)
	if len(got) != 3 || got[0].At > 26*time.Minute {
		t.Errorf("after a day back: %v", got)
	}
	got = play(t, Options{Entries: []Entry{{"a", "@every 15m", 0}}}, 20*time.Minute, back(time.Second), nil)
	if diff := cmp.Diff([]fired{{"a", 15*time.Minute + time.Second}}, got); diff != "" {
		t.Errorf("a correction by a second is no reason to start again (-want +got):\n%s", diff)
	}
	// What the store has refused stays.
	got = play(t, Options{Entries: []Entry{{"a", "9 * * * *", 0}}, Logger: quiet()}, 30*time.Minute, back(2*time.Hour),
		func(elapsed time.Duration) bool { return elapsed < 11*time.Minute })
	if len(got) != 1 || got[0].At > 13*time.Minute {
		t.Errorf("a refused event and a clock set back: %v", got)
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestARefusedEventIsTriedAgain(t *testing.T) {
	var log bytes.Buffer
	tries := 0
	o := Options{Entries: []Entry{{"a", "@every 1h", 0}}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	got := play(t, o, time.Hour+10*time.Minute, nil, func(elapsed time.Duration) bool {
		tries++
		return elapsed < time.Hour+5*time.Minute
	})
	if len(got) != 1 || got[0].At < time.Hour+5*time.Minute || got[0].At > time.Hour+6*time.Minute {
		t.Errorf("events: %v; want one within a minute of the store's recovery", got)
	}
	if tries < 8 || tries > 13 {
		t.Errorf("%d tries in five minutes, want them to double to a minute", tries)
	}
	if n := strings.Count(log.String(), "not taken"); n < 4 || n > 6 {
		t.Errorf("%d complaints in five minutes, want one a minute:\n%s", n, log.String())
	}
	if strings.Count(log.String(), "taken again") != 1 {
		t.Errorf("the recovery is not logged once:\n%s", log.String())
	}
}

func TestTheEndInsideAnEmitIsNoComplaint(t *testing.T) {
	var log bytes.Buffer
	o := Options{Entries: []Entry{{"a", "@every 1h", 0}, {"b", "@every 1h", 0}}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
	synctest.Test(t, func(t *testing.T) {
		w, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		calls := 0
		err = w.Run(ctx, func(ctx context.Context, _ credential.Event) error {
			calls++
			cancel()
			return ctx.Err()
		})
		if err != nil || calls != 1 || log.Len() > 0 {
			t.Errorf("Run returns %v after %d emits and logs %q", err, calls, log.String())
		}
	})
}

func TestNewNamesEveryWrongEntry(t *testing.T) {
	_, err := New(Options{Entries: []Entry{{"good", "@daily", 0}, {"bad", "x", 0}, {"", "@daily", 0}, {"never", "0 0 30 2 *", 0}, {"back", "@daily", -1}}})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"jitter is negative", `entry 2, destination "bad"`, "entry 3", "destination is missing", `entry 4, destination "never"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "good") {
		t.Errorf("the error names a good entry: %v", err)
	}
}
