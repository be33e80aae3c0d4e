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
	var exitCode, watch bool
	cmd := &cobra.Command{
		Use: "status [DESTINATION...]", GroupID: groupHand, ValidArgsFunction: c.destinations,
		Short: "Tell how every destination stands",
		Long: `Tell how every destination stands, or in detail how one does, from what is
recorded: nothing is asked of Planet, a bucket or a secret manager.

CONDITION is what is wrong whatever the state, the gravest first. VERSION is
what Planet accepted last, and after an arrow what is current if that is another
one. EXPIRES is how long that credential has left, if anybody says so. LEFTOVER
tells of a planetverify.txt in the bucket; none* is concluded from a refusal,
since the key may not list the bucket. USED BY counts running subscriptions and
open orders. A narrow screen leaves out columns; JSON has everything.

With --watch it goes on: the table is drawn anew in its place whenever something
changes, until q or ctrl-c; j and k move it. With --output json a line of JSON
comes for each destination, and one more whenever that changes. A running daemon
tells of changes; without one the store is read again when it changes.
` + exitHelp + `
  4  with --exit-code: something needs a person, or is not settled; with --watch
     as it was at the end`,
		Example: `  rotatord status
  rotatord status my-s3-destination-CKxV9io
  rotatord status --watch
  rotatord status --watch --output json | jq -c '[.destination, .state]'
  rotatord status --output json | jq '.[] | select(.state != "in_sync")'
  rotatord status --output json | jq '.[] | select(.conditions != [])'
  rotatord status --exit-code > /dev/null || echo "have a look"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if watch {
				return c.watch(cmd.Context(), args, out, exitCode)
			}
			var all []app.Status
			err := c.with(cmd.Context(), func(conn *app.Connection) (err error) {
				all, err = conn.Status(cmd.Context(), args...)
				noteUnknown(c, conn, args, all, func(s app.Status) string { return s.Destination })
				return err
			})
			if err != nil {
				return err
			}
			return c.showStatus(all, out, len(args) == 1, exitCode)
		},
	}
	out.flag(cmd)
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "go on, and show what changes")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit 4 when something needs a person, or is not settled")
	return cmd
}

// showStatus writes a table, or about one that was asked for all there is.
func (c *cli) showStatus(all []app.Status, out output, detail, exitCode bool) error {
	switch {
	case out == outputJSON:
		if err := c.json(list(all)); err != nil {
			return err
		}
	case detail && len(all) == 1:
		c.screen().statusDetail(c.stdout, c.now(), all[0])
	default:
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
	{title: "REASON", extra: 3},
	{title: "CONDITION"},
	{title: "VERSION", least: 14, short: head},
	{title: "ACCEPTED"},
	{title: "EXPIRES", extra: 1},
	{title: "LEFTOVER", extra: 2},
	{title: "USED BY", extra: 4},
	{title: "NEXT LOOK", extra: 3},
}

// wide is from how many columns on a table uses whole words.
const wide = 140

func (s screen) statusTable(w io.Writer, now time.Time, all []app.Status) {
	subscription := "subscription"
	if s.terminal && s.width < wide {
		subscription = "sub"
	}
	rows := make([][]cell, 0, len(all))
	for _, st := range all {
		accepted, at := acceptedOf(st)
		rows = append(rows, []cell{{text: st.Destination}, stateCell(st), {text: orDash(string(st.Reason))}, conditionsCell(st),
			{text: s.versions(accepted, currentOf(st))}, {text: ago(now, at)}, expiryCell(now, st), leftoverCell(st),
			{text: orDash(usedBy(st, subscription))}, {text: nextLook(now, st)}})
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
		_, _ = fmt.Fprintf(w, "\n%s: %s\n", clean(st.Destination), s.headline(st))
		for _, line := range said {
			s.paragraph(w, "  ", line)
		}
		if risk := atRisk(st); risk != "" && alerts(st) {
			s.paragraph(w, "  ", "at risk: "+risk)
		}
		if todo != "" {
			s.paragraph(w, "  ", "what to do: "+todo)
		}
	}
}

// headline is the state and its reason.
func (s screen) headline(st app.Status) string {
	state := stateCell(st)
	text := s.paint(state.color, clean(state.text))
	if st.Reason != "" && st.Paused == nil {
		text += " (" + clean(string(st.Reason)) + ")"
	}
	return text
}

func nextLook(now time.Time, st app.Status) string {
	switch {
	case st.Paused != nil:
		return "-"
	case st.Due:
		return "now"
	}
	return in(now, st.NextLook)
}

func leftoverCell(st app.Status) cell {
	if c, ok := leftoverWords[st.Leftover.State]; ok {
		return c
	}
	return cell{st.Leftover.State, yellow} // of another version's daemon
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
	said = append(said, conditionLines(now, st)...)
	if st.Standing.State == "doubtful" {
		said = append(said, doubt(now, st))
	}
	for _, n := range st.Notes {
		said = append(said, noteWords(n.Kind)+", "+ago(now, n.Time)+" (told by "+n.Source+")")
	}
	return said
}

// soonExpiring is from when on the table warns of a credential's end.
const soonExpiring = 7 * 24 * time.Hour

func expiryCell(now time.Time, st app.Status) cell {
	left := st.Expires.Sub(now)
	switch {
	case st.Expires.IsZero():
		return cell{text: "-"}
	case left <= 0:
		return cell{"expired", red}
	case st.ExpiresUnreplaced || left < soonExpiring:
		return cell{rough(left), yellow}
	}
	return cell{text: rough(left)}
}

// doubt tells of a credential that was refused once.
func doubt(now time.Time, st app.Status) string {
	text := "the bucket did not take the credential that Planet holds, " + ago(now, st.Standing.Since)
	if at := st.Standing.LookAgainAt; !at.IsZero() {
		text += "; it is tried again " + in(now, at)
	}
	if st.Standing.Detail != "" {
		text += ": " + st.Standing.Detail
	}
	return text
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
