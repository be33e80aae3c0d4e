package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "events", GroupID: groupHand,
		Short: "Tell how the sources of events stand, and try them",
		Long: `Tell how the sources of events stand, and try them. A source is a queue, a
subscription or a webhook of the configuration ([[source.sqs]] and the like).
Without any, changes are found by schedule, and in files at once.
` + exitHelp,
		Example: `  rotatord events list
  rotatord events test`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return unknownSub(cmd, args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.eventsListCommand(), c.eventsTestCommand())
	return cmd
}

func (c *cli) eventsListCommand() *cobra.Command {
	var out output
	var exitCode bool
	cmd := &cobra.Command{
		Use: "list", Short: "Tell how every source of events stands", Args: noArgs,
		Long: `Tell how every source of events stands, as the running daemon sees it.
LAST ERROR stays when a source is up again.
` + exitHelp + `
  4  with --exit-code: a source is not up`,
		Example: `  rotatord events list
  rotatord events list --output json | jq '.[] | select(.state != "up")'`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []app.Source
			err := c.with(cmd.Context(), func(conn *app.Connection) (err error) {
				all, err = conn.Sources(cmd.Context())
				return err
			})
			if err != nil {
				return err
			}
			return c.showSources(all, out, exitCode)
		},
	}
	out.flag(cmd)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit 4 when a source is not up")
	return cmd
}

var sourceColumns = []column{
	{title: "SOURCE", least: 12, short: ends},
	{title: "KIND", extra: 2},
	{title: "STATE"},
	{title: "SINCE"},
	{title: "LAST MESSAGE"},
	{title: "WHERE", least: 20, short: ends, extra: 1},
	{title: "LAST ERROR"},
}

var sourceStates = map[string]color{"up": green, "down": red, "starting": yellow, "stopped": gray}

func (c *cli) showSources(all []app.Source, out output, exitCode bool) error {
	trouble := false
	rows := make([][]cell, 0, len(all))
	notes := make([]string, 0, len(all))
	now := c.now()
	for _, s := range all {
		trouble = trouble || s.State != "up"
		last, note := "-", ""
		if s.LastReason != "" {
			last = strings.ReplaceAll(s.LastReason, "_", " ") + ", " + ago(now, s.LastErrorAt)
		}
		if s.State == "down" {
			note = s.LastError
		}
		rows = append(rows, []cell{{text: s.Source}, {text: s.Kind}, {s.State, sourceStates[s.State]}, {text: ago(now, s.Since)},
			{text: ago(now, s.LastMessage)}, {text: s.Where}, {text: last}})
		notes = append(notes, note)
	}
	switch {
	case out == outputJSON:
		if err := c.json(list(all)); err != nil {
			return err
		}
	case len(all) == 0:
		_, _ = fmt.Fprintln(c.stdout, "no source of events is configured: changes are found by schedule, and in files at once")
	default:
		c.screen().grid(c.stdout, sourceColumns, rows, notes...)
	}
	if exitCode && trouble {
		return statusError(exitTrouble)
	}
	return nil
}

func (c *cli) eventsTestCommand() *cobra.Command {
	var out output
	var secret string
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "test [SOURCE...]", Short: "Send a message of rotatord's own through sources, and follow it",
		Long: `Send a message of rotatord's own through every source of events, or through
those named, by the way that real ones come, and tell how far it came: sent,
received, matched with a destination, recorded, acknowledged. The message names
a secret of the configuration; its destinations are looked at once more, which
is harmless.

Sending needs a permission that rotatord needs for nothing else (docs/setup says
which). What only a real event can show, such as the cloud's own rule, is said
below each source. Without a running daemon the sources are received from for
as long as this takes.
` + exitHelp + `
  4  a message did not come all the way, or a source can't be tried`,
		Example: `  rotatord events test
  rotatord events test sqs --wait 1m
  rotatord events test --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait <= 0 {
				return usageError{"--wait is a time such as 30s"}
			}
			return c.testEvents(cmd.Context(), app.EventTest{Sources: args, Secret: credential.Secret(secret), Wait: wait}, out)
		},
	}
	out.flag(cmd)
	cmd.Flags().StringVar(&secret, "secret", "", "name of the `SECRET` in the messages, in place of a configured one")
	cmd.Flags().DurationVar(&wait, "wait", 30*time.Second, "how long a message is waited for")
	return cmd
}

func (c *cli) testEvents(ctx context.Context, req app.EventTest, out output) error {
	var all []app.EventTested
	err := c.with(ctx, func(conn *app.Connection) (err error) {
		if isTerminal(c.stderr) {
			c.complain(fmt.Sprintf("waiting up to %s for messages to come back", req.Wait))
		}
		all, err = conn.TestEvents(ctx, req)
		return err
	})
	if err != nil {
		return err
	}
	ok := true
	for _, t := range all {
		ok = ok && t.OK
	}
	if out == outputJSON {
		err = c.json(list(all))
	} else {
		c.showTested(all)
	}
	if err == nil && !ok {
		err = statusError(exitTrouble)
	}
	return err
}

func (c *cli) showTested(all []app.EventTested) {
	s := c.screen()
	for i, t := range all {
		if i > 0 {
			_, _ = fmt.Fprintln(c.stdout)
		}
		_, _ = fmt.Fprintf(c.stdout, "%s (%s)\n", s.paint(bold, clean(t.Source)), clean(t.Kind))
		if t.Untestable != "" {
			s.mark(c, "skipped", "can't be tried from here: "+t.Untestable)
			continue
		}
		s.link(c, "sent", t.Sent, time.Time{}, !t.Sent.IsZero())
		s.link(c, "received", t.Received, t.Sent, !t.Sent.IsZero())
		matched := "matched: a destination uses " + string(t.Secret)
		switch {
		case t.Received.IsZero():
			s.mark(c, "skipped", "matched")
		case t.Matched:
			s.mark(c, "ok", matched)
		default:
			s.mark(c, "failed", "matched")
		}
		s.link(c, "recorded", t.Recorded, t.Sent, !t.Received.IsZero())
		s.link(c, "acknowledged", t.Acknowledged, t.Sent, !t.Recorded.IsZero())
		if t.Error != "" {
			s.paragraph(c.stdout, "    ", t.Error)
		}
		if t.NotCovered != "" {
			s.paragraph(c.stdout, "    ", "not covered by this: "+t.NotCovered)
		}
	}
}

// link writes one link of the chain; tried tells whether the one before held.
func (s screen) link(c *cli, what string, at, sent time.Time, tried bool) {
	switch {
	case !at.IsZero() && !sent.IsZero():
		// A message may be back before the answer to its sending is.
		s.mark(c, "ok", fmt.Sprintf("%s after %s", what, max(0, at.Sub(sent)).Round(time.Millisecond)))
	case !at.IsZero():
		s.mark(c, "ok", what)
	case tried || what == "sent":
		s.mark(c, "failed", what)
	default:
		s.mark(c, "skipped", what)
	}
}

func (s screen) mark(c *cli, result app.CheckResult, text string) {
	w := checkWords[result]
	sign := w.word
	if s.terminal {
		sign = w.sign
	}
	_, _ = fmt.Fprintf(c.stdout, "  %s %s\n", s.paint(w.color, sign), clean(text))
}
