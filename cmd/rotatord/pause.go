package main

import (
	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) pauseCommand() *cobra.Command {
	cmd := c.personCommand("pause", "paused")
	cmd.Short = "Stop the rotation of a destination until resume"
	cmd.Long = `Stop the rotation of destinations until "rotatord resume". What is under way is
finished. The pause outlives restarts, and rotatord status shows it.
` + exitHelp
	cmd.Example = `  rotatord pause my-s3-destination-CKxV9io --note "bucket moves on Friday"`
	var note string
	cmd.Flags().StringVar(&note, "note", "", "why, for those who see it later")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.tell(cmd.Context(), "pause", "paused", app.Request{Destinations: args, Note: note})
	}
	return cmd
}
