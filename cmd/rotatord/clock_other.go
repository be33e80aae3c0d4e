//go:build !linux

package main

import "time"

// monotonic is asked for by systemd alone, which is not here.
func monotonic() time.Duration { return 0 }
