package helm

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// TestARealAPIServer installs the chart with helm on a real kube-apiserver: it
// takes every object, admits the pods to a namespace that enforces the
// restricted Pod Security Standard, and allows the upgrades that a release
// sees. There is no controller and no node: nothing runs.
func TestARealAPIServer(t *testing.T) {
	if os.Getenv("ROTATORD_KUBE") == "" {
		t.Skip("ROTATORD_KUBE is not set: a kube-apiserver takes some minutes to build")
	}
	k := startKubernetes(t)
	for _, name := range []string{"least", "all", "pods", "kept"} {
		k.must(t, http.MethodPost, "/api/v1/namespaces", corev1.Namespace{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}},
		})
	}

	t.Run("takes the least", func(t *testing.T) {
		k.helm(t, []string{"install", "release", chart, "-n", "least"}, minimal)
		k.admits(t, "least", render(t))
	})
	t.Run("takes everything", func(t *testing.T) {
		k.helm(t, []string{"install", "release", chart, "-n", "all"}, everything)
		k.admits(t, "all", renderFrom(t, everything))
		for _, path := range []string{
			"/apis/monitoring.coreos.com/v1/namespaces/all/servicemonitors/release-rotatord",
			"/apis/monitoring.coreos.com/v1/namespaces/all/prometheusrules/release-rotatord",
			"/apis/gateway.networking.k8s.io/v1/namespaces/all/httproutes/release-rotatord-webhooks",
			"/apis/networking.k8s.io/v1/namespaces/all/ingresses/release-rotatord-webhooks",
			"/apis/networking.k8s.io/v1/namespaces/all/networkpolicies/release-rotatord",
		} {
			k.must(t, http.MethodGet, path, nil)
		}
	})
	t.Run("takes a PodMonitor, an existing claim, an emptyDir", func(t *testing.T) {
		k.helm(t, []string{"install", "one", chart, "-n", "pods"}, minimal, "podMonitor: {enabled: true, interval: 30s}\npersistence: {existingClaim: mine}")
		k.helm(t, []string{"install", "two", chart, "-n", "pods"}, minimal, "persistence: {enabled: false}\nserviceAccount: {create: false}")
	})
	t.Run("refuses a pod that could gain rights", func(t *testing.T) {
		for _, values := range []string{"securityContext: {allowPrivilegeEscalation: true}", "podSecurityContext: {runAsNonRoot: false}", "securityContext: {capabilities: {drop: null}}", "podSecurityContext: {seccompProfile: null}"} {
			status, says := k.pod(t, "least", "bad", render(t, values).pod(t))
			if status != http.StatusForbidden || !strings.Contains(says, "violates PodSecurity") {
				t.Errorf("%s: %d %s", values, status, says)
			}
		}
	})
	t.Run("upgrades", func(t *testing.T) {
		k.helm(t, []string{"install", "release", chart, "-n", "kept"}, minimal)
		for _, values := range []string{
			"image: {tag: 9.9.9}\ncommonLabels: {team: data}\nadmin: {port: 9000}\nterminationGracePeriodSeconds: 600",
			"persistence: {retention: {whenDeleted: Delete}}\nupdateStrategy: {type: OnDelete}\nservice: {labels: {a: b}}",
			"serviceMonitor: {enabled: true}\nprometheusRule: {enabled: true}\ndashboards: {enabled: true}",
			"replicaCount: 0",
		} {
			k.helm(t, []string{"upgrade", "release", chart, "-n", "kept"}, minimal, values)
		}
		const called = withWebhook + "webhooks: {enabled: true, ingress: {enabled: true, hosts: [a.example.com]}}"
		k.helm(t, []string{"upgrade", "release", chart, "-n", "kept"}, called)
		// docs/kubernetes.md says what can't be changed so, and what to do.
		for _, values := range []string{"persistence: {size: 2Gi}", "podManagementPolicy: Parallel"} {
			out, err := k.run(t, []string{"upgrade", "release", chart, "-n", "kept"}, called, values)
			if err == nil || !strings.Contains(out, "updates to statefulset spec for fields other than") {
				t.Errorf("%s: %v\n%s", values, err, out)
			}
		}
	})
	t.Run("rolls back and uninstalls, leaving nothing", func(t *testing.T) {
		k.helm(t, []string{"rollback", "release", "1", "-n", "kept"})
		k.helm(t, []string{"uninstall", "release", "-n", "kept"})
		for _, path := range []string{"/apis/apps/v1/namespaces/kept/statefulsets", "/api/v1/namespaces/kept/services", "/api/v1/namespaces/kept/configmaps", "/api/v1/namespaces/kept/secrets", "/api/v1/namespaces/kept/serviceaccounts", "/apis/networking.k8s.io/v1/namespaces/kept/networkpolicies", "/apis/networking.k8s.io/v1/namespaces/kept/ingresses"} {
			var list metav1.PartialObjectMetadataList
			if err := json.Unmarshal(k.must(t, http.MethodGet, path, nil), &list); err != nil {
				t.Fatal(err)
			}
			for _, item := range list.Items {
				// Not garbage of the chart's: helm's own record of a release is gone too.
				if item.Name != "kube-root-ca.crt" {
					t.Errorf("%s has %s", path, item.Name)
				}
			}
		}
	})
}

// kubernetes is an API server of its own.
type kubernetes struct {
	url        string
	token      string
	client     *http.Client
	kubeconfig string
	dead       func() bool // one of its servers has ended
}

// run runs helm on it.
func (k *kubernetes) run(t *testing.T, arguments []string, values ...string) (string, error) {
	t.Helper()
	out, says, err := helm(t, append(arguments, "--kubeconfig", k.kubeconfig), values...)
	return out + says, err
}

func (k *kubernetes) helm(t *testing.T, arguments []string, values ...string) {
	t.Helper()
	if out, err := k.run(t, arguments, values...); err != nil {
		t.Errorf("helm %v: %v\n%s", arguments[:2], err, out)
	}
}

// admits asks for the pods themselves, which only a controller would make.
func (k *kubernetes) admits(t *testing.T, namespace string, o *objects) {
	t.Helper()
	for name, spec := range map[string]corev1.PodSpec{"daemon": o.pod(t), "test": o.Pods["release-rotatord-test"].Spec} {
		// The StatefulSet's controller would name the volume of the claim.
		for _, c := range o.sts(t).Spec.VolumeClaimTemplates {
			if name == "daemon" {
				spec.Volumes = append(spec.Volumes, corev1.Volume{Name: c.Name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "store-0"}}})
			}
		}
		if name == "test" {
			spec.ServiceAccountName = o.pod(t).ServiceAccountName // "default" is made by a controller that is not here
		}
		if status, says := k.pod(t, namespace, name, spec); status != http.StatusCreated {
			t.Errorf("the pod %s: %d %s", name, status, says)
		}
	}
}

func (k *kubernetes) pod(t *testing.T, namespace, name string, spec corev1.PodSpec) (int, string) {
	t.Helper()
	for _, c := range append([]corev1.Container{}, spec.Containers...) {
		for _, m := range c.VolumeMounts {
			if m.Name == "store" && !hasVolume(spec, "store") {
				spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "store", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
			}
		}
	}
	status, body := k.do(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/pods?dryRun=All&fieldValidation=Strict", corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}, ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec,
	})
	return status, string(body)
}

func hasVolume(spec corev1.PodSpec, name string) bool {
	for _, v := range spec.Volumes {
		if v.Name == name {
			return true
		}
	}
	return false
}

func (k *kubernetes) must(t *testing.T, method, path string, body any) []byte {
	t.Helper()
	status, answer := k.do(t, method, path, body)
	if status >= 300 {
		t.Errorf("%s %s: %d %s", method, path, status, answer)
	}
	return answer
}

func (k *kubernetes) do(t *testing.T, method, path string, body any) (int, []byte) {
	t.Helper()
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		send = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, k.url+path, send)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+k.token)
	r.Header.Set("Content-Type", "application/json")
	answer, err := k.client.Do(r)
	if err != nil {
		return 0, []byte(err.Error())
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, []byte(err.Error())
	}
	return answer.StatusCode, b
}

// startKubernetes starts etcd and an API server with the definitions of the
// Prometheus operator and of the Gateway API, until the test ends.
func startKubernetes(t *testing.T) *kubernetes {
	t.Helper()
	etcd, err := tool("etcd")
	if err != nil {
		t.Fatal(err)
	}
	apiserver, err := tool("kube-apiserver")
	if err != nil {
		t.Fatal(err)
	}
	definitions, err := tool("crds")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	client, peer, port := freePort(t), freePort(t), freePort(t)
	store := start(t, etcd, "--data-dir="+dir+"/etcd", "--unsafe-no-fsync", "--log-level=error",
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer)

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	token := rand.Text()
	write(t, dir+"/key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	write(t, dir+"/tokens.csv", []byte(token+",root,root,system:masters\n"))
	host := strings.TrimPrefix(port, "http://")
	_, number, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	server := start(t, apiserver, "--etcd-servers="+client, "--bind-address=127.0.0.1", "--secure-port="+number, "--cert-dir="+dir+"/certs",
		"--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC", "--token-auth-file="+dir+"/tokens.csv",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+dir+"/key.pem",
		"--service-account-signing-key-file="+dir+"/key.pem", "--endpoint-reconciler-type=none", "--v=0")

	k := &kubernetes{
		url: "https://" + host, token: token, kubeconfig: dir + "/kubeconfig",
		dead: func() bool { return store() || server() },
		//nolint:gosec // the server makes its own certificate, on this machine
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
	}
	write(t, k.kubeconfig, fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "Config", "current-context": "test",
"clusters": [{"name": "test", "cluster": {"server": %q, "insecure-skip-tls-verify": true}}],
"users": [{"name": "root", "user": {"token": %q}}],
"contexts": [{"name": "test", "context": {"cluster": "test", "user": "root"}}]}`, k.url, token))
	k.wait(t, "the API server", func() bool {
		status, _ := k.do(t, http.MethodGet, "/readyz", nil)
		return status == http.StatusOK
	})
	for _, path := range strings.Split(definitions, "\n") {
		var crd any
		if err := yaml.Unmarshal([]byte(read(t, path)), &crd); err != nil {
			t.Fatal(err)
		}
		k.must(t, http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
	}
	for _, path := range []string{"/apis/monitoring.coreos.com/v1/servicemonitors", "/apis/monitoring.coreos.com/v1/podmonitors", "/apis/monitoring.coreos.com/v1/prometheusrules", "/apis/gateway.networking.k8s.io/v1/httproutes"} {
		k.wait(t, path, func() bool {
			status, _ := k.do(t, http.MethodGet, path, nil)
			return status == http.StatusOK
		})
	}
	return k
}

// wait asks until something is there, or the test's own deadline ends it.
func (k *kubernetes) wait(t *testing.T, what string, there func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		if k.dead() {
			t.Fatalf("%s is not there, and will not be: its server has ended", what)
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("%s is not there", what)
		case <-tick.C:
		}
	}
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freePort is an address on this machine that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // it is used as a number only
	return "http://" + l.Addr().String()
}

// start runs a server until the test ends. What it gives says whether it ended
// before; the test says what it said then.
func start(t *testing.T, binary string, arguments ...string) (dead func() bool) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	//nolint:gosec // a test runs the server that it has built
	c := exec.CommandContext(ctx, binary, arguments...)
	var says bytes.Buffer
	c.Stdout, c.Stderr = &says, &says
	if err := c.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = c.Wait() //nolint:errcheck // it is killed, or has said why
		close(ended)
	}()
	dead = func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	}
	t.Cleanup(func() {
		early := dead()
		stop()
		<-ended
		if early || t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(binary), tail(says.String()))
		}
	})
	return dead
}

func tail(s string) string { return s[max(0, len(s)-3000):] }
