package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rotatord/rotatord/internal/app"
)

// cmdSees waits until a program that was started has written what matches, on
// its stdout.
func cmdSees(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, !neg && len(args) == 2, "sees NAME PATTERN")
	w := worldOf(ts)
	w.mu.Lock()
	p := w.running[args[0]]
	w.mu.Unlock()
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	seen := make(chan []string, 1)
	p.stdout.expect(want, seen)
	select {
	case <-seen:
	case status := <-p.status:
		p.status <- status
		ts.Fatalf("%s ended with status %d:\n%s%s", args[0], status, p.stdout, p.stderr)
	}
}

func painterOf(env map[string]string) painter {
	c := newCLI(func(name string) string { return env[name] }, nil, io.Discard, io.Discard)
	c.now = func() time.Time { return noon }
	return painter{c: c}
}

func TestAFrameFitsItsScreen(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {200, 60}, {60, 10}, {30, 3}, {20, 2}, {1, 1}, {500, 200}} {
		width, height := size[0], size[1]
		p := painterOf(nil)
		for range 5 {
			frame := p.frame(picture{all: ailing(), at: noon, daemon: true}, width, height)
			body, ok := strings.CutPrefix(frame, frameBegin)
			body, ended := strings.CutSuffix(body, clearLine+frameEnd)
			if !ok || !ended {
				t.Fatalf("%v: %q", size, frame)
			}
			if lines := strings.Split(body, clearLine+"\r\n"); len(lines) > max(height, 2) {
				t.Errorf("%v: %d lines", size, len(lines))
			}
			if strings.Contains(strings.ReplaceAll(body, "\r\n", ""), "\n") {
				t.Errorf("%v: a line that begins below where the last one ended", size)
			}
			p.press('j')
		}
	}
}

func TestAScreenIsMovedOverWhatItHasNoRoomFor(t *testing.T) {
	p := painterOf(nil)
	draw := func() string { return p.frame(picture{all: ailing(), at: noon, daemon: true}, 100, 12) }
	top := draw()
	if !strings.Contains(top, "DESTINATION") || !strings.Contains(top, "lines 1 to 10 of") {
		t.Errorf("%q", top)
	}
	p.press('j')
	p.press('B')
	if down := draw(); strings.Contains(down, "DESTINATION") || !strings.Contains(down, "lines 3 to 12 of") {
		t.Errorf("%q", down)
	}
	for range 500 {
		p.press('j')
	}
	draw()
	if p.down != p.most {
		t.Errorf("it was moved to %d of %d", p.down, p.most)
	}
	for range 500 {
		p.press('k')
	}
	if got := draw(); got != top {
		t.Errorf("%q", got)
	}
	for _, key := range []byte{'q', 'Q', 3, 4} {
		if !p.press(key) {
			t.Errorf("key %d does not end it", key)
		}
	}
	for _, key := range []byte{0, 27, '[', 'x', 255} {
		if p.press(key) {
			t.Errorf("key %d ends it", key)
		}
	}
}

func TestAFrameSaysWhereItComesFrom(t *testing.T) {
	for want, w := range map[string]picture{
		"rotatord status, 12:00:00: live":                                      {daemon: true, at: noon},
		"rotatord status, 12:00:00: no daemon is running, as recorded":         {at: noon},
		"rotatord status, 12:00:00: not answered since: the daemon  [31mended": {daemon: true, at: noon, err: errors.New("the daemon\n\x1b[31mended")},
	} {
		p := painterOf(nil)
		if frame := p.frame(w, 120, 20); !strings.Contains(frame, want+clearLine) {
			t.Errorf("%q has no %q", frame, want)
		}
	}
}

func TestAFollowerGoesOnWhenNobodyAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var seen []picture
	f := &follower{now: func() time.Time { return noon }, dir: t.TempDir()}
	tries := 0
	f.reach = func(context.Context) (*app.Connection, error) {
		if tries++; tries == 1 {
			cancel()
		}
		return nil, errors.New("the store is locked")
	}
	err := f.next(ctx, func(w picture) error { seen = append(seen, w); return nil })
	if err != nil || len(seen) != 1 || seen[0].err == nil || f.conn != nil {
		t.Error(err, seen)
	}
	broken := errors.New("nobody reads")
	if err := f.next(t.Context(), func(picture) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestWatchNeedsATerminalOrJSON(t *testing.T) {
	var out bytes.Buffer
	c := newCLI(noEnv, nil, &out, io.Discard)
	err := c.run(t.Context(), []string{"status", "--watch"})
	if c.report(err, false) != exitUsage || !strings.Contains(err.Error(), "--output json") || out.Len() > 0 {
		t.Error(err, out.String())
	}
}
