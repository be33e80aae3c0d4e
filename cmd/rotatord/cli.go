package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

// cli is what the verbs share: where they write, and the global flags.
type cli struct {
	env            func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time

	configFile, logLevel, logFormat string

	cfg *config.Config // once reach has loaded it
}

func newCLI(env func(string) string, stdin io.Reader, stdout, stderr io.Writer) *cli {
	return &cli{env: env, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now}
}

const (
	groupService = "service"
	groupHand    = "hand"
	groupTry     = "try"
	groupPlanet  = "planet"
)

func (c *cli) run(ctx context.Context, args []string) error {
	root := c.root()
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// root builds all verbs.
func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rotatord VERB",
		Short: "Keep Planet Destinations working while their credentials rotate",
		Long: `rotatord keeps Planet Destinations working while the credentials behind them
rotate: it hears that a secret has changed, proves the new credential on the
bucket, gives it to Planet, and tells everyone what is true now.

The configuration is the file that --config names, else the one that
$` + config.FileEnv + ` names, else ./` + config.LocalFile + `, else
` + config.SystemFile + `. Keys come from there and from the
environment, never from flags.`,
		Example: `  rotatord demo                     # see it work, with nothing installed
  rotatord init                     # begin a configuration from an account
  rotatord check                    # can a rotation work? changes nothing
  rotatord sync --dry-run           # what would be sent
  rotatord run                      # the service
  rotatord status                   # how every destination stands`,
		SilenceUsage: true, SilenceErrors: true, SuggestionsMinimumDistance: 2,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownVerb(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddGroup(&cobra.Group{ID: groupService, Title: "The service:"},
		&cobra.Group{ID: groupHand, Title: "By hand, with a daemon running or not:"},
		&cobra.Group{ID: groupPlanet, Title: "Planet's destinations, with a configuration or without:"},
		&cobra.Group{ID: groupTry, Title: "Trying things:"})
	root.SetHelpCommandGroupID(groupTry)
	root.SetCompletionCommandGroupID(groupTry)
	f := root.PersistentFlags()
	f.StringVarP(&c.configFile, "config", "c", "", "the configuration is this `FILE`")
	f.StringVar(&c.logLevel, "log-level", "", "`LEVEL` of the log on stderr: debug, info, warn, error")
	f.StringVar(&c.logFormat, "log-format", "", "`FORMAT` of the log on stderr: text, json, auto")
	root.AddCommand(c.runCommand(), c.healthCommand(), c.checkCommand(), c.syncCommand(), c.statusCommand(), c.dependentsCommand(), c.historyCommand(),
		c.pushCommand(), c.retryCommand(), c.pauseCommand(), c.resumeCommand(), c.eventsCommand(), c.gateCommand(), c.initCommand(), c.destinationsCommand(),
		c.simulatorCommand(), c.demoCommand(), c.versionCommand(), c.manCommand(root))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{err.Error() + "; see " + cmd.CommandPath() + " --help"}
	})
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return c.checkFlags() }
	root.SetUsageFunc(writeUsage)
	root.SetIn(c.stdin)
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	return root
}

func unknownVerb(root *cobra.Command, given string) error {
	text := fmt.Sprintf("there is no verb %q", given)
	if near := root.SuggestionsFor(given); len(near) > 0 {
		return usageError{text + "; did you mean " + strings.Join(near, " or ") + "?"}
	}
	return usageError{text + "; see rotatord --help"}
}

func (c *cli) checkFlags() error {
	if c.logLevel != "" && !slices.Contains([]string{"debug", "info", "warn", "error"}, c.logLevel) {
		return usageError{"--log-level is debug, info, warn or error"}
	}
	if c.logFormat != "" && !slices.Contains([]string{"text", "json", "auto"}, c.logFormat) {
		return usageError{"--log-format is text, json or auto"}
	}
	return nil
}

// noArgs and someArgs are cobra's with an error that says what to try.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{cmd.CommandPath() + " takes no arguments; see " + cmd.CommandPath() + " --help"}
	}
	return nil
}

func someArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{"name at least one destination: " + cmd.CommandPath() + " DESTINATION; rotatord status lists them"}
	}
	return nil
}

// load reads the configuration that the flags and the environment name.
func (c *cli) load() (*config.Config, error) {
	path, err := config.Find(c.configFile, c.env)
	if err != nil {
		return nil, err
	}
	return config.Load(path, c.env, app.SecretShapes()...)
}

// bare gives the configuration that works without a file: one account with its
// key in an environment variable, at an address.
func (c *cli) bare(baseURL, keyEnv string) (*config.Config, error) {
	cfg, err := config.WithoutFile(baseURL, func(name string) string {
		if name == config.DefaultKeyEnv {
			name = keyEnv
		}
		return c.env(name)
	})
	if err != nil {
		if c.env(keyEnv) == "" {
			return nil, usageError{"there is no API key: export " + keyEnv + "=… with Planet's key of the destinations' owner or of an admin"}
		}
		return nil, err
	}
	cfg.Accounts[0].APIKeyEnv = keyEnv
	return cfg, nil
}

// loadAny is load, or bare where there is no configuration yet. One that is
// empty was made a moment ago by the shell that runs "… >> rotatord.toml".
func (c *cli) loadAny(baseURL string) (cfg *config.Config, alone bool, err error) {
	if baseURL == "" {
		cfg, err := c.load()
		var missing *config.NotFoundError
		named := c.configFile != "" || c.env(config.FileEnv) != ""
		if err == nil || named || !errors.As(err, &missing) && !c.isEmpty() {
			return cfg, false, err
		}
	}
	cfg, err = c.bare(baseURL, config.DefaultKeyEnv)
	return cfg, true, err
}

// isEmpty tells whether the configuration in its usual place has no bytes.
func (c *cli) isEmpty() bool {
	path, err := config.Find("", c.env)
	if err != nil {
		return false
	}
	info, err := os.Stat(path)
	return err == nil && info.Size() == 0
}

// destinations completes the names of destinations in a shell.
func (c *cli) destinations(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := c.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, d := range cfg.Destinations {
		if !slices.Contains(given, d.Name) {
			names = append(names, d.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// destination completes the one name that a verb takes.
func (c *cli) destination(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return c.destinations(cmd, given, begun)
}

// reach loads the configuration and gets hold of the store's owner. The caller
// closes the connection. Without a daemon the engine works in this process and
// logs errors only: what a person should know is in the answer.
func (c *cli) reach(ctx context.Context, load func() (*config.Config, error)) (*app.Connection, error) {
	hardened := harden() // without a daemon, secrets come into this process
	cfg, err := load()
	if err != nil {
		return nil, err
	}
	c.cfg = cfg
	for _, w := range cfg.Warnings {
		c.complain("warning: " + w.String())
	}
	level := "error"
	if c.logLevel != "" {
		level = c.logLevel
	}
	log := c.logger(level, cfg.Log.Format)
	noteHardening(ctx, log, hardened)
	return app.Reach(ctx, app.Options{Config: cfg, Version: build().Version, Logger: log})
}

// with runs do on a connection and closes it.
func (c *cli) with(ctx context.Context, do func(*app.Connection) error) error {
	return c.connected(ctx, c.load, do)
}

// connected is with, on the configuration that load gives.
func (c *cli) connected(ctx context.Context, load func() (*config.Config, error), do func(*app.Connection) error) (err error) {
	conn, err := c.reach(ctx, load)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	err = do(conn)
	var remote *app.RemoteError
	if conn.Daemon && errors.As(err, &remote) && remote.Usage {
		return fmt.Errorf("%w (so says the running daemon, of the configuration that it has; a changed file it takes over by itself, unless its log says what is wrong with that)", err)
	}
	return err
}

// noteUnknown warns of destinations that stand in the configuration and are
// missing in a daemon's answer about all: it was started with another one.
func noteUnknown[T any](c *cli, conn *app.Connection, asked []string, answer []T, name func(T) string) {
	if !conn.Daemon || len(asked) > 0 || len(answer) == 0 {
		return
	}
	for _, d := range c.cfg.Destinations {
		if !slices.ContainsFunc(answer, func(a T) bool { return name(a) == d.Name }) {
			c.complain("warning: the running daemon does not know " + d.Name + "; it runs with another configuration, or could not take this one over: its log says why")
		}
	}
}

// noteOther warns of destinations whose secret or account a running daemon has
// otherwise than the configuration here, and tells whether there are any: what
// it says of them says nothing of this file.
func (c *cli) noteOther(ctx context.Context, conn *app.Connection) (other bool, err error) {
	if !conn.Daemon {
		return false, nil
	}
	all, err := conn.Status(ctx)
	if err != nil {
		return false, err
	}
	for _, d := range c.cfg.Destinations {
		for _, st := range all {
			if st.Destination == d.Name && (st.Secret != d.Secret || st.Account != d.Account) {
				other = true
				c.complain(fmt.Sprintf("warning: %s: this file says secret %s of account %s; the running daemon has secret %s of account %s and answers for that (give this file a [store] dir of its own to try it)",
					d.Name, d.Secret, d.Account, st.Secret, st.Account))
			}
		}
	}
	return other, nil
}

// logger makes the log on stderr: text on a terminal, JSON elsewhere, unless
// one is asked for.
func (c *cli) logger(level, format string) *slog.Logger {
	log, _ := c.levelled(level, format)
	return log
}

// levelled is logger with a level that can be set anew.
func (c *cli) levelled(level, format string) (*slog.Logger, *slog.LevelVar) {
	if c.logFormat != "" {
		format = c.logFormat
	}
	l := &slog.LevelVar{}
	l.Set(levelOf(level))
	o := &slog.HandlerOptions{Level: l}
	if format == "text" || format == "auto" && isTerminal(c.stderr) {
		return slog.New(slog.NewTextHandler(c.stderr, o)), l
	}
	return slog.New(slog.NewJSONHandler(c.stderr, o)), l
}

func levelOf(name string) slog.Level {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err != nil {
		return slog.LevelInfo
	}
	return l
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// screen is what is known of where the answer goes.
type screen struct {
	terminal, color bool
	width           int // columns; 0 is no bound
}

func (c *cli) screen() screen {
	f, ok := c.stdout.(*os.File)
	if !ok || !isTerminal(f) {
		return screen{}
	}
	s := screen{terminal: true, color: c.env("NO_COLOR") == "" && c.env("TERM") != "dumb", width: 80}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		s.width = w
	}
	return s
}
