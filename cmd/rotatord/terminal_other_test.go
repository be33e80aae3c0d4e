//go:build !linux

package main

import (
	"errors"
	"os"
)

func openTerminal(int) (screen, terminal *os.File, err error) {
	return nil, nil, errors.ErrUnsupported
}
