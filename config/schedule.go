package config

import (
	"errors"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

var (
	errSchedule = errors.New("not a schedule")
	errZone     = errors.New("names a time zone that is not known")
	errNever    = errors.New("never comes")
	errTooOften = errors.New("comes more often than once a second")
)

const scheduleHint = `write five cron fields such as "*/15 * * * *", "CRON_TZ=Europe/Berlin 0 6 * * *", "@every 15m", or "off"`

// checkSchedule tells what is wrong with a schedule. Its errors are constant:
// those of the cron library quote their input.
func checkSchedule(spec string) error {
	if spec == Off {
		return nil
	}
	if strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ=") {
		zone, rest, found := strings.Cut(spec[strings.Index(spec, "=")+1:], " ")
		if !found || strings.TrimSpace(rest) == "" {
			return errSchedule // the library panics without the space
		}
		if _, err := time.LoadLocation(zone); err != nil {
			return errZone
		}
	}
	if strings.HasPrefix(spec, "@every ") {
		every, err := time.ParseDuration(strings.TrimPrefix(spec, "@every "))
		if err == nil && every < time.Second {
			return errTooOften // the library would make it a second
		}
	}
	s, err := cron.ParseStandard(spec)
	if err != nil {
		return errSchedule
	}
	// The library looks five years ahead, which holds every leap day until
	// 2096. From a fixed day, so that the same file is always judged the same.
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return errNever
	}
	return nil
}
