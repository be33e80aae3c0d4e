package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/internal/app"
)

func (c *cli) simulatorCommand() *cobra.Command {
	var o app.SimulatorOptions
	var keyEnv, window string
	cmd := &cobra.Command{
		Use: "simulator", GroupID: groupTry, Args: noArgs,
		Short: "Be Planet's Destinations API, to try things without an account",
		Long: `Serve the Destinations API of Planet on this machine, with its rules: strict
bodies, redacted answers, quota, owners, archiving, three requests a second. It
verifies credentials as Planet does, by writing planetverify.txt into the
destination's bucket and deleting it again. Any client will do.

It delivers, too: an order or a subscription that names a destination writes
files into its bucket with the credential that is stored, and fails when that
one does not work any more. Each delivery that has ended is a line; at the end
stands how many arrived and how many failed.

Without --users and --api-key-env it draws a key and prints it. A file of users
is a JSON array such as [{"name": "ada", "key": "…", "admin": true}], where "id"
and "organization" may be given too.

What Planet's documents leave open is a switch (--set NAME, --set NAME=VALUE):
` + switchHelp(app.Switches()) + `
How orders and subscriptions deliver (--deliver NAME, --deliver NAME=VALUE):
` + switchHelp(app.Deliveries()) + `
What may go wrong by chance (--fault NAME=PROBABILITY):
` + switchHelp(app.Faults()) + exitHelp,
		Example: `  rotatord simulator
  rotatord simulator --bucket-endpoint http://127.0.0.1:9000
  rotatord simulator --bucket-endpoint azure_blob_storage=http://127.0.0.1:1000
  rotatord simulator --set refuse-status=409 --set lose-on-refusal
  rotatord simulator --deliver interval=30s --deliver hold=10s
  rotatord simulator --fault too-many=0.1 --fault cut-late=0.05 --seed 7`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if window != "sliding" && window != "fixed" {
				return usageError{"--window is sliding or fixed"}
			}
			if o.UsersFile != "" && keyEnv != "" {
				return usageError{"--users and --api-key-env both say whose keys there are: give one of them"}
			}
			o.FixedWindow = window == "fixed"
			if keyEnv != "" {
				if o.APIKey = c.env(keyEnv); o.APIKey == "" {
					return usageError{"--api-key-env: the variable " + keyEnv + " is not set"}
				}
			}
			return c.simulate(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "127.0.0.1:8085", "`HOST:PORT` to listen on; port 0 takes a free one")
	f.StringVar(&o.UsersFile, "users", "", "JSON `FILE` of users with their keys")
	f.StringVar(&keyEnv, "api-key-env", "", "environment `VARIABLE` with the key of the only user")
	f.StringArrayVar(&o.BucketEndpoints, "bucket-endpoint", nil, "`[TYPE=]URL` where buckets are reached; without TYPE those of amazon_s3 and oracle_cloud_storage")
	f.BoolVar(&o.AcceptAll, "accept-all", false, "take every credential, deliver nothing, and touch no bucket")
	f.IntVar(&o.PerSecond, "per-second", 3, "`N` requests that a user may send the Destinations API a second")
	f.StringVar(&window, "window", "sliding", "`HOW` a second is counted: sliding or fixed")
	f.StringArrayVar(&o.Switches, "set", nil, "`SWITCH[=VALUE]`, see above")
	f.StringArrayVar(&o.Deliveries, "deliver", nil, "`SWITCH[=VALUE]`, see above")
	f.StringArrayVar(&o.Faults, "fault", nil, "`FAULT=PROBABILITY`, see above")
	f.Int64Var(&o.Seed, "seed", 0, "`N` fixes ids and faults")
	return cmd
}

func switchHelp(list []app.Switch) string {
	var b strings.Builder
	for _, s := range list {
		name := s.Name
		if s.Value != "" {
			name += "=" + s.Value
		}
		fmt.Fprintf(&b, "  %-24s %s\n", name, s.Help)
	}
	return b.String()
}

func (c *cli) simulate(ctx context.Context, o app.SimulatorOptions) error {
	s := c.screen()
	var mu sync.Mutex // requests end at the same time
	o.Started = func(st app.SimulatorStarted) {
		mu.Lock()
		defer mu.Unlock()
		if !st.Loopback {
			c.complain("warning: other machines can reach this simulator, without encryption; --listen 127.0.0.1:8085 keeps it here")
		}
		c.welcome(s, st)
	}
	o.Request = func(r app.SimulatorRequest) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintln(c.stdout, s.requestLine(r))
	}
	o.Delivery = func(d app.SimulatorDelivery) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = fmt.Fprintln(c.stdout, s.deliveryLine(d))
	}
	o.Stopped = func(st app.SimulatorStopped) {
		if st == (app.SimulatorStopped{}) {
			return // nobody had anything delivered
		}
		_, _ = fmt.Fprintln(c.stdout, s.summaryLine(st))
	}
	return app.RunSimulator(ctx, o)
}

func (c *cli) welcome(s screen, st app.SimulatorStarted) {
	_, _ = fmt.Fprintf(c.stdout, "Planet, simulated, at %s\n\n", s.paint(bold, st.BaseURL))
	if st.Key != "" {
		_, _ = fmt.Fprintf(c.stdout, "Its key, which opens nothing else:\n\n  export PL_API_KEY=%s\n\n", st.Key)
	}
	_, _ = fmt.Fprintf(c.stdout, "In rotatord.toml:\n\n  [[account]]\n  base_url = %q\n\nBy hand:\n\n  curl -H \"Authorization: api-key $PL_API_KEY\" %s\n\nRequests and deliveries as they come (Ctrl-C ends it):\n\n", st.BaseURL, st.BaseURL)
}

// requestLine is one request in one line; nothing in it is a secret.
func (s screen) requestLine(r app.SimulatorRequest) string {
	status, paint := fmt.Sprint(r.Status), green
	switch {
	case r.Status == 0:
		status, paint = "cut", red
	case r.Status >= 500:
		paint = red
	case r.Status >= 400:
		paint = yellow
	}
	path := r.Path
	if r.Query != "" {
		path += "?" + r.Query
	}
	line := fmt.Sprintf("%s %s %s %-6s %s", s.paint(gray, r.At.Format("15:04:05.000")), s.paint(paint, fmt.Sprintf("%-3s", status)), orDash(r.User), r.Method, path)
	if len(r.ParameterKeys) > 0 {
		line += " parameters: " + strings.Join(r.ParameterKeys, ",")
	}
	if r.Verification != "" {
		line += " verification: " + r.Verification
	}
	if r.Fault != "" {
		line += " fault: " + r.Fault
	}
	return line
}

// deliveryLine is one delivery that has ended in one line.
func (s screen) deliveryLine(d app.SimulatorDelivery) string {
	outcome, paint := "ok", green
	if !d.OK {
		outcome, paint = "failed "+d.Error, red
	}
	what, id := "subscription", d.Subscription
	if d.Order != "" {
		what, id = "order", d.Order
	}
	line := fmt.Sprintf("%s %s %s delivery to %s: %s", s.paint(gray, d.At.Format("15:04:05.000")), s.paint(paint, outcome), d.User, orDash(d.Destination), orDash(d.Object))
	if d.Files > 1 {
		line += fmt.Sprintf(" (%d of %d files)", d.Written, d.Files)
	}
	return line + fmt.Sprintf(" %s %s", what, id)
}

// summaryLine is what the simulator says last.
func (s screen) summaryLine(st app.SimulatorStopped) string {
	paint := green
	if st.Failed > 0 {
		paint = red
	}
	line := fmt.Sprintf("\nDeliveries: %d arrived, %s", st.Arrived, s.paint(paint, fmt.Sprintf("%d failed", st.Failed)))
	if st.Dropped > 0 {
		line += fmt.Sprintf(", %d under way at the end", st.Dropped)
	}
	return line
}
