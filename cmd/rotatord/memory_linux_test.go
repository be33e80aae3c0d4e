package main

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestForgettingTheBinaryGivesItsPagesBack reads the kernel's own count. The
// test's binary has run through many packages' beginnings by now.
func TestForgettingTheBinaryGivesItsPagesBack(t *testing.T) {
	before := residentFile(t)
	forgetBinary()
	if after := residentFile(t); after > before*9/10 {
		t.Errorf("%d kB of files were resident, and %d kB are", before, after)
	}
}

// residentFile is RssFile of this process, in kB.
func residentFile(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "RssFile:")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		t.Skip("the kernel says no RssFile")
	}
	n, err := strconv.Atoi(fields[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}
