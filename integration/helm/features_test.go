package helm

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func TestConfiguration(t *testing.T) {
	t.Parallel()
	t.Run("inline, with the listener that the kubelet reaches", func(t *testing.T) {
		t.Parallel()
		o := render(t, "admin: {port: 9000}")
		want := "[[destination]]\nname = \"my-s3-destination-CKxV9io\"\nsecret = \"file:///run/secrets/planet-s3\"\n\n" +
			"# From the chart: the pod's own address, for the kubelet's probes and Prometheus.\n[admin]\nlisten = \":9000\"\nguarded = true # by the NetworkPolicy\n"
		if diff := cmp.Diff(want, strings.TrimRight(o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"], "\n")+"\n"); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if o.container(t).Ports[0].ContainerPort != 9000 || o.Services["release-rotatord"].Spec.Ports[0].Port != 9000 {
			t.Error("the port is another one")
		}
		v := o.volume(t, "config").Projected
		if len(v.Sources) != 1 || v.Sources[0].ConfigMap.Name != "release-rotatord-config" || v.Sources[0].ConfigMap.Items[0].Path != "rotatord.toml" || o.mount(t, "config") != "/etc/rotatord" {
			t.Errorf("it is not where rotatord looks: %v", v)
		}
		for _, m := range o.container(t).VolumeMounts {
			if m.SubPath != "" {
				t.Errorf("%s is mounted by a subPath, which is never updated", m.Name)
			}
		}
	})
	t.Run("nothing guards it without the NetworkPolicy", func(t *testing.T) {
		t.Parallel()
		if text := render(t, "networkPolicy: {enabled: false}").ConfigMaps["release-rotatord-config"].Data["rotatord.toml"]; strings.Contains(text, "guarded") {
			t.Errorf("rotatord would not warn:\n%s", text)
		}
	})
	t.Run("inline with listeners of its own", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, withWebhook+"    [webhooks]\n    listen = \"0.0.0.0:8080\"\n    [admin]\n    listen = \":9464\"\nwebhooks: {enabled: true}")
		text := o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"]
		if strings.Count(text, "[admin]") != 1 || strings.Count(text, "[webhooks]") != 1 {
			t.Errorf("a table stands twice:\n%s", text)
		}
	})
	t.Run("inline that begins with a space", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, `config: {inline: "  # two spaces\n[[destination]]\n\tname = 'd'\n"}`)
		if text := o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"]; !strings.HasPrefix(text, "  # two spaces\n[[destination]]\n\tname = 'd'\n") {
			t.Errorf("it is another text:\n%q", text)
		}
	})
	t.Run("files of conf.d, one's own too", func(t *testing.T) {
		t.Parallel()
		o := render(t, `
config:
  files: {team-a.toml: "[[destination]]\nname = \"a\"\n"}
  filesFrom: [{configMap: team-b, keys: [b.toml]}, {secret: team-c, keys: [c.toml, d.toml]}]
`)
		if got := o.ConfigMaps["release-rotatord-config"].Data["conf.d_team-a.toml"]; got != "[[destination]]\nname = \"a\"\n" {
			t.Errorf("it is another text: %q", got)
		}
		var paths []string
		for _, s := range o.volume(t, "config").Projected.Sources {
			if s.ConfigMap != nil {
				for _, i := range s.ConfigMap.Items {
					paths = append(paths, s.ConfigMap.Name+" "+i.Key+" "+i.Path)
				}
			} else {
				for _, i := range s.Secret.Items {
					paths = append(paths, s.Secret.Name+" "+i.Key+" "+i.Path)
				}
			}
		}
		if diff := cmp.Diff([]string{"release-rotatord-config rotatord.toml rotatord.toml", "release-rotatord-config conf.d_team-a.toml conf.d/team-a.toml", "team-b b.toml conf.d/b.toml", "team-c c.toml conf.d/c.toml", "team-c d.toml conf.d/d.toml"}, paths); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a ConfigMap, a Secret", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, "config: {existingConfigMap: {name: mine, key: r.toml}}")
		if s := o.volume(t, "config").Projected.Sources[0].ConfigMap; s.Name != "mine" || s.Items[0].Key != "r.toml" || s.Items[0].Path != "rotatord.toml" || len(o.ConfigMaps) != 0 {
			t.Errorf("%v", s)
		}
		o = renderFrom(t, "config: {existingSecret: {name: mine}}")
		if s := o.volume(t, "config").Projected.Sources[0].Secret; s.Name != "mine" || s.Items[0].Key != "rotatord.toml" {
			t.Errorf("%v", s)
		}
	})
	t.Run("a change restarts, if asked to", func(t *testing.T) {
		t.Parallel()
		sum := func(values string) string {
			return render(t, values).sts(t).Spec.Template.Annotations["checksum/config"]
		}
		if sum("") != "" {
			t.Error("it restarts without having been asked to")
		}
		a, b := sum("config: {restartOnChange: true}"), sum("config: {restartOnChange: true, files: {a.toml: ''}}")
		if a == "" || a == b {
			t.Errorf("the sums are %q and %q", a, b)
		}
	})
}

func TestAPIKey(t *testing.T) {
	t.Parallel()
	t.Run("a value", func(t *testing.T) {
		t.Parallel()
		o := render(t, "apiKey: {value: PLAK0}")
		if s := o.Secrets["release-rotatord-api-key"]; string(s.Data["api-key"]) != "PLAK0" || s.Type != corev1.SecretTypeOpaque {
			t.Errorf("%v", s.Data)
		}
		if e := o.env(t, "PL_API_KEY"); e.ValueFrom.SecretKeyRef.Name != "release-rotatord-api-key" || e.ValueFrom.SecretKeyRef.Key != "api-key" {
			t.Errorf("%v", e)
		}
		for i, kind := range o.Kinds {
			if kind != "Secret" && strings.Contains(o.Texts[i], "PLAK0") {
				t.Errorf("the key stands in a %s", kind)
			}
		}
	})
	t.Run("a Secret that is there", func(t *testing.T) {
		t.Parallel()
		o := render(t, "apiKey: {existingSecret: {name: planet, key: k}, env: PL_PROD}")
		if e := o.env(t, "PL_PROD"); e.ValueFrom.SecretKeyRef.Name != "planet" || e.ValueFrom.SecretKeyRef.Key != "k" || len(o.Secrets) != 0 || o.env(t, "PL_API_KEY") != nil {
			t.Errorf("%v", e)
		}
	})
	t.Run("as a file", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, `
config: {inline: "[[account]]\napi_key_file = '/run/secrets/planet-api-key/api-key'"}
apiKey: {as: file, existingSecret: {name: planet, key: k}}
`)
		v := o.volume(t, "planet-api-key")
		if v.Secret.SecretName != "planet" || v.Secret.Items[0].Key != "k" || v.Secret.Items[0].Path != "api-key" || o.mount(t, "planet-api-key") != "/run/secrets/planet-api-key" {
			t.Errorf("%v", v)
		}
		if o.env(t, "PL_API_KEY") != nil {
			t.Error("it stands in the environment too")
		}
	})
}

func TestTokenOfActions(t *testing.T) {
	t.Parallel()
	const path = "/run/secrets/admin-token/token"
	t.Run("from a Secret that is there", func(t *testing.T) {
		t.Parallel()
		o := render(t, "admin: {token: {existingSecret: {name: mine, key: k}}}")
		v := o.volume(t, "admin-token").Secret
		if v.SecretName != "mine" || v.Items[0].Key != "k" || o.mount(t, "admin-token")+"/"+v.Items[0].Path != path || *v.DefaultMode != 0o440 {
			t.Errorf("%v", v)
		}
		if text := o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"]; !strings.Contains(text, "[admin]\nlisten = \":9464\"\nguarded = true # by the NetworkPolicy\ntoken_file = \""+path+"\"\n") {
			t.Errorf("rotatord does not read it:\n%s", text)
		}
		if len(o.Secrets) != 0 {
			t.Error("the chart makes a Secret of its own")
		}
	})
	t.Run("by a table of one's own", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, "config: {inline: \"[admin]\\nlisten = ':9464'\\ntoken_file = '"+path+"'\"}\nadmin: {token: {existingSecret: {name: mine}}}")
		if text := o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"]; strings.Count(text, "token_file") != 1 || o.volume(t, "admin-token").Secret.Items[0].Key != "token" {
			t.Errorf("%s", text)
		}
	})
	t.Run("none", func(t *testing.T) {
		t.Parallel()
		o := render(t)
		if o.volume(t, "admin-token") != nil || o.mount(t, "admin-token") != "" || strings.Contains(o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"], "token") {
			t.Error("somebody may act")
		}
	})
}

// TestImagesArePulledWith what the parent chart has, too: by the pod of helm
// test as well.
func TestImagesArePulledWith(t *testing.T) {
	t.Parallel()
	for values, want := range map[string][]string{
		"":                              nil,
		"global: null":                  nil,
		"imagePullSecrets: [{name: a}]": {"a"},
		"global: {imagePullSecrets: [{name: a}]}": {"a"},
		"global: {imagePullSecrets: [{name: a}, {name: b}], storageClass: x}\nimagePullSecrets: [{name: b}, {name: c}]": {"a", "b", "c"},
	} {
		o := render(t, values)
		for _, pod := range []corev1.PodSpec{o.pod(t), o.Pods["release-rotatord-test"].Spec} {
			var got []string
			for _, s := range pod.ImagePullSecrets {
				got = append(got, s.Name)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q (-want +got):\n%s", values, diff)
			}
		}
	}
}

func TestMountedSecrets(t *testing.T) {
	t.Parallel()
	o := render(t, "secretMounts: [{name: s3, secretName: my-secret, items: [{key: a, path: b}]}, {name: vault, csi: {secretProviderClass: my-class}}]")
	if v := o.volume(t, "secret-s3").Secret; v.SecretName != "my-secret" || v.Items[0].Path != "b" || *v.DefaultMode != 0o440 || o.mount(t, "secret-s3") != "/run/secrets/s3" {
		t.Errorf("%v", v)
	}
	if v := o.volume(t, "secret-vault").CSI; v.Driver != "secrets-store.csi.k8s.io" || v.VolumeAttributes["secretProviderClass"] != "my-class" || !*v.ReadOnly || o.mount(t, "secret-vault") != "/run/secrets/vault" {
		t.Errorf("%v", v)
	}
}

func TestServiceAccount(t *testing.T) {
	t.Parallel()
	t.Run("of each cloud", func(t *testing.T) {
		t.Parallel()
		o := render(t, `
serviceAccount: {name: rot, annotations: {a: b}, labels: {c: d}}
workloadIdentity:
  aws: {roleArn: "arn:aws:iam::123456789012:role/rotatord"}
  google: {serviceAccount: rotatord@my-project.iam.gserviceaccount.com}
  azure: {clientId: 4962773b-9cdb-44cf-a8bf-237846a00ab7, tenantId: 5962773b-9cdb-44cf-a8bf-237846a00ab7}
`)
		want := map[string]string{
			"a":                                 "b",
			"eks.amazonaws.com/role-arn":        "arn:aws:iam::123456789012:role/rotatord",
			"iam.gke.io/gcp-service-account":    "rotatord@my-project.iam.gserviceaccount.com",
			"azure.workload.identity/client-id": "4962773b-9cdb-44cf-a8bf-237846a00ab7",
			"azure.workload.identity/tenant-id": "5962773b-9cdb-44cf-a8bf-237846a00ab7",
		}
		if diff := cmp.Diff(want, o.ServiceAccounts["rot"].Annotations); diff != "" {
			t.Errorf("annotations (-want +got):\n%s", diff)
		}
		if o.pod(t).ServiceAccountName != "rot" || o.ServiceAccounts["rot"].Labels["c"] != "d" {
			t.Error("the pod has another one")
		}
		if o.sts(t).Spec.Template.Labels["azure.workload.identity/use"] != "true" {
			t.Error("Azure's webhook does not see the pod")
		}
		if _, ok := o.sts(t).Spec.Selector.MatchLabels["azure.workload.identity/use"]; ok {
			t.Error("the selector would change with it")
		}
	})
	t.Run("none of any cloud", func(t *testing.T) {
		t.Parallel()
		if _, ok := render(t).sts(t).Spec.Template.Labels["azure.workload.identity/use"]; ok {
			t.Error("Azure's webhook sees the pod")
		}
	})
	t.Run("one that is there", func(t *testing.T) {
		t.Parallel()
		o := render(t, "serviceAccount: {create: false, name: mine}")
		if len(o.ServiceAccounts) != 0 || o.pod(t).ServiceAccountName != "mine" {
			t.Error("the pod has another one")
		}
		if a := render(t, "serviceAccount: {create: false}").pod(t).ServiceAccountName; a != "default" {
			t.Errorf("the pod has %s", a)
		}
	})
	t.Run("a token for Vault", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, `
config: {inline: "[vault]\nauth = 'kubernetes'\nrole = 'r'"}
serviceAccount: {token: {enabled: true, audience: vault, expirationSeconds: 600}}
`)
		p := o.volume(t, "service-account-token").Projected.Sources[0].ServiceAccountToken
		if p.Audience != "vault" || *p.ExpirationSeconds != 600 || p.Path != "token" {
			t.Errorf("%v", p)
		}
		// Where jwt_file looks, unless it is set.
		if o.mount(t, "service-account-token")+"/"+p.Path != "/var/run/secrets/kubernetes.io/serviceaccount/token" || *o.pod(t).AutomountServiceAccountToken {
			t.Error("it is not where rotatord looks")
		}
	})
	t.Run("the token of Kubernetes' API", func(t *testing.T) {
		t.Parallel()
		o := render(t, "serviceAccount: {automountToken: true}")
		if !*o.pod(t).AutomountServiceAccountToken || !*o.ServiceAccounts["release-rotatord"].AutomountServiceAccountToken {
			t.Error("it is not mounted")
		}
	})
}

// webhooksOn is what all webhooks are called through.
const webhooksOn = withWebhook + `
webhooks:
  enabled: true
  port: 8081
  service: {type: LoadBalancer, port: 443, nodePort: 30443, loadBalancerSourceRanges: [192.0.2.0/24], annotations: {a: b}, labels: {c: d}, ipFamilyPolicy: PreferDualStack}
  tls: {existingSecret: cert}
  ingress: {enabled: true, className: nginx, hosts: [rot.example.com], annotations: {e: f}, labels: {g: h}, tls: [{secretName: tls, hosts: [rot.example.com]}]}
  httpRoute: {enabled: true, parentRefs: [{name: public, namespace: gateways}], hostnames: [gw.example.com]}
`

func TestWebhooks(t *testing.T) {
	t.Parallel()
	t.Run("on", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, webhooksOn)
		s := o.Services["release-rotatord-webhooks"]
		if s.Spec.Type != corev1.ServiceTypeLoadBalancer || s.Spec.Ports[0].Port != 443 || s.Spec.Ports[0].NodePort != 30443 || *s.Spec.Ports[0].AppProtocol != "https" || s.Spec.LoadBalancerSourceRanges[0] != "192.0.2.0/24" || s.Annotations["a"] != "b" || s.Labels["c"] != "d" || *s.Spec.IPFamilyPolicy != "PreferDualStack" {
			t.Errorf("the Service: %v", s)
		}
		i := o.Ingresses["release-rotatord-webhooks"]
		b := i.Spec.Rules[0].HTTP.Paths[0]
		if *i.Spec.IngressClassName != "nginx" || i.Spec.Rules[0].Host != "rot.example.com" || b.Path != "/events/" || *b.PathType != "Prefix" || b.Backend.Service.Name != s.Name || b.Backend.Service.Port.Name != "webhooks" || i.Spec.TLS[0].SecretName != "tls" || i.Annotations["e"] != "f" || i.Labels["g"] != "h" {
			t.Errorf("the Ingress: %v", i)
		}
		r := o.HTTPRoutes["release-rotatord-webhooks"].Spec
		if r.ParentRefs[0]["name"] != "public" || r.Hostnames[0] != "gw.example.com" || r.Rules[0].Matches[0].Path.Value != "/events/" || r.Rules[0].BackendRefs[0].Name != s.Name || r.Rules[0].BackendRefs[0].Port != 443 {
			t.Errorf("the HTTPRoute: %v", r)
		}
		text := o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"]
		for _, want := range []string{"[webhooks]\nlisten = \":8081\"", `url = "https://rot.example.com"`, `cert_file = "/run/secrets/webhooks-tls/tls.crt"`, `key_file = "/run/secrets/webhooks-tls/tls.key"`} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not in\n%s", want, text)
			}
		}
		if o.volume(t, "webhooks-tls").Secret.SecretName != "cert" || o.mount(t, "webhooks-tls") != "/run/secrets/webhooks-tls" {
			t.Error("the certificate is not mounted")
		}
	})
	t.Run("nothing but webhooks is behind them", func(t *testing.T) {
		t.Parallel()
		o := renderFrom(t, webhooksOn)
		if ports := o.Services["release-rotatord-webhooks"].Spec.Ports; len(ports) != 1 || ports[0].TargetPort.StrVal != "webhooks" {
			t.Errorf("ports: %v", ports)
		}
		if s := o.Services["release-rotatord"].Spec; len(s.Ports) != 1 || s.Ports[0].TargetPort.StrVal != "metrics" || s.ClusterIP != corev1.ClusterIPNone || s.Type != corev1.ServiceTypeClusterIP {
			t.Errorf("the Service of metrics: %v", s)
		}
		var ports []string
		for _, p := range o.container(t).Ports {
			ports = append(ports, p.Name)
		}
		if diff := cmp.Diff([]string{"metrics", "webhooks"}, ports); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		o := render(t)
		if len(o.Services) != 1 || len(o.Ingresses)+len(o.HTTPRoutes) != 0 || len(o.container(t).Ports) != 1 || strings.Contains(o.ConfigMaps["release-rotatord-config"].Data["rotatord.toml"], "webhooks") {
			t.Error("something of them is there")
		}
	})
	t.Run("the address that senders use", func(t *testing.T) {
		t.Parallel()
		for values, want := range map[string]string{
			"webhooks: {enabled: true}": "",
			"webhooks: {enabled: true, url: 'https://a.example.com/x', ingress: {enabled: true, hosts: [b.example.com]}}":     `url = "https://a.example.com/x"`,
			"webhooks: {enabled: true, ingress: {enabled: true, hosts: [b.example.com]}}":                                     `url = "http://b.example.com"`,
			"webhooks: {enabled: true, httpRoute: {enabled: true, parentRefs: [{name: public}], hostnames: [c.example.com]}}": `url = "https://c.example.com"`,
			"webhooks: {enabled: true, ingress: {hosts: [b.example.com]}, httpRoute: {hostnames: [c.example.com]}}":           "",
		} {
			text := renderFrom(t, withWebhook+values).ConfigMaps["release-rotatord-config"].Data["rotatord.toml"]
			if want == "" && strings.Contains(text, "url =") || !strings.Contains(text, want) {
				t.Errorf("%s: want %q in\n%s", values, want, text)
			}
		}
	})
}

func TestNetworkPolicy(t *testing.T) {
	t.Parallel()
	t.Run("the default: monitoring in, DNS and 443 out", func(t *testing.T) {
		t.Parallel()
		p := render(t).NetworkPolicies["release-rotatord"].Spec
		if len(p.PolicyTypes) != 2 || len(p.Ingress) != 2 || len(p.Egress) != 2 {
			t.Fatalf("%v", p)
		}
		if in := p.Ingress[0]; in.Ports[0].Port.StrVal != "metrics" || in.From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" {
			t.Errorf("in: %v", in)
		}
		// helm test's, and no other pod.
		in := p.Ingress[1]
		if diff := cmp.Diff(map[string]string{"app.kubernetes.io/name": "rotatord-test", "app.kubernetes.io/instance": "release"}, in.From[0].PodSelector.MatchLabels); diff != "" || len(in.From) != 1 || in.From[0].NamespaceSelector != nil || in.Ports[0].Port.StrVal != "metrics" {
			t.Errorf("in: %v", in)
		}
		if dns := p.Egress[0]; len(dns.Ports) != 2 || dns.Ports[0].Port.IntVal != 53 || *dns.Ports[0].Protocol != corev1.ProtocolUDP || dns.Ports[1].Port.IntVal != 53 || *dns.Ports[1].Protocol != corev1.ProtocolTCP {
			t.Errorf("DNS: %v", dns)
		}
		if https := p.Egress[1]; len(https.Ports) != 1 || https.Ports[0].Port.IntVal != 443 || len(https.To) != 0 {
			t.Errorf("443: %v", https)
		}
	})
	t.Run("nobody in", func(t *testing.T) {
		t.Parallel()
		if p := render(t, "networkPolicy: {metricsFrom: []}\ntestPod: {enabled: false}").NetworkPolicies["release-rotatord"].Spec; len(p.Ingress) != 0 || !slices.Contains(p.PolicyTypes, "Ingress") {
			t.Errorf("%v", p)
		}
	})
	t.Run("webhooks from everybody never open metrics", func(t *testing.T) {
		t.Parallel()
		p := renderFrom(t, withWebhook+"webhooks: {enabled: true}\ntestPod: {enabled: false}\nnetworkPolicy: {metricsFrom: []}").NetworkPolicies["release-rotatord"].Spec
		if len(p.Ingress) != 1 || len(p.Ingress[0].From) != 0 || len(p.Ingress[0].Ports) != 1 || p.Ingress[0].Ports[0].Port.StrVal != "webhooks" {
			t.Errorf("%v", p.Ingress)
		}
	})
	t.Run("as asked", func(t *testing.T) {
		t.Parallel()
		p := renderFrom(t, withWebhook+`
webhooks: {enabled: true}
testPod: {enabled: false}
workloadIdentity: {google: {enabled: true}, aws: {podIdentity: true}}
networkPolicy:
  webhooksFrom: [{namespaceSelector: {matchLabels: {name: ingress}}}]
  extraIngress: [{from: [{podSelector: {}}]}]
  egress:
    dnsTo: [{ipBlock: {cidr: 10.0.0.10/32}}]
    ports: [443, 9000]
    httpsTo: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]
    extra: [{to: [{namespaceSelector: {matchLabels: {name: vault}}}], ports: [{port: 8200}]}]
`).NetworkPolicies["release-rotatord"].Spec
		if len(p.Ingress) != 3 || p.Ingress[1].From[0].NamespaceSelector.MatchLabels["name"] != "ingress" || p.Ingress[2].From[0].PodSelector == nil {
			t.Errorf("in: %v", p.Ingress)
		}
		if len(p.Egress) != 6 || p.Egress[0].To[0].IPBlock.CIDR != "10.0.0.10/32" || p.Egress[1].Ports[1].Port.IntVal != 9000 || p.Egress[1].To[0].IPBlock.Except[0] != "10.0.0.0/8" || p.Egress[5].Ports[0].Port.IntVal != 8200 {
			t.Errorf("out: %v", p.Egress)
		}
		for i, want := range map[int]string{2: "169.254.169.254/32", 3: "169.254.169.252/32", 4: "169.254.170.23/32"} {
			if got := p.Egress[i].To[0].IPBlock.CIDR; got != want {
				t.Errorf("out %d: %s, want %s", i, got, want)
			}
		}
	})
	t.Run("without egress, and off", func(t *testing.T) {
		t.Parallel()
		if p := render(t, "networkPolicy: {egress: {enabled: false}}").NetworkPolicies["release-rotatord"].Spec; len(p.PolicyTypes) != 1 || p.Egress != nil {
			t.Errorf("%v", p)
		}
		if n := len(render(t, "networkPolicy: {enabled: false}").NetworkPolicies); n != 0 {
			t.Errorf("there are %d", n)
		}
	})
}

func TestService(t *testing.T) {
	t.Parallel()
	s := render(t, "service: {annotations: {a: b}, labels: {c: d}, ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]}").Services["release-rotatord"]
	if s.Annotations["a"] != "b" || s.Labels["c"] != "d" || *s.Spec.IPFamilyPolicy != "RequireDualStack" || len(s.Spec.IPFamilies) != 2 || !s.Spec.PublishNotReadyAddresses {
		t.Errorf("%v", s)
	}
}

func TestExtraObjectsAndTheTestPod(t *testing.T) {
	t.Parallel()
	o := render(t, `
extraObjects:
  - apiVersion: v1
    kind: ConfigMap
    metadata: {name: "{{ .Release.Name }}-one"}
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: {{ include "rotatord.fullname" . }}-two}
testPod: {enabled: false}
`)
	if o.ConfigMaps["release-one"] == nil || o.ConfigMaps["release-rotatord-two"] == nil || len(o.Pods) != 0 {
		t.Errorf("%v", o.Kinds)
	}
	if diff := cmp.Diff([]string{"health", "--url=http://release-rotatord.rooms.svc:9000", "--timeout=10s"}, render(t, "admin: {port: 9000}").Pods["release-rotatord-test"].Spec.Containers[0].Args); diff != "" {
		t.Error(diff)
	}
	p := render(t, "testPod: {args: [version, --output, json]}").Pods["release-rotatord-test"]
	if p.Annotations["helm.sh/hook"] != "test" || len(p.Spec.Containers[0].Args) != 3 || p.Spec.RestartPolicy != corev1.RestartPolicyNever || p.Spec.Containers[0].Image != render(t).container(t).Image {
		t.Errorf("%v", p)
	}
}
