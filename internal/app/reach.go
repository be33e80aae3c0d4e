package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/store"
)

// maxSocketPath is how long a Unix socket's path may be on the tightest system
// that matters (macOS; Linux allows 107).
const maxSocketPath = 103

// SocketPath is where a daemon on a store listens for other commands: in the
// store's directory, or, where that path is longer than a socket's may be, in
// a directory of our own below the temporary one.
func SocketPath(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	path := filepath.Join(dir, "rotatord.sock")
	if len(path) <= maxSocketPath {
		return path
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(os.TempDir(), "rotatord-"+hex.EncodeToString(sum[:8])+".sock")
}

// Connection is a way to the API of a store's owner: a running daemon, or
// this process.
type Connection struct {
	web.Client
	// Daemon tells whether a running daemon answers.
	Daemon bool
	close  func() error
}

// Close ends the connection and gives back what was taken for it.
func (c *Connection) Close() error { return c.close() }

// Reach speaks to the daemon that owns the store; with none it opens the App
// itself, under the store's lock.
func Reach(ctx context.Context, o Options) (*Connection, error) {
	path := SocketPath(o.Config.Store.Dir)
	if c, err := dialDaemon(ctx, path); err == nil {
		return c, nil
	} else if !absent(err) {
		return nil, fmt.Errorf("reach the running daemon at %s: %w", path, err)
	}
	a, err := Open(ctx, o)
	var open *store.OpenError
	if errors.As(err, &open) && open.Problem == store.ProblemLocked {
		// It may just have started.
		if c, again := dialDaemon(ctx, path); again == nil {
			return c, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return &Connection{Client: web.Client{Transport: web.Direct(a.API())}, close: a.Close}, nil
}

func dialDaemon(ctx context.Context, path string) (*Connection, error) {
	dial := func(ctx context.Context) (net.Conn, error) {
		d := net.Dialer{Timeout: 5 * time.Second}
		return d.DialContext(ctx, "unix", path)
	}
	probe, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	_ = probe.Close()
	t := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) }}
	return &Connection{Client: web.Client{Transport: t}, Daemon: true,
		close: func() error { t.CloseIdleConnections(); return nil }}, nil
}

// absent tells whether nobody listens at a socket, as opposed to somebody whom
// we may not or can't speak to.
func absent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOTDIR)
}
