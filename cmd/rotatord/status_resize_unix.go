//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResized sends when the terminal has got another size.
func notifyResized(c chan<- os.Signal) { signal.Notify(c, syscall.SIGWINCH) }
