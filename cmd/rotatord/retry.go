package main

import "github.com/spf13/cobra"

func (c *cli) retryCommand() *cobra.Command {
	cmd := c.personCommand("retry", "retrying")
	cmd.Short = "Try again what is held, now that its cause is gone"
	cmd.Long = `Try a destination again that is held, blocked or waiting: it is your word that
the cause is gone. It forgets the hold, the waiting time, a parameter that was
found changed, and, when the destination is not what it was, what it was.
` + exitHelp
	cmd.Example = `  rotatord retry my-s3-destination-CKxV9io
  rotatord retry CKxV9io && rotatord sync CKxV9io --wait 10m`
	return cmd
}
