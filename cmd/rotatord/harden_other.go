//go:build !linux

package main

// hardenMemory has nothing to do where there is no portable way to do it.
func hardenMemory() error { return nil }
