//go:build !linux

package main

// forgetBinary is for Linux only.
func forgetBinary() {}
