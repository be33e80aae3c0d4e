package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

// tell passes a person's word about destinations on, and says what was done.
func (c *cli) tell(ctx context.Context, verb, done string, r app.Request) error {
	var all []app.Status
	daemon := false
	err := c.with(ctx, func(conn *app.Connection) (err error) {
		daemon = conn.Daemon
		// A look under way is waited for, and a PATCH in it may take minutes.
		patience := time.AfterFunc(2*time.Second, func() {
			_, _ = fmt.Fprintln(c.stderr, "rotatord: waiting for what is under way, two and a half minutes at most")
		})
		defer patience.Stop()
		all, err = conn.Person(ctx, verb, r)
		return err
	})
	if err != nil {
		return err
	}
	s := c.screen()
	for _, st := range all {
		line := s.paint(green, done) + " " + clean(st.Destination)
		if !daemon && verb != "pause" {
			line += "; no daemon is running: rotatord sync " + clean(st.Destination) + " does it now"
		}
		if _, err := fmt.Fprintln(c.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

func (c *cli) personCommand(verb, done string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " DESTINATION...", GroupID: groupHand, Args: someArgs, ValidArgsFunction: c.destinations,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.tell(cmd.Context(), verb, done, app.Request{Destinations: args})
		},
	}
}
