// Package rotatord_test holds what concerns the whole house and no single
// room: who may import whom.
package rotatord_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"
)

const module = "github.com/rotatord/rotatord"

// What stands on a floor and below, for the floors above it. Adapters
// (bucket/s3, providers/file, …) and the simulator are not among it: whoever
// is above the contracts knows the contracts only.
var (
	below1 = []string{"credential"}
	below2 = slices.Concat(below1, []string{"bucket", "planet"})
	below3 = slices.Concat(below2, []string{"config", "watcher", "providers", "probe", "patcher", "store"})
	below4 = slices.Concat(below3, []string{"metrics", "rotation"})
)

// house is the table of DESIGN.md: for each room, or for all folders below one
// ("bucket/*"), the rooms that its code may import. Tests may import more: they
// build their surroundings. The depguard rules of .golangci.yml say the same,
// and a test here holds the two together.
var house = map[string][]string{
	"credential": {},
	"bucket":     {"credential", "internal/httpclient"},
	"bucket/*":   {"bucket", "credential", "internal/shape"},
	"planet":     below1,
	"planet/*":   {"planet", "credential", "internal/shape"},
	"config":     slices.Concat(below2, []string{"internal/shape"}),
	"watcher":    below2,
	"watcher/*":  {"watcher", "credential", "internal/oneline", "internal/filestamp", "internal/entra", "internal/shape"},
	// What messages mean: no transport knows it, and it knows no transport.
	"watcher/payload": {"credential", "internal/shape"},
	"watcher/inbox":   {"watcher", "watcher/payload", "credential"},
	// The whole way to the record, for benchmarks.
	"watcher/inbox/inboxtest": {"watcher", "watcher/inbox", "store", "credential"},
	"providers":               below2,
	"providers/*":             {"providers", "credential", "internal/httpclient", "internal/oneline", "internal/filestamp", "internal/shape"},
	// What several adapters would each write otherwise.
	"internal/oneline":    {},
	"internal/shape":      {},
	"internal/filestamp":  {},
	"internal/entra":      {},
	"internal/httpclient": {},
	"internal/awsclient":  {"internal/httpclient", "internal/oneline"},
	"providers/aws":       {"providers", "credential", "internal/awsclient", "internal/shape"},
	"watcher/sqs":         {"watcher", "credential", "internal/awsclient", "internal/httpclient", "internal/oneline", "internal/shape"},
	// Servers for tests: they know a cloud and nothing of ours.
	"providers/aws/awstest":       {"internal/sigv4", "internal/testserver"},
	"providers/google/googletest": {},
	"providers/azure/azuretest":   {"internal/testserver"},
	"providers/vault/vaulttest":   {},
	"watcher/sqs/sqstest":         {"internal/sigv4", "internal/testserver"},
	"bucket/buckettest":           {"bucket", "credential", "internal/sigv4", "internal/testserver"},
	// How AWS checks a signature, for the servers of tests.
	"internal/sigv4": {},
	// How those servers are reached: over TCP or in memory.
	"internal/testserver":            {},
	"bucket/gcs/gcstest":             {"internal/testserver"},
	"bucket/azureblob/azureblobtest": {"internal/testserver"},
	"announce":                       below2,
	"dependents":                     below2,
	"tracing":                        {},
	"probe":                          below2,
	"patcher":                        below2,
	"store":                          slices.Concat(below2, []string{"internal/oneline"}),
	"metrics":                        below3,
	"rotation":                       below3,
	"internal/web":                   slices.Concat(below4, []string{"internal/oneline"}),
	"internal/web/page":              {"store", "credential"},
	"internal/web/page/pagetest":     {"store", "planet", "credential"},
	// The one room that knows every other: it builds them.
	"internal/app": slices.Concat(below4, []string{"announce", "dependents", "tracing", "internal/web", "internal/web/page", "bucket/*", "planet/*", "watcher/*", "providers/*"}),
	// A stage for app, with the simulator and a bucket server on it.
	"internal/app/demo": {"internal/app", "internal/web", "config", "store", "bucket", "bucket/*", "planet/*"},
	"cmd/rotatord":      {"internal/app", "internal/app/demo", "config", "credential"},
}

// owners keep a package from outside to themselves, so that it can be replaced
// in one place.
var owners = map[string]string{
	"github.com/prometheus":         "metrics",
	"modernc.org/sqlite":            "store",
	"github.com/pelletier/go-toml":  "config",
	"k8s.io/client-go":              "rotation",
	"github.com/spf13/cobra":        "cmd/rotatord",
	"github.com/aws/aws-sdk-go-v2/": "bucket/* providers/* providers/aws/awstest watcher/* internal/awsclient internal/sigv4",
	"github.com/Azure/":             "providers/azure watcher/storagequeue watcher/servicebus internal/entra internal/app",
	"cloud.google.com/go/":          "providers/google providers/google/googletest watcher/pubsub",
	"google.golang.org/":            "providers/google providers/google/googletest watcher/pubsub tracing",
	"go.opentelemetry.io/":          "tracing",
	"github.com/googleapis/":        "providers/google watcher/pubsub",
	"github.com/hashicorp/":         "providers/vault",
	"github.com/coreos/go-oidc/":    "watcher/webhook",
	"github.com/go-jose/":           "watcher/webhook",
	"golang.org/x/time":             "watcher/webhook",
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

func (p goPackage) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// packages lists the module with the imports of its code. A package that does
// not compile is listed all the same.
func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.room() != "" { // the root holds tests only
			all = append(all, p)
		}
	}
	return all
}

// allowed finds the row of the house for a room.
func allowed(room string) (rooms []string, known bool) {
	if rooms, known = house[room]; known {
		return rooms, true
	}
	rooms, known = house[path.Dir(room)+"/*"]
	return rooms, known
}

func matches(patterns []string, room string) bool {
	return slices.Contains(patterns, room) || slices.Contains(patterns, path.Dir(room)+"/*")
}

// violations are the imports that the house does not allow.
func violations(all []goPackage) []string {
	var found []string
	for _, p := range all {
		rooms, known := allowed(p.room())
		if !known {
			found = append(found, p.room()+" has no place in the house: give it one in architecture_test.go and .golangci.yml")
			continue
		}
		for _, imp := range p.Imports {
			if inside, ok := strings.CutPrefix(imp, module+"/"); ok && !matches(rooms, inside) {
				found = append(found, p.room()+" may not import "+inside)
			}
			if p.room() == "credential" && strings.Contains(imp, ".") {
				found = append(found, "credential may import the standard library only, and not "+imp)
			}
			for prefix, owner := range owners {
				if strings.HasPrefix(imp, prefix) && !matches(strings.Fields(owner), p.room()) {
					found = append(found, p.room()+" may not import "+imp+", which belongs to "+owner)
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func TestImportsPointDownwards(t *testing.T) {
	all := packages(t)
	if len(all) < 3 {
		t.Fatalf("go list found %d packages only", len(all))
	}
	for _, v := range violations(all) {
		t.Error(v)
	}
}

func TestImportsThatPointElsewhereAreFound(t *testing.T) {
	for _, tt := range []struct{ name, room, imports, want string }{
		{"an adapter that imports its neighbour", "bucket/s3", module + "/bucket/gcs", "bucket/s3 may not import bucket/gcs"},
		{"an engine that knows an adapter", "rotation", module + "/providers/file", "rotation may not import providers/file"},
		{"a floor that looks up", "store", module + "/rotation", "store may not import rotation"},
		{"a neighbour on the same floor", "watcher", module + "/config", "watcher may not import config"},
		{"a client that is no library on its own", "planet", module + "/bucket", "planet may not import bucket"},
		{"a vocabulary with a dependency", "credential", "golang.org/x/sys/unix", "credential may import the standard library only, and not golang.org/x/sys/unix"},
		{"metrics outside metrics", "rotation", "github.com/prometheus/client_golang/prometheus", "rotation may not import github.com/prometheus/client_golang/prometheus, which belongs to metrics"},
		{"a database outside the store", "internal/app", "modernc.org/sqlite", "internal/app may not import modernc.org/sqlite, which belongs to store"},
		{"logic in a command", "cmd/rotatord", module + "/rotation", "cmd/rotatord may not import rotation"},
		{"a room that nobody planned", "util", "fmt", "util has no place in the house: give it one in architecture_test.go and .golangci.yml"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := violations([]goPackage{{ImportPath: module + "/" + tt.room, Imports: []string{tt.imports}}})
			if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// depguardRule is a rule of .golangci.yml.
type depguardRule struct {
	Mode  string   `yaml:"list-mode"`
	Files []string `yaml:"files"`
	Allow []string `yaml:"allow"`
	Deny  []struct {
		Pkg string `yaml:"pkg"`
	} `yaml:"deny"`
}

func TestLintRulesAreTheSameHouse(t *testing.T) {
	data, err := os.ReadFile(".golangci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Linters struct {
			Enable   []string `yaml:"enable"`
			Settings struct {
				Depguard struct {
					Rules map[string]depguardRule `yaml:"rules"`
				} `yaml:"depguard"`
			} `yaml:"settings"`
		} `yaml:"linters"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(file.Linters.Enable, "depguard") {
		t.Error("depguard is not enabled")
	}
	rules := file.Linters.Settings.Depguard.Rules
	for room, rooms := range house {
		if diff := cmp.Diff(ruleOf(room, rooms), rules[room], cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("rule %s (-house +lint):\n%s", room, diff)
		}
	}
	for prefix, owner := range owners {
		want := depguardRule{Mode: "lax", Files: []string{"!$test"}}
		for _, room := range strings.Fields(owner) {
			want.Files = append(want.Files, "!**/"+room+"/*.go")
		}
		want.Deny = append(want.Deny, struct {
			Pkg string `yaml:"pkg"`
		}{prefix})
		name := "only for " + strings.ReplaceAll(prefix, ".", "-") // names of rules have no dots
		if diff := cmp.Diff(want, rules[name], cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("rule %q (-house +lint):\n%s", name, diff)
		}
	}
	if len(rules) != len(house)+len(owners) {
		t.Errorf("%d lint rules for %d rooms and %d owners", len(rules), len(house), len(owners))
	}
}

// ruleOf is the lint rule of a room.
func ruleOf(room string, rooms []string) depguardRule {
	rule := depguardRule{Mode: "lax", Files: []string{"**/" + room + "/*.go", "!$test"}}
	for other := range house {
		if other != room && path.Dir(other)+"/*" == room {
			rule.Files = append(rule.Files, "!**/"+other+"/*.go") // has a row of its own
		}
	}
	deny := module
	if room == "credential" {
		rule.Mode, rule.Allow, deny = "strict", []string{"$gostd"}, ""
	}
	for _, r := range rooms {
		if prefix, folders := strings.CutSuffix(r, "*"); folders {
			rule.Allow = append(rule.Allow, module+"/"+prefix)
		} else {
			rule.Allow = append(rule.Allow, module+"/"+r+"$")
		}
	}
	if deny != "" {
		rule.Deny = append(rule.Deny, struct {
			Pkg string `yaml:"pkg"`
		}{deny})
	}
	return rule
}
