package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageWidth is how wide help is written: what every terminal has.
const usageWidth = 80

// writeUsage writes what follows the description in a verb's help. It is a function
// and not a template, so that what it writes is checked by the compiler.
func writeUsage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:")
	if cmd.Runnable() {
		b.WriteString("\n  " + cmd.UseLine())
	} else if cmd.HasAvailableSubCommands() {
		b.WriteString("\n  " + cmd.CommandPath() + " VERB")
	}
	if len(cmd.Aliases) > 0 {
		b.WriteString("\n\nAliases:\n  " + cmd.NameAndAliases())
	}
	if cmd.HasExample() {
		b.WriteString("\n\nExamples:\n" + cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		verbs(&b, cmd)
	}
	flags(&b, "Flags", cmd.HasAvailableLocalFlags(), cmd.LocalFlags())
	flags(&b, "Global Flags", cmd.HasAvailableInheritedFlags(), cmd.InheritedFlags())
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\n%q tells more about a verb.", cmd.CommandPath()+" VERB --help")
	}
	b.WriteString("\n")
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// verbs lists the verbs below a command, in its groups if it has any.
func verbs(b *strings.Builder, cmd *cobra.Command) {
	list := func(title, group string) {
		b.WriteString("\n\n" + title)
		for _, c := range cmd.Commands() {
			if c.GroupID == group && (c.IsAvailableCommand() || c.Name() == "help") {
				fmt.Fprintf(b, "\n  %-*s %s", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	if len(cmd.Groups()) == 0 {
		list("Verbs:", "")
	}
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
}

func flags(b *strings.Builder, title string, any bool, set *pflag.FlagSet) {
	if any {
		b.WriteString("\n\n" + title + ":\n" + strings.TrimRight(set.FlagUsagesWrapped(usageWidth), " \n"))
	}
}
