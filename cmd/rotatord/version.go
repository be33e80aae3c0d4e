package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// buildInfo is what was built, from what, with what.
type buildInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the commit is not all of it
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// build reads what the linker was told, and else what the go command knows.
func build() buildInfo {
	b := buildInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "dev"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func (c *cli) versionCommand() *cobra.Command {
	var out output
	cmd := &cobra.Command{
		Use: "version", GroupID: groupTry, Args: noArgs,
		Short:   "Say which rotatord this is",
		Example: "  rotatord version\n  rotatord version --output json",
		RunE: func(*cobra.Command, []string) error {
			b := build()
			if out == outputJSON {
				return c.json(b)
			}
			text := "rotatord " + b.Version
			if b.Commit != "" {
				text += ", commit " + b.Commit
			}
			if b.Modified {
				text += " (modified)"
			}
			_, err := fmt.Fprintf(c.stdout, "%s, %s, %s\n", text, b.Go, b.Platform)
			return err
		},
	}
	out.flag(cmd)
	return cmd
}
