package schedule

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, spec := range []string{
		"* * * * *", "*/15 * * * *", "30 2 * * 1-5", "0 0 1,15 jan-mar mon", "0 0 29 2 *", "0 0 30 2 1", "?  0 * * *", "  @hourly ",
		"@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@every 15m", "@every 1h30m", "@every 1s",
		"CRON_TZ=Europe/Berlin 0 6 * * *", "TZ=UTC @daily", "CRON_TZ=Asia/Kathmandu   @every 5m",
	} {
		if err := Parse(spec); err != nil {
			t.Errorf("Parse(%q): %v", spec, err)
		}
	}
	for _, c := range []struct{ name, spec, says string }{
		{"nothing", "", "empty"},
		{"blanks", " \t ", "empty"},
		{"too few fields", "* * * *", "4 fields, not 5"},
		{"seconds", "0 * * * * *", "6 fields, not 5"},
		{"a word", "hourly", "1 fields, not 5"},
		{"an unknown descriptor", "@sometimes", "@sometimes"},
		{"a minute of 60", "60 * * * *", "60"},
		{"a step of nothing", "*/0 * * * *", "step"},
		{"a range backwards", "30-10 * * * *", "30"},
		{"a field of letters", "a * * * *", "a"},
		{"the thirtieth of February", "0 0 30 2 *", "never comes"},
		{"the thirty-first of short months", "0 0 31 2,4,6,9,11 *", "never comes"},
		{"a zone and nothing else", "CRON_TZ=Europe/Berlin", "lacks a part"},
		{"a zone and blanks", "CRON_TZ=Europe/Berlin  ", "lacks a part"},
		{"a zone without a name", "TZ= 0 6 * * *", "lacks a part"},
		{"an unknown zone", "CRON_TZ=Europe/Atlantis 0 6 * * *", "Europe/Atlantis"},
		{"a zone that leaves its folder", "CRON_TZ=../../etc/passwd 0 6 * * *", "not known"},
		{"an interval of nothing", "@every 0s", "too short"},
		{"an interval before now", "@every -5m", "too short"},
		{"half a second", "@every 500ms", "too short"},
		{"a second and a half", "@every 1500ms", "whole seconds"},
		{"an interval without a unit", "@every 15", "can't be read"},
		{"an interval of ages", "@every 99999h", "five years"},
		{"an endless list", strings.Repeat("1,", 300) + "1 * * * *", "more than the 512"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Parse(c.spec); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Parse(%q) = %v, want an error with %q", c.spec, err, c.says)
			}
		})
	}
}

func TestTimesAroundSummerTime(t *testing.T) {
	const form = "Mon 2006-01-02 15:04 MST"
	for _, c := range []struct {
		name, zone, spec, from string
		want                   []string
	}{
		{"an hour that is skipped comes as it would have", "America/New_York", "30 2 * * *", "2026-03-07 12:00",
			[]string{"Sun 2026-03-08 03:30 EDT", "Mon 2026-03-09 02:30 EDT", "Tue 2026-03-10 02:30 EDT"}},
		{"from long before as well", "America/New_York", "30 2 8 3 *", "2026-01-01 00:00",
			[]string{"Sun 2026-03-08 03:30 EDT", "Mon 2027-03-08 02:30 EST"}},
		{"several in a skipped hour come once", "America/New_York", "0,20,40 2 * * *", "2026-03-08 00:00",
			[]string{"Sun 2026-03-08 03:00 EDT", "Mon 2026-03-09 02:00 EDT"}},
		{"quarters run on", "Europe/Berlin", "*/30 * * * *", "2026-03-29 01:15",
			[]string{"Sun 2026-03-29 01:30 CET", "Sun 2026-03-29 03:00 CEST", "Sun 2026-03-29 03:30 CEST"}},
		{"hours run on through the hour that comes twice", "Europe/Berlin", "0 * * * *", "2026-10-25 01:30",
			[]string{"Sun 2026-10-25 02:00 CEST", "Sun 2026-10-25 02:00 CET", "Sun 2026-10-25 03:00 CET"}},
		{"noon is untouched", "Europe/Berlin", "0 12 * * *", "2026-10-24 13:00",
			[]string{"Sun 2026-10-25 12:00 CET", "Mon 2026-10-26 12:00 CET"}},
		{"noon is untouched in spring", "Europe/Berlin", "0 12 * * *", "2026-03-28 13:00",
			[]string{"Sun 2026-03-29 12:00 CEST", "Mon 2026-03-30 12:00 CEST"}},
		{"half an hour of change", "Australia/Lord_Howe", "15 2 * * *", "2026-10-03 12:00",
			[]string{"Sun 2026-10-04 02:45 +11", "Mon 2026-10-05 02:15 +11"}},
		{"a midnight that is skipped", "America/Asuncion", "0 0 * * *", "2023-09-30 12:00",
			[]string{"Sun 2023-10-01 01:00 -03", "Mon 2023-10-02 00:00 -03"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			zone, err := time.LoadLocation(c.zone)
			if err != nil {
				t.Fatal(err)
			}
			from, err := time.ParseInLocation("2006-01-02 15:04", c.from, zone)
			if err != nil {
				t.Fatal(err)
			}
			// With the zone in the spec, and with the machine's own.
			for _, prefix := range []string{"CRON_TZ=" + c.zone + " ", ""} {
				s, err := parse(prefix + c.spec)
				if err != nil {
					t.Fatal(err)
				}
				at := from
				if prefix != "" {
					at = from.UTC()
				}
				var got []string
				for range c.want {
					at = s.after(at)
					got = append(got, at.In(zone).Format(form))
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("prefix %q (-want +got):\n%s", prefix, diff)
				}
			}
		})
	}
}

func TestAFarAwayTimeIsWaitedFor(t *testing.T) {
	s, err := parse("0 0 29 2 *")
	if err != nil {
		t.Fatal(err)
	}
	// 2100 is no leap year, and robfig/cron looks five years ahead.
	at := time.Date(2096, 3, 1, 0, 0, 0, 0, time.UTC)
	if next := s.after(at); !next.After(at) {
		t.Errorf("after %v comes %v", at, next)
	}
}

// FuzzParse holds that no spec panics or hangs, and that the times of a good
// one go forward.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"* * * * *", "@every 1h", "CRON_TZ=Europe/Berlin 30 2 * * *", "TZ=UTC", "0 0 30 2 *", "*/5,1-9/3 0 ? jan-dec sun",
		"@every -1s", "CRON_TZ= ", "1/2 * L * *", "*/9223372036854775807 * * * *", "CRON_TZ=America/Sao_Paulo 0 0 * * 0"} {
		f.Add(s, int64(1_772_000_000))
	}
	f.Fuzz(func(t *testing.T, spec string, unix int64) {
		s, err := parse(spec)
		if err != nil {
			return
		}
		at := time.Unix(unix%4_000_000_000, 0).UTC()
		for range 10 {
			next := s.after(at)
			if !next.After(at) {
				t.Fatalf("after %v comes %v", at, next)
			}
			at = next
		}
	})
}
