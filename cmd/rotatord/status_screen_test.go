package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdScreen runs a program on a terminal of its own, with a keyboard. Pairs of
// a pattern and keys say what to press once the screen has shown what matches;
// "^C" is that key, and "60x20" makes the screen as large as that. All that was written is stdout then.
func cmdScreen(ts *testscript.TestScript, neg bool, args []string) {
	program := 0
	for program < len(args) && args[program] != "--" {
		program++
	}
	usage(ts, !neg && program > 3 && program%2 == 0 && program+1 < len(args), "screen COLUMNS STATUS PATTERN KEYS [PATTERN KEYS]... -- program [args...]")
	columns, err := strconv.Atoi(args[0])
	ts.Check(err)
	screen, terminal, err := openTerminal(columns)
	ts.Check(err)
	defer screen.Close()
	cmd := command(ts, args[program+1:])
	for _, name := range []string{"TERM", "NO_COLOR"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	own(cmd)
	err = cmd.Start()
	terminal.Close()
	ts.Check(err)
	var all, part strings.Builder
	steps, buf := args[2:program], make([]byte, 4096)
	for {
		n, err := screen.Read(buf)
		all.Write(buf[:n])
		part.Write(buf[:n])
		if len(steps) > 0 && regexp.MustCompile(steps[0]).MatchString(part.String()) {
			var columns, rows int
			if _, err := fmt.Sscanf(steps[1], "%dx%d", &columns, &rows); err == nil {
				ts.Check(resize(screen, columns, rows))
			} else {
				_, _ = screen.WriteString(strings.ReplaceAll(steps[1], "^C", "\x03"))
			}
			steps = steps[2:]
			part.Reset() // what comes next was drawn after the key
		}
		if err != nil { // Linux ends it with one, EIO
			break
		}
	}
	_ = cmd.Wait() // the status says it
	_, _ = fmt.Fprint(ts.Stdout(), all.String())
	if got := strconv.Itoa(cmd.ProcessState.ExitCode()); got != args[1] || len(steps) > 0 {
		ts.Fatalf("exit status %s, not %s, and %q left:\n%q", got, args[1], steps, all.String())
	}
}
