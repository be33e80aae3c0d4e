package integration

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

// startDaemon runs rotatord as a configuration says, all of it but the
// process, and gives the way to its API that other commands take: the local
// socket. It logs all that it can into a file and ends with the test.
func startDaemon(t *testing.T, file, logFile string) *app.Connection {
	t.Helper()
	cfg, err := config.Load(file, os.Getenv, app.SecretShapes()...)
	must(t, err)
	log, err := os.Create(logFile) //nolint:gosec // the test's own
	must(t, err)
	t.Cleanup(func() { must(t, log.Close()) })
	o := app.Options{Config: cfg, Version: "test", Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	a, err := app.Open(t.Context(), o)
	must(t, err)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-ended)
		must(t, a.Close())
	})
	select {
	case <-a.Ready():
	case err := <-ended:
		ended <- nil
		t.Fatalf("rotatord did not start: %v", err)
	}
	c, err := app.Reach(t.Context(), o)
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	if !c.Daemon {
		t.Fatal("the daemon does not answer on its socket")
	}
	return c
}
