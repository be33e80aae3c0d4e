package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) syncCommand() *cobra.Command {
	var out output
	var dry bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "sync [DESTINATION...]", GroupID: groupHand, ValidArgsFunction: c.destinations,
		Short: "Bring destinations to the current version of their secrets, once",
		Long: `Look at every destination, or at those named, and bring it to the current
version of its secret: prove the credential on the bucket, send it to Planet,
see that nothing was left behind. What is in sync already costs one question to
the secret manager.

With --wait it stays while a destination may still settle by itself: a new key
that takes a while to work, an answer from Planet that was lost. When it ends
with 0, Planet holds the current version; a delivery that began before may use
the old key a while longer, so don't revoke that at once.

With --dry-run nothing is sent and nothing is written. The value of the secret
is read, to see whether it fits, and not shown.
` + exitHelp + `
  3  with --dry-run: something would be sent or adopted
  4  a destination is not in sync: held, blocked, failing, waiting, unknown or
     paused`,
		Example: `  rotatord sync
  rotatord sync --dry-run
  rotatord sync my-s3-destination-CKxV9io --wait 10m && echo planet has it
  rotatord sync --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait < 0 || dry && wait > 0 {
				return usageError{"--wait is a time such as 10m, and nothing that --dry-run could do"}
			}
			if dry {
				return c.plan(cmd.Context(), args, out)
			}
			return c.sync(cmd.Context(), args, wait, out)
		},
	}
	out.flag(cmd)
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "say what would be sent, without values, and send nothing")
	cmd.Flags().DurationVar(&wait, "wait", 0, "stay this long at most for what settles by itself, such as 10m")
	return cmd
}

func (c *cli) sync(ctx context.Context, names []string, wait time.Duration, out output) error {
	began := c.now()
	var all []app.Status
	err := c.with(ctx, func(conn *app.Connection) (err error) {
		if wait > 0 && isTerminal(c.stderr) {
			c.complain(fmt.Sprintf("waiting up to %s for destinations to settle", wait))
		}
		if _, err = c.noteOther(ctx, conn); err != nil {
			return err
		}
		all, err = conn.Sync(ctx, app.Request{Destinations: names, Wait: wait})
		noteUnknown(c, conn, names, all, func(s app.Status) string { return s.Destination })
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
		c.showSync(all, began)
	}
	for _, st := range all {
		if shown(st) != "in_sync" || st.Uncertain {
			return statusError(exitTrouble)
		}
	}
	return nil
}

var syncColumns = []column{
	{title: "DESTINATION", least: 24, short: ends},
	{title: "DONE"},
	{title: "STATE"},
	{title: "REASON", extra: 2},
	{title: "VERSION", least: 14, short: head},
}

func (c *cli) showSync(all []app.Status, began time.Time) {
	s := c.screen()
	rows := make([][]cell, 0, len(all))
	for _, st := range all {
		accepted, at := acceptedOf(st)
		did := "nothing"
		if !at.Before(began) {
			did = "pushed"
			if st.Accepted.Adopted {
				did = "adopted"
			}
		}
		rows = append(rows, []cell{{text: st.Destination}, {text: did}, stateCell(st),
			{text: orDash(string(st.Reason))}, {text: s.versions(accepted, currentOf(st))}})
	}
	s.grid(c.stdout, syncColumns, rows)
	s.troubles(c.stdout, c.now(), all)
}

func (c *cli) plan(ctx context.Context, names []string, out output) error {
	var plans []app.Plan
	status := exitOK
	err := c.with(ctx, func(conn *app.Connection) (err error) {
		if other, err := c.noteOther(ctx, conn); err != nil {
			return err
		} else if other {
			status = exitTrouble // it is no plan for this file
		}
		plans, err = conn.Plan(ctx, app.Request{Destinations: names})
		noteUnknown(c, conn, names, plans, func(p app.Plan) string { return p.Destination })
		return err
	})
	if err != nil {
		return err
	}
	if out == outputJSON {
		if err := c.json(list(plans)); err != nil {
			return err
		}
	} else {
		c.showPlans(plans)
	}
	for _, p := range plans {
		_, one := planned(p)
		status = max(status, one)
	}
	if status != exitOK {
		return statusError(status)
	}
	return nil
}

var planColumns = []column{
	{title: "DESTINATION", least: 24, short: ends},
	{title: "PLAN"},
	{title: "REASON", extra: 2},
	{title: "VERSION", least: 14, short: head},
	{title: "WOULD SEND"},
}

func (c *cli) showPlans(plans []app.Plan) {
	s := c.screen()
	rows := make([][]cell, 0, len(plans))
	var notes []string
	for _, p := range plans {
		word, _ := planned(p)
		fields, note := "-", ""
		if p.Error == "" && (p.Action == "push" || p.Action == "restore") {
			fields = strings.Join(p.Fields, ",")
		}
		if s.terminal && fields != "-" {
			// Below the row they fit on any screen.
			fields, note = "-", "would send "+strings.Join(p.Fields, ", ")
		}
		notes = append(notes, note)
		rows = append(rows, []cell{{text: p.Destination}, word, {text: orDash(string(p.Reason))},
			{text: s.versions(p.Accepted, p.Version)}, {text: fields}})
	}
	s.grid(c.stdout, planColumns, rows, notes...)
	for _, p := range plans {
		if p.Error == "" && p.Detail == "" && len(p.Warnings) == 0 {
			continue
		}
		word, _ := planned(p)
		_, _ = fmt.Fprintf(c.stdout, "\n%s: %s\n", clean(p.Destination), s.paint(word.color, word.text))
		for i, line := range append([]string{p.Error, p.Detail}, p.Warnings...) {
			if line != "" && (i != 1 || line != p.Error) {
				s.paragraph(c.stdout, "  ", line)
			}
		}
	}
}

// planned is how a plan is shown, and its exit status. Nothing to do, for a
// reason, means that something is held or paused.
func planned(p app.Plan) (cell, int) {
	switch {
	case p.Error != "":
		return cell{"can't", red}, exitTrouble
	case p.Action == "nothing" && p.Detail+string(p.Reason) != "":
		return cell{"nothing", yellow}, exitTrouble
	}
	w, ok := actionWords[p.Action]
	if !ok {
		return cell{string(p.Action), yellow}, exitTrouble // of another version's daemon
	}
	return w.cell, w.status
}
