package main

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// notify tells the service manager how the daemon stands, in the protocol of
// sd_notify(3): lines such as READY=1 in one datagram to the Unix socket that
// $NOTIFY_SOCKET names. Who set no such variable is told nothing. A name that
// begins with @ is in Linux's abstract namespace.
//
// It is a few lines, and a library for it would be one more to trust.
func notify(ctx context.Context, env func(string) string, lines ...string) error {
	path := env("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	if !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "@") {
		return fmt.Errorf("tell the service manager: $NOTIFY_SOCKET is neither a path nor an abstract name")
	}
	// The net package itself puts a zero byte for the @.
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", path)
	if err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("tell the service manager: %w", err)
	}
	return nil
}

const (
	notifyReady     = "READY=1"
	notifyStopping  = "STOPPING=1"
	notifyReloading = "RELOADING=1"
	statusRunning   = "STATUS=running"
)

// tellManager says READY=1 once ready is closed, and STOPPING=1 when ctx ends,
// for which the caller waits by done. complain hears what could not be told,
// which is no reason to stop: a manager that hears nothing ends the service
// itself.
func tellManager(ctx context.Context, env func(string) string, ready <-chan struct{}, complain func(error)) (done func()) {
	if env("NOTIFY_SOCKET") == "" {
		return func() {}
	}
	ended, gone := make(chan struct{}), make(chan struct{})
	tell := func(lines ...string) {
		if err := notify(context.WithoutCancel(ctx), env, lines...); err != nil {
			complain(err)
		}
	}
	go func() {
		defer close(gone)
		select {
		case <-ready:
			tell(notifyReady, statusRunning)
		case <-ctx.Done():
		case <-ended:
			return
		}
		select {
		case <-ctx.Done():
			tell(notifyStopping, "STATUS=finishing what is under way")
		case <-ended:
		}
	}()
	return func() { close(ended); <-gone }
}

// tellReload gives what says RELOADING=1 and, when the reload has ended, READY=1
// again. A service of Type=notify-reload, which systemd has since 253, is thought
// to reload until then; for it RELOADING=1 has to bear the time, by which systemd
// tells an answer to its signal from one to the signal before.
func tellReload(ctx context.Context, env func(string) string, complain func(error)) func() (ended func()) {
	tell := func(lines ...string) {
		if ctx.Err() != nil {
			return // STOPPING=1 is the last word
		}
		if err := notify(context.WithoutCancel(ctx), env, lines...); err != nil {
			complain(err)
		}
	}
	return func() func() {
		tell(notifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()), "STATUS=reading the configuration anew")
		return func() { tell(notifyReady, statusRunning) }
	}
}
