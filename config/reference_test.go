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
	refHeading = regexp.MustCompile("^## `\\[+([a-z_.]+)\\]+`$")
	refRow     = regexp.MustCompile("^\\| `([a-z_]+)` \\| ([^|]*) \\| ([^|]*) \\| ([^|]*) ?\\| ([^|]+) \\|$")
)

// readReference takes the document apart: table → key → row, and the examples
// of each table.
func readReference(t *testing.T) (rows map[string]map[string]row, examples map[string][]string) {
	t.Helper()
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	rows, examples = map[string]map[string]row{}, map[string][]string{}
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
			if fence = line == "```toml"; fence {
				examples[table] = append(examples[table], "")
			}
		case fence:
			examples[table][len(examples[table])-1] += line + "\n"
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
	"source.sqs.queue": "required", "source.pubsub.subscription": "required", "source.storage_queue.queue": "required",
	"source.pubsub_push.audience": "required", "source.pubsub_push.service_account": "required", "source.sns.topics": "required",
	"source.sqs.name": `"sqs"`, "source.pubsub.name": `"pubsub"`, "source.storage_queue.name": `"storage_queue"`, "source.service_bus.name": `"service_bus"`,
	"source.event_grid.name": `"event_grid"`, "source.pubsub_push.name": `"pubsub_push"`, "source.sns.name": `"sns"`, "source.webhook.name": `"webhook"`,
	"source.event_grid.path": `"/events/NAME"`, "source.pubsub_push.path": `"/events/NAME"`, "source.sns.path": `"/events/NAME"`, "source.webhook.path": `"/events/NAME"`,
	"announce.webhook.name": `"webhook"`, "announce.slack.name": `"slack"`,
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
		case "source.event_grid":
			value.Set(reflect.ValueOf(DefaultEventGrid()))
		case "source.storage_queue":
			value.Set(reflect.ValueOf(DefaultStorageQueue()))
		case "source.webhook":
			value.Set(reflect.ValueOf(DefaultWebhook()))
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
			if want := typeWord(table.path, f); r.typ != want {
				t.Errorf("%s: the type %q should be %q", key, r.typ, want)
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

// typeWord is the word for the type of a field. Several kinds of text look
// the same in Go.
func typeWord(table string, f field) string {
	switch join(table, f.key) {
	case "google.endpoint", "source.pubsub.endpoint":
		return "host and port" // gRPC has no scheme
	case "source.sqs.queue", "source.storage_queue.queue", "vault.address", "webhooks.url":
		return "address"
	}
	switch {
	case f.typ == typeDuration:
		return "duration"
	case f.typ == typeTexts:
		return "list of text"
	case f.typ == reflect.TypeFor[credential.Secret]():
		return "secret"
	case f.typ.Kind() == reflect.Int:
		return "number"
	case f.typ.Kind() == reflect.Bool:
		return "true or false"
	case f.typ.Kind() == reflect.Map:
		return "table of JSON Pointers"
	case strings.HasSuffix(f.key, "_file") || f.key == "dir":
		return "path"
	case strings.HasSuffix(f.key, "schedule"):
		return "schedule"
	case strings.HasSuffix(f.key, "endpoint") || strings.HasSuffix(f.key, "_url"):
		return "address"
	case strings.HasSuffix(f.key, "_pointer"):
		return "JSON Pointer"
	}
	return "text"
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

// Each section ends with examples that have all of its keys between them, and
// each of them works.
func TestTheExamplesOfTheReferenceWorkAndShowEveryKey(t *testing.T) {
	rows, examples := readReference(t)
	if len(examples[""]) != 1 {
		t.Errorf("%d examples of the smallest configuration", len(examples[""]))
	}
	for table, texts := range examples {
		all := strings.Join(texts, "\n")
		for key := range rows[table] {
			if !regexp.MustCompile(`(?m)^` + key + ` = `).MatchString(all) {
				t.Errorf("no example of %s has %s", table, key)
			}
		}
		for i, text := range texts {
			if !strings.Contains(text, "[[destination]]") {
				text += oneDestination
			}
			if _, err := Parse("rotatord.toml", []byte(text), examplesEnv); err != nil {
				t.Errorf("example %d of %s: %v", i+1, table, err)
			}
		}
	}
	for table := range rows {
		if len(examples[table]) == 0 {
			t.Errorf("%s has no example", table)
		}
	}
}
