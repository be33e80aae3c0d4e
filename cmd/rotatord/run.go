package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) runCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run", GroupID: groupService, Args: noArgs,
		Short: "Run the service",
		Long: `Run the service: watch the secrets, rotate what changes, answer Prometheus.

SIGINT or SIGTERM lets it finish what it has begun and ends it; a second one
ends it at once. Nothing is lost either way: what was sent is journalled.

SIGHUP, or a change of its files, has it read its configuration anew. One that
is wrong changes nothing: the one before stays in force, the log says what is
wrong, and rotatord_config_last_reload_successful is 0.
` + exitHelp,
		Example: `  rotatord run
  rotatord run --config /etc/rotatord/rotatord.toml --log-format json
  PL_API_KEY=… rotatord run --log-level debug`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.serve(cmd.Context()) },
	}
}

func (c *cli) serve(ctx context.Context) (err error) {
	hardened := harden()
	cfg, err := c.load()
	if err != nil {
		return err
	}
	level := cfg.Log.Level
	if c.logLevel != "" {
		level = c.logLevel
	}
	log, levels := c.levelled(level, cfg.Log.Format)
	noteHardening(ctx, log, hardened)
	for _, w := range cfg.Warnings {
		log.WarnContext(ctx, "configuration", "problem", w.String())
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	untold := func(err error) { log.WarnContext(ctx, "service manager not told", "error", err) }
	a, err := app.Open(ctx, app.Options{Config: cfg, Version: build().Version, Logger: log, Load: c.load, Hangups: hangups,
		Reloaded: func(now *config.Config) {
			if c.logLevel == "" {
				levels.Set(levelOf(now.Log.Level))
			}
		}, Reloading: tellReload(ctx, c.env, untold)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	spareMemory(ctx, c.env, a.Ready())
	defer tellManager(ctx, c.env, a.Ready(), untold)()
	return a.Run(ctx)
}

// harden keeps the secrets in this process's memory from dumps and debuggers,
// and a Google library from logging requests. It gives what could not be done.
func harden() error {
	return errors.Join(os.Unsetenv("GOOGLE_SDK_GO_LOGGING_LEVEL"), hardenMemory())
}

func noteHardening(ctx context.Context, log *slog.Logger, err error) {
	if err != nil {
		log.DebugContext(ctx, "memory is less protected than it could be", "error", err)
	}
}
