package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rotatord/rotatord/internal/app"
)

const (
	// watchAgain is when a daemon that has gone is looked for again: one that is
	// started anew should find its store free.
	watchAgain = 3 * time.Second
	// watchAlone is how often it is looked whether the store has changed, where
	// no daemon runs.
	watchAlone = 5 * time.Second
)

// picture is what there is to show, and where it comes from.
type picture struct {
	all    []app.Status
	at     time.Time
	daemon bool
	err    error // why there is nothing newer
}

// source says where it comes from, for the screen.
func (w picture) source() string {
	switch {
	case w.err != nil:
		return "not answered since: " + w.err.Error()
	case w.daemon:
		return "live"
	}
	return "no daemon is running, as recorded"
}

// watch shows how destinations stand and goes on doing so.
func (c *cli) watch(ctx context.Context, names []string, out output, exitCode bool) error {
	onScreen := out == outputTable
	if onScreen && (!isTerminal(c.stdout) || c.env("TERM") == "dumb") {
		return usageError{"--watch draws on a terminal that can move its cursor; elsewhere add --output json"}
	}
	conn, err := c.reach(ctx, c.load)
	if err != nil {
		return err
	}
	first, err := conn.Status(ctx, names...)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	noteUnknown(c, conn, names, first, func(s app.Status) string { return s.Destination })
	if !conn.Daemon && !onScreen {
		c.complain("no daemon is running: what is recorded is read again when it changes")
	}
	f := &follower{names: names, dir: c.cfg.Store.Dir, now: c.now, conn: conn, reach: func(ctx context.Context) (*app.Connection, error) {
		return app.Reach(ctx, app.Options{Config: c.cfg, Version: build().Version, Logger: slog.New(slog.DiscardHandler)})
	}}
	last := picture{all: first, at: c.now(), daemon: conn.Daemon}
	if onScreen {
		last, err = c.watchScreen(ctx, f, last, len(names) == 1)
	} else {
		last, err = c.watchLines(ctx, f, last)
	}
	if err != nil {
		return err
	}
	for _, s := range last.all {
		if exitCode && alerts(s) {
			return statusError(exitTrouble)
		}
	}
	return nil
}

// watchLines writes a line of JSON for each destination, and one more whenever
// one of them stands otherwise.
func (c *cli) watchLines(ctx context.Context, f *follower, now picture) (picture, error) {
	written := map[string]string{}
	show := func(w picture) error {
		if w.err != nil {
			return nil //nolint:nilerr // a later answer may follow
		}
		now = w
		for _, s := range w.all {
			var line bytes.Buffer
			e := json.NewEncoder(&line)
			e.SetEscapeHTML(false)
			if err := e.Encode(s); err != nil {
				return err
			}
			if written[s.Destination] == line.String() {
				continue
			}
			written[s.Destination] = line.String()
			if _, err := c.stdout.Write(line.Bytes()); err != nil {
				return err
			}
		}
		return nil
	}
	if err := show(now); err != nil {
		return now, errors.Join(err, f.conn.Close())
	}
	err := f.run(ctx, show)
	return now, err
}

// follower reads how destinations stand whenever that changes: from a daemon's
// stream while there is one, else from the store, which it never holds longer
// than it takes to read it.
type follower struct {
	names []string
	dir   string
	now   func() time.Time
	reach func(context.Context) (*app.Connection, error)
	conn  *app.Connection // the open one; nil between two
}

// run calls show with each new answer until ctx ends, or with the error of show.
func (f *follower) run(ctx context.Context, show func(picture) error) error {
	for {
		pause, err := f.once(ctx, show)
		if f.conn != nil {
			err = errors.Join(err, f.conn.Close())
			f.conn = nil
		}
		if err != nil {
			return err
		}
		if !pause(ctx) {
			return nil
		}
		if err := f.next(ctx, show); err != nil || f.conn == nil {
			return err
		}
	}
}

// next makes the next connection; none once ctx has ended. An error is that of
// show.
func (f *follower) next(ctx context.Context, show func(picture) error) error {
	for {
		conn, failed := f.reach(ctx)
		if failed == nil {
			f.conn = conn
			return nil
		}
		if err := show(picture{at: f.now(), err: failed}); err != nil {
			return err
		}
		if !wait(ctx, watchAgain) {
			return nil
		}
	}
}

// once follows one connection to its end, and gives what to wait for before the
// next one. An error is that of show.
func (f *follower) once(ctx context.Context, show func(picture) error) (pause func(context.Context) bool, err error) {
	daemon := f.conn.Daemon
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	read := func() {
		all, failed := f.conn.Status(ctx, f.names...)
		if ctx.Err() != nil {
			return
		}
		if err = show(picture{all: all, at: f.now(), daemon: daemon, err: failed}); err != nil {
			stop()
		}
	}
	again := func(ctx context.Context) bool { return wait(ctx, watchAgain) }
	if !daemon {
		read()
		return f.changes, err
	}
	failed := f.conn.Listen(ctx, func([]string) { read() })
	if ctx.Err() == nil && err == nil {
		err = show(picture{at: f.now(), daemon: daemon, err: fmt.Errorf("the daemon's stream has ended: %w", failed)})
	}
	return again, err
}

// changes waits until something in the store's folder changes: a record that
// another command has saved, or the socket of a daemon. Only then is the store
// opened again, so that it is free for whoever wants it.
func (f *follower) changes(ctx context.Context) bool {
	before := footprint(f.dir)
	for wait(ctx, watchAlone) {
		if footprint(f.dir) != before {
			return true
		}
	}
	return false
}

// footprint tells two states of a folder apart without opening a file in it.
func footprint(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(dir, e.Name())); err == nil {
			_, _ = fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// wait tells whether the time has passed before ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
