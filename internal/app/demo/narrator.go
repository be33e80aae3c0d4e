package demo

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/planet/planettest"
	"github.com/rotatord/rotatord/store"
)

// Colours of a terminal.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (s *stage) paint(color, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// say prints a line with the time since the beginning.
func (s *stage) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.Out, "%s  %s\n", s.paint(dim, fmt.Sprintf("%6.2fs", time.Since(s.begun).Seconds())), fmt.Sprintf(format, args...))
}

func (s *stage) line(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintln(s.Out, text)
}

func (s *stage) title(text string) { s.line("\n" + s.paint(bold, text)) }

// check makes a statement that is true or not.
func (s *stage) check(true_ bool, format string, args ...any) {
	mark := s.paint(green, "✓")
	if !true_ {
		mark = s.paint(red, "✗")
	}
	s.mu.Lock()
	s.made++
	if !true_ {
		s.missed++
	}
	s.mu.Unlock()
	s.say("%s %s", mark, fmt.Sprintf(format, args...))
}

func (s *stage) verdict() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missed > 0 {
		return &Failed{s.missed, s.made}
	}
	return nil
}

// onRequest tells of what Planet was asked and could not answer well, and of
// every PATCH.
func (s *stage) onRequest(r planettest.Request) {
	name := s.nameOf(r.Path)
	switch {
	case r.Method == http.MethodPatch && r.Status == 0:
		s.say("  %s", s.paint(yellow, "Planet hangs up on PATCH "+name+"; nobody knows whether it took effect"))
	case r.Status == http.StatusTooManyRequests:
		s.say("  %s", s.paint(yellow, "Planet answers 429 to "+r.Method+" "+name+", slow down"))
	case r.Status >= 500:
		s.say("  %s", s.paint(yellow, fmt.Sprintf("Planet answers %d to %s %s", r.Status, r.Method, name)))
	case r.Method == http.MethodPatch:
		s.say("  Planet answers %d to PATCH %s", r.Status, name)
	}
}

func (s *stage) nameOf(path string) string {
	for name, id := range s.ids {
		if strings.HasSuffix(path, "/"+id) {
			return name
		}
	}
	return "the list"
}

// narrate prints each state that a destination comes to, but for being in
// sync, which is what the scenes state.
func (s *stage) narrate(ctx context.Context) {
	// Some states last for milliseconds only; with --keep nothing happens for
	// hours, and nobody wants a fan for that.
	const often, seldom = 5 * time.Millisecond, 250 * time.Millisecond
	last := map[string]string{}
	quiet := time.Now()
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		all, err := s.client.Status(ctx)
		if err != nil {
			return
		}
		pace := often
		if time.Since(quiet) > 10*time.Second {
			pace = seldom
		}
		tick.Reset(pace)
		for _, st := range all {
			name := s.nameOf("/" + st.Destination)
			now := string(st.State) + string(st.Reason)
			if now != last[name] && st.State != store.StateInSync && st.State != store.StateNew {
				s.say("  %-9s %s %s", name, s.paint(yellow, words(string(st.State))+", "+words(string(st.Reason))), s.paint(dim, shorten(st.Detail)))
			}
			if now != last[name] {
				quiet = time.Now()
			}
			last[name] = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// until waits for a destination to be as wanted. It gives up, without an error,
// when the time is over.
func (s *stage) until(ctx context.Context, name string, most time.Duration, want func(web.Status) bool) (web.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		st, err := s.status(context.WithoutCancel(ctx), name)
		if err != nil || want(st) {
			return st, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return st, nil
		}
	}
}

func words(s string) string { return strings.ReplaceAll(s, "_", " ") }

// shorten cuts a detail to what fits beside the rest of a line.
func shorten(s string) string {
	const most = 64
	if r := []rune(s); len(r) > most {
		return "(" + string(r[:most]) + "…)"
	}
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

func (s *stage) intro() {
	s.line(s.paint(bold, "rotatord, shown on a simulated Planet"))
	s.line(fmt.Sprintf(`
Planet delivers satellite images into its customers' buckets with stored keys. When
a key is rotated, somebody has to tell Planet, and Planet checks a new key just once.
Here are %d Planet Destinations on one bucket, a file for each one's key, and rotatord
between them. The daemon is the real one; Planet, at 3 requests a second, and the
bucket server, with keys and permissions, run in this process at
%s and %s.`, len(names), s.planet.URL, s.buckets.URL()))
}

// outro tells what happened, for somebody who saw nothing of it.
func (s *stage) outro() {
	var patches, throttled, failed, cut, total int
	for _, r := range s.sim.Requests() {
		total++
		switch {
		case r.Status == http.StatusTooManyRequests:
			throttled++
		case r.Status >= 500:
			failed++
		case r.Status == 0:
			cut++
		case r.Method == http.MethodPatch:
			patches++
		}
	}
	s.title("What happened")
	s.line(fmt.Sprintf(`  %d requests to Planet, never more than %d in any second (the limit is 3): %d PATCHes
  accepted; %d "slow down", %d server error, %d connection cut, all ridden out.
  A key that may not delete and a wrong one were found on the bucket by rotatord's own
  test, and Planet never saw them: its old keys went on working. A key that took a while
  to work was waited for. Where the test was switched off, Planet took a key that can't
  delete, and rotatord found the planetverify.txt that was left behind.
  %d of %d statements above are true. It took %.1f s.`,
		total, s.sim.MaxInWindow(time.Second), patches, throttled, failed, cut, s.made-s.missed, s.made, time.Since(s.begun).Seconds()))
	if !s.Keep {
		s.line("\n  To look around while it stays up: " + s.Program + " demo --keep")
	}
}

func (s *stage) explore(configPath string) {
	s.title("Still up, until you press Ctrl-C")
	s.line(fmt.Sprintf(`  the status page, for a browser: %[3]s/
  %[1]s status --config %[2]s
  %[1]s history --config %[2]s
  %[1]s check --config %[2]s
  curl -s %[3]s/metrics | grep ^rotatord_destination_state
  the secrets are files: %[4]s
  the daemon's log:      %[5]s
  Change a secret file and watch. Planet answers at %[6]s
  (Authorization: api-key %[7]s).`, s.Program, configPath, s.app.AdminURL(), filepath.Join(s.dir, "secrets"),
		filepath.Join(s.dir, "rotatord.log"), s.planet.BaseURL, apiKey))
}
