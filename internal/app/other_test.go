//go:build !linux

package app_test

import "errors"

func smallDisk(string) error { return errors.New("mounting is for Linux") }
