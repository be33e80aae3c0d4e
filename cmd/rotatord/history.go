package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) historyCommand() *cobra.Command {
	var out output
	var limit int
	cmd := &cobra.Command{
		Use: "history [DESTINATION]", GroupID: groupHand, ValidArgsFunction: c.destinations,
		Short: "Tell what happened, newest first",
		Long: `Tell what happened to all destinations, or to one, newest first.

WHAT is an attempt to push, a new state, a probe for leftovers that found
something else than before, a check of the credential in force that did so, a
drift (somebody else changed the destination), a changed parameter, a clean-up,
an event, or a person's word.
` + exitHelp,
		Example: `  rotatord history
  rotatord history my-s3-destination-CKxV9io --limit 5
  rotatord history --output json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{"history takes one destination, or none for all"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 || limit > 10000 {
				return usageError{"--limit is a number from 1 to 10000"}
			}
			var entries []app.Entry
			err := c.with(cmd.Context(), func(conn *app.Connection) (err error) {
				entries, err = conn.History(cmd.Context(), strings.Join(args, ""), limit)
				return err
			})
			if err != nil {
				return err
			}
			if out == outputJSON {
				return c.json(list(entries))
			}
			c.showHistory(entries)
			return nil
		},
	}
	out.flag(cmd)
	cmd.Flags().IntVarP(&limit, "limit", "l", 50, "how many entries at most")
	return cmd
}

var historyColumns = []column{
	{title: "TIME"},
	{title: "DESTINATION", least: 18, short: ends},
	{title: "WHAT"},
	{title: "OUTCOME"},
	{title: "REASON", extra: 2},
	{title: "VERSION", extra: 1, least: 9, short: head},
	{title: "DETAIL"},
}

func (c *cli) showHistory(entries []app.Entry) {
	s := c.screen()
	rows := make([][]cell, 0, len(entries))
	var notes []string
	said := map[string]string{} // destination → the detail shown last
	for _, e := range entries {
		// Scripts and people in other places get the zone; a screen gets its own.
		at, detail, note := e.At.UTC().Format("2006-01-02T15:04:05Z"), orDash(e.Detail), ""
		if s.terminal {
			at = e.At.Local().Format("01-02 15:04:05")
			// A new state repeats what the attempt before it said.
			if said[e.Destination] != e.Detail {
				note = e.Detail
			}
			detail, said[e.Destination] = "-", e.Detail
		}
		notes = append(notes, note)
		rows = append(rows, []cell{{at, gray}, {text: e.Destination}, {text: kindWord(string(e.Kind))}, outcomeCell(e),
			{text: orDash(string(e.Reason))}, {text: s.version(e.Version)}, {text: detail}})
	}
	s.grid(c.stdout, historyColumns, rows, notes...)
}

// outcomeCell shows an outcome, which for a change of state is the new state.
func outcomeCell(e app.Entry) cell {
	if c, ok := stateWords[app.State(e.Outcome)]; ok {
		return c
	}
	switch e.Outcome {
	case "":
		return cell{"-", gray}
	case "accepted", "works", "removed":
		return cell{e.Outcome, green}
	case "rejected":
		return cell{e.Outcome, red}
	case "doubtful", "cannot_tell":
		return cell{e.Outcome, yellow}
	}
	return cell{text: e.Outcome}
}
