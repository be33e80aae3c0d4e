package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) statusCommand() *cobra.Command {
	var out output
	var exitCode bool
	cmd := &cobra.Command{
		Use: "status [DESTINATION...]", GroupID: groupHand, ValidArgsFunction: c.destinations,
		Short: "Tell how every destination stands",
		Long: `Tell how every destination stands, from what is recorded: nothing is asked of
Planet, a bucket or a secret manager.

VERSION is what Planet accepted last, and after an arrow what is current if that
is another one. EXPIRES is when that credential ends, if anybody says so.
LEFTOVER tells of a planetverify.txt in the bucket; none* is concluded from a
refusal, since the key may not list the bucket.
` + exitHelp + `
  4  with --exit-code: something needs a person, or is not settled`,
		Example: `  rotatord status
  rotatord status my-s3-destination-CKxV9io
  rotatord status --output json | jq '.[] | select(.state != "in_sync")'
  rotatord status --exit-code > /dev/null || echo "have a look"`,
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
			return c.showStatus(all, out, exitCode)
		},
	}
	out.flag(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit 4 when something needs a person, or is not settled")
	return cmd
}

func (c *cli) showStatus(all []app.Status, out output, exitCode bool) error {
	if out == outputJSON {
		if err := c.json(list(all)); err != nil {
			return err
		}
	} else {
		c.screen().statusTable(c.stdout, c.now(), all)
	}
	for _, s := range all {
		if exitCode && alerts(s) {
			return statusError(exitTrouble)
		}
	}
	return nil
}

var statusColumns = []column{
	{title: "DESTINATION", least: 24, short: ends},
	{title: "STATE"},
	{title: "REASON", extra: 2},
	{title: "VERSION", least: 14, short: head},
	{title: "ACCEPTED"},
	{title: "EXPIRES", extra: 2},
	{title: "LEFTOVER"},
	{title: "NEXT LOOK", extra: 1},
}

func (s screen) statusTable(w io.Writer, now time.Time, all []app.Status) {
	rows := make([][]cell, 0, len(all))
	for _, st := range all {
		accepted, at := acceptedOf(st)
		next := in(now, st.NextLook)
		if st.Paused != nil {
			next = "-"
		} else if st.Due {
			next = "now"
		}
		left, ok := leftoverWords[st.Leftover.State]
		if !ok {
			left = cell{st.Leftover.State, yellow}
		}
		rows = append(rows, []cell{{text: st.Destination}, stateCell(st), {text: orDash(string(st.Reason))},
			{text: s.versions(accepted, currentOf(st))}, {text: ago(now, at)}, expiryCell(now, st), left, {text: next}})
	}
	s.grid(w, statusColumns, rows)
	s.troubles(w, now, all)
}

// troubles writes below a table, for each destination with something to say,
// what that is and what to do.
func (s screen) troubles(w io.Writer, now time.Time, all []app.Status) {
	for _, st := range all {
		said := remarks(now, st)
		todo := wanted(st)
		if len(said) == 0 && todo == "" {
			continue
		}
		state := stateCell(st)
		reason := ""
		if st.Reason != "" && st.Paused == nil {
			reason = " (" + clean(string(st.Reason)) + ")"
		}
		_, _ = fmt.Fprintf(w, "\n%s: %s%s\n", clean(st.Destination), s.paint(state.color, clean(state.text)), reason)
		for _, line := range said {
			s.paragraph(w, "  ", line)
		}
		if todo != "" {
			s.paragraph(w, "  ", "what to do: "+todo)
		}
	}
}

// remarks are the sentences that a table has no room for.
func remarks(now time.Time, st app.Status) (said []string) {
	if p := st.Paused; p != nil {
		note := "paused " + ago(now, p.Since)
		if p.Note != "" {
			note += ": " + p.Note
		}
		said = append(said, note)
	}
	if st.Detail != "" && (st.State != "in_sync" || st.Paused != nil) {
		said = append(said, st.Detail)
	}
	if st.Due && st.State.Alerting() && st.Paused == nil {
		said = append(said, "it will be looked at next; the above is as it was before")
	}
	if st.Uncertain {
		said = append(said, "Planet may hold something else than the version it accepted last")
	}
	for _, ch := range st.Changed {
		said = append(said, fmt.Sprintf("the parameter %s was %s and is %s since our last request", ch.Parameter, orDash(string(ch.Before)), orDash(string(ch.After))))
	}
	if l := st.Leftover; l.State == "present" {
		said = append(said, "a planetverify.txt lies in the bucket, from "+ago(now, l.LastModified))
	}
	if st.ExpiresUnreplaced {
		said = append(said, "the credential ends "+in(now, st.Expires)+", before the secret manager plans to replace it")
	}
	for _, n := range st.Notes {
		said = append(said, noteWords(n.Kind)+", "+ago(now, n.Time)+" (told by "+n.Source+")")
	}
	if a := st.Archived; a != nil {
		said = append(said, "archived "+ago(now, *a)+": it takes no new orders, its credential is still rotated")
	}
	return said
}

// soonExpiring is from when on the table warns of a credential's end.
const soonExpiring = 7 * 24 * time.Hour

func expiryCell(now time.Time, st app.Status) cell {
	c := cell{text: in(now, st.Expires)}
	switch {
	case st.Expires.IsZero():
	case !st.Expires.After(now):
		return cell{"EXPIRED", red}
	case st.ExpiresUnreplaced || st.Expires.Sub(now) < soonExpiring:
		c.color = yellow
	}
	return c
}

func acceptedOf(st app.Status) (version string, at time.Time) {
	if st.Accepted == nil {
		return "", time.Time{}
	}
	return st.Accepted.Version, st.Accepted.At
}

func currentOf(st app.Status) string {
	if st.Source == nil {
		return ""
	}
	return st.Source.Version
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
