package helm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const (
	repository = "../.."
	chart      = repository + "/helm/rotatord"
	// minimal is the least that installs.
	minimal = `
config:
  inline: |
    [[destination]]
    name = "my-s3-destination-CKxV9io"
    secret = "file:///run/secrets/planet-s3"
`
)

// helmBinary is where helm is. scripts/helm-tools builds it once.
var helmBinary = sync.OnceValues(func() (string, error) { return tool("helm") })

// tool asks scripts/helm-tools for the path of a tool.
func tool(name string) (string, error) {
	//nolint:gosec // a test runs the repository's own script
	c := exec.CommandContext(context.Background(), filepath.Join(repository, "scripts", "helm-tools"), name)
	var says bytes.Buffer
	c.Stderr = &says
	path, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("get %s: %w\n%s", name, err, &says)
	}
	return strings.TrimSpace(string(path)), nil
}

// helm runs helm with files of values, given as their texts, and gives what it
// prints.
func helm(t *testing.T, arguments []string, values ...string) (stdout, stderr string, err error) {
	t.Helper()
	binary, err := helmBinary()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: a comma in a test's name would part the list of files.
	home, err := os.MkdirTemp("", "helm-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	for i, text := range values {
		path := filepath.Join(home, fmt.Sprintf("values-%d.yaml", i))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, "--values", path)
	}
	//nolint:gosec // a test runs helm
	c := exec.CommandContext(t.Context(), binary, arguments...)
	// Neither the configuration nor the cluster of whoever runs the test counts.
	c.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + filepath.Join(home, "none")}
	var out, says bytes.Buffer
	c.Stdout, c.Stderr = &out, &says
	err = c.Run()
	return out.String(), says.String(), err
}

var template = []string{"template", "release", chart, "--namespace", "rooms"}

// objects are what the chart makes, by kind and name.
type objects struct {
	StatefulSets    map[string]*appsv1.StatefulSet
	Pods            map[string]*corev1.Pod
	Services        map[string]*corev1.Service
	ConfigMaps      map[string]*corev1.ConfigMap
	Secrets         map[string]*corev1.Secret
	ServiceAccounts map[string]*corev1.ServiceAccount
	NetworkPolicies map[string]*networkingv1.NetworkPolicy
	Ingresses       map[string]*networkingv1.Ingress
	HTTPRoutes      map[string]*httpRoute
	Monitors        map[string]*monitor // ServiceMonitors and PodMonitors
	Rules           map[string]*prometheusRule
	Kinds           []string // of all, as they come
	Texts           []string // of all, as they come
}

// render renders the chart with values on top of minimal.
func render(t *testing.T, values ...string) *objects {
	t.Helper()
	return renderFrom(t, append([]string{minimal}, values...)...)
}

// renderFrom renders the chart with these values alone.
func renderFrom(t *testing.T, values ...string) *objects {
	t.Helper()
	return renderChart(t, template, values...)
}

// renderChart renders as the arguments of helm say.
func renderChart(t *testing.T, arguments []string, values ...string) *objects {
	t.Helper()
	out, says, err := helm(t, arguments, values...)
	if err != nil {
		t.Fatalf("helm template: %v\n%s", err, says)
	}
	return decode(t, out)
}

func decode(t *testing.T, manifests string) *objects {
	t.Helper()
	o := &objects{
		StatefulSets: map[string]*appsv1.StatefulSet{}, Pods: map[string]*corev1.Pod{}, Services: map[string]*corev1.Service{},
		ConfigMaps: map[string]*corev1.ConfigMap{}, Secrets: map[string]*corev1.Secret{}, ServiceAccounts: map[string]*corev1.ServiceAccount{},
		NetworkPolicies: map[string]*networkingv1.NetworkPolicy{}, Ingresses: map[string]*networkingv1.Ingress{},
		HTTPRoutes: map[string]*httpRoute{}, Monitors: map[string]*monitor{}, Rules: map[string]*prometheusRule{},
	}
	for _, text := range strings.Split("\n"+manifests, "\n---") {
		var head struct {
			metav1.TypeMeta `json:",inline"`
			Metadata        metav1.ObjectMeta `json:"metadata"`
		}
		if err := yaml.Unmarshal([]byte(text), &head); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if head.Kind == "" {
			continue
		}
		o.Kinds = append(o.Kinds, head.Kind)
		o.Texts = append(o.Texts, text)
		name := head.Metadata.Name
		switch head.APIVersion + " " + head.Kind {
		case "apps/v1 StatefulSet":
			put(t, o.StatefulSets, name, text)
		case "v1 Pod":
			put(t, o.Pods, name, text)
		case "v1 Service":
			put(t, o.Services, name, text)
		case "v1 ConfigMap":
			put(t, o.ConfigMaps, name, text)
		case "v1 Secret":
			put(t, o.Secrets, name, text)
		case "v1 ServiceAccount":
			put(t, o.ServiceAccounts, name, text)
		case "networking.k8s.io/v1 NetworkPolicy":
			put(t, o.NetworkPolicies, name, text)
		case "networking.k8s.io/v1 Ingress":
			put(t, o.Ingresses, name, text)
		case "gateway.networking.k8s.io/v1 HTTPRoute":
			put(t, o.HTTPRoutes, name, text)
		case "monitoring.coreos.com/v1 ServiceMonitor", "monitoring.coreos.com/v1 PodMonitor":
			put(t, o.Monitors, name, text)
		case "monitoring.coreos.com/v1 PrometheusRule":
			put(t, o.Rules, name, text)
		default:
			t.Fatalf("the chart makes an object that nobody expects: %s %s", head.APIVersion, head.Kind)
		}
	}
	return o
}

// put decodes an object strictly: an unknown or repeated field is an error.
func put[T any](t *testing.T, all map[string]*T, name, text string) {
	t.Helper()
	if all[name] != nil {
		t.Fatalf("two objects of one kind are called %s", name)
	}
	all[name] = new(T)
	if err := yaml.UnmarshalStrict([]byte(text), all[name]); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

// sts is the one StatefulSet of the default names.
func (o *objects) sts(t *testing.T) *appsv1.StatefulSet {
	t.Helper()
	s := o.StatefulSets["release-rotatord"]
	if s == nil {
		t.Fatalf("there is no StatefulSet release-rotatord among %v", o.Kinds)
	}
	return s
}

func (o *objects) pod(t *testing.T) corev1.PodSpec {
	t.Helper()
	return o.sts(t).Spec.Template.Spec
}

// container is rotatord's own.
func (o *objects) container(t *testing.T) corev1.Container {
	t.Helper()
	return o.pod(t).Containers[0]
}

// env is a variable of rotatord's container; nil where there is none.
func (o *objects) env(t *testing.T, name string) *corev1.EnvVar {
	t.Helper()
	for _, e := range o.container(t).Env {
		if e.Name == name {
			return &e
		}
	}
	return nil
}

// volume is a volume of the pod; nil where there is none.
func (o *objects) volume(t *testing.T, name string) *corev1.Volume {
	t.Helper()
	for _, v := range o.pod(t).Volumes {
		if v.Name == name {
			return &v
		}
	}
	return nil
}

// mount is where rotatord's container has a volume; empty where it has it not.
func (o *objects) mount(t *testing.T, volume string) string {
	t.Helper()
	for _, m := range o.container(t).VolumeMounts {
		if m.Name == volume {
			return m.MountPath
		}
	}
	return ""
}
