package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/term"
)

const (
	// Another screen, so that what was on it before comes back at the end; no
	// cursor; and lines that are too long are cut, not continued below.
	screenBegin = "\x1b[?1049h\x1b[?25l\x1b[?7l"
	screenEnd   = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	// A terminal that knows these shows all between them at once.
	frameBegin = "\x1b[?2026h\x1b[H"
	frameEnd   = "\x1b[J\x1b[?2026l"
	// clearLine clears what is left of the line before.
	clearLine = "\x1b[K"
	// redraw is how often ages are brought up to date.
	redraw = time.Second
)

// watchScreen draws in place until somebody presses q or ctx ends, and gives
// what was shown last.
func (c *cli) watchScreen(ctx context.Context, f *follower, now picture, detail bool) (picture, error) {
	out, _ := c.stdout.(*os.File) // a terminal, as watch has seen
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	news, done := make(chan picture), make(chan error, 1)
	go func() {
		done <- f.run(ctx, func(w picture) error {
			select {
			case news <- w:
			case <-ctx.Done():
			}
			return nil
		})
	}()
	keys, restore, err := c.keys(ctx)
	if err != nil {
		stop()
		return now, errors.Join(err, <-done)
	}
	defer restore()
	resized := make(chan os.Signal, 1)
	notifyResized(resized)
	defer signal.Stop(resized)
	if _, err := io.WriteString(out, screenBegin); err != nil {
		stop()
		return now, errors.Join(err, <-done)
	}
	defer func() { _, _ = io.WriteString(out, screenEnd) }()

	tick := time.NewTicker(redraw)
	defer tick.Stop()
	p := painter{c: c, out: out, detail: detail}
	for {
		if err := p.draw(now); err != nil {
			stop()
			return now, errors.Join(err, <-done)
		}
		select {
		case w := <-news:
			if w.err != nil { // what was known is shown on
				w.all, w.at = now.all, now.at
			}
			now = w
		case key := <-keys:
			if p.press(key) {
				stop()
				return now, <-done
			}
		case err := <-done:
			return now, err
		case <-resized:
		case <-tick.C:
		}
	}
}

// keys gives what is pressed, a key at once and not a line, and what brings the
// terminal back to how it was. Without a keyboard nothing is ever pressed.
func (c *cli) keys(ctx context.Context) (pressed <-chan byte, restore func(), err error) {
	in, ok := c.stdin.(*os.File)
	if !ok || !isTerminal(in) {
		return nil, func() {}, nil
	}
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, nil, fmt.Errorf("read keys: %w", err)
	}
	out := make(chan byte)
	go func() { // ends with the process: a read from a terminal can't be ended
		one := make([]byte, 1)
		for {
			if n, err := in.Read(one); err != nil || n == 0 {
				return
			}
			select {
			case out <- one[0]:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, func() { _ = term.Restore(int(in.Fd()), before) }, nil
}

// painter draws one frame over another.
type painter struct {
	c      *cli
	out    *os.File
	detail bool
	shown  string // the last frame
	down   int    // how many lines are above the screen
	most   int    // how many can be
}

// press does what a key means, and tells whether that is to end.
func (p *painter) press(key byte) (end bool) {
	const ctrlC, ctrlD = 3, 4
	switch key {
	case 'q', 'Q', ctrlC, ctrlD:
		return true
	case 'j', 'B': // an arrow ends in B or A
		p.down = min(p.down+1, p.most)
	case 'k', 'A':
		p.down = max(p.down-1, 0)
	}
	return false
}

func (p *painter) draw(now picture) error {
	width, height, err := term.GetSize(int(p.out.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	frame := p.frame(now, width, height)
	if frame == p.shown {
		return nil
	}
	p.shown = frame
	_, err = io.WriteString(p.out, frame)
	return err
}

// frame is all that a terminal of this size shows.
func (p *painter) frame(now picture, width, height int) string {
	s := p.c.screen()
	s.terminal, s.width = true, width
	var body bytes.Buffer
	if p.detail && len(now.all) == 1 {
		s.statusDetail(&body, p.c.now(), now.all[0])
	} else {
		s.statusTable(&body, p.c.now(), now.all)
	}
	lines := strings.Split(strings.TrimRight(body.String(), "\n"), "\n")
	room := max(height-2, 1)
	p.most = max(len(lines)-room, 0)
	p.down = min(p.down, p.most)
	title := fmt.Sprintf("rotatord status, %s: %s", now.at.Format(time.TimeOnly), clean(now.source()))
	foot := "q ends"
	if p.most > 0 {
		foot = fmt.Sprintf("lines %d to %d of %d; j and k move, q ends", p.down+1, p.down+min(room, len(lines)), len(lines))
	}
	shown := append([]string{s.paint(bold, head(title, width))}, lines[p.down:min(p.down+room, len(lines))]...)
	for len(shown) < height-1 {
		shown = append(shown, "")
	}
	if height > 2 {
		shown = append(shown, s.paint(gray, head(foot, width)))
	}
	return frameBegin + strings.Join(shown, clearLine+"\r\n") + clearLine + frameEnd
}
