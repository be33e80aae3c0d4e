//go:build !unix

package main

import "os"

// notifyResized would send when the terminal has got another size. Nothing tells
// of that here: the next frame notices it.
func notifyResized(chan<- os.Signal) {}
