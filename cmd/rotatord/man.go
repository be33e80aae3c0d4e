package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes manual pages, for whoever packages rotatord. It is hidden:
// a person reads them with man, or asks for --help.
func (c *cli) manCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "man [DIR]", Hidden: true,
		Short: "Write the manual pages into a folder",
		Long: `Write a manual page of section 1 for rotatord and for each verb into a folder,
the current one unless named. The date in them is that of $SOURCE_DATE_EPOCH;
without it there is none, so that the same program always writes the same pages.
` + exitHelp,
		Example: "  rotatord man man/",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{"rotatord man takes one folder"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := "."
			if len(args) > 0 {
				dir = args[0]
			}
			date, err := c.sourceDate()
			if err != nil {
				return err
			}
			n, err := writeMan(root, dir, date)
			if err != nil {
				return fmt.Errorf("write the manual pages: %w", err)
			}
			_, err = fmt.Fprintf(c.stdout, "wrote %d pages into %s\n", n, dir)
			return err
		},
	}
}

// sourceDate is the date of the sources, if whoever builds has given one; see
// reproducible-builds.org.
func (c *cli) sourceDate() (*time.Time, error) {
	epoch := c.env("SOURCE_DATE_EPOCH")
	if epoch == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, usageError{"$SOURCE_DATE_EPOCH is not a number of seconds"}
	}
	t := time.Unix(n, 0).UTC()
	return &t, nil
}

// writeMan writes the page of a verb and those of the verbs below it.
func writeMan(cmd *cobra.Command, dir string, date *time.Time) (int, error) {
	written := 0
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() || sub.IsAdditionalHelpTopicCommand() {
			continue
		}
		n, err := writeMan(sub, dir, date)
		written += n
		if err != nil {
			return written, err
		}
	}
	page, err := manPage(cmd, date)
	if err != nil {
		return written, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // pages are for everybody
		return written, err
	}
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, name), page, 0o644); err != nil { //nolint:gosec // pages are for everybody
		return written, err
	}
	return written + 1, nil
}

// manPage makes one page. The generator reads descriptions as Markdown, where
// ours are laid out by hand: indented, they stay as they are.
func manPage(cmd *cobra.Command, date *time.Time) ([]byte, error) {
	cmd.DisableAutoGenTag = true
	long := cmd.Long
	defer func() { cmd.Long = long }()
	if long == "" {
		long = cmd.Short
	}
	cmd.Long = "    " + strings.ReplaceAll(long, "\n", "\n    ")
	header := &doc.GenManHeader{Section: "1", Source: "rotatord", Manual: "rotatord", Date: date}
	none := date == nil
	if none {
		header.Date = &time.Time{}
	}
	var b bytes.Buffer
	if err := doc.GenMan(cmd, header, &b); err != nil {
		return nil, err
	}
	page := b.Bytes()
	if none {
		page = bytes.Replace(page, []byte(`"Jan 0001"`), []byte(`""`), 1)
	}
	return page, nil
}
