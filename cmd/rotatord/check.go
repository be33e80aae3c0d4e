package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) checkCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "check [DESTINATION...]", GroupID: groupHand, ValidArgsFunction: c.destinations,
		Short: "Tell whether a rotation could work, and change nothing",
		Long: `Check the configuration, and for every destination, or for those named: Planet
knows it, it is what it was, this account may write it, it is not archived; its
secret can be read, and its value fits the destination's type. A permission that
the secret manager withholds is named. With [gate] write_back: the secret can be
marked, and which permission that needs.

Planet is only asked, no bucket is, and nothing is written. "bucket" says that
the bucket could be asked from here: sync and run ask it, before they send.

A running daemon answers, for the configuration that it has. Where this file
has another secret or account for a destination, that is said, and is a failure.
` + exitHelp + `; everything that is wrong
     with the latter is said, with line and column
  4  a check has failed, or was not of this file`,
		Example: `  rotatord check
  rotatord check --config new.toml my-s3-destination-CKxV9io`,
		RunE: func(cmd *cobra.Command, args []string) error { return c.check(cmd.Context(), args, out) },
	}
	out.flag(cmd)
	return cmd
}

func (c *cli) check(ctx context.Context, names []string, out output) error {
	var all []app.Checks
	var other bool
	err := c.with(ctx, func(conn *app.Connection) (err error) {
		if other, err = c.noteOther(ctx, conn); err != nil {
			return err
		}
		all, err = conn.Check(ctx, app.Request{Destinations: names})
		noteUnknown(c, conn, names, all, func(d app.Checks) string { return d.Destination })
		return err
	})
	if err != nil {
		return err
	}
	if out == outputJSON {
		if err := c.json(list(all)); err != nil {
			return err
		}
	} else {
		c.showChecks(all)
	}
	for _, d := range all {
		for _, one := range d.Checks {
			if one.Result == "failed" {
				return statusError(exitTrouble)
			}
		}
	}
	if other {
		return statusError(exitTrouble)
	}
	return nil
}

// showChecks writes a row a destination and a column a check, and below it
// what is wrong.
func (c *cli) showChecks(all []app.Checks) {
	s := c.screen()
	columns := []column{{title: "DESTINATION", least: 24, short: ends}}
	var titles []string
	for _, d := range all {
		for _, one := range d.Checks {
			if !slices.Contains(titles, one.Name) {
				titles = append(titles, one.Name)
				columns = append(columns, column{title: strings.ToUpper(checkTitle(one.Name))})
			}
		}
	}
	rows := make([][]cell, 0, len(all))
	for _, d := range all {
		row := make([]cell, len(columns))
		row[0].text = d.Destination
		for _, one := range d.Checks {
			at := &row[1+slices.Index(titles, one.Name)]
			at.text, at.color = s.result(one.Result)
		}
		rows = append(rows, row)
	}
	s.grid(c.stdout, columns, rows)
	for _, d := range all {
		begun := false
		for _, one := range d.Checks {
			if one.Result == "ok" || one.Detail == "" {
				continue
			}
			if !begun {
				_, _ = fmt.Fprintf(c.stdout, "\n%s:\n", clean(d.Destination))
				begun = true
			}
			sign, _ := s.result(one.Result)
			s.paragraph(c.stdout, "  ", sign+" "+one.Name+": "+one.Detail)
		}
	}
}

// checkTitle names the column of a check; two of them in other words, for room.
func checkTitle(name string) string {
	switch name {
	case "destination":
		return "found"
	case "not archived":
		return "active"
	}
	return name
}

func (s screen) result(r app.CheckResult) (string, color) {
	w, ok := checkWords[r]
	switch {
	case !ok:
		return string(r), yellow
	case s.terminal:
		return w.sign, w.color
	}
	return w.word, w.color
}
