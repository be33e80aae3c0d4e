package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

const (
	readyPage = "readyz"
	livePage  = "healthz"
	// cheapPage is asked where there is no admin listener. It reads the store and
	// no more, which is what the question for readiness does too.
	cheapPage = "v1/history?limit=1"
	// maxVerdict bounds what of an answer is read: the verdict is one line.
	maxVerdict = 1 << 10
)

func (c *cli) healthCommand() *cobra.Command {
	var o healthOptions
	cmd := &cobra.Command{
		Use: "health", GroupID: groupService, Args: noArgs,
		Short: "Ask the running daemon whether it does its work",
		Long: `Ask the daemon on this machine whether it is ready, and say nothing when it is.
It is meant for health checks where there is no shell and no curl, such as in a
container.

What is asked is /readyz of the admin listener, or /healthz with --live; without
an admin listener, or with one on a port that the system chooses, it is the
daemon's local socket. No proxy is used and no redirect followed.

A configuration that has been broken since the daemon was started says nothing
about the daemon: its socket in the usual folder is asked then.

Exit status:
  0  ready (with --live: alive)
  1  not ready, or nobody answers
  2  the command line or the configuration is wrong, and nobody answers`,
		Example: `  rotatord health
  rotatord health --live --timeout 1s
  rotatord health --url http://10.0.0.7:9464`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.timeout <= 0 {
				return usageError{"--timeout is a time such as 3s"}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), o.timeout)
			defer cancel()
			return c.health(ctx, o)
		},
	}
	cmd.Flags().BoolVar(&o.live, "live", false, "ask only whether it is alive")
	cmd.Flags().StringVar(&o.url, "url", "", "ask the admin listener at this `URL`, without a configuration")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 3*time.Second, "how long an answer may take")
	return cmd
}

type healthOptions struct {
	live    bool
	url     string
	timeout time.Duration
}

func (c *cli) health(ctx context.Context, o healthOptions) error {
	if o.url != "" {
		base, err := url.Parse(o.url)
		switch {
		case err != nil, base.Scheme != "http" && base.Scheme != "https", base.Host == "":
			return usageError{"--url is an address such as http://10.0.0.7:9464"}
		case base.User != nil || base.RawQuery != "" || base.Fragment != "":
			return usageError{"--url takes no password, query or fragment: the admin listener asks for none"}
		}
		return askAdmin(ctx, base, o.live)
	}
	cfg, err := c.load()
	if err != nil {
		dir := config.StateDir(c.env, os.Getuid())
		if dir == "" || askSocket(ctx, app.SocketPath(dir), o.live) != nil {
			return err
		}
		return nil
	}
	if host, port, err := net.SplitHostPort(cfg.Admin.Listen); err == nil && port != "0" {
		return askAdmin(ctx, &url.URL{Scheme: "http", Host: net.JoinHostPort(reachable(host), port)}, o.live)
	}
	return askSocket(ctx, app.SocketPath(cfg.Store.Dir), o.live)
}

// reachable is the host under which a listener on all interfaces is reached from
// its own machine.
func reachable(host string) string {
	if host == "" {
		return "localhost" // either family
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		if ip.To4() != nil {
			return "127.0.0.1"
		}
		// Linux answers both families on [::], unless told otherwise.
		return "localhost"
	}
	return host
}

// askAdmin asks an admin listener.
func askAdmin(ctx context.Context, base *url.URL, live bool) error {
	page := readyPage
	if live {
		page = livePage
	}
	status, verdict, err := get(ctx, &http.Transport{DisableKeepAlives: true}, base.JoinPath(page).String())
	switch {
	case err != nil:
		return fmt.Errorf("ask the admin listener: %w: is the daemon running?", err)
	case status == http.StatusOK:
		return nil
	case status == http.StatusServiceUnavailable && verdict != "":
		return errors.New(verdict)
	}
	return fmt.Errorf("the admin listener answers %d to /%s: is this a rotatord?", status, page)
}

// askSocket asks the daemon at its local socket. Who answers at all is alive.
func askSocket(ctx context.Context, path string, live bool) error {
	t := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	status, _, err := get(ctx, t, "http://rotatord/"+cheapPage)
	switch {
	case err != nil:
		return fmt.Errorf("ask the running daemon: %w: is it running?", err)
	case live, status == http.StatusOK:
		return nil
	}
	return fmt.Errorf("not ready: the daemon answers %d at its local socket; its log says why", status)
}

// get asks for one page. A redirect is an answer like any other.
func get(ctx context.Context, t http.RoundTripper, page string) (status int, verdict string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := t.RoundTrip(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return 0, "", errors.New("no answer in time")
	}
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxVerdict)) // the status is what counts
	verdict, _, _ = strings.Cut(strings.TrimSpace(string(body)), "\n")
	return resp.StatusCode, verdict, nil
}
