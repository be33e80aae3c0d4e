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

// gatePoll is how often a gate that is waited for is asked.
const gatePoll = 2 * time.Second

// gateWords is how a verdict is shown, and the exit status that a job acts on.
var gateWords = map[app.GateVerdict]struct {
	cell
	status int
}{
	"safe":       {cell{"SAFE", green}, exitOK},
	"grace":      {cell{"grace", yellow}, exitPending},
	"pending":    {cell{"pending", yellow}, exitPending},
	"stuck":      {cell{"STUCK", red}, exitTrouble},
	"superseded": {cell{"superseded", red}, exitSuperseded},
	"unmapped":   {cell{"unmapped", red}, exitUnmapped},
}

func (c *cli) gateCommand() *cobra.Command {
	var out output
	var secret, version string
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "gate --secret SECRET", GroupID: groupHand, Args: noArgs,
		Short: "Tell whether the credentials before a version may be revoked",
		Long: `Tell whether the credentials before a version of a secret may be revoked, for
the last step of a rotation job. It is safe when the source calls the version
current, every destination of the secret has accepted it, nothing is uncertain,
Planet's check left nothing behind, and the grace is over ([gate] grace): a
delivery that began before may still hold the old credential.

It is found out anew each time. A rollback, a new destination, a refusal or a
block withdraws what was said before. Conditions of a destination that is not
safe stand below it. Whoever uses the secret beside the destinations of this
rotatord is not covered.

With --wait it stays while it is not safe yet and may become so by itself.

Exit status:
  0  safe
  1  something went wrong on the way: don't revoke
  2  the command line or the configuration is wrong
  3  not yet: pending, or in its grace
  4  stuck: somebody has to look
  5  superseded: the source calls another version current
  6  unmapped: no destination uses this secret`,
		Example: `  rotatord gate --secret arn:aws:secretsmanager:…:secret:planet/s3-a1b2c3
  rotatord gate --secret projects/p/secrets/s --version 7 --wait 2h && revoke
  rotatord gate --secret vault://secret/planet/s3 --output json | jq .opens`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case secret == "":
				return usageError{"--secret names the secret; rotatord status --output json shows the names"}
			case wait < 0:
				return usageError{"--wait is a time such as 2h"}
			}
			return c.gate(cmd.Context(), credential.Secret(secret), version, wait, out)
		},
	}
	out.flag(cmd)
	cmd.Flags().StringVar(&secret, "secret", "", "`NAME` of the secret, as a destination or its owner writes it")
	cmd.Flags().StringVar(&version, "version", "", "`ID` of the version that is to stay; the current one without it")
	cmd.Flags().DurationVar(&wait, "wait", 0, "stay this long at most while it may become safe by itself, such as 2h")
	return cmd
}

func (c *cli) gate(ctx context.Context, secret credential.Secret, version string, wait time.Duration, out output) error {
	var g app.Gate
	err := c.with(ctx, func(conn *app.Connection) (err error) {
		for end := c.now().Add(wait); ; {
			if g, err = conn.Gate(ctx, secret, version); err != nil {
				return err
			}
			left := end.Sub(c.now())
			if version == "" {
				version = g.Version // what is waited for does not change on the way
			}
			if gateWords[g.Verdict].status != exitPending || left <= 0 {
				return nil
			}
			timer := time.NewTimer(min(gatePoll, left))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return ctx.Err()
			}
		}
	})
	if err != nil {
		return err
	}
	if out == outputJSON {
		err = c.json(g)
	} else {
		c.showGate(g)
	}
	w, known := gateWords[g.Verdict]
	switch {
	case err != nil:
		return err
	case !known: // of another version's daemon
		return statusError(exitError)
	case w.status != exitOK:
		return statusError(w.status)
	}
	return nil
}

// opens says when the grace is over.
func opens(now time.Time, g app.Gate) string {
	if g.Opens.After(now) {
		return "opens: " + in(now, g.Opens) + ", at " + stamp(g.Opens)
	}
	return "opened: " + ago(now, g.Opens) + ", at " + stamp(g.Opens)
}

var gateColumns = []column{
	{title: "DESTINATION", least: 24, short: ends},
	{title: "VERDICT"},
	{title: "ACCEPTED"},
	{title: "WHY", least: 20, short: head},
}

func (c *cli) showGate(g app.Gate) {
	s, w := c.screen(), gateWords[g.Verdict]
	_, _ = fmt.Fprintf(c.stdout, "%s: version %s\n", s.paint(w.color, w.text), clean(orDash(g.Version)))
	s.paragraph(c.stdout, "  ", g.Detail)
	if g.Current != "" && g.Current != g.Version {
		s.paragraph(c.stdout, "  ", "current is "+g.Current)
	}
	if !g.Receipt.IsZero() {
		s.paragraph(c.stdout, "  ", "receipt: the last of them accepted it "+ago(c.now(), g.Receipt)+", at "+stamp(g.Receipt))
		s.paragraph(c.stdout, "  ", opens(c.now(), g))
	}
	if n := g.Noted; n != nil && !n.Withdrawn.IsZero() {
		s.paragraph(c.stdout, "  ", "what was said of version "+n.Version+" was withdrawn "+strings.TrimSuffix(ago(c.now(), n.Withdrawn)+": "+n.Why, ": "))
	}
	if len(g.Destinations) > 0 {
		rows := make([][]cell, 0, len(g.Destinations))
		var notes []string
		for _, d := range g.Destinations {
			v := gateWords[d.Verdict]
			rows = append(rows, []cell{{text: d.Destination}, v.cell, {text: ago(c.now(), d.Accepted)}, {text: orDash(d.Detail)}})
			var wrong []string
			for _, name := range d.Conditions {
				if w := conditionOf(string(name)); w.alert && d.Verdict != "safe" {
					wrong = append(wrong, string(name)+": "+w.says)
				}
			}
			notes = append(notes, strings.Join(wrong, "; "))
		}
		s.grid(c.stdout, gateColumns, rows, notes...)
	}
	s.paragraph(c.stdout, "  ", "not covered: "+g.NotCovered)
}
