package main

import (
	"context"
	"runtime/debug"
	"time"
)

const (
	// collectAt is by how many percent the heap may grow before it is collected.
	// Go's default is 100. What rotatord keeps is a few megabytes, and it does
	// little: half of that costs next to no CPU.
	collectAt = 50
	// restAfter is when the work of a start is over, connections that nobody uses
	// any more included.
	restAfter = 95 * time.Second
	// restEvery is how often what a rotation or a visitor has brought in is given
	// back: some ten milliseconds of work.
	restEvery = time.Hour
)

// spareMemory has the service take little memory while it has little to do,
// unless the environment says how memory is to be used.
func spareMemory(ctx context.Context, env func(string) string, ready <-chan struct{}) {
	if env("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	go func() {
		select {
		case <-ready:
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(restAfter)
		defer timer.Stop()
		for {
			select {
			case <-timer.C:
				debug.FreeOSMemory()
				forgetBinary()
				timer.Reset(restEvery)
			case <-ctx.Done():
				return
			}
		}
	}()
}
