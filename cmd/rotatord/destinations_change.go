package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

// ofDefault is how the organization's default is named.
const ofDefault = "pl:destinations/default"

func (c *cli) renameCommand() *cobra.Command {
	var o onPlanet
	cmd := &cobra.Command{
		Use: "rename D NAME", ValidArgsFunction: c.destination,
		Short: "Give a destination another name",
		Long: `Give a destination another name: 3 to 63 characters, unique in the organization.
Its id may change with it; rotatord follows it, and the configuration may keep
the old one.
` + planetHelp,
		Example: `  rotatord destinations rename CKxV9io deliveries-west`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{"name a destination and its new name: rotatord destinations rename D NAME"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd.Context(), &o, app.Change{Target: app.Target{Name: args[0]}, Rename: &args[1]}, "renamed")
		},
	}
	o.flags(cmd)
	return cmd
}

func (c *cli) archiveCommand(verb string, archive bool) *cobra.Command {
	var o onPlanet
	cmd := &cobra.Command{
		Use: verb + " D", Args: oneDestination, ValidArgsFunction: c.destination,
		Example: "  rotatord destinations " + verb + " my-s3-destination-CKxV9io",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd.Context(), &o, app.Change{Target: app.Target{Name: args[0]}, Archive: &archive}, verb+"d")
		},
	}
	cmd.Short, cmd.Long = "Bring an archived destination back", "Bring an archived destination back. It counts again as one of the\norganization's 50.\n"
	if archive {
		cmd.Short = "Archive a destination: it takes no new orders"
		cmd.Long = `Archive a destination: it takes no new orders or subscriptions, existing ones go
on, and rotatord goes on rotating its credential for those. It does not count as
one of the organization's 50 any more.
`
	}
	cmd.Long += planetHelp
	o.flags(cmd)
	return cmd
}

func (c *cli) defaultCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "default",
		Short: "Show, set or unset the organization's default destination",
		Long: `Show, set or unset the organization's default destination. Only an admin of the
organization may change it.
` + planetHelp,
		Example: `  rotatord destinations default
  rotatord destinations default set CKxV9io
  rotatord destinations default unset`,
	}
	var o onPlanet
	o.flags(cmd)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownSub(cmd, args[0])
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.getOne(cmd.Context(), &o, ofDefault) }
	var of [3]onPlanet
	yes, no := true, false
	get := &cobra.Command{Use: "get", Args: noArgs, Short: "Show it", Example: "  rotatord destinations default get",
		RunE: func(cmd *cobra.Command, _ []string) error { return c.getOne(cmd.Context(), &of[0], ofDefault) }}
	set := &cobra.Command{Use: "set D", Args: oneDestination, ValidArgsFunction: c.destination, Short: "Make a destination the default",
		Example: "  rotatord destinations default set my-s3-destination-CKxV9io",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.change(cmd.Context(), &of[1], app.Change{Target: app.Target{Name: args[0]}, Default: &yes}, "default is now")
		}}
	unset := &cobra.Command{Use: "unset", Args: noArgs, Short: "Leave the organization without a default",
		Example: "  rotatord destinations default unset",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.change(cmd.Context(), &of[2], app.Change{Target: app.Target{Name: ofDefault}, Default: &no}, "default is no longer")
		}}
	for i, sub := range []*cobra.Command{get, set, unset} {
		of[i].flags(sub)
		sub.Long = sub.Short + ".\n" + planetHelp
		cmd.AddCommand(sub)
	}
	return cmd
}

// change has one thing changed, and says what was done.
func (c *cli) change(ctx context.Context, o *onPlanet, r app.Change, done string) error {
	var got app.Changed
	err := c.on(ctx, o, func(conn *app.Connection) (err error) {
		name := r.Name
		r.Target = o.target
		r.Name = name
		got, err = conn.Change(ctx, r)
		return err
	})
	if err != nil {
		return err
	}
	if o.out == outputJSON {
		return c.json(got)
	}
	d := got.Destination
	line := done + " " + clean(d.ID)
	if r.Rename != nil {
		line += " to " + clean(d.Name)
	}
	if got.Already {
		line = "nothing to do: " + clean(d.ID) + " is so already"
	}
	_, err = fmt.Fprintln(c.stdout, line)
	return err
}
