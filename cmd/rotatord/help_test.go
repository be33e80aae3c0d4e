package main

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/rotatord/rotatord/planet"
)

func noEnv(string) string { return "" }

// everyVerb calls do for each verb of ours.
func everyVerb(t *testing.T, do func(t *testing.T, path string, help string)) {
	t.Helper()
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		name := strings.Join(append([]string{"rotatord"}, path...), " ")
		var out bytes.Buffer
		c := newCLI(noEnv, strings.NewReader(""), &out, io.Discard)
		if err := c.run(t.Context(), append(slices.Clone(path), "--help")); err != nil {
			t.Fatal(name, err)
		}
		t.Run(name, func(t *testing.T) { do(t, name, out.String()) })
		for _, sub := range cmd.Commands() {
			walk(sub, append(slices.Clone(path), sub.Name()))
		}
	}
	walk(newCLI(noEnv, nil, io.Discard, io.Discard).root(), nil)
}

func TestHelpFitsAScreenAndGivesExamples(t *testing.T) {
	everyVerb(t, func(t *testing.T, path, help string) {
		for line := range strings.SplitSeq(help, "\n") {
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("%d columns: %s", n, line)
			}
		}
		if !strings.Contains(help, "Examples:\n  ") {
			t.Error("no example")
		}
		if !strings.Contains(help, "Usage:\n  "+path) {
			t.Error("no usage")
		}
	})
}

func TestManualPagesAreTheSameEachTime(t *testing.T) {
	pages := func(epoch string) map[string]string {
		dir := t.TempDir()
		var out bytes.Buffer
		env := func(name string) string { return map[string]string{"SOURCE_DATE_EPOCH": epoch}[name] }
		if err := newCLI(env, nil, &out, io.Discard).run(t.Context(), []string{"man", dir}); err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[filepath.Base(f)] = string(b)
		}
		return all
	}
	first := pages("")
	if diff := cmp.Diff(first, pages("")); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"rotatord.1", "rotatord-sync.1", "rotatord-destinations-default-set.1", "rotatord-push.1"} {
		if !strings.Contains(first[name], `.TH "ROTATORD`) || !strings.Contains(first[name], `"1" "" "rotatord"`) {
			t.Errorf("%s: %.200q", name, first[name])
		}
	}
	if _, hidden := first["rotatord-man.1"]; hidden {
		t.Error("a hidden verb has a page")
	}
	if dated := pages("1767225600"); !strings.Contains(dated["rotatord.1"], `"Jan 2026"`) {
		t.Errorf("no date of the sources: %.200q", dated["rotatord.1"])
	}
	// Text that is laid out by hand stays as it is.
	if !strings.Contains(first["rotatord-sync.1"], "\n  3  with --dry-run: something") {
		t.Errorf("the exit statuses are not laid out any more:\n%s", first["rotatord-sync.1"])
	}
}

func TestCompletionScriptsAreMade(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		var out bytes.Buffer
		if err := newCLI(noEnv, nil, &out, io.Discard).run(t.Context(), []string{"completion", shell}); err != nil || !strings.Contains(out.String(), "__complete") {
			t.Errorf("%s: %v, %d bytes", shell, err, out.Len())
		}
	}
}

// What create takes by flags is what Planet's types have.
func TestFlagsOfCreateAreThoseOfPlanetsTypes(t *testing.T) {
	want := map[string][]string{}
	for _, typ := range planet.Types() {
		fields, _ := typ.Fields()
		want[string(typ)] = slices.Sorted(slices.Values(slices.Concat(fields.Structural, fields.Optional)))
	}
	got := map[string][]string{}
	for _, f := range placeFlags {
		for typ, parameter := range f.of {
			got[typ] = append(got[typ], parameter)
		}
	}
	for _, f := range switchFlags {
		got[f.typ] = append(got[f.typ], f.parameter)
	}
	for _, list := range got {
		slices.Sort(list)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), creatable); diff != "" {
		t.Error(diff)
	}
}
