//go:build darwin || freebsd || netbsd

package file

import (
	"syscall"
)

// openFlags lets an open return at once whatever it finds.
const openFlags = syscall.O_NONBLOCK

// errStale is a network file system's word for a file replaced on the server.
const errStale = syscall.ESTALE
