package planettest

import (
	"net/http"
	"strconv"
	"time"
)

// second is the span that PerSecond is about.
const second = time.Second

// limit counts a request of the user, each API apart, and tells whether it is
// one too many and how long until the next one is let in. The caller holds mu; now does not go
// back between calls.
func (s *Simulator) limit(user string, of api, now time.Time) (wait time.Duration, rejected bool) {
	perSecond, key := s.perSecond, user
	if of != destinationsAPI {
		perSecond, key = s.deliveryOptions.PerSecond, user+" "+string(of)
	}
	var counted []time.Time
	begin := now.Truncate(second)
	for _, at := range s.arrivals[key] {
		if s.window == Fixed && !at.Before(begin) || s.window == Sliding && now.Sub(at) < second {
			counted = append(counted, at)
		}
	}
	rejected = len(counted) >= perSecond
	if !rejected || s.behaviour.CountRejected {
		counted = append(counted, now)
	}
	s.arrivals[key] = counted
	if !rejected {
		return 0, false
	}
	if s.window == Fixed {
		return begin.Add(second).Sub(now), true
	}
	return counted[len(counted)-perSecond].Add(second).Sub(now), true
}

// header renders how long to wait. Whole seconds are all that it can say, so
// it rounds up.
func (f RetryAfter) header(h http.Header, wait time.Duration, now time.Time) {
	seconds := int64((wait + second - 1) / second)
	switch f {
	case RetrySeconds:
		h.Set("Retry-After", strconv.FormatInt(seconds, 10))
	case RetryDate:
		at := now.Add(wait + second - 1).Truncate(second)
		h.Set("Retry-After", at.UTC().Format(http.TimeFormat))
	case RetryAbsent:
	}
}

// MaxInWindow is the largest number of requests of one user to one API that
// arrived in any span of length d, those that were answered 429 included. A span holds
// its beginning and not its end.
func (s *Simulator) MaxInWindow(d time.Duration) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	arrivals := map[string][]time.Time{}
	for _, r := range s.records {
		if r.User != "" {
			key := r.User + " " + string(apiOf(r.Path))
			arrivals[key] = append(arrivals[key], r.At)
		}
	}
	most := 0
	for _, times := range arrivals {
		first := 0
		for last, at := range times {
			for at.Sub(times[first]) >= d {
				first++
			}
			most = max(most, last-first+1)
		}
	}
	return most
}
