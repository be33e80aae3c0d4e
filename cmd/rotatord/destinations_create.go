package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/app"
)

// placeFlags are the flags that say where the storage is. For each type, the
// parameter of Planet's that a flag stands for; a test holds this to Planet's
// own list.
var placeFlags = []struct {
	name, help string
	of         map[string]string // type → parameter
	optional   bool
}{
	{"bucket", "`BUCKET`", map[string]string{
		"amazon_s3": "bucket", "google_cloud_storage": "bucket", "oracle_cloud_storage": "bucket", "s3_compatible": "bucket"}, false},
	{"region", "`REGION` of the bucket", map[string]string{
		"amazon_s3": "aws_region", "oracle_cloud_storage": "region", "s3_compatible": "region"}, false},
	{"endpoint", "`URL` of the S3 server", map[string]string{"s3_compatible": "endpoint"}, false},
	{"namespace", "`NAMESPACE` of the tenancy", map[string]string{"oracle_cloud_storage": "namespace"}, false},
	{"storage-account", "storage `ACCOUNT` of Azure", map[string]string{"azure_blob_storage": "account"}, false},
	{"container", "`CONTAINER`", map[string]string{"azure_blob_storage": "container"}, false},
	{"endpoint-suffix", "storage endpoint `SUFFIX`, outside of Azure's public cloud", map[string]string{
		"azure_blob_storage": "storage_endpoint_suffix"}, true},
}

var switchFlags = []struct{ name, help, typ, parameter string }{
	{"explicit-sse", "ask for server-side encryption explicitly", "amazon_s3", "explicit_sse"},
	{"use-path-style", "the bucket stands in the path, not in the host name", "s3_compatible", "use_path_style"},
}

var creatable = []string{"amazon_s3", "azure_blob_storage", "google_cloud_storage", "oracle_cloud_storage", "s3_compatible"}

// typesHelp lists for each type the flags that it needs.
func typesHelp() string {
	var b strings.Builder
	for _, t := range creatable {
		fmt.Fprintf(&b, "  %-21s %s", t, strings.Join(flagsOf(t, false), " "))
		if may := flagsOf(t, true); len(may) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(may, "] ["))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func flagsOf(typ string, optional bool) (flags []string) {
	for _, f := range placeFlags {
		if f.of[typ] != "" && f.optional == optional {
			flags = append(flags, "--"+f.name)
		}
	}
	for _, f := range switchFlags {
		if f.typ == typ && optional {
			flags = append(flags, "--"+f.name)
		}
	}
	return flags
}

// creating is what the flags of create say.
type creating struct {
	onPlanet
	request   app.Create
	places    []string // as placeFlags
	switches  []bool   // as switchFlags
	secret    string
	pointers  []string
	preflight string
}

func (c *cli) createCommand() *cobra.Command {
	n := &creating{places: make([]string, len(placeFlags)), switches: make([]bool, len(switchFlags))}
	cmd := &cobra.Command{
		Use: "create --type TYPE --secret SECRET", Args: noArgs,
		Short: "Make a destination, with its credential out of a secret",
		Long: `Make a destination. Its credential comes out of the secret that rotatord is to
rotate it from, and never from the command line.

Before Planet is asked: the name is free and of 3 to 63 characters, the
organization has less than 50 active destinations, the secret can be read and
fits the type, and its credential may put, get and delete in the bucket. Planet
is asked once; if its answer is lost, that is said, and the destination is
looked for.

What it prints can be added to a configuration as it is (>> rotatord.toml).

Types and what they need:
` + typesHelp() + planetHelp + `; or the bucket refuses`,
		Example: `  rotatord destinations create --type amazon_s3 --bucket b --region us-west-2 \
      --secret file:///run/secrets/planet-s3
  rotatord destinations create --type s3_compatible --bucket b --region eu-1 \
      --endpoint https://s3.example.com --use-path-style --name deliveries \
      --secret file:///run/secrets/s3.json --map access_key_id=/user/id \
      --map secret_access_key=/user/secret >> rotatord.toml`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := n.read(cmd); err != nil {
				return err
			}
			return c.create(cmd.Context(), n)
		},
	}
	n.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&n.request.Type, "type", "", "`TYPE` of the storage, see above")
	f.StringVar(&n.request.NewName, "name", "", "`NAME`; the bucket's or container's unless given")
	for i, p := range placeFlags {
		f.StringVar(&n.places[i], p.name, "", p.help)
	}
	for i, s := range switchFlags {
		f.BoolVar(&n.switches[i], s.name, false, s.help)
	}
	f.StringVar(&n.secret, "secret", "", "`SECRET` with the credential, such as file:///run/secrets/planet-s3")
	f.StringArrayVar(&n.pointers, "map", nil, "`FIELD=/pointer`: where in the secret a field of Planet's is")
	f.StringVar(&n.preflight, "preflight", "required", "`HOW` the credential is tried on the bucket first: required or off")
	f.StringVar(&n.request.BucketEndpoint, "bucket-endpoint", "", "`URL` where the bucket is reached from here, if elsewhere")
	f.BoolVar(&n.request.OverQuota, "force", false, "ask Planet though 50 destinations are there")
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(creatable, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("preflight", cobra.FixedCompletions([]string{"required", "off"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// read makes the request of the flags. What is missing is said at once.
func (n *creating) read(cmd *cobra.Command) error {
	r := &n.request
	if !slices.Contains(creatable, r.Type) {
		return usageError{"--type is one of " + strings.Join(creatable, ", ")}
	}
	r.Secret, r.Location, r.Options, r.Map = credential.Secret(n.secret), map[string]string{}, map[string]bool{}, map[string]string{}
	var missing, foreign []string
	for i, f := range placeFlags {
		parameter := f.of[r.Type]
		switch {
		case parameter == "" && n.places[i] != "":
			foreign = append(foreign, "--"+f.name)
		case n.places[i] != "":
			r.Location[parameter] = n.places[i]
		case parameter != "" && !f.optional:
			missing = append(missing, "--"+f.name)
		}
	}
	for i, f := range switchFlags {
		switch {
		case !cmd.Flags().Changed(f.name):
		case f.typ != r.Type:
			foreign = append(foreign, "--"+f.name)
		default:
			r.Options[f.parameter] = n.switches[i]
		}
	}
	if n.secret == "" {
		missing = append(missing, "--secret")
	}
	switch {
	case len(missing) > 0:
		return usageError{r.Type + " needs " + strings.Join(missing, ", ") + " too; see rotatord destinations create --help"}
	case len(foreign) > 0:
		return usageError{r.Type + " has no " + strings.Join(foreign, ", ") + "; see rotatord destinations create --help"}
	case n.preflight != "required" && n.preflight != "off":
		return usageError{"--preflight is required or off"}
	}
	r.Untried = n.preflight == "off"
	for _, p := range n.pointers {
		field, pointer, ok := strings.Cut(p, "=")
		if !ok || field == "" {
			return usageError{"--map is a field of Planet's and a JSON Pointer: --map aws_access_key_id=/AccessKeyId"}
		}
		r.Map[field] = pointer
	}
	return nil
}

// createdView is what create gives as JSON.
type createdView struct {
	app.Created
	Config string `json:"config"`
}

func (c *cli) create(ctx context.Context, n *creating) error {
	var made app.Created
	daemon := false
	err := c.on(ctx, &n.onPlanet, func(conn *app.Connection) (err error) {
		daemon = conn.Daemon
		n.request.Target = n.target
		made, err = conn.Create(ctx, n.request)
		return err
	})
	if err != nil {
		return err
	}
	text := app.CreatedConfig(n.request, made, n.keyEnv, n.alone)
	if n.out == outputJSON {
		return c.json(createdView{made, text})
	}
	c.showCreated(n, made, text, daemon)
	return nil
}

// showCreated writes a piece of configuration, with all else as its comments.
func (c *cli) showCreated(n *creating, made app.Created, text string, daemon bool) {
	s := c.screen()
	say := func(t string) { comment(s, c.stdout, t) }
	d := made.Destination
	if made.AnswerLost {
		say("Planet's answer was lost, and the destination is there: created " + d.ID)
	} else {
		say("created " + d.ID + ", " + d.Ref)
	}
	for _, check := range made.Checks {
		word, _ := screen{}.result(check.Result)
		say("  " + word + " " + check.Name + ": " + check.Detail)
	}
	where, run := config.LocalFile, "rotatord run"
	with := ""
	if !n.alone {
		where = c.cfg.File
		if c.configFile != "" {
			with = " --config " + c.configFile
		}
	}
	if daemon {
		run = "restart the running daemon, which then takes it over"
	} else {
		run += with
	}
	say("")
	if n.alone {
		say("To have it rotated, save this as " + where + ":")
	} else {
		say("To have it rotated, add this to " + where + ":")
	}
	_, _ = fmt.Fprintf(c.stdout, "\n%s\n", text)
	say("Next:")
	say("  rotatord check" + with + " " + d.ID)
	if !daemon {
		say("  rotatord sync" + with + " " + d.ID)
	}
	say("  " + run)
}

// comment writes text as comments of a configuration, wrapped on a terminal.
func comment(s screen, w io.Writer, t string) {
	if t == "" {
		_, _ = fmt.Fprintln(w, "#")
		return
	}
	body := strings.TrimLeft(t, " ")
	s.paragraph(w, "# "+t[:len(t)-len(body)], body)
}
