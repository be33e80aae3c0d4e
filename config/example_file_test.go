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
	commented = regexp.MustCompile(`(?m)^#([a-z_]+ = .*|\[\[?[a-z_.]+\]\]?( +# example)?)$`)
	header    = regexp.MustCompile(`^\[+([a-z_.]+)\]+( +# example)?$`)
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
	if n := len(commented.FindAllString(text, -1)); n < 75 {
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
		if m := header.FindStringSubmatch(line); m != nil {
			table = m[1]
		}
		if m := regexp.MustCompile(`^([a-z_]+) = `).FindStringSubmatch(line); m != nil {
			if shown[table] == nil {
				shown[table] = map[string]bool{}
			}
			shown[table][m[1]] = true
		}
	}
	for _, table := range tables() {
		for _, f := range ownFields(table) {
			if !shown[table.path][f.key] {
				t.Errorf("%s.%s is missing from the example", table.path, f.key)
			}
		}
	}
}

// ownFields are the keys to explain under a table: not what is a table with a
// place of its own, and not what [defaults] explains already.
func ownFields(t tableType) []field {
	settings := keysOf(reflect.TypeFor[Settings]())
	var own []field
	for _, f := range fieldsOf(t.typ) {
		table := slices.ContainsFunc(tables(), func(inner tableType) bool { return inner.path == join(t.path, f.key) })
		if !table && (t.path != "destination" || !slices.Contains(settings, f.key)) {
			own = append(own, f)
		}
	}
	return own
}

// Each line marked as an example must be one that can be uncommented, alone;
// those below a header that is an example with it.
func TestExampleLinesCanBeUncommentedOneByOne(t *testing.T) {
	text := readExample(t)
	count := 0
	for _, line := range exampleBlocks(text) {
		count++
		changed := strings.Replace(text, line, strings.ReplaceAll(line, "\n#", "\n")[1:], 1)
		// The account's examples need its header, and no second source for its key.
		changed = strings.Replace(changed, "#[[account]]", "[[account]]", 1)
		// And what is called needs a listener.
		if strings.Contains(line, `path = "/events/`) {
			changed = strings.Replace(changed, `#listen = ""`, `listen = "127.0.0.1:9465"`, 1)
		}
		cfg, err := Parse("rotatord.toml", []byte(changed), examplesEnv)
		if err != nil {
			t.Errorf("with %q uncommented: %v", line, err)
			continue
		}
		if cmp.Equal(parseString(t, text), cfg, withoutPositions) {
			t.Errorf("uncommenting %q changed nothing", line)
		}
	}
	if count < 30 {
		t.Errorf("only %d examples found", count)
	}
}

// examplesEnv has the variables that examples name beside those of testEnv.
func examplesEnv(name string) string {
	switch name {
	case "ROTATORD_TOKEN":
		return "0123456789abcdef"
	case "PLANET_TOKEN", "STORAGE_CONNECTION_STRING", "SERVICE_BUS_CONNECTION_STRING", "EVENT_GRID_KEY", "WEBHOOK_SECRET",
		"ANNOUNCE_SECRET", "ANNOUNCE_URL", "SLACK_URL", "OTLP_HEADERS":
		return "t"
	}
	return testEnv(name)
}

func exampleBlocks(text string) []string {
	var blocks []string
	inside := false
	for _, line := range strings.Split(text, "\n") {
		switch marked := commented.MatchString(line) && isExample.MatchString(line); {
		case marked && inside:
			blocks[len(blocks)-1] += "\n" + line
		case marked:
			blocks = append(blocks, line)
			inside = strings.HasPrefix(line, "#[")
		default:
			inside = false
		}
	}
	return blocks
}
