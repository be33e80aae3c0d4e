// Package nodeserver runs the test servers that need Node.js (integration/node)
// as child processes, spoken to by lines. scripts/node-servers installs what
// they need once, and says what to install where Node.js is missing.
package nodeserver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Modules installs what the servers need, unless it is there, and gives its
// folder. repository is the repository's own.
func Modules(repository string) (string, error) {
	//nolint:gosec // a test says where its own repository is
	install := exec.CommandContext(context.Background(), filepath.Join(repository, "scripts", "node-servers"))
	var says strings.Builder
	install.Stderr = &says
	home, err := install.Output()
	if err != nil {
		return "", fmt.Errorf("install the test servers: %w\n%s", err, &says)
	}
	return filepath.Join(strings.TrimSpace(string(home)), "node_modules"), nil
}

// Server is a running program of Node.js.
type Server struct {
	command *exec.Cmd
	stop    context.CancelFunc
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	stderr  strings.Builder
}

// Options say what to run.
type Options struct {
	Repository string // the repository's own folder
	Modules    string // as Modules gives it
	Dir        string // the working directory
	Program    string // a file of integration/node
	Arguments  []string
	Env        []string // beside that of this process
}

// Start runs a program until End.
func Start(o Options) (*Server, error) {
	script, err := filepath.Abs(filepath.Join(o.Repository, "integration", "node", o.Program))
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{stop: stop}
	//nolint:gosec // a test says which of the repository's own programs to run
	s.command = exec.CommandContext(ctx, "node", append([]string{script}, o.Arguments...)...)
	s.command.Dir = o.Dir
	s.command.Env = append(append(os.Environ(), "NODE_PATH="+o.Modules, "NODE_OPTIONS="), o.Env...)
	s.command.Stderr = &s.stderr
	s.stdin, err = s.command.StdinPipe()
	if err != nil {
		stop()
		return nil, err
	}
	out, err := s.command.StdoutPipe()
	if err != nil {
		stop()
		return nil, err
	}
	s.stdout = bufio.NewReader(out)
	if err := s.command.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("start %s: %w", o.Program, err)
	}
	return s, nil
}

// Azurite starts one service of Azurite, "blob" or "queue", on a free port with
// one account, and gives its address, "http://127.0.0.1:1234".
func Azurite(repository, service, modules, dir, account, key string) (s *Server, address string, err error) {
	s, err = Start(Options{Repository: repository, Modules: modules, Dir: dir, Program: "azurite.js",
		Arguments: []string{service, "--" + service + "Host", "127.0.0.1", "--" + service + "Port", "0",
			"--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry", "--silent"},
		Env: []string{"AZURITE_ACCOUNTS=" + account + ":" + key}})
	if err != nil {
		return nil, "", err
	}
	for address == "" {
		line, err := s.Line()
		if err != nil {
			return nil, "", errors.Join(fmt.Errorf("azurite did not start: %w", err), s.End())
		}
		_, address, _ = strings.Cut(line, "successfully listens on ")
	}
	return s, address, nil
}

// Send writes a line to the program.
func (s *Server) Send(line []byte) error {
	_, err := s.stdin.Write(append(line, '\n'))
	return err
}

// Line waits for the program's next line.
func (s *Server) Line() (string, error) {
	line, err := s.stdout.ReadString('\n')
	if err != nil {
		return "", errors.Join(err, errors.New(s.stderr.String()))
	}
	return strings.TrimSpace(line), nil
}

// End kills this one process and waits for it.
func (s *Server) End() error {
	s.stop()
	var exit *exec.ExitError
	if err := s.command.Wait(); err != nil && !errors.As(err, &exit) {
		return err
	}
	if text := s.stderr.String(); text != "" {
		return errors.New("a test server complained: " + text)
	}
	return nil
}
