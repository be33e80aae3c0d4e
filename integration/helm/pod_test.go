package helm

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// TestTheLeastThatInstalls holds what a pod may do unless somebody asks for more.
func TestTheLeastThatInstalls(t *testing.T) {
	t.Parallel()
	o := render(t)
	want := []string{"NetworkPolicy", "ServiceAccount", "ConfigMap", "Service", "StatefulSet", "Pod"}
	slices.Sort(want)
	got := slices.Clone(o.Kinds)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kinds of objects (-want +got):\n%s", diff)
	}
	for _, pod := range []corev1.PodSpec{o.pod(t), o.Pods["release-rotatord-test"].Spec} {
		if p := pod.AutomountServiceAccountToken; p == nil || *p {
			t.Error("the pod gets a token for Kubernetes' API")
		}
		if p := pod.EnableServiceLinks; p == nil || *p {
			t.Error("the pod's environment has every Service of the namespace")
		}
		s := pod.SecurityContext
		if s.RunAsNonRoot == nil || !*s.RunAsNonRoot || *s.RunAsUser != 65532 || *s.RunAsGroup != 65532 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("the pod's security context is %v", s)
		}
		for _, c := range pod.Containers {
			s := c.SecurityContext
			if !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || *s.Privileged || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
				t.Errorf("the container's security context is %v", s)
			}
		}
		for _, v := range pod.Volumes {
			if v.HostPath != nil {
				t.Errorf("the volume %s is the node's own", v.Name)
			}
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC {
			t.Error("the pod shares a namespace with its node")
		}
	}
	pod := o.pod(t)
	if s := pod.SecurityContext; *s.FSGroup != 65532 || *s.FSGroupChangePolicy != corev1.FSGroupChangeOnRootMismatch {
		t.Errorf("fsGroup: %v", s)
	}
	if a := o.ServiceAccounts["release-rotatord"]; a.AutomountServiceAccountToken == nil || *a.AutomountServiceAccountToken || len(a.Annotations) > 0 {
		t.Errorf("the ServiceAccount: %v", a)
	}
	if *o.sts(t).Spec.Replicas != 1 || *pod.TerminationGracePeriodSeconds != 180 {
		t.Errorf("replicas %d, stop %d", *o.sts(t).Spec.Replicas, *pod.TerminationGracePeriodSeconds)
	}
	c := o.container(t)
	if diff := cmp.Diff([]string{"run", "--config=/etc/rotatord/rotatord.toml"}, c.Args); diff != "" {
		t.Error(diff)
	}
	if c.Image != "ghcr.io/rotatord/rotatord:"+appVersion(t) {
		t.Errorf("image %s", c.Image)
	}
	for name, p := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz": c.ReadinessProbe, "/healthz ": c.StartupProbe} {
		if p == nil || p.HTTPGet.Path != strings.TrimSpace(name) || p.HTTPGet.Port.StrVal != "metrics" {
			t.Errorf("the probe %s: %v", name, p)
		}
	}
	if diff := cmp.Diff(corev1.ResourceRequirements{
		Requests: corev1.ResourceList{"cpu": resource.MustParse("50m"), "memory": resource.MustParse("64Mi")},
		Limits:   corev1.ResourceList{"memory": resource.MustParse("256Mi")},
	}, c.Resources); diff != "" {
		t.Error(diff)
	}
	if e := o.env(t, "GOMEMLIMIT"); e == nil || e.ValueFrom.ResourceFieldRef.Resource != "limits.memory" {
		t.Errorf("GOMEMLIMIT: %v", e)
	}
	if o.env(t, "PL_API_KEY") != nil {
		t.Error("there is an API key that nobody has named")
	}
}

// TestOnlyThePodIsSelected: neither the Service nor the StatefulSet may take
// the pod of helm test for the daemon.
func TestOnlyThePodIsSelected(t *testing.T) {
	t.Parallel()
	o := renderFrom(t, withWebhook+"webhooks: {enabled: true}\ncommonLabels: {team: data, app.kubernetes.io/name: other}")
	selectors := map[string]map[string]string{"StatefulSet": o.sts(t).Spec.Selector.MatchLabels, "NetworkPolicy": o.NetworkPolicies["release-rotatord"].Spec.PodSelector.MatchLabels}
	for name, s := range o.Services {
		selectors["Service "+name] = s.Spec.Selector
	}
	matches := func(selector, labels map[string]string) bool {
		for k, v := range selector {
			if labels[k] != v {
				return false
			}
		}
		return len(selector) > 0
	}
	for name, s := range selectors {
		if !matches(s, o.sts(t).Spec.Template.Labels) {
			t.Errorf("%s does not select the daemon: %v", name, s)
		}
		if matches(s, o.Pods["release-rotatord-test"].Labels) {
			t.Errorf("%s selects the pod of helm test: %v", name, s)
		}
	}
	if len(selectors) != 4 {
		t.Errorf("selectors: %v", selectors)
	}
}

// TestWhatCanNotBeChangedDoesNotChange: a StatefulSet's claims, selector and
// Service are fixed for its life, so nothing of a version may stand there.
func TestWhatCanNotBeChangedDoesNotChange(t *testing.T) {
	t.Parallel()
	before := render(t).sts(t).Spec
	after := render(t, "image: {tag: 9.9.9}\ncommonLabels: {team: data}\npodLabels: {a: b}\ncommonAnnotations: {c: d}\nwebhooks: {port: 8081}\nadmin: {port: 9000}").sts(t).Spec
	for name, pair := range map[string][2]any{
		"volumeClaimTemplates": {before.VolumeClaimTemplates, after.VolumeClaimTemplates},
		"selector":             {before.Selector, after.Selector},
		"serviceName":          {before.ServiceName, after.ServiceName},
		"podManagementPolicy":  {before.PodManagementPolicy, after.PodManagementPolicy},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-before +after):\n%s", name, diff)
		}
	}
	if cmp.Equal(before.Template, after.Template) {
		t.Error("the values have changed nothing at all")
	}
}

func TestThePodIsAsAsked(t *testing.T) {
	t.Parallel()
	o := render(t, `
nameOverride: rot
image: {repository: "registry.example.com:5000/rotatord", tag: v9, digest: "sha256:`+strings.Repeat("ab", 32)+`", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
log: {level: debug, format: json}
extraArgs: [--x]
extraEnv: [{name: AWS_REGION, value: eu-central-1}]
extraEnvFrom: [{secretRef: {name: more}}]
extraVolumes: [{name: ca, configMap: {name: company-ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ssl/company}]
initContainers: [{name: agent, image: vault, restartPolicy: Always}]
extraContainers: [{name: side, image: car}]
podAnnotations: {a: b}
podLabels: {c: d}
commonLabels: {e: f}
commonAnnotations: {g: h}
nodeSelector: {disk: ssd}
tolerations: [{key: k, operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: k, operator: Exists}]}]}}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}, {maxSkew: 2, topologyKey: host, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {own: one}}}]
priorityClassName: high
runtimeClassName: gvisor
hostAliases: [{ip: 10.0.0.1, hostnames: [vault]}]
dnsPolicy: None
dnsConfig: {nameservers: [10.0.0.2]}
updateStrategy: {type: OnDelete}
podManagementPolicy: Parallel
revisionHistoryLimit: 3
terminationGracePeriodSeconds: 600
replicaCount: 0
resources: {limits: {memory: null, cpu: 1}}
livenessProbe: {enabled: false}
readinessProbe: {periodSeconds: 7}
fullnameOverride: release-rotatord
`)
	pod, c, s := o.pod(t), o.container(t), o.sts(t).Spec
	if c.Image != "registry.example.com:5000/rotatord@sha256:"+strings.Repeat("ab", 32) || c.ImagePullPolicy != corev1.PullAlways || pod.ImagePullSecrets[0].Name != "registry" {
		t.Errorf("image %s, %s", c.Image, c.ImagePullPolicy)
	}
	if diff := cmp.Diff([]string{"run", "--config=/etc/rotatord/rotatord.toml", "--log-level=debug", "--log-format=json", "--x"}, c.Args); diff != "" {
		t.Error(diff)
	}
	if e := o.env(t, "AWS_REGION"); e == nil || e.Value != "eu-central-1" || c.EnvFrom[0].SecretRef.Name != "more" {
		t.Errorf("the environment: %v %v", c.Env, c.EnvFrom)
	}
	if o.env(t, "GOMEMLIMIT") != nil {
		t.Error("GOMEMLIMIT would be all of the node's memory")
	}
	if o.mount(t, "ca") != "/etc/ssl/company" || o.volume(t, "ca").ConfigMap.Name != "company-ca" {
		t.Error("the extra volume is missing")
	}
	if pod.InitContainers[0].Name != "agent" || *pod.InitContainers[0].RestartPolicy != corev1.ContainerRestartPolicyAlways || pod.Containers[1].Name != "side" {
		t.Error("the other containers are missing")
	}
	meta := o.sts(t).Spec.Template
	if meta.Annotations["a"] != "b" || meta.Labels["c"] != "d" || meta.Labels["e"] != "f" || o.sts(t).Annotations["g"] != "h" || meta.Labels["app.kubernetes.io/name"] != "rot" {
		t.Errorf("labels and annotations: %v", meta.ObjectMeta)
	}
	if pod.NodeSelector["disk"] != "ssd" || pod.Tolerations[0].Key != "k" || pod.Affinity.NodeAffinity == nil || pod.PriorityClassName != "high" || *pod.RuntimeClassName != "gvisor" || pod.HostAliases[0].IP != "10.0.0.1" || pod.DNSPolicy != corev1.DNSNone || pod.DNSConfig.Nameservers[0] != "10.0.0.2" {
		t.Errorf("where the pod runs: %v", pod)
	}
	spread := pod.TopologySpreadConstraints
	if diff := cmp.Diff([]map[string]string{s.Selector.MatchLabels, {"own": "one"}}, []map[string]string{spread[0].LabelSelector.MatchLabels, spread[1].LabelSelector.MatchLabels}); diff != "" {
		t.Errorf("selectors of the spread (-want +got):\n%s", diff)
	}
	if *s.Replicas != 0 || s.UpdateStrategy.Type != "OnDelete" || s.PodManagementPolicy != "Parallel" || *s.RevisionHistoryLimit != 3 || *pod.TerminationGracePeriodSeconds != 600 {
		t.Errorf("the StatefulSet: %v", s)
	}
	if c.LivenessProbe != nil || c.ReadinessProbe.PeriodSeconds != 7 || c.ReadinessProbe.TimeoutSeconds != 2 || c.StartupProbe == nil {
		t.Error("the probes")
	}
}

// TestUsersCanBeLeftOut: OpenShift chooses them, and refuses others.
func TestUsersCanBeLeftOut(t *testing.T) {
	t.Parallel()
	o := render(t, "podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}")
	for _, pod := range []corev1.PodSpec{o.pod(t), o.Pods["release-rotatord-test"].Spec} {
		s := pod.SecurityContext
		if s.RunAsUser != nil || s.RunAsGroup != nil || s.FSGroup != nil || !*s.RunAsNonRoot || s.SeccompProfile == nil {
			t.Errorf("%v", s)
		}
	}
}

func TestGOMEMLIMITCanBeLeftOut(t *testing.T) {
	t.Parallel()
	if render(t, "goMemLimit: false").env(t, "GOMEMLIMIT") != nil {
		t.Error("it is there")
	}
}

func TestLongNamesFit(t *testing.T) {
	t.Parallel()
	o := renderChart(t, []string{"template", strings.Repeat("release-", 6) + "x", chart}, minimal, "fullnameOverride: "+strings.Repeat("a", 80))
	for name := range o.StatefulSets {
		// The controller's label: the name, a dash, a hash of ten.
		if len(name)+11 > 63 {
			t.Errorf("%s is too long", name)
		}
	}
}

func TestPersistence(t *testing.T) {
	t.Parallel()
	t.Run("a claim of the StatefulSet", func(t *testing.T) {
		t.Parallel()
		o := render(t, "persistence: {size: 5Gi, storageClass: fast, accessModes: [ReadWriteOncePod], annotations: {a: b}, labels: {c: d}, retention: {whenDeleted: Delete}}")
		claim := o.sts(t).Spec.VolumeClaimTemplates[0]
		if claim.Name != "store" || *claim.Spec.StorageClassName != "fast" || claim.Spec.AccessModes[0] != corev1.ReadWriteOncePod || claim.Annotations["a"] != "b" || claim.Labels["c"] != "d" || claim.Spec.Resources.Requests.Storage().String() != "5Gi" {
			t.Errorf("the claim: %v", claim)
		}
		if p := o.sts(t).Spec.PersistentVolumeClaimRetentionPolicy; p.WhenDeleted != "Delete" || p.WhenScaled != "Retain" {
			t.Errorf("the retention: %v", p)
		}
		if o.mount(t, "store") != "/var/lib/rotatord" || o.env(t, "STATE_DIRECTORY").Value != "/var/lib/rotatord" || o.volume(t, "store") != nil {
			t.Error("the store is not in the claim")
		}
	})
	t.Run("the default class, and none", func(t *testing.T) {
		t.Parallel()
		if c := render(t).sts(t).Spec.VolumeClaimTemplates[0].Spec.StorageClassName; c != nil {
			t.Errorf("the class is %q", *c)
		}
		if c := render(t, "persistence: {storageClass: '-'}").sts(t).Spec.VolumeClaimTemplates[0].Spec.StorageClassName; c == nil || *c != "" {
			t.Errorf("the class is %v", c)
		}
	})
	t.Run("a claim that is there", func(t *testing.T) {
		t.Parallel()
		o := render(t, "persistence: {existingClaim: mine}")
		if len(o.sts(t).Spec.VolumeClaimTemplates) != 0 || o.volume(t, "store").PersistentVolumeClaim.ClaimName != "mine" || o.mount(t, "store") != "/var/lib/rotatord" {
			t.Error("the store is not in it")
		}
	})
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		o := render(t, "persistence: {enabled: false, emptyDir: {sizeLimit: 64Mi}}")
		if len(o.sts(t).Spec.VolumeClaimTemplates) != 0 || o.volume(t, "store").EmptyDir.SizeLimit.String() != "64Mi" || o.mount(t, "store") != "/var/lib/rotatord" {
			t.Error("the store is not in an emptyDir")
		}
	})
}
