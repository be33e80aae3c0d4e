package helm

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the table of values into the chart's README.md anew")

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func appVersion(t *testing.T) string {
	t.Helper()
	var c struct{ AppVersion string }
	if err := yaml.Unmarshal([]byte(read(t, chart+"/Chart.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c.AppVersion
}

// value is one that values.yaml describes.
type value struct{ path, meaning string }

// described reads the comments "# -- …" of values.yaml, and what they stand
// before.
func described(t *testing.T) []value {
	t.Helper()
	var (
		all     []value
		parents []string
		meaning string
	)
	line := regexp.MustCompile(`^( *)([A-Za-z]+):`)
	for _, l := range strings.Split(read(t, chart+"/values.yaml"), "\n") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(l), "# -- "); ok {
			meaning = text
			continue
		}
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		parents = append(parents[:len(m[1])/2], m[2])
		if meaning != "" {
			all = append(all, value{strings.Join(parents, "."), meaning})
		}
		meaning = ""
	}
	return all
}

// defaults are the values of values.yaml by their paths: of every key, tables
// too.
func defaults(t *testing.T) map[string]any {
	t.Helper()
	var values map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, chart+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	var walk func(prefix string, m map[string]any)
	walk = func(prefix string, m map[string]any) {
		for k, v := range m {
			all[prefix+k] = v
			if inner, ok := v.(map[string]any); ok {
				walk(prefix+k+".", inner)
			}
		}
	}
	walk("", values)
	return all
}

// TestEveryValueIsDescribed: by a comment of its own, or of the table that it
// is in.
func TestEveryValueIsDescribed(t *testing.T) {
	t.Parallel()
	paths := map[string]bool{}
	for _, v := range described(t) {
		paths[v.path] = true
	}
	for path, v := range defaults(t) {
		if inner, ok := v.(map[string]any); ok && len(inner) > 0 {
			continue
		}
		known := false
		for p := path; p != "" && !known; p = p[:max(0, strings.LastIndex(p, "."))] {
			known = paths[p]
		}
		if !known {
			t.Errorf("values.yaml has no comment for %s", path)
		}
	}
	if len(paths) < 100 {
		t.Errorf("only %d comments were found", len(paths))
	}
}

func TestTheREADMEListsEveryValue(t *testing.T) {
	t.Parallel()
	all := defaults(t)
	var table strings.Builder
	table.WriteString("| Value | Default | Meaning |\n|---|---|---|\n")
	for _, v := range described(t) {
		standard, err := json.Marshal(all[v.path])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", v.path, standard, strings.ReplaceAll(v.meaning, "|", `\|`))
	}
	const begin, end = "<!-- values: made by \"go test ./helm -update\" in integration/ -->\n", "<!-- end of values -->\n"
	path := chart + "/README.md"
	text := read(t, path)
	before, rest, ok1 := strings.Cut(text, begin)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the values", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o644); err != nil { //nolint:gosec // a document
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), got); diff != "" {
		t.Errorf("the README's table is not that of values.yaml; write it with -update (-want +got):\n%s", diff)
	}
}

// TestTheSchemaKnowsExactlyTheValues that values.yaml has, and one that a
// parent chart sets.
func TestTheSchemaKnowsExactlyTheValues(t *testing.T) {
	t.Parallel()
	type schema struct {
		Properties           map[string]json.RawMessage
		AdditionalProperties *json.RawMessage
	}
	known := map[string]bool{}
	var walk func(prefix string, raw []byte)
	walk = func(prefix string, raw []byte) {
		var s schema
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		// Parent charts put into global what they like.
		if s.Properties != nil && prefix != "global." && (s.AdditionalProperties == nil || string(*s.AdditionalProperties) != "false") {
			t.Errorf("the schema takes anything as %s*", prefix)
		}
		for name, inner := range s.Properties {
			known[prefix+name] = true
			walk(prefix+name+".", inner)
		}
	}
	walk("", []byte(read(t, chart+"/values.schema.json")))
	all := defaults(t)
	// What Kubernetes itself defines, or the user names, has no properties of ours.
	free := regexp.MustCompile(`^(podSecurityContext|securityContext|resources\.(requests|limits)|dashboards\.labels)\.`)
	for path := range all {
		if !known[path] && !free.MatchString(path) {
			t.Errorf("the schema does not know %s", path)
		}
	}
	unset := regexp.MustCompile(`^(enabled|resources\.claims|updateStrategy\.rollingUpdate|(liveness|readiness|startup)Probe\.(initialDelaySeconds|successThreshold|terminationGracePeriodSeconds))$`)
	for _, path := range slices.Sorted(maps.Keys(known)) {
		if _, ok := all[path]; !ok && !unset.MatchString(path) {
			t.Errorf("values.yaml does not have %s", path)
		}
	}
}

// TestValuesThatDocumentsNameExist: in code spans, as path; and in examples,
// which are rendered.
func TestValuesThatDocumentsNameExist(t *testing.T) {
	t.Parallel()
	all := defaults(t)
	span := regexp.MustCompile("`([a-zA-Z]+)(\\.[a-zA-Z]+)+(: [^`]*)?`")
	example := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```$")
	spans, examples := 0, 0
	for _, path := range []string{repository + "/docs/kubernetes.md", chart + "/README.md"} {
		text := read(t, path)
		for _, m := range span.FindAllStringSubmatch(text, -1) {
			if _, ours := all[m[1]]; !ours {
				continue
			}
			spans++
			name, _, _ := strings.Cut(strings.Trim(m[0], "`"), ":")
			if _, ok := all[name]; !ok {
				t.Errorf("%s names %s, which is no value", path, name)
			}
		}
		for _, m := range example.FindAllStringSubmatch(text, -1) {
			examples++
			base := minimal
			if strings.HasPrefix(m[1], "webhooks:") {
				base = withWebhook
			}
			renderFrom(t, base, m[1])
		}
	}
	if spans < 50 || examples < 8 {
		t.Errorf("only %d names and %d examples were found", spans, examples)
	}
}

func TestOldClustersAreRefused(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"1.26.15": false, "1.27.0": true, "1.30.2-gke.100": true} {
		_, says, err := helm(t, append(slices.Clone(template), "--kube-version", version), minimal)
		if (err == nil) != want || !want && !strings.Contains(says, "chart requires kubeVersion") {
			t.Errorf("Kubernetes %s: %v %s", version, err, says)
		}
	}
}

func TestLint(t *testing.T) {
	t.Parallel()
	for name, values := range map[string]string{"with what is needed": minimal, "with everything": everything} {
		out, says, err := helm(t, []string{"lint", "--strict", chart}, values)
		if err != nil {
			t.Errorf("%s: %v\n%s%s", name, err, out, says)
		}
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	notes := func(t *testing.T, values string) string {
		t.Helper()
		out, says, err := helm(t, []string{"install", "release", chart, "--namespace", "rooms", "--dry-run=client"}, values)
		if err != nil {
			t.Fatalf("%v\n%s", err, says)
		}
		_, after, found := strings.Cut(out, "\nNOTES:\n")
		if !found {
			t.Fatalf("no notes in\n%s", out)
		}
		return after
	}
	for name, c := range map[string]struct {
		values string
		says   []string
		not    []string
	}{
		"the next steps":               {minimal + "apiKey: {existingSecret: {name: planet}}", []string{"kubectl -n rooms rollout status statefulset/release-rotatord", "kubectl -n rooms exec release-rotatord-0 -c rotatord -- /rotatord check", "helm test release --namespace rooms", "DNS and TCP 443"}, []string{"WARNING", "no API key", "ebhooks", "token"}},
		"a store that is lost":         {minimal + "persistence: {enabled: false}", []string{"WARNING: persistence.enabled is false. The store is lost"}, nil},
		"no key":                       {minimal, []string{"no API key for Planet"}, nil},
		"a key in the release":         {minimal + "apiKey: {value: PLAK0}", []string{"WARNING: apiKey.value stands in the release's history"}, []string{"PLAK0"}},
		"no replica":                   {minimal + "replicaCount: 0", []string{"WARNING: replicaCount is 0."}, nil},
		"no policy":                    {minimal + "networkPolicy: {enabled: false}", []string{"WARNING: networkPolicy.enabled is false."}, nil},
		"nobody may scrape":            {minimal + "networkPolicy: {metricsFrom: []}", []string{"nobody but the kubelet"}, nil},
		"a configuration of one's own": {"config: {existingSecret: {name: x}}\nadmin: {port: 9000}", []string{"listen = \":9000\""}, nil},
		"a token of actions":           {minimal + "admin: {token: {existingSecret: {name: mine}}}", []string{"Who has the token in the Secret mine may act"}, []string{"token_file"}},
		"a token, read by one's own":   {"config: {existingSecret: {name: x}}\nadmin: {token: {existingSecret: {name: mine}}}", []string{"token_file = \"/run/secrets/admin-token/token\""}, nil},
		"webhooks":                     {webhooksOn, []string{"release-rotatord-webhooks, at https://rot.example.com/events/"}, nil},
		"no pod of helm test":          {minimal + "testPod: {enabled: false}", nil, []string{"helm test"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := notes(t, c.values)
			for _, want := range c.says {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in\n%s", want, got)
				}
			}
			for _, not := range c.not {
				if strings.Contains(got, not) {
					t.Errorf("%q is in\n%s", not, got)
				}
			}
		})
	}
}
