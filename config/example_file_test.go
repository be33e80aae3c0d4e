package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rotatord/rotatord/credential"
)

const exampleFile = "../config.example.toml"

// A commented line of the example is a setting when the # touches a key.
var (
	commented = regexp.MustCompile(`(?m)^#([a-z_]+ = .*|\[\[?[a-z.]+\]\]?)$`)
	isExample = regexp.MustCompile(`# example$`)
)

func readExample(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func parseString(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("rotatord.toml", []byte(text), testEnv)
	if err != nil {
		t.Fatalf("%v\n\nin:\n%s", err, text)
	}
	return cfg
}

var withoutPositions = cmp.Options{
	cmpopts.IgnoreTypes(Position{}),
	cmp.Comparer(func(a, b credential.Value) bool { return string(a.Bytes()) == string(b.Bytes()) }),
}

func TestExampleIsTheSmallestConfigurationAsItStands(t *testing.T) {
	cfg := parseString(t, readExample(t))
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	small := parseString(t, "[[destination]]\nname = \"my-s3-destination-CKxV9io\"\nsecret = \"file:///run/secrets/planet-s3\"\n")
	if diff := cmp.Diff(small, cfg, withoutPositions); diff != "" {
		t.Errorf("it differs from its own first three lines (-three lines +all):\n%s", diff)
	}
}

func TestExampleShowsTheDefaultsThatItClaims(t *testing.T) {
	text := readExample(t)
	uncommented := commented.ReplaceAllStringFunc(text, func(line string) string {
		if isExample.MatchString(line) {
			return line
		}
		return line[1:]
	})
	if n := len(commented.FindAllString(text, -1)); n < 36 {
		t.Fatalf("only %d commented settings found: has the form of the file changed?", n)
	}
	if diff := cmp.Diff(parseString(t, text), parseString(t, uncommented), withoutPositions); diff != "" {
		t.Errorf("uncommenting the defaults changed something (-commented +uncommented):\n%s", diff)
	}
}

func TestExampleNamesEachKeyAndNoOther(t *testing.T) {
	shown := map[string]map[string]bool{} // table → keys
	table := ""
	for line := range strings.Lines(readExample(t)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "#")
		if m := regexp.MustCompile(`^\[+([a-z]+)\]+$`).FindStringSubmatch(line); m != nil {
			table = m[1]
		}
		if m := regexp.MustCompile(`^([a-z_]+) = `).FindStringSubmatch(line); m != nil {
			if shown[table] == nil {
				shown[table] = map[string]bool{}
			}
			shown[table][m[1]] = true
		}
	}
	settings := keysOf(reflect.TypeFor[Settings]())
	for _, f := range fieldsOf(reflect.TypeFor[Config]()) {
		typ := f.typ
		if typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		for _, key := range keysOf(typ) {
			// What [defaults] explains need not stand under [[destination]] again.
			if f.key == "destination" && slices.Contains(settings, key) {
				continue
			}
			if !shown[f.key][key] {
				t.Errorf("%s.%s is missing from the example", f.key, key)
			}
		}
	}
}

// Each line marked as an example must be one that can be uncommented, alone.
func TestExampleLinesCanBeUncommentedOneByOne(t *testing.T) {
	text := readExample(t)
	count := 0
	for _, line := range commented.FindAllString(text, -1) {
		if !isExample.MatchString(line) {
			continue
		}
		count++
		changed := strings.Replace(text, line, line[1:], 1)
		// The account's examples need its header, and no second source for its key.
		changed = strings.Replace(changed, "#[[account]]", "[[account]]", 1)
		env := func(name string) string {
			if name == "PLANET_TOKEN" {
				return "t"
			}
			return testEnv(name)
		}
		cfg, err := Parse("rotatord.toml", []byte(changed), env)
		if err != nil {
			t.Errorf("with %q uncommented: %v", line, err)
			continue
		}
		if cmp.Equal(parseString(t, text), cfg, withoutPositions) {
			t.Errorf("uncommenting %q changed nothing", line)
		}
	}
	if count < 8 {
		t.Errorf("only %d examples found", count)
	}
}
