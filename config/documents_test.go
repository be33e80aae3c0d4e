package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	docFence = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	// `[store] history`, `[gate]`, `[[source.sqs]]`
	docTable = regexp.MustCompile("`\\[+([a-z_.]+)\\]+(?: ([a-z_]+))?(?: = [^`]*)?`")
	// `write_back = true` in `[gate]`, `poll` of `[files]`
	docKeyIn = regexp.MustCompile("`([a-z_]+)(?: = [^`]*)?`\\s+(?:in|of|under)\\s+\\[?`\\[+([a-z_.]+)\\]+`")
	// `preflight = "advisory"`, wherever it stands
	docSetting = regexp.MustCompile("`([a-z_]+) = [^`]*`")
)

// others are settings of SQLite and of a Terraform module that are written alike.
var others = []string{"synchronous", "transport"}

// strangeSettings are what sentences of a document say that is a setting of
// something else.
func strangeSettings(known map[string][]string, text string) []string {
	var strange []string
	in := func(table, key string) {
		keys, ok := known[table]
		switch {
		case !ok:
			strange = append(strange, "["+table+"]")
		case key != "" && !slices.Contains(keys, key):
			strange = append(strange, "["+table+"] "+key)
		}
	}
	text = docFence.ReplaceAllString(text, "")
	for _, m := range docTable.FindAllStringSubmatch(text, -1) {
		in(m[1], m[2])
	}
	for _, m := range docKeyIn.FindAllStringSubmatch(text, -1) {
		in(m[2], m[1])
	}
	for _, m := range docSetting.FindAllStringSubmatch(text, -1) {
		found := false
		for _, keys := range known {
			found = found || slices.Contains(keys, m[1])
		}
		if !found && !slices.Contains(others, m[1]) {
			strange = append(strange, m[1])
		}
	}
	return strange
}

// keysOfTables gives the keys of every table; that of [[account]] is "account".
func keysOfTables() map[string][]string {
	known := map[string][]string{}
	for _, table := range tables() {
		known[table.path] = []string{}
		for _, f := range ownFields(table) {
			known[table.path] = append(known[table.path], f.key)
		}
	}
	known["destination"] = append(known["destination"], keysOf(reflect.TypeFor[Settings]())...)
	return known
}

func TestSettingsThatDocumentsNameExist(t *testing.T) {
	const root = ".."
	known, seen := keysOfTables(), 0
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
		seen++
		for _, s := range strangeSettings(known, string(text)) {
			t.Errorf("%s: there is no %s", strings.TrimPrefix(path, root+"/"), s)
		}
		return err
	})
	if err != nil || seen < 10 {
		t.Fatalf("%d documents: %v", seen, err)
	}
}

func TestSettingsThatDoNotExistAreFound(t *testing.T) {
	got := strangeSettings(keysOfTables(), "`[store] history`, `[store] hystery`, `[[source.sqs]]`, `[stoer]`, `write_back = true` in `[gate]`,\n"+
		"`settle` of `[gate]`, `preflight = \"off\"`, `prefright = \"off\"`\n```toml\n`[nothing]`\n```\n")
	if diff := cmp.Diff([]string{"[store] hystery", "[stoer]", "[gate] settle", "prefright"}, got); diff != "" {
		t.Error(diff)
	}
}
