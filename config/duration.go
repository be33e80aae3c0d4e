package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that a file writes as text: Go's durations
// ("250ms", "1h30m") and days ("90d", "1d12h"). A day is 24 hours. Negative
// durations are refused: nothing here can wait for less than nothing.
type Duration time.Duration

const day = 24 * time.Hour

// errDuration never quotes what it was given, which time.ParseDuration would.
var errDuration = errors.New(`not a duration: write one such as "30s", "1h30m" or "90d"`)

// ParseDuration reads a duration. Its error is constant and quotes nothing.
func ParseDuration(s string) (Duration, error) {
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "", s
	}
	var total time.Duration
	if found {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || n > uint64(math.MaxInt64/int64(day)) {
			return 0, errDuration
		}
		total = time.Duration(n) * day
		if rest == "" {
			return Duration(total), nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") || total > math.MaxInt64-d {
		return 0, errDuration
	}
	return Duration(total + d), nil
}

// Std is the duration as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the shortest form that ParseDuration reads back: "90d", "1h30m".
func (d Duration) String() string {
	v := time.Duration(d)
	if v < 0 {
		return v.String()
	}
	days, rest := v/day, v%day
	if rest == 0 && days > 0 {
		return strconv.FormatInt(int64(days), 10) + "d"
	}
	s := rest.String()
	// Go writes "1h0m0s" where a person writes "1h".
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if days > 0 {
		s = strconv.FormatInt(int64(days), 10) + "d" + s
	}
	return s
}

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}
