package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) dependentsCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "dependents [DESTINATION...]", GroupID: groupHand, ValidArgsFunction: c.destinations,
		Short: "Tell who uses every destination, and whose deliveries failed",
		Long: `Tell who uses every destination, or those named, and how their deliveries have
gone since the last rotation. The running daemon asks Planet for that now and
then (dependents_interval of an [[account]]); here nothing is asked.

SUBSCRIPTIONS are those that run, ORDERS those that are open; a number with a +
may be more. KEY FAILED counts deliveries that failed for what looks like the
credential, judged by Planet's texts, and OTHER FAILED those of an unknown
cause. COUNTED tells whether those of the whole organization are counted
(all_users), or of the API key's user alone. - means that it is not known yet.
` + exitHelp,
		Example: `  rotatord dependents
  rotatord dependents my-s3-destination-CKxV9io
  rotatord dependents --output json | jq '.[].dependents.failed_credential'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			var all []app.Status
			err := c.with(cmd.Context(), func(conn *app.Connection) (err error) {
				all, err = conn.Status(cmd.Context(), args...)
				noteUnknown(c, conn, args, all, func(s app.Status) string { return s.Destination })
				return err
			})
			if err != nil {
				return err
			}
			if out == outputJSON {
				return c.json(dependentsOf(all))
			}
			c.screen().dependentsTable(c.stdout, c.now(), all)
			return nil
		},
	}
	out.flag(cmd)
	return cmd
}

// uses is one destination in the JSON answer; what is not known is null.
type uses struct {
	Destination string `json:"destination"`
	Dependents  any    `json:"dependents"`
}

func dependentsOf(all []app.Status) []uses {
	out := make([]uses, 0, len(all))
	for _, st := range all {
		out = append(out, uses{st.Destination, st.Dependents})
	}
	return out
}

var dependentsColumns = []column{
	{title: "DESTINATION", least: 24, short: ends},
	{title: "SUBSCRIPTIONS"},
	{title: "ORDERS"},
	{title: "KEY FAILED"},
	{title: "OTHER FAILED"},
	{title: "SINCE", extra: 2},
	{title: "GATHERED", extra: 1},
	{title: "COUNTED", extra: 3},
}

func (s screen) dependentsTable(w io.Writer, now time.Time, all []app.Status) {
	rows := make([][]cell, 0, len(all))
	incomplete := false
	for _, st := range all {
		row := make([]cell, len(dependentsColumns))
		for i := range row {
			row[i].text = "-"
		}
		row[0].text = st.Destination
		if d := st.Dependents; d != nil {
			number := func(n int, paint color) cell {
				c := cell{text: fmt.Sprint(n)}
				if n > 0 {
					c.color = paint
				}
				if d.Incomplete {
					c.text += "+"
				}
				return c
			}
			incomplete = incomplete || d.Incomplete
			row = []cell{row[0], number(d.Running, plain), number(d.Open, plain), number(d.FailedCredential, red),
				number(d.Failed-d.FailedCredential, yellow), {text: ago(now, d.Since)}, {text: ago(now, d.At)}, counted(d.AllUsers)}
		}
		rows = append(rows, row)
	}
	s.grid(w, dependentsColumns, rows)
	if incomplete {
		s.paragraph(w, "", "+ there may be more: an answer failed, or a bound was reached")
	}
}

func counted(all bool) cell {
	if all {
		return cell{text: "all users"}
	}
	return cell{"own user", yellow}
}
