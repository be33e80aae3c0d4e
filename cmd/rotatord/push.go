package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) pushCommand() *cobra.Command {
	var out output
	var name string
	r := app.Request{}
	cmd := &cobra.Command{
		Use: "push --destination D", GroupID: groupHand, Args: noArgs,
		Short: "Give Planet one version of a secret now, because you say so",
		Long: `Give Planet the current version of a destination's secret now, even if Planet
holds it already, or if it is held or waits; with --version exactly that one, if
the secret manager still has it.

A version that is not the secret's current one would be replaced at the next
look. So the destination is paused with it, and stays on it until "rotatord
resume", which returns to the secret's current version.

It is a push as any other: the credential is proven on the bucket first, and
never sent if the bucket refuses it; it waits until an earlier request can't
take effect any more, and for its turn under the rate limit. If Planet does not
take it, nothing is paused, and what Planet held before is put back.

With --wait it tries again, that long at most, while time may help.
` + exitHelp + `
  4  Planet does not hold it: refused, waiting, unknown, or another obstacle`,
		Example: `  rotatord push --destination my-s3-destination-CKxV9io
  rotatord push --destination CKxV9io --version hmac:4f0c… --wait 10m
  rotatord resume CKxV9io           # back to the secret's current version`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case name == "":
				return usageError{"name a destination: rotatord push --destination D; rotatord status lists them"}
			case r.Wait < 0:
				return usageError{"--wait is a time such as 10m"}
			}
			r.Destinations = []string{name}
			return c.push(cmd.Context(), r, out)
		},
	}
	out.flag(cmd)
	f := cmd.Flags()
	f.StringVarP(&name, "destination", "d", "", "`D`, any way to name one")
	f.StringVar(&r.Version, "version", "", "`V`, a full id, such as rotatord history has them")
	f.DurationVar(&r.Wait, "wait", 0, "try again for this `TIME` at most, such as 10m")
	_ = cmd.RegisterFlagCompletionFunc("destination", func(cmd *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		return c.destinations(cmd, nil, begun)
	})
	return cmd
}

func (c *cli) push(ctx context.Context, r app.Request, out output) error {
	var p app.Pushed
	err := c.with(ctx, func(conn *app.Connection) (err error) {
		patience := time.AfterFunc(2*time.Second, func() {
			_, _ = fmt.Fprintln(c.stderr, "rotatord: under way; Planet may take two minutes to verify")
		})
		defer patience.Stop()
		p, err = conn.Push(ctx, r)
		return err
	})
	if err != nil {
		return err
	}
	if out == outputJSON {
		if err := c.json(p); err != nil {
			return err
		}
	} else {
		c.showPush(p)
	}
	if !p.Accepted {
		return statusError(exitTrouble)
	}
	return nil
}

func (c *cli) showPush(p app.Pushed) {
	s := c.screen()
	name := clean(p.Destination)
	if p.Accepted {
		_, _ = fmt.Fprintf(c.stdout, "%s %s: planet holds version %s\n", s.paint(green, "pushed"), name, clean(p.Version))
	} else {
		word := "not pushed"
		if p.Reason == "outcome_unknown" {
			word = "unknown"
		}
		line := s.paint(red, word) + " " + name
		if p.Version != "" {
			line += ", version " + clean(p.Version)
		}
		_, _ = fmt.Fprintln(c.stdout, line+":")
		s.paragraph(c.stdout, "  ", p.Detail)
		if !p.Until.IsZero() {
			s.paragraph(c.stdout, "  ", "It can be tried again "+in(c.now(), p.Until)+"; --wait "+waitFor(p.Until.Sub(c.now()))+" does.")
		}
	}
	if p.Status.Paused != nil {
		s.paragraph(c.stdout, "  ", "It is paused: "+p.Status.Paused.Note)
		s.paragraph(c.stdout, "  ", "To go on with the secret's current version: rotatord resume "+name)
	} else if !p.Accepted {
		s.paragraph(c.stdout, "  ", "It goes on as before: rotatord status "+name)
	}
}

// waitFor is a --wait that is long enough, in whole minutes.
func waitFor(d time.Duration) string {
	return fmt.Sprintf("%dm", max(1, int(d/time.Minute)+1))
}
