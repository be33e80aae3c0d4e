//go:build !(linux || darwin || freebsd || netbsd)

package file

import (
	"errors"
)

// openFlags are none: this system has no FIFOs in the way.
const openFlags = 0

// errStale never happens here.
var errStale = errors.New("stale file handle")
