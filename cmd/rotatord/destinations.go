package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

// onPlanet are the flags that all verbs about Planet's destinations have.
type onPlanet struct {
	out     output
	target  app.Target
	alone   bool // there is no configuration
	keyEnv  string
	command *cobra.Command
}

func (o *onPlanet) flags(cmd *cobra.Command) {
	o.command = cmd
	o.out.flag(cmd)
	cmd.Flags().StringVar(&o.target.Account, "account", "", "configured `ACCOUNT` to ask with, where there are several")
	cmd.Flags().StringVar(&o.target.BaseURL, "base-url", "", "`URL` of the Destinations API, to ask without a configuration")
}

// on runs do on a connection, with a configuration or without.
func (c *cli) on(ctx context.Context, o *onPlanet, do func(*app.Connection) error) error {
	o.keyEnv = config.DefaultKeyEnv
	load := func() (cfg *config.Config, err error) {
		cfg, o.alone, err = c.loadAny(o.target.BaseURL)
		return cfg, err
	}
	return c.connected(ctx, load, func(conn *app.Connection) error {
		if o.alone {
			c.noteDaemon(conn)
		}
		return do(conn)
	})
}

// noteDaemon says whose key is used, where somebody may think of another.
func (c *cli) noteDaemon(conn *app.Connection) {
	if conn.Daemon {
		c.complain("note: a daemon runs on the store at " + c.cfg.Store.Dir + " and is asked, with its own API key; another $XDG_STATE_HOME asks without it")
	}
}

const planetHelp = `
Without a configuration, or with --base-url, the API key is that of $PL_API_KEY.
A running daemon is asked to do it, so that its rate limit is kept.
` + exitHelp + `
  4  Planet has no such destination, or refuses`

func (c *cli) destinationsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "destinations", Aliases: []string{"destination"}, GroupID: groupPlanet,
		Short: "List, create and change Planet's destinations themselves",
		Long: `List, create and change Planet's destinations themselves, configured here or
not. D is any way to name one: id, pl:destinations/…, or the suffix alone.
` + planetHelp,
		Example: `  rotatord destinations list
  rotatord destinations get CKxV9io
  rotatord destinations create --type amazon_s3 --bucket b --region us-west-2 \
      --secret file:///run/secrets/planet-s3
  rotatord destinations rename CKxV9io deliveries-west
  rotatord destinations default set CKxV9io`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownSub(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.listCommand(), c.getCommand(), c.createCommand(), c.renameCommand(),
		c.archiveCommand("archive", true), c.archiveCommand("unarchive", false), c.defaultCommand())
	return cmd
}

func unknownSub(cmd *cobra.Command, given string) error {
	return usageError{fmt.Sprintf("%s has no verb %q; see %s --help", cmd.CommandPath(), given, cmd.CommandPath())}
}

func (c *cli) listCommand() *cobra.Command {
	var o onPlanet
	var q app.Find
	cmd := &cobra.Command{
		Use: "list", Args: noArgs,
		Short: "List destinations; archived ones only with --archived",
		Long: `List the destinations that Planet shows to the API key: those of the whole
organization, without archived ones. ROTATED tells whether this rotatord's
configuration has them.
` + planetHelp,
		Example: `  rotatord destinations list --writable
  rotatord destinations list --archived --output json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.listThem(cmd.Context(), &o, q) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&q.Archived, "archived", false, "those that are archived")
	f.BoolVar(&q.Mine, "mine", false, "those that the key's user owns")
	f.BoolVar(&q.Writable, "writable", false, "those that the key's user may change")
	f.BoolVar(&q.Default, "default", false, "the organization's default")
	return cmd
}

func (c *cli) listThem(ctx context.Context, o *onPlanet, q app.Find) error {
	var all []app.Destination
	err := c.on(ctx, o, func(conn *app.Connection) (err error) {
		q.Target = o.target
		all, err = conn.Find(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	if o.out == outputJSON {
		return c.json(list(all))
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(c.stdout, "Planet shows none.")
		return err
	}
	c.showDestinations(all)
	return nil
}

var destinationColumns = []column{
	{title: "ID", least: 20, short: ends},
	{title: "NAME", extra: 1, least: 12, short: head},
	{title: "TYPE"},
	{title: "WHERE", extra: 2, least: 14, short: head},
	{title: "OWNER"},
	{title: "WRITE"},
	{title: "ROTATED"},
	{title: "NOTE"},
}

func (c *cli) showDestinations(all []app.Destination) {
	s := c.screen()
	columns, several := destinationColumns, false
	for _, d := range all {
		several = several || d.Account != all[0].Account
	}
	if several {
		columns = append([]column{{title: "ACCOUNT", least: 8, short: head}}, columns...)
	}
	rows := make([][]cell, 0, len(all))
	for _, d := range all {
		row := []cell{{text: d.ID}, {text: d.Name}, {text: d.Type}, {text: orDash(app.Place(d))}, {text: owner(d)},
			yesNo(d.Writable, plain), yesNo(d.Configured != "", green), {text: note(d)}}
		if several {
			row = append([]cell{{text: d.Account}}, row...)
		}
		rows = append(rows, row)
	}
	s.grid(c.stdout, columns, rows)
}

func owner(d app.Destination) string {
	if d.Mine {
		return "you"
	}
	return fmt.Sprint(d.OwnerID)
}

func yesNo(yes bool, when color) cell {
	if yes {
		return cell{"yes", when}
	}
	return cell{"no", gray}
}

func note(d app.Destination) string {
	switch {
	case d.Archived != nil && d.Default:
		return "default, archived"
	case d.Archived != nil:
		return "archived"
	case d.Default:
		return "default"
	}
	return "-"
}

func (c *cli) getCommand() *cobra.Command {
	var o onPlanet
	cmd := &cobra.Command{
		Use: "get D", Args: oneDestination, ValidArgsFunction: c.destination,
		Short: "Show one destination, archived or not",
		Long:  "Show one destination, archived or not. Planet gives nobody its credential.\n" + planetHelp,
		Example: `  rotatord destinations get my-s3-destination-CKxV9io
  rotatord destinations get pl:destinations/default --output json`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.getOne(cmd.Context(), &o, args[0]) },
	}
	o.flags(cmd)
	return cmd
}

func oneDestination(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usageError{"name one destination: " + cmd.CommandPath() + " D; rotatord destinations list shows them"}
	}
	return nil
}

func (c *cli) getOne(ctx context.Context, o *onPlanet, name string) error {
	var found []app.Destination
	err := c.on(ctx, o, func(conn *app.Connection) (err error) {
		o.target.Name = name
		found, err = conn.Find(ctx, app.Find{Target: o.target})
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range found {
		if o.out == outputJSON {
			return c.json(d)
		}
		c.showDestination(d)
	}
	return nil
}

// showDestination writes a line a fact.
func (c *cli) showDestination(d app.Destination) {
	s := c.screen()
	line := func(name, value string, paint color) {
		if value != "" {
			_, _ = fmt.Fprintf(c.stdout, "%s %s\n", s.paint(gray, fmt.Sprintf("%-9s", name)), s.paint(paint, clean(value)))
		}
	}
	line("id", d.ID, bold)
	line("name", d.Name, plain)
	line("ref", d.Ref, plain)
	line("type", d.Type, plain)
	line("where", app.Place(d), plain)
	if len(d.Options) > 2 {
		line("options", string(d.Options), plain)
	}
	who := owner(d)
	if !d.Mine {
		who = "user " + who
	}
	line("owner", who, plain)
	if d.Writable {
		line("write", "yes", plain)
	} else {
		line("write", "no: only the owner or an admin of the organization may change it", yellow)
	}
	if d.Default {
		line("default", "yes, the organization's", plain)
	}
	if d.Archived != nil {
		line("archived", "since "+d.Archived.UTC().Format("2006-01-02 15:04 MST")+": it takes no new orders", yellow)
	}
	line("created", d.Created.UTC().Format("2006-01-02 15:04 MST"), plain)
	line("updated", d.Updated.UTC().Format("2006-01-02 15:04 MST"), plain)
	if d.Configured != "" {
		line("rotated", "yes, configured as "+d.Configured, green)
	} else {
		line("rotated", "no, the configuration does not have it", gray)
	}
}
