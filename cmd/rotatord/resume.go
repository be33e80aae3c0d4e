package main

import "github.com/spf13/cobra"

func (c *cli) resumeCommand() *cobra.Command {
	cmd := c.personCommand("resume", "resumed")
	cmd.Short = "End a pause"
	cmd.Long = "End the pause of destinations, and look at them.\n" + exitHelp
	cmd.Example = "  rotatord resume my-s3-destination-CKxV9io"
	return cmd
}
