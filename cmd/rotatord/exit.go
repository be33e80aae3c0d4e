package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

// The exit statuses. Scripts rely on them: each has one meaning in all verbs.
const (
	exitOK      = 0
	exitError   = 1 // something went wrong that is not about a destination
	exitUsage   = 2 // the command line or the configuration is wrong
	exitPending = 3 // a dry run found something to send, or a gate is not open yet
	exitTrouble = 4 // a destination is not as it should be
	// Of gates alone:
	exitSuperseded = 5 // another version is current
	exitUnmapped   = 6 // no destination uses the secret
)

const exitHelp = `
Exit status:
  0  all is well
  1  something went wrong on the way
  2  the command line or the configuration is wrong`

// statusError ends a command with a status and nothing more to say.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// report says on stderr what went wrong, if anything, and gives the exit status.
func (c *cli) report(err error, stopping bool) int {
	var status statusError
	var problems config.Problems
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	case stopping && (errors.Is(err, context.Canceled) || strings.HasSuffix(err.Error(), context.Canceled.Error())):
		// The second form comes through the API, which carries text.
		c.complain("stopped before it was done; rotatord status tells how far it came")
		return exitError
	case errors.As(err, &problems):
		for _, p := range problems {
			c.complain(p.String())
		}
		return exitUsage
	}
	c.complain(strings.TrimSuffix(err.Error()+hint(err), "\n"))
	var remote *app.RemoteError
	switch {
	case isUsage(err):
		return exitUsage
	case errors.As(err, &remote) && remote.Refused:
		return exitTrouble
	}
	return exitError
}

func isUsage(err error) bool {
	var usage usageError
	var missing *config.NotFoundError
	var options *app.OptionsError
	var remote *app.RemoteError
	return errors.As(err, &usage) || errors.As(err, &missing) || errors.As(err, &options) ||
		errors.As(err, &remote) && remote.Usage
}

// hint says what to try after errors that don't say it themselves.
func hint(err error) string {
	var open *app.OpenError
	if errors.Is(err, fs.ErrPermission) && !errors.As(err, &open) {
		return "; run this as the user that the daemon runs as"
	}
	return ""
}

// complain writes one error or warning to stderr, wrapped on a terminal.
func (c *cli) complain(message string) {
	width := 0
	if f, ok := c.stderr.(*os.File); ok && isTerminal(f) {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil {
			width = max(w-2, 20)
		}
	}
	for part := range strings.SplitSeq("rotatord: "+message, "\n") { // a hint may have several lines
		if !strings.HasPrefix(part, " ") {
			part = strings.Join(wrap(clean(part), width), "\n  ")
		}
		_, _ = fmt.Fprintln(c.stderr, part)
	}
}
