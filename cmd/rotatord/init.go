package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) initCommand() *cobra.Command {
	var keyEnv, baseURL, file string
	var force bool
	cmd := &cobra.Command{
		Use: "init", GroupID: groupPlanet, Args: noArgs,
		Short: "Begin a configuration from the destinations of an account",
		Long: `Write a commented configuration with an entry for each destination that Planet
shows to an API key and that it may change; the others stand in comments that
say why. Only you know where the secrets are: each entry has an empty one, and
rotatord check names their lines until all are filled in.

No configuration is needed for this, only the key, in an environment variable.
` + exitHelp,
		Example: `  PL_API_KEY=… rotatord init
  rotatord init --output /etc/rotatord/rotatord.toml
  rotatord init --output - --account-key-env PL_API_KEY_STAGING`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.begin(cmd.Context(), app.InitialOptions{KeyEnv: keyEnv, BaseURL: baseURL, File: file}, force)
		},
	}
	f := cmd.Flags()
	f.StringVar(&keyEnv, "account-key-env", config.DefaultKeyEnv, "environment `VARIABLE` with Planet's API key")
	f.StringVar(&baseURL, "base-url", "", "`URL` of the Destinations API, if not Planet's own")
	f.StringVarP(&file, "output", "o", config.LocalFile, "`FILE` to write, - for stdout")
	f.BoolVar(&force, "force", false, "replace a file that is there")
	return cmd
}

func (c *cli) begin(ctx context.Context, o app.InitialOptions, force bool) error {
	if o.File != "-" && !force {
		if _, err := os.Lstat(o.File); err == nil {
			return existsError(o.File)
		}
	}
	var all []app.Destination
	err := c.connected(ctx, func() (*config.Config, error) { return c.bare(o.BaseURL, o.KeyEnv) }, func(conn *app.Connection) error {
		c.noteDaemon(conn)
		// The file is going to say this address, so no other may be asked.
		at := app.Target{BaseURL: cmp.Or(o.BaseURL, config.DefaultBaseURL)}
		active, err := conn.Find(ctx, app.Find{Target: at})
		if err != nil {
			return err
		}
		archived, err := conn.Find(ctx, app.Find{Target: at, Archived: true})
		all = append(onlyActive(active), archived...)
		for _, d := range all {
			if d.Account != all[0].Account {
				return usageError{"the running daemon has several accounts, and a first configuration is of one: set another $XDG_STATE_HOME to ask without it"}
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	if o.File == "-" {
		o.File = ""
		_, err := c.stdout.Write(app.InitialConfig(o, all).Text)
		return err
	}
	initial := app.InitialConfig(o, all)
	if err := writeNew(o.File, initial.Text, force); err != nil {
		return err
	}
	s := c.screen()
	_, _ = fmt.Fprintf(c.stdout, "%s %s: %s to fill in, %d left out in comments\n\n",
		s.paint(green, "wrote"), o.File, count(initial.ToFill, "destination"), initial.LeftOut)
	with := ""
	if o.File != config.LocalFile {
		with = " --config " + o.File
	}
	if initial.ToFill == 0 {
		_, _ = fmt.Fprintf(c.stdout, "Next:\n  make a destination:   rotatord destinations create --help\n")
		return nil
	}
	_, err = fmt.Fprintf(c.stdout, "Next:\n  put the names of the secrets into the lines   secret = \"\"\n"+
		"  rotatord check%[1]s\n  rotatord sync --dry-run%[1]s\n  rotatord run%[1]s\n", with)
	return err
}

func onlyActive(all []app.Destination) (active []app.Destination) {
	for _, d := range all {
		if d.Archived == nil {
			active = append(active, d)
		}
	}
	return active
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func existsError(path string) error {
	return usageError{path + " is there already; --force replaces it, --output writes elsewhere, --output - to the screen"}
}

// writeNew writes a file whole or not at all, for its owner alone: somebody may
// put a key into it.
func writeNew(path string, data []byte, replace bool) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".rotatord-*.toml") // made with mode 0600
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	defer func() {
		if gone := os.Remove(f.Name()); err == nil && gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = gone
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	put := os.Link // fails where a file is, which a rename replaces
	if replace {
		put = os.Rename
	}
	if err := put(f.Name(), path); errors.Is(err, fs.ErrExist) {
		return existsError(path)
	} else if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}
