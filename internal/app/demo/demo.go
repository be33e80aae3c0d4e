// Package demo shows rotatord at work on one machine, with nothing installed:
// a simulator of Planet, a bucket server that checks keys and permissions,
// files for secrets, and the real daemon between them, built from a
// configuration file as anybody would write it. Nothing is staged in the
// daemon; what is staged is the world around it.
//
// The scenes run one after the other: first sight, a plain rotation, a storm
// with Planet throttling, failing and hanging up, then three bad keys at once
// (one that may not delete, one that is wrong, one that takes a while to
// work), a leftover that slipped past a destination without preflight, and
// the repair of it all. Every scene ends in statements which are checked
// against what the simulator holds and recorded and what the daemon reports;
// the demo succeeds only if every one is true.
package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Options say how the demo runs.
type Options struct {
	Out     io.Writer
	Keep    bool   // stay up afterwards until the context ends
	Color   bool   // Out is a terminal that shows colours
	Version string // of rotatord
	// Program is how a person calls rotatord, for the commands that are
	// suggested: "rotatord", "go run ./cmd/rotatord".
	Program string
}

// Failed says that something of what the demo promises did not happen.
type Failed struct{ Count, Of int }

func (e *Failed) Error() string {
	return fmt.Sprintf("demo: %d of %d things did not happen as they should; see the lines marked ✗", e.Count, e.Of)
}

// bound ends a demo that hangs.
const bound = 60 * time.Second

// Run plays the demo. It returns a [*Failed] when something did not happen.
func Run(ctx context.Context, o Options) (err error) {
	if o.Program == "" {
		o.Program = "rotatord"
	}
	dir, err := os.MkdirTemp("", "rotatord-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	playing, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	s, err := setUp(playing, dir, o)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := s.close(); err == nil {
			err = closeErr
		}
	}()
	s.intro()
	for _, scene := range scenes() {
		s.title(scene.title)
		if err := scene.play(playing, s); err != nil {
			return fmt.Errorf("demo: %s: %w", scene.title, err)
		}
	}
	s.outro()
	if o.Keep {
		s.explore(filepath.Join(dir, configName))
		<-ctx.Done()
	}
	return s.verdict()
}
