// Command rotatord keeps Planet Destinations working while the credentials
// behind them rotate. "rotatord run" is the service; every other verb does
// once, by hand, what the service does all the time, and says what came of it.
//
// A verb is a file of this folder: it parses its flags, calls one thing of
// internal/app and shows the answer. What all of them share is in cli.go (the
// surroundings of a command), exit.go (what a script may rely on), view.go and
// words.go (how an answer looks). Nothing here decides anything about a
// rotation.
//
// A verb works the same with and without a running daemon: the daemon's local
// socket is asked if there is one, else the store is opened here, under its
// lock.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// version is set when a release is built (-ldflags "-X main.version=…").
var version string

func main() {
	os.Exit(Main(os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// Main runs one command and gives its exit status. The first SIGINT or SIGTERM
// lets it finish what it has begun, the second ends it at once.
func Main(args []string, env func(string) string, stdin io.Reader, stdout, stderr io.Writer) int {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	c := newCLI(env, stdin, stdout, stderr)
	done := make(chan error, 1)
	go func() { done <- c.run(ctx, args) }()

	stopping := false
	for {
		select {
		case err := <-done:
			return c.report(err, stopping)
		case s := <-signals:
			if stopping {
				_, _ = fmt.Fprintf(stderr, "rotatord: %s again: ended at once; what was sent is journalled and taken up at the next start\n", s)
				return exitError
			}
			stopping = true
			_, _ = fmt.Fprintf(stderr, "rotatord: %s: finishing what is under way; once more ends at once\n", s)
			cancel(signaled{s})
		}
	}
}

// signaled is why a command ends that was told to. It is no failure, so that it
// passes for the cause by which the rest of the house knows a planned end.
type signaled struct{ os.Signal }

func (s signaled) Error() string        { return "told to stop (" + s.String() + ")" }
func (s signaled) Is(target error) bool { return target == context.Canceled }
