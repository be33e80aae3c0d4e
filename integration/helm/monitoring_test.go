package helm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// everything is every feature that can be on at the same time.
const everything = webhooksOn + `
apiKey: {value: PLAK0}
admin: {token: {existingSecret: {name: token}}}
global: {imagePullSecrets: [{name: registry}]}
secretMounts: [{name: s3, secretName: my-secret}, {name: vault, csi: {secretProviderClass: my-class}}]
serviceAccount: {token: {enabled: true, audience: vault}}
workloadIdentity:
  aws: {roleArn: "arn:aws:iam::123456789012:role/rotatord", podIdentity: true}
  google: {serviceAccount: rotatord@my-project.iam.gserviceaccount.com}
  azure: {clientId: 4962773b-9cdb-44cf-a8bf-237846a00ab7}
networkPolicy: {egress: {extra: [{to: [{namespaceSelector: {matchLabels: {name: vault}}}], ports: [{port: 8200}]}]}}
serviceMonitor: {enabled: true, interval: 30s, scrapeTimeout: 10s, labels: {release: prometheus}, metricRelabelings: [{action: labeldrop, regex: x}], relabelings: [{action: labeldrop, regex: z}]}
prometheusRule: {enabled: true, labels: {release: prometheus}, alertLabels: {team: data}}
dashboards: {enabled: true}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: ScheduleAnyway}]
extraEnv: [{name: AWS_REGION, value: eu-central-1}]
extraContainers: [{name: side, image: car, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}]
`

func TestMonitors(t *testing.T) {
	t.Parallel()
	for kind, value := range map[string]string{"ServiceMonitor": "serviceMonitor", "PodMonitor": "podMonitor"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			o := render(t, value+": {enabled: true, namespace: watch, interval: 30s, scrapeTimeout: 10s, labels: {release: prometheus}, annotations: {a: b}, relabelings: [{action: labeldrop, regex: x}], metricRelabelings: [{action: keep, regex: z}]}")
			m := o.Monitors["release-rotatord"]
			if m == nil || m.Kind != kind || m.Metadata.Namespace != "watch" || m.Metadata.Labels["release"] != "prometheus" || m.Metadata.Annotations["a"] != "b" {
				t.Fatalf("%v", m)
			}
			all := append(m.Spec.Endpoints, m.Spec.PodMetricsEndpoints...)
			want := []endpoint{{Port: "metrics", Path: "/metrics", Interval: "30s", ScrapeTimeout: "10s", Relabelings: []map[string]any{{"action": "labeldrop", "regex": "x"}}, MetricRelabelings: []map[string]any{{"action": "keep", "regex": "z"}}}}
			if diff := cmp.Diff(want, all); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			labels := o.Services["release-rotatord"].Labels
			if kind == "PodMonitor" {
				labels = o.sts(t).Spec.Template.Labels
			}
			for k, v := range m.Spec.Selector.MatchLabels {
				if labels[k] != v {
					t.Errorf("it does not find %s=%s among %v", k, v, labels)
				}
			}
			if labels[m.Spec.JobLabel] != "rotatord" {
				t.Errorf("the job is %q", labels[m.Spec.JobLabel])
			}
			if diff := cmp.Diff([]string{"rooms"}, m.Spec.NamespaceSelector.MatchNames); diff != "" {
				t.Error(diff)
			}
		})
	}
	if n := len(render(t).Monitors); n != 0 {
		t.Errorf("there are %d that nobody asked for", n)
	}
}

// TestTheServiceMonitorLeavesTheWebhooksAlone: their Service has the labels of
// the release too.
func TestTheServiceMonitorLeavesTheWebhooksAlone(t *testing.T) {
	t.Parallel()
	o := renderFrom(t, everything)
	m := o.Monitors["release-rotatord"]
	for k, v := range m.Spec.Selector.MatchLabels {
		if o.Services["release-rotatord-webhooks"].Labels[k] != v {
			return
		}
	}
	t.Error("it would scrape the webhooks")
}

// withFiles is the chart with one more file of rules and one more dashboard.
func withFiles(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rotatord")
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"rules/zz_test.yaml":       "groups:\n  - name: zz\n    rules:\n      - alert: One\n        expr: up == 0\n        labels: {severity: page}\n        annotations: {summary: '{{ $labels.instance }} is gone'}\n      - alert: Two\n        expr: up == 1\n      - record: three\n        expr: up\n",
		"dashboards/Zz_Board.json": "{\n  \"title\": \"{{ instance }}\"\n}\n",
		"rules/README.md":          "no rules\n",
	} {
		path := filepath.Join(dir, "files", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRulesAreThoseOfTheFiles(t *testing.T) {
	t.Parallel()
	dir := withFiles(t)
	files, err := filepath.Glob(dir + "/files/rules/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var want []ruleGroup
	for _, path := range files {
		var f struct{ Groups []ruleGroup }
		if err := yaml.UnmarshalStrict([]byte(read(t, path)), &f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		want = append(want, f.Groups...)
	}
	arguments := []string{"template", "release", dir}
	got := renderChart(t, arguments, minimal, "prometheusRule: {enabled: true}").Rules["release-rotatord"].Spec.Groups
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-files +object):\n%s", diff)
	}
	o := renderChart(t, arguments, minimal, "prometheusRule: {enabled: true, namespace: watch, labels: {a: b}, annotations: {c: d}, disabled: [Two], alertLabels: {team: data, severity: info}, extraGroups: [{name: own, rules: [{alert: Own, expr: up}]}]}").Rules["release-rotatord"]
	groups := o.Spec.Groups
	zz, own := groups[len(groups)-2], groups[len(groups)-1]
	if len(zz.Rules) != 2 || zz.Rules[0].Alert != "One" || zz.Rules[1].Record != "three" || own.Rules[0].Alert != "Own" {
		t.Errorf("rules: %v %v", zz, own)
	}
	if diff := cmp.Diff(map[string]string{"team": "data", "severity": "info"}, zz.Rules[0].Labels); diff != "" {
		t.Error(diff)
	}
	if len(zz.Rules[1].Labels) != 0 {
		t.Error("a recorded series has the labels of alerts")
	}
	if o.Metadata.Namespace != "watch" || o.Metadata.Labels["a"] != "b" || o.Metadata.Annotations["c"] != "d" {
		t.Errorf("%v", o.Metadata)
	}
	if n := len(renderChart(t, arguments, minimal).Rules); n != 0 {
		t.Errorf("there are %d that nobody asked for", n)
	}
	if err := os.WriteFile(filepath.Join(dir, "files/rules/broken.yaml"), []byte("rules: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, says, err := helm(t, arguments, minimal+"prometheusRule: {enabled: true}"); err == nil || !strings.Contains(says, "files/rules/broken.yaml has no groups of rules") {
		t.Errorf("a file without groups: %v %s", err, says)
	}
}

func TestDashboardsAreThoseOfTheFiles(t *testing.T) {
	t.Parallel()
	dir := withFiles(t)
	files, err := filepath.Glob(dir + "/files/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	arguments := []string{"template", "release", dir}
	o := renderChart(t, arguments, minimal, "dashboards: {enabled: true, namespace: watch, annotations: {a: b}}")
	n := 0
	for name, c := range o.ConfigMaps {
		if !strings.Contains(name, "-dashboard-") {
			continue
		}
		n++
		if c.Namespace != "watch" || c.Labels["grafana_dashboard"] != "1" || c.Annotations["grafana_folder"] != "rotatord" || c.Annotations["a"] != "b" || len(c.Data) != 1 {
			t.Errorf("%v", c.ObjectMeta)
		}
		for file, text := range c.Data {
			source := strings.TrimPrefix(file, "release-rotatord-")
			if want := read(t, dir+"/files/dashboards/"+source); strings.TrimSpace(text) != strings.TrimSpace(want) {
				t.Errorf("%s is not the file %s", file, source)
			}
			if !json.Valid([]byte(text)) {
				t.Errorf("%s is no JSON", file)
			}
		}
	}
	if n != len(files) || o.ConfigMaps["release-rotatord-dashboard-zz-board"] == nil {
		t.Errorf("%d dashboards of %d", n, len(files))
	}
	for name, c := range renderChart(t, arguments, minimal, "dashboards: {enabled: true, folder: '', labels: {x: z, grafana_dashboard: null}}").ConfigMaps {
		if !strings.Contains(name, "-dashboard-") {
			continue
		}
		if _, ok := c.Annotations["grafana_folder"]; ok || c.Labels["x"] != "z" || c.Labels["grafana_dashboard"] != "" {
			t.Errorf("%v", c.ObjectMeta)
		}
	}
	if n := len(renderChart(t, arguments, minimal).ConfigMaps); n != 1 {
		t.Errorf("there are %d that nobody asked for", n-1)
	}
}
