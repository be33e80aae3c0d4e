package config

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/credential"
)

const referenceFile = "../docs/configuration.md"

// row is what docs/configuration.md says of one key.
type row struct{ typ, def, bounds string }

var (
	refHeading = regexp.MustCompile("^## `\\[+([a-z.]+)\\]+`$")
	refRow     = regexp.MustCompile("^\\| `([a-z_]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) ?\\| ([^|]+) \\|$")
)

// readReference takes the document apart: table → key → row, and the examples
// of each table.
func readReference(t *testing.T) (rows map[string]map[string]row, examples map[string]string) {
	t.Helper()
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	rows, examples = map[string]map[string]row{}, map[string]string{}
	table, fence := "", false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		switch m := refHeading.FindStringSubmatch(line); {
		case m != nil:
			table = m[1]
			rows[table] = map[string]row{}
		case strings.HasPrefix(line, "## "):
			table = ""
		case strings.HasPrefix(line, "```"):
			fence = line == "```toml"
		case fence:
			examples[table] += line + "\n"
		case table != "" && strings.HasPrefix(line, "| `"):
			r := refRow.FindStringSubmatch(line)
			if r == nil {
				t.Errorf("not a row of five columns: %s", line)
				continue
			}
			if _, twice := rows[table][r[1]]; twice {
				t.Errorf("%s.%s stands twice", table, r[1])
			}
			rows[table][r[1]] = row{strings.TrimSpace(r[2]), strings.TrimSpace(r[3]), strings.TrimSpace(r[4])}
		}
	}
	return rows, examples
}

func TestTheReferenceNamesEachTableAndKeyAndNoOther(t *testing.T) {
	rows, _ := readReference(t)
	want, got := map[string][]string{}, map[string][]string{}
	for _, table := range tables() {
		for _, f := range ownFields(table) {
			want[table.path] = append(want[table.path], f.key)
		}
		slices.Sort(want[table.path])
	}
	for table, keys := range rows {
		for key := range keys {
			got[table] = append(got[table], key)
		}
		slices.Sort(got[table])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys (-code +document):\n%s", diff)
	}
}

// defaultsElsewhere are defaults that no value of Default() holds: keys that
// must be written, and what depends on the rest of the file or on the machine.
var defaultsElsewhere = map[string]string{
	"destination.name": "required", "destination.secret": "required", "aws.role.account": "required", "aws.role.role_arn": "required",
	"destination.account": "the only account", "store.dir": "see below",
	"account.name": strconv.Quote(DefaultAccount), "account.api_key_env": strconv.Quote(DefaultKeyEnv),
}

func TestTheReferenceHasTheTypesDefaultsAndBoundsOfTheCode(t *testing.T) {
	rows, _ := readReference(t)
	defaults := Default()
	for _, table := range tables() {
		value := reflect.New(table.typ).Elem()
		switch table.path {
		case "account":
			value.Set(reflect.ValueOf(DefaultAccountSettings()))
		default:
			for _, f := range fieldsOf(reflect.TypeFor[Config]()) {
				if f.key == table.path && !table.many {
					value.Set(reflect.ValueOf(&defaults).Elem().FieldByIndex(f.index))
				}
			}
		}
		for _, f := range ownFields(table) {
			key := table.path + "." + f.key
			r, ok := rows[table.path][f.key]
			if !ok {
				continue // the test of the keys says so
			}
			if !slices.Contains(typeWords(f), r.typ) {
				t.Errorf("%s: the type %q should be one of %q", key, r.typ, typeWords(f))
			}
			if want, ok := defaultsElsewhere[key]; ok {
				if strings.Trim(r.def, "`") != want {
					t.Errorf("%s: the default %s should be %s", key, r.def, want)
				}
			} else {
				checkDefault(t, key, r.def, value.FieldByIndex(f.index))
			}
			checkBounds(t, key, r.bounds, f)
		}
	}
}

// typeWords are the words for the type of a field. Several kinds of text look
// the same in Go.
func typeWords(f field) []string {
	switch {
	case f.typ == typeDuration:
		return []string{"duration"}
	case f.typ == reflect.TypeFor[credential.Secret]():
		return []string{"secret"}
	case f.typ.Kind() == reflect.Int:
		return []string{"number"}
	case f.typ.Kind() == reflect.Bool:
		return []string{"true or false"}
	case f.typ.Kind() == reflect.Map:
		return []string{"table of JSON Pointers"}
	case strings.HasSuffix(f.key, "_file") || f.key == "dir":
		return []string{"path"}
	case strings.HasSuffix(f.key, "schedule"):
		return []string{"schedule"}
	case strings.HasSuffix(f.key, "endpoint") || strings.HasSuffix(f.key, "_url"):
		return []string{"address"}
	case strings.HasSuffix(f.key, "_pointer"):
		return []string{"JSON Pointer"}
	}
	return []string{"text"}
}

func checkDefault(t *testing.T, key, cell string, want reflect.Value) {
	t.Helper()
	text := strings.Trim(cell, "`")
	switch v := want.Interface().(type) {
	case Duration:
		inner, err := strconv.Unquote(text)
		if err != nil {
			t.Errorf("%s: the default %s is not in quotes", key, cell)
			return
		}
		if got, err := ParseDuration(inner); err != nil || got != v {
			t.Errorf("%s: the default %s should be %q", key, cell, v)
		}
	case int, bool:
		if b, err := strconv.ParseBool(text); err == nil && text != "1" && text != "0" {
			if b != v {
				t.Errorf("%s: the default %s should be %v", key, cell, v)
			}
		} else if n, err := strconv.Atoi(text); err != nil || n != v {
			t.Errorf("%s: the default %s should be %v", key, cell, v)
		}
	default:
		if want.IsZero() {
			if cell != "none" && text != `""` {
				t.Errorf("%s: the default %s should be none", key, cell)
			}
		} else if text != strconv.Quote(want.String()) {
			t.Errorf("%s: the default %s should be %q", key, cell, want)
		}
	}
}

func checkBounds(t *testing.T, key, cell string, f field) {
	t.Helper()
	var want string
	switch {
	case f.typ == typeDuration:
		want = "`\"" + f.min + "\"` to `\"" + f.max + "\"`"
	case f.min != "":
		want = f.min + " to " + f.max
	case len(f.oneOf) > 0:
		want = "`\"" + strings.Join(f.oneOf, "\"`, `\"") + "\"`"
	default:
		return
	}
	if cell != want {
		t.Errorf("%s: the bounds %q should be %q", key, cell, want)
	}
}

// Each section ends with an example that has all of its keys, and that works.
func TestTheExamplesOfTheReferenceWorkAndShowEveryKey(t *testing.T) {
	rows, examples := readReference(t)
	env := func(name string) string {
		if name == "PLANET_TOKEN" {
			return "t"
		}
		return testEnv(name)
	}
	if _, err := Parse("rotatord.toml", []byte(examples[""]), env); err != nil {
		t.Errorf("the smallest configuration: %v", err)
	}
	for table, keys := range rows {
		text := examples[table]
		for key := range keys {
			if !regexp.MustCompile(`(?m)^` + key + ` = `).MatchString(text) {
				t.Errorf("the example of %s has no %s", table, key)
			}
		}
		if !strings.Contains(text, "[[destination]]") {
			text += oneDestination
		}
		if _, err := Parse("rotatord.toml", []byte(text), env); err != nil {
			t.Errorf("the example of %s: %v", table, err)
		}
	}
}
