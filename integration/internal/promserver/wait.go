package promserver

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

const (
	pollEvery = 50 * time.Millisecond
	// margin is kept before the deadline of go test, which ends a test without
	// its clean-up and without a word of what it waited for.
	margin = 15 * time.Second
)

// WaitFor asks until something is so. so also says what it saw, for the message
// of a test that is out of time.
func (s *Server) WaitFor(what string, so func(context.Context) (ok bool, saw string)) {
	s.t.Helper()
	ctx := s.t.Context()
	if t, ok := s.t.(interface {
		Deadline() (deadline time.Time, ok bool)
	}); ok {
		if end, ok := t.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, end.Add(-margin))
			defer cancel()
		}
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for saw := ""; ; {
		ok, now := so(ctx)
		if ok {
			return
		}
		if ctx.Err() == nil {
			saw = now
		}
		select {
		case <-tick.C:
		case <-s.gone:
			s.t.Fatalf("prometheus has ended before: %s\n%s", what, s.log.String())
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until: %s\n%s", what, saw)
		}
	}
}

// Scraped waits until all targets are up and were scraped once more after this
// call: what they say now can be queried then.
func (s *Server) Scraped() {
	s.t.Helper()
	began := time.Now()
	s.WaitFor("all targets are scraped", func(ctx context.Context) (bool, string) {
		all, err := s.Targets(ctx)
		if err != nil {
			return false, err.Error()
		}
		for _, instance := range s.targets {
			i := slices.IndexFunc(all, func(t Target) bool { return t.Instance == instance })
			if i < 0 || all[i].Health != "up" {
				return false, fmt.Sprintf("%+v", all)
			}
			// A scrape's samples bear the time of its start. Of anything but a
			// mere selector timestamp() would be the time of the query.
			seen, err := s.Query(ctx, fmt.Sprintf("timestamp(up{instance=%[1]q}) and up{instance=%[1]q} == 1", instance))
			if err != nil {
				return false, err.Error()
			}
			if len(seen) == 0 || int64(math.Round(seen[0].Value*1000)) <= began.UnixMilli() {
				return false, fmt.Sprintf("%s: %+v", instance, seen)
			}
		}
		return true, ""
	})
}

// WaitForQuery waits until the result of an expression is as it should be, and
// gives it. An expression that can't be evaluated fails the test at once.
func (s *Server) WaitForQuery(expression string, so func([]Sample) bool) []Sample {
	s.t.Helper()
	var found []Sample
	s.WaitFor(expression, func(ctx context.Context) (bool, string) {
		var err error
		if found, err = s.Query(ctx, expression); err != nil && ctx.Err() == nil {
			s.t.Fatal(err)
		}
		return err == nil && so(found), fmt.Sprintf("%+v", found)
	})
	return found
}

// Some is so for any result but an empty one.
func Some(found []Sample) bool { return len(found) > 0 }

// Firing waits until an alert fires that has these labels, among others.
func (s *Server) Firing(name string, labels map[string]string) Alert {
	s.t.Helper()
	var found Alert
	s.WaitFor(fmt.Sprintf("%s fires with %v", name, labels), func(ctx context.Context) (bool, string) {
		all, saw := s.alerts(ctx)
		i := slices.IndexFunc(all, func(a Alert) bool { return a.State == "firing" && a.is(name, labels) })
		if i < 0 {
			return false, saw
		}
		found = all[i]
		return true, ""
	})
	return found
}

// Resolved waits until no alert of this name and with these labels, among
// others, is firing or pending.
func (s *Server) Resolved(name string, labels map[string]string) {
	s.t.Helper()
	s.WaitFor(fmt.Sprintf("%s with %v is over", name, labels), func(ctx context.Context) (bool, string) {
		all, saw := s.alerts(ctx)
		return all != nil && !slices.ContainsFunc(all, func(a Alert) bool { return a.is(name, labels) }), saw
	})
}

// alerts gives all alerts, nil if they can't be had, and a text of them.
func (s *Server) alerts(ctx context.Context) ([]Alert, string) {
	all, err := s.Alerts(ctx)
	if err != nil {
		return nil, err.Error()
	}
	return all, fmt.Sprintf("%+v", all)
}

func (a Alert) is(name string, labels map[string]string) bool {
	return a.Name == name && within(labels, a.Labels)
}

// within tells whether all has each pair of some.
func within(some, all map[string]string) bool {
	for k := range maps.Keys(some) {
		if v, ok := all[k]; !ok || v != some[k] {
			return false
		}
	}
	return true
}
