package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) runCommand() *cobra.Command {
	return &cobra.Command{
		Use: "run", GroupID: groupService, Args: noArgs,
		Short: "Run the service",
		Long: `Run the service: watch the secrets, rotate what changes, answer Prometheus.

SIGINT or SIGTERM lets it finish what it has begun and ends it; a second one
ends it at once. Nothing is lost either way: what was sent is journalled.
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
	log := c.logger(level, cfg.Log.Format)
	noteHardening(ctx, log, hardened)
	for _, w := range cfg.Warnings {
		log.WarnContext(ctx, "configuration", "problem", w.String())
	}
	a, err := app.Open(ctx, app.Options{Config: cfg, Version: build().Version, Logger: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
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
