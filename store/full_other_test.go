//go:build !linux

package store

import "fmt"

func runDiskChild(mode, _ string) error { return fmt.Errorf("%s needs Linux", mode) }
