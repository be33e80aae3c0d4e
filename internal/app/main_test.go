package app_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/internal/web"
	"github.com/rotatord/rotatord/store"
)

// These tests run rotatord as it is run: a process of its own that reads a
// configuration and files, speaks TCP to a simulator of Planet and to a bucket
// server in this process, and can be killed. The process is this test binary,
// which acts as rotatord when childEnv says so.
const (
	childEnv       = "ROTATORD_APP_TEST_CHILD"
	childConfigEnv = "ROTATORD_APP_TEST_CONFIG"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(childEnv); mode != "" {
		if err := runChild(mode, os.Getenv(childConfigEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// These tests mostly wait; -parallel says otherwise.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// runChild is what the test binary does as another process.
func runChild(mode, path string) error {
	cfg, err := config.Load(path, os.Getenv, app.SecretShapes()...)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	level := slog.LevelInfo
	if cfg.Log.Level == "debug" {
		level = slog.LevelDebug
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	o := app.Options{Config: cfg, Version: "test", Logger: slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
		Load:    func() (*config.Config, error) { return config.Load(path, os.Getenv, app.SecretShapes()...) },
		Hangups: hangups}
	switch mode {
	case "run":
		return runDaemon(ctx, o)
	case "run-on-small-disk":
		if err := smallDisk(cfg.Store.Dir); err != nil {
			return err
		}
		return runDaemon(ctx, o)
	case "sync":
		return runSync(ctx, o)
	}
	return fmt.Errorf("no such mode: %s", mode)
}

// runDaemon tells on stdout where its admin listener is, once it works.
func runDaemon(ctx context.Context, o app.Options) error {
	a, err := app.Open(ctx, o)
	if err != nil {
		return err
	}
	go func() {
		<-a.Ready()
		fmt.Println("admin " + a.AdminURL())
	}()
	return errors.Join(a.Run(ctx), a.Close())
}

func runSync(ctx context.Context, o app.Options) error {
	c, err := app.Reach(ctx, o)
	if err != nil {
		return err
	}
	all, err := c.Sync(ctx, web.Request{Wait: time.Minute})
	for _, s := range all {
		if s.State != store.StateInSync {
			err = errors.Join(err, fmt.Errorf("%s is %s/%s: %s", s.Destination, s.State, s.Reason, s.Detail))
		}
	}
	return errors.Join(err, c.Close())
}

// orders are lines on stdin, for children that are to do more than run.
func orders(do map[string]func() error) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if err := do[lines.Text()](); err != nil {
			fmt.Println("error " + err.Error())
			continue
		}
		fmt.Println("done " + lines.Text())
	}
}
