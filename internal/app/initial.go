package app

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/planet"
)

// InitialOptions say what a first configuration begins with.
type InitialOptions struct {
	// KeyEnv is the environment variable with Planet's API key.
	KeyEnv string
	// BaseURL is where the API is; the default one is left out.
	BaseURL string
	// File is where it is going to be, for the commands in it.
	File string
}

// Initial is a first configuration.
type Initial struct {
	Text []byte
	// ToFill counts the destinations whose secret is to be filled in, LeftOut
	// those that stand in comments.
	ToFill, LeftOut int
}

// InitialConfig writes a configuration of what Planet shows: an entry for each
// destination that is active and may be written, the others as comments that
// say why. Where each secret is only a person knows, so every entry has an
// empty one, which is an error until it is filled in: nobody shall run it half
// done.
func InitialConfig(o InitialOptions, all []Destination) Initial {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Destination) int {
		return cmp.Or(cmp.Compare(outside(a), outside(b)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	var in Initial
	var b bytes.Buffer
	for _, d := range all {
		if why := outside(d); why != "" {
			in.LeftOut++
			b.WriteString("\n# Left out: " + why + ".\n#\n" + commented(entry(d, entryOptions{})))
			continue
		}
		in.ToFill++
		b.WriteString("\n" + entry(d, entryOptions{}))
	}
	in.Text = append([]byte(o.preamble(in)), b.Bytes()...)
	return in
}

func (o InitialOptions) preamble(in Initial) string {
	with := ""
	if o.File != "" && o.File != config.LocalFile {
		with = " --config " + o.File
	}
	var b strings.Builder
	b.WriteString("# Configuration of rotatord, begun by \"rotatord init\" from what Planet shows.\n#\n# Next:\n")
	if in.ToFill == 0 {
		b.WriteString("#   0. There is no destination yet that could be rotated. Make one; the command\n" +
			"#      prints what to add here:  rotatord destinations create --help\n")
	}
	b.WriteString("#   1. Put the name of each destination's secret into its line  secret = \"\"\n")
	for i, step := range [][2]string{{"check", "changes nothing, says what is missing"}, {"sync --dry-run", "what would be sent"}, {"run", "the service"}} {
		fmt.Fprintf(&b, "#   %d. %-*s   %s\n", i+2, len("rotatord sync --dry-run"+with), "rotatord "+step[0]+with, step[1])
	}
	b.WriteString("\n")
	b.WriteString("[[account]]\n")
	fmt.Fprintf(&b, "api_key_env = %s   # or: api_key_file = \"/run/secrets/planet-api-key\"\n", quote(o.KeyEnv))
	if o.BaseURL != "" && o.BaseURL != config.DefaultBaseURL {
		fmt.Fprintf(&b, "base_url = %s\n", quote(o.BaseURL))
	}
	b.WriteString("\n[admin]\nlisten = \"127.0.0.1:9464\"   # metrics and health; \"\" for none\n")
	return b.String()
}

// outside says why a destination can't be rotated; empty if it can.
func outside(d Destination) string {
	_, known := planet.Type(d.Type).Fields()
	switch {
	case d.Archived != nil:
		return "archived since " + d.Archived.UTC().Format("2006-01-02") + ", so it takes no new orders"
	case !d.Writable:
		return "this API key may not change it, only its owner (user " + strconv.FormatInt(d.OwnerID, 10) + ") or an admin may"
	case !known:
		return "its type is not known to this rotatord"
	}
	return ""
}

// entryOptions are what an entry has beside its name.
type entryOptions struct {
	account, secret, endpoint string
	mapping                   map[string]string
	untried                   bool
}

// entry is one [[destination]].
func entry(d Destination, o entryOptions) string {
	var b strings.Builder
	b.WriteString("[[destination]]\n# " + Describe(d) + "\n")
	fmt.Fprintf(&b, "name = %s\n", quote(d.ID))
	if o.secret != "" {
		fmt.Fprintf(&b, "secret = %s\n", quote(o.secret))
	} else {
		fields, _ := planet.Type(d.Type).Fields()
		fmt.Fprintf(&b, "# The secret holds %s. Its name:\n", strings.Join(fields.Credential, " and "))
		fmt.Fprintf(&b, "secret = \"\"   # fill in, such as %s\n", quote("file:///run/secrets/"+plain(d.ID)))
	}
	if o.account != "" {
		fmt.Fprintf(&b, "account = %s\n", quote(o.account))
	}
	if len(o.mapping) > 0 {
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(o.mapping)) {
			pairs = append(pairs, k+" = "+quote(o.mapping[k]))
		}
		b.WriteString("map = { " + strings.Join(pairs, ", ") + " }\n")
	}
	if o.endpoint != "" {
		fmt.Fprintf(&b, "bucket_endpoint = %s\n", quote(o.endpoint))
	}
	_, canTry := BucketKinds(nil)[d.Type]
	switch {
	case !canTry:
		b.WriteString("preflight = \"advisory\"   # rotatord can't try buckets of this type itself\n")
	case o.untried:
		b.WriteString("preflight = \"off\"   # as at its creation; without this line keys are tried first\n")
	}
	return b.String()
}

// Describe says in one line what a destination is. What others have named is
// made harmless: nothing in it can end the line.
func Describe(d Destination) string {
	parts := []string{plain(d.Name), plain(d.Type)}
	if at := Place(d); at != "" {
		parts = append(parts, at)
	}
	if d.Mine {
		parts = append(parts, "yours")
	} else {
		parts = append(parts, "owned by user "+strconv.FormatInt(d.OwnerID, 10))
	}
	if d.Default {
		parts = append(parts, "the organization's default")
	}
	return strings.Join(parts, ", ")
}

// Place says where a destination's storage is.
func Place(d Destination) string {
	var at map[string]any
	if json.Unmarshal(d.Location, &at) != nil {
		return ""
	}
	text := func(names ...string) string {
		for _, n := range names {
			if s, ok := at[n].(string); ok && s != "" {
				return plain(s)
			}
		}
		return ""
	}
	out := text("bucket", "container")
	if a := text("account"); a != "" {
		out = a + "/" + out
	}
	if n := text("namespace"); n != "" {
		out += " (" + n + ")"
	}
	if r := text("aws_region", "region"); r != "" {
		out += " in " + r
	}
	if e := text("endpoint", "storage_endpoint_suffix"); e != "" {
		out += " at " + e
	}
	return out
}

// plain makes text of others fit for one line of a comment.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// quote writes a TOML string.
func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(strings.ReplaceAll(s, "\x7f", "")) // a string always can; TOML wants this one escaped, JSON does not
	return strings.TrimSuffix(b.String(), "\n")
}

func commented(block string) string {
	lines := strings.Split(strings.TrimSuffix(block, "\n"), "\n")
	for i, l := range lines {
		lines[i] = "# " + strings.TrimPrefix(l, "# ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// CreatedConfig is what to add to a configuration for a destination that was
// just created; alone says that there is none yet, so that it must be whole.
func CreatedConfig(r Create, made Created, keyEnv string, alone bool) string {
	o := entryOptions{secret: string(r.Secret), mapping: r.Map, endpoint: r.BucketEndpoint, untried: r.Untried}
	if made.Several {
		o.account = made.Destination.Account
	}
	text := entry(made.Destination, o)
	if alone && made.BaseURL != config.DefaultBaseURL {
		text = fmt.Sprintf("[[account]]\napi_key_env = %s\nbase_url = %s\n\n", quote(keyEnv), quote(made.BaseURL)) + text
	}
	return text
}
