package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app/demo"
)

func (c *cli) demoCommand() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use: "demo", GroupID: groupTry, Args: noArgs,
		Short: "See rotations succeed, fail and recover, with nothing installed",
		Long: `See rotatord at work against a simulated Planet and a bucket server, all in this
process and on this machine: secrets rotate while you watch, keys are wrong or
lack a permission, Planet fails now and then. It ends by itself within half a
minute, with an account of what happened.

Exit status: 0 only if all of it happened as it should.`,
		Example: "  rotatord demo\n  rotatord demo --keep      # stays up to be explored",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), demo.Options{Out: c.stdout, Keep: keep, Color: c.screen().color,
				Version: build().Version, Program: program(os.Args[0])})
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "stay up afterwards, until Ctrl-C")
	return cmd
}

// program is how a person calls what runs as arg0: a program in a folder of
// the go command's own was called through it.
func program(arg0 string) string {
	if strings.Contains(filepath.ToSlash(arg0), "/go-build") {
		return "go run ./cmd/rotatord"
	}
	return filepath.Base(arg0)
}
