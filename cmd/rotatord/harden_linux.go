package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// hardenMemory forbids core dumps, and other processes of the same user to
// read this one's memory.
func hardenMemory() error {
	var problems []error
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		problems = append(problems, fmt.Errorf("forbid others to read the memory: %w", err))
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		problems = append(problems, fmt.Errorf("forbid core dumps: %w", err))
	}
	return errors.Join(problems...)
}
