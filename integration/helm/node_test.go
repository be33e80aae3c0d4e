package helm

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/rotatord/rotatord/bucket/buckettest"
	"github.com/rotatord/rotatord/internal/app"
	"github.com/rotatord/rotatord/planet/planettest"
)

// TestARealNode lets the chart run: on a node with a kubelet and containerd
// that scripts/kube-node made, against a simulated Planet and a bucket with
// keys outside of it. Probes, volumes, updates of Secrets and ConfigMaps,
// "helm test", a pod that is deleted and one whose StatefulSet is made anew:
// all of that is the kubelet's and the controllers' work, which no template
// shows.
func TestARealNode(t *testing.T) {
	if os.Getenv("KUBE_NODE_IMAGE") == "" {
		t.Skip("there is no node: scripts/kube-node makes one")
	}
	n := startNode(t)
	n.secret(t, "planet", "api-key", nodeAPIKey)
	n.secret(t, "token", "token", nodeToken)
	n.rotate(t, "AKIAONE", buckettest.Put, buckettest.Get, buckettest.Delete)
	more := n.planet.Seed("ada", n.destination("more"))
	values, changed := n.values(t, n.tiles), n.values(t, n.tiles, more)
	n.k.helm(t, []string{"install", "release", chart, "-n", "live", "--wait", "--timeout", "3m"}, values)

	first := n.pod(t)
	if first.Status.ContainerStatuses[0].RestartCount != 0 || !*first.Status.ContainerStatuses[0].Started {
		t.Errorf("it has been restarted: %v", first.Status)
	}
	n.inSync(t, "AKIAONE", "the credential of the start")

	t.Run("helm test asks over the network", func(t *testing.T) {
		n.k.helm(t, []string{"test", "release", "-n", "live", "--timeout", "2m"})
	})
	t.Run("a Secret that changes is a rotation", func(t *testing.T) {
		n.rotate(t, "AKIATWO", buckettest.Put, buckettest.Get, buckettest.Delete)
		n.inSync(t, "AKIATWO", "the Secret's change")
		n.same(t, first)
	})
	t.Run("a credential that the bucket refuses is not sent", func(t *testing.T) {
		before := n.patches()
		n.rotate(t, "AKIABAD", buckettest.Get)
		// Held only after some tries: a new key may need a while to work.
		n.until(t, "the bad credential waits", func() bool { return n.status(t)[n.tiles].Reason == "propagation" })
		if after := n.patches(); after != before {
			t.Errorf("%d PATCHes", after-before)
		}
	})
	t.Run("who has the token may act, and nobody else", func(t *testing.T) {
		n.bucket.Allow("AKIABAD", buckettest.Put, buckettest.Get, buckettest.Delete)
		for token, want := range map[string]int{"wrong": http.StatusUnauthorized, nodeToken: http.StatusOK} {
			if got := n.retry(t, token); got != want {
				t.Errorf("the answer is %d, want %d", got, want)
			}
		}
		n.inSync(t, "AKIABAD", "the retry")
	})
	t.Run("a changed configuration is read by the same process", func(t *testing.T) {
		n.k.helm(t, []string{"upgrade", "release", chart, "-n", "live", "--wait"}, changed)
		n.until(t, "the second destination is in sync", func() bool { return n.status(t)[more].State == "in_sync" })
		n.same(t, first)
	})
	t.Run("a pod that is deleted comes back with its store", func(t *testing.T) {
		before, old := n.patches(), n.pod(t)
		n.k.must(t, http.MethodDelete, "/api/v1/namespaces/live/pods/release-rotatord-0", nil)
		n.until(t, "another pod is ready", func() bool { p := n.pod(t); return p.UID != old.UID && ready(p) })
		n.until(t, "all is in sync", func() bool {
			s := n.status(t)
			return s[n.tiles].State == "in_sync" && s[more].State == "in_sync"
		})
		if after := n.patches(); after != before {
			t.Errorf("%d PATCHes: it has forgotten what it had sent", after-before)
		}
	})
	t.Run("a StatefulSet that is made anew takes its pod and claim over", func(t *testing.T) {
		// The way of docs/kubernetes.md, for what an upgrade can't change.
		before := n.pod(t)
		n.k.must(t, http.MethodDelete, "/apis/apps/v1/namespaces/live/statefulsets/release-rotatord?propagationPolicy=Orphan", nil)
		n.until(t, "the StatefulSet is gone", func() bool {
			status, _ := n.k.do(t, http.MethodGet, "/apis/apps/v1/namespaces/live/statefulsets/release-rotatord", nil)
			return status == http.StatusNotFound
		})
		n.k.helm(t, []string{"upgrade", "release", chart, "-n", "live", "--wait"}, changed, "persistence: {size: 2Mi}")
		n.same(t, before)
		var claim corev1.PersistentVolumeClaim
		if err := json.Unmarshal(n.k.must(t, http.MethodGet, "/api/v1/namespaces/live/persistentvolumeclaims/store-release-rotatord-0", nil), &claim); err != nil {
			t.Fatal(err)
		}
		if size := claim.Spec.Resources.Requests.Storage().String(); size != "1Mi" {
			t.Errorf("the claim is another one, of %s", size)
		}
	})
	t.Run("the claim outlives the release", func(t *testing.T) {
		n.k.helm(t, []string{"uninstall", "release", "-n", "live", "--wait"})
		n.k.must(t, http.MethodGet, "/api/v1/namespaces/live/persistentvolumeclaims/store-release-rotatord-0", nil)
	})
}

const (
	nodeAPIKey = "PLAKnode"
	nodeToken  = "a-token-of-the-node-test"
)

// node is a cluster of one node, and what rotatord speaks to outside of it.
type node struct {
	k      *kubernetes
	client *http.Client
	planet *planettest.Simulator
	bucket *buckettest.Server
	api    string // Planet's
	store  string // the bucket server's
	tiles  string // the destination's id
}

func startNode(t *testing.T) *node {
	t.Helper()
	var config struct {
		Clusters []struct{ Cluster struct{ Server string } }
		Users    []struct{ User struct{ Token string } }
	}
	kubeconfig := os.Getenv("KUBECONFIG")
	if err := yaml.Unmarshal([]byte(read(t, kubeconfig)), &config); err != nil {
		t.Fatal(err)
	}
	n := &node{
		bucket: buckettest.NewServer(), client: &http.Client{Timeout: 5 * time.Second},
		k: &kubernetes{
			url: config.Clusters[0].Cluster.Server, token: config.Users[0].User.Token, kubeconfig: kubeconfig, dead: func() bool { return false },
			//nolint:gosec // the server makes its own certificate, on this machine
			client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}},
		},
	}
	n.bucket.CreateBucket("tiles")
	var err error
	n.planet, err = planettest.New(planettest.Options{
		Users:    []planettest.User{{Name: "ada", Key: nodeAPIKey, Admin: true}},
		Verifier: app.Verifier(app.BucketKinds(n.bucket.RoundTripper()), ""),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.api, n.store = serve(t, n.planet)+"/destinations/v1", serve(t, n.bucket)
	n.bucket.AddKey(buckettest.Key{ID: "AKIAOLD", Secret: "old", Buckets: []string{"tiles"}, Allow: []buckettest.Action{buckettest.Put, buckettest.Get, buckettest.Delete}})
	n.tiles = n.planet.Seed("ada", n.destination("tiles"))
	n.names(t)

	n.k.must(t, http.MethodPost, "/api/v1/namespaces", corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: "live", Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}},
	})
	wait := storagev1.VolumeBindingWaitForFirstConsumer
	n.k.must(t, http.MethodPost, "/apis/storage.k8s.io/v1/storageclasses", storagev1.StorageClass{
		TypeMeta:   metav1.TypeMeta{APIVersion: "storage.k8s.io/v1", Kind: "StorageClass"},
		ObjectMeta: metav1.ObjectMeta{Name: "local"}, Provisioner: "kubernetes.io/no-provisioner", VolumeBindingMode: &wait,
	})
	// As a disk comes: it is root's, and the kubelet gives it to fsGroup.
	disk := t.TempDir()
	if err := os.Chmod(disk, 0o755); err != nil { //nolint:gosec // as a disk comes
		t.Fatal(err)
	}
	n.k.must(t, http.MethodPost, "/api/v1/persistentvolumes", corev1.PersistentVolume{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolume"}, ObjectMeta: metav1.ObjectMeta{Name: "disk"},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: corev1.ResourceList{"storage": resource.MustParse("1Gi")}, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			StorageClassName: "local", PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: disk}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "kubernetes.io/hostname", Operator: corev1.NodeSelectorOpIn, Values: []string{"node"}}},
			}}}},
		},
	})
	return n
}

// serve listens where pods reach it.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(os.Getenv("NODE_IP"), "0"))
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	s.Start()
	t.Cleanup(s.Close)
	return s.URL
}

func (n *node) values(t *testing.T, destinations ...string) string {
	t.Helper()
	var tables strings.Builder
	for _, id := range destinations {
		fmt.Fprintf(&tables, "    [[destination]]\n    name = %q\n    secret = \"file:///run/secrets/tiles\"\n", id)
	}
	repository, tag, ok := strings.Cut(os.Getenv("KUBE_NODE_IMAGE"), ":")
	if !ok {
		t.Fatal("the image has no tag")
	}
	return fmt.Sprintf(`
image: {repository: %s, tag: %s, pullPolicy: Never}
apiKey: {existingSecret: {name: planet}}
admin: {token: {existingSecret: {name: token}}}
persistence: {storageClass: local, size: 1Mi}
secretMounts: [{name: tiles, secretName: tiles}]
config:
  inline: |
    [[account]]
    base_url = %q
%s`, repository, tag, n.api, &tables)
}

func (n *node) destination(name string) planettest.Destination {
	return planettest.Destination{Name: name, Type: "s3_compatible", Parameters: map[string]any{
		"bucket": "tiles", "region": "us-east-1", "endpoint": n.store, "use_path_style": true, "access_key_id": "AKIAOLD", "secret_access_key": "old",
	}}
}

// secret makes a Secret or replaces it.
func (n *node) secret(t *testing.T, name string, pairs ...string) {
	t.Helper()
	s := corev1.Secret{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}, ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.StringData[pairs[i]] = pairs[i+1]
	}
	const all = "/api/v1/namespaces/live/secrets"
	if status, _ := n.k.do(t, http.MethodGet, all+"/"+name, nil); status == http.StatusOK {
		n.k.must(t, http.MethodPut, all+"/"+name, s)
		return
	}
	n.k.must(t, http.MethodPost, all, s)
}

// rotate makes a key at the bucket and puts it into the Secret.
func (n *node) rotate(t *testing.T, id string, may ...buckettest.Action) {
	t.Helper()
	n.bucket.AddKey(buckettest.Key{ID: id, Secret: "secret-of-" + id, Buckets: []string{"tiles"}, Allow: may})
	n.secret(t, "tiles", "access_key_id", id, "secret_access_key", "secret-of-"+id)
}

// inSync waits until Planet has the key and rotatord knows it.
func (n *node) inSync(t *testing.T, id, after string) {
	t.Helper()
	n.until(t, "after "+after+", Planet has "+id, func() bool {
		want := n.planet.Fingerprint([]byte("secret-of-" + id))
		for _, r := range n.planet.Requests() {
			if r.Method == http.MethodPatch && r.Result == http.StatusOK && r.Fingerprints["secret_access_key"] == want {
				return n.status(t)[n.tiles].State == "in_sync"
			}
		}
		return false
	})
}

func (n *node) patches() (count int) {
	for _, r := range n.planet.Requests() {
		if r.Method == http.MethodPatch {
			count++
		}
	}
	return count
}

func (n *node) pod(t *testing.T) corev1.Pod {
	t.Helper()
	var p corev1.Pod
	status, body := n.k.do(t, http.MethodGet, "/api/v1/namespaces/live/pods/release-rotatord-0", nil)
	if status == http.StatusOK {
		if err := json.Unmarshal(body, &p); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func ready(p corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// same says whether the process is still that of before.
func (n *node) same(t *testing.T, before corev1.Pod) {
	t.Helper()
	after := n.pod(t)
	if after.UID != before.UID || after.DeletionTimestamp != nil || after.Status.ContainerStatuses[0].ContainerID != before.Status.ContainerStatuses[0].ContainerID || !ready(after) {
		t.Errorf("it was restarted: %s, now %s, %v", before.UID, after.UID, after.Status.ContainerStatuses[0].State)
	}
}

type standing struct{ Destination, State, Reason string }

// status is what the pod's API says, by the name of the destination; nothing
// while nobody answers.
func (n *node) status(t *testing.T) map[string]standing {
	t.Helper()
	all := map[string]standing{}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.pod(t).Status.PodIP+":9464/api/v1/status", nil)
	if err != nil {
		return all
	}
	answer, err := n.client.Do(r)
	if err != nil {
		return all
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	var list []standing
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		return all
	}
	for _, s := range list {
		all[s.Destination] = s
	}
	return all
}

func (n *node) retry(t *testing.T, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+n.pod(t).Status.PodIP+":9464/actions/retry", strings.NewReader(url.Values{"destination": {n.tiles}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := n.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // only its status counts
	return answer.StatusCode
}

// until waits, as long as the test may take. What the pod said is shown then.
func (n *node) until(t *testing.T, what string, there func() bool) {
	t.Helper()
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-deadline.C:
			_, says := n.k.do(t, http.MethodGet, "/api/v1/namespaces/live/pods/release-rotatord-0/log?tailLines=20", nil)
			t.Fatalf("in vain: %s. The daemon says %v, its log\n%s", what, n.status(t), says)
		case <-tick.C:
		}
	}
}

// names answers as a cluster's DNS does for headless Services: with the
// addresses of the pods. Of what it does not know it says so.
func (n *node) names(t *testing.T) {
	t.Helper()
	l, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", net.JoinHostPort(os.Getenv("NODE_IP"), "53"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		_ = l.Close() //nolint:errcheck // the loop ends with it
		<-done
	})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			size, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			if answer := n.resolve(t, bytes.Clone(b[:size])); answer != nil {
				_, _ = l.WriteTo(answer, from) //nolint:errcheck // who asks, asks again
			}
		}
	}()
}

func (n *node) resolve(t *testing.T, question []byte) []byte {
	t.Helper()
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Authoritative, m.RCode = true, true, dnsmessage.RCodeNameError
	m.Additionals = nil
	q := m.Questions[0]
	service, namespace, ok := strings.Cut(strings.TrimSuffix(q.Name.String(), ".svc.cluster.local."), ".")
	if !ok || strings.Contains(namespace, ".") {
		namespace, service = "none", "none"
	}
	var slices discoveryv1.EndpointSliceList
	status, body := n.k.do(t, http.MethodGet, "/apis/discovery.k8s.io/v1/namespaces/"+namespace+"/endpointslices?labelSelector=kubernetes.io/service-name="+service, nil)
	if status == http.StatusOK && json.Unmarshal(body, &slices) == nil {
		for _, s := range slices.Items {
			for _, e := range s.Endpoints {
				m.RCode = dnsmessage.RCodeSuccess
				ip, err := netip.ParseAddr(e.Addresses[0])
				if err != nil || q.Type != dnsmessage.TypeA {
					continue
				}
				m.Answers = append(m.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
					Body:   &dnsmessage.AResource{A: ip.As4()},
				})
			}
		}
	}
	answer, err := m.Pack()
	if err != nil {
		return nil
	}
	return answer
}
