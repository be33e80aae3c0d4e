package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// longestSpec bounds the text of a spec: a list of every minute has 170 bytes.
const longestSpec = 512

// aLongTime is the answer for a spec whose next time is more than the five
// years away that robfig/cron looks ahead, as 29 February is from 2096 on:
// look again after it.
const aLongTime = 365 * 24 * time.Hour

// Parse tells what is wrong with a spec, for people who write config. Fields
// are minute, hour, day of the month, month, day of the week; with both days
// given, either is enough, as in every cron. "CRON_TZ=Zone " in front sets the
// time zone, the machine's own unless given. Descriptors are @yearly, @monthly,
// @weekly, @daily, @hourly and "@every" with a duration of whole seconds.
func Parse(spec string) error {
	_, err := parse(spec)
	return err
}

// times is a parsed spec.
type times struct{ cron.Schedule }

func parse(spec string) (times, error) {
	spec = strings.TrimSpace(spec)
	switch {
	case spec == "":
		return times{}, errors.New(`the schedule is empty: write five fields like "*/15 * * * *", or "@hourly"`)
	case len(spec) > longestSpec:
		return times{}, fmt.Errorf("the schedule is %d bytes long, more than the %d allowed", len(spec), longestSpec)
	}
	fields := spec
	if zoned := strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ="); zoned {
		// robfig/cron panics at a zone that nothing follows.
		zone, rest, _ := strings.Cut(spec, " ")
		fields = strings.TrimSpace(rest)
		_, name, _ := strings.Cut(zone, "=")
		if name == "" || fields == "" {
			return times{}, fmt.Errorf(`the schedule %q lacks a part: write "CRON_TZ=Europe/Berlin 0 6 * * *"`, spec)
		}
		if _, err := time.LoadLocation(name); err != nil {
			return times{}, fmt.Errorf("the schedule's time zone %q is not known here: write a name like Europe/Berlin, and see that the zone data is installed", name)
		}
	}
	if n := len(strings.Fields(fields)); n != 5 && !strings.HasPrefix(fields, "@") {
		return times{}, fmt.Errorf(`the schedule %q has %d fields, not 5: minute, hour, day of the month, month, day of the week`, spec, n)
	}
	if text, ok := strings.CutPrefix(fields, "@every "); ok {
		if err := checkEvery(strings.TrimSpace(text)); err != nil {
			return times{}, err
		}
	}
	schedule, err := cron.ParseStandard(spec)
	if err != nil {
		return times{}, fmt.Errorf(`the schedule %q can't be read: %w`, spec, err)
	}
	// From a fixed day, so that a config which is good today is good for ever:
	// five years from here hold a 29 February.
	if schedule.Next(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return times{}, fmt.Errorf("the schedule %q never comes: no month of it has such a day", spec)
	}
	return times{schedule}, nil
}

func checkEvery(text string) error {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return fmt.Errorf(`the duration %q in the schedule can't be read: write "@every 20m" or "@every 1h30m"`, text)
	case d < time.Second:
		return fmt.Errorf("the schedule's interval %s is too short: a second is the least", d)
	case d%time.Second != 0:
		return fmt.Errorf("the schedule's interval %s is not of whole seconds", d)
	case d > 5*aLongTime:
		return fmt.Errorf("the schedule's interval %s is longer than five years", d)
	}
	return nil
}

// after is the first time of the spec after t.
func (s times) after(t time.Time) time.Time {
	next := s.Next(t)
	if next.IsZero() {
		return t.Add(aLongTime)
	}
	fields, ok := s.Schedule.(*cron.SpecSchedule)
	if !ok {
		return next
	}
	// robfig/cron leaves out what falls into the hour that the beginning of
	// summer time skips, so that a daily check would be two days apart. Reckoned
	// in a zone that never changes, it comes; it is ours if the real zone has no
	// such time on that day.
	zone := fields.Location
	if zone == time.Local {
		zone = t.Location()
	}
	name, offset := t.In(zone).Zone()
	fixed := *fields
	fixed.Location = time.FixedZone(name, offset)
	early := fixed.Next(t)
	if early.IsZero() || !early.Before(next) || exists(early.In(fixed.Location), zone) {
		return next
	}
	return early.In(next.Location())
}

// exists tells whether a clock in zone ever shows what t's clock shows.
func exists(t time.Time, zone *time.Location) bool {
	there := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone)
	return there.Hour() == t.Hour() && there.Minute() == t.Minute()
}
