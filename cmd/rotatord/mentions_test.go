package main

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/internal/app"
)

// documents are all texts for people, by their path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	const root = "../.."
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, root+"/")] = string(text)
		return err
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d documents: %v", len(all), err)
	}
	return all
}

var (
	fence = regexp.MustCompile("(?ms)^ *```([a-z]*)\n(.*?)^ *```$")
	span  = regexp.MustCompile("`([^`\n]+)`")
	// Where a shell begins a command.
	begins = regexp.MustCompile(`(?:^|\$ |-- |\bexec \S+ |\$\(|[|;&!] |\bsudo |\bsudo -u \w+ |\bif |\b[A-Z_]+=\S+ )(?:\./|/|\S*bin/)?rotatord((?: .*)?)$`)
	// The image has no shell and no search path: its program is /rotatord.
	unfound   = regexp.MustCompile(`\b(?:docker|podman|kubectl(?: -n \S+)?) exec \S+ (?:-- )?rotatord\b`)
	separator = regexp.MustCompile(` #| [|>&;]|[;)]|$`)
	quoted    = regexp.MustCompile(`"[^"]*"|'[^']*'`)
)

// mentions are the commands of rotatord that a document names: in code for a
// shell, and between backticks in its sentences.
func mentions(text string) []string {
	var found []string
	add := func(line string) {
		line = quoted.ReplaceAllString(strings.TrimSpace(line), "QUOTED")
		if m := begins.FindStringSubmatch(line); m != nil {
			m[1] = m[1][:separator.FindStringIndex(m[1])[0]]
			found = append(found, strings.TrimSpace("rotatord"+m[1]))
		}
	}
	for _, m := range fence.FindAllStringSubmatch(text, -1) {
		if m[1] != "sh" && m[1] != "console" {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(m[2], "\\\n", " ")) {
			if m[1] == "sh" || strings.HasPrefix(strings.TrimSpace(line), "$ ") {
				add(line)
			}
		}
	}
	for _, m := range span.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		add(m[1])
	}
	return found
}

// unknown says what of a command does not exist, if anything.
func unknown(root *cobra.Command, mention string) string {
	cmd, words := root, strings.Fields(mention)[1:]
	for len(words) > 0 {
		i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == words[0] })
		if i < 0 {
			break
		}
		cmd, words = cmd.Commands()[i], words[1:]
	}
	cmd.InitDefaultHelpFlag()
	for _, word := range words {
		if word == "help" || word == "completion" { // cobra's own
			return ""
		}
		// VERB, <verb> and … stand for something.
		if cmd.HasSubCommands() && regexp.MustCompile(`^[a-z]`).MatchString(word) {
			return cmd.CommandPath() + " has no verb " + word
		}
		name, _, _ := strings.Cut(word, "=")
		var flag *pflag.Flag
		switch {
		case name == "--":
			return ""
		case strings.HasPrefix(name, "--"):
			flag = cmd.Flag(name[2:])
		case len(name) == 2 && name[0] == '-':
			if flag = cmd.Flags().ShorthandLookup(name[1:]); flag == nil {
				flag = cmd.InheritedFlags().ShorthandLookup(name[1:])
			}
		default:
			continue
		}
		if flag == nil {
			return cmd.CommandPath() + " has no flag " + name
		}
	}
	return ""
}

// A flag may stand alone where the sentence or the table has named the verb.
var (
	loneFlag = regexp.MustCompile("`--([a-z-]+)")
	// of az, docker and podman
	flagsOfOthers = []string{"expiration-period", "expires", "format", "max-delivery-count", "not-before", "stop-timeout"}
)

func everyFlag(cmd *cobra.Command) map[string]bool {
	all := map[string]bool{"help": true}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { all[f.Name] = true })
	cmd.PersistentFlags().VisitAll(func(f *pflag.Flag) { all[f.Name] = true })
	for _, sub := range cmd.Commands() {
		maps.Copy(all, everyFlag(sub))
	}
	return all
}

func TestCommandsThatDocumentsNameExist(t *testing.T) {
	root := newCLI(noEnv, nil, io.Discard, io.Discard).root()
	flags, seen := everyFlag(root), 0
	for name, text := range documents(t) {
		for _, m := range loneFlag.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			if !flags[m[1]] && !slices.Contains(flagsOfOthers, m[1]) {
				t.Errorf("%s: no verb has the flag --%s", name, m[1])
			}
		}
		for _, mention := range mentions(text) {
			seen++
			if problem := unknown(root, mention); problem != "" {
				t.Errorf("%s: %q: %s", name, mention, problem)
			}
		}
		for _, command := range unfound.FindAllString(text, -1) {
			t.Errorf("%s: %s: in the image it is /rotatord", name, command)
		}
	}
	if seen < 100 {
		t.Errorf("only %d commands were found in all documents", seen)
	}
}

func TestCommandsThatDoNotExistAreFound(t *testing.T) {
	root := newCLI(noEnv, nil, io.Discard, io.Discard).root()
	const doc = "`rotatord statsu` and `rotatord sync D --wiat 10m`\n\n" +
		"```sh\nkubectl exec rotatord-0 -- rotatord destinations lost\nif ! ./rotatord gate \\\n  --sercet \"a b\"; then\nkubectl -n rotatord get pods --watch\n```\n\n" +
		"```console\n$ rotatord retry -x D | less --no\nrotatord prints this --here\n```\n\n```yaml\nrotatord nothing\n```\n" +
		"`rotatord VERB --help`, `rotatord`, `rotatord status -c F`, `rotatord help sync`, `rotatord status D -o json`\n"
	var got []string
	for _, mention := range mentions(doc) {
		if problem := unknown(root, mention); problem != "" {
			got = append(got, problem)
		}
	}
	want := []string{
		"rotatord destinations has no verb lost", "rotatord gate has no flag --sercet", "rotatord retry has no flag -x",
		"rotatord has no verb statsu", "rotatord sync has no flag --wiat",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Blocks of TOML in documents are settings that work. What a block leaves out
// because it is about something else is added: the listener of webhooks, the
// place of a Vault, a destination.
func TestSettingsThatDocumentsShowWork(t *testing.T) {
	env := func(name string) string { return strings.Repeat("x", 40) + name }
	secretLine := regexp.MustCompile(`^secret = `)
	checked := 0
	for name, text := range documents(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "toml" {
				continue
			}
			blocks := []string{m[2]}
			if secretLine.MatchString(m[2]) { // lines of a destination, each instead of the other
				blocks = nil
				for line := range strings.Lines(m[2]) {
					blocks = append(blocks, "[[destination]]\nname = \"d-CKxV9io\"\n"+line)
				}
			}
			for _, block := range blocks {
				checked++
				if _, err := config.Parse("rotatord.toml", []byte(completed(block)), env, app.SecretShapes()...); err != nil {
					t.Errorf("%s: %v\nin:\n%s", name, err, block)
				}
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d blocks were found", checked)
	}
}

func completed(block string) string {
	calls := regexp.MustCompile(`(?m)^\[\[source\.(event_grid|pubsub_push|sns|webhook)\]\]`)
	if calls.MatchString(block) && !strings.Contains(block, "[webhooks]") {
		block += "\n[webhooks]\nlisten = \"127.0.0.1:9465\"\n"
	}
	if strings.Contains(block, "vault://") && !strings.Contains(block, "[vault]") {
		block += "\n[vault]\naddress = \"https://vault.example.com:8200\"\n"
	}
	if !strings.Contains(block, "[[destination]]") {
		account := ""
		if m := regexp.MustCompile(`(?m)^\[\[account\]\]\nname = (.*)`).FindStringSubmatch(block); m != nil {
			account = "account = " + m[1] + "\n"
		}
		block += "\n[[destination]]\nname = \"d-CKxV9io\"\nsecret = \"file:///run/secrets/s3\"\n" + account
	}
	return block
}
