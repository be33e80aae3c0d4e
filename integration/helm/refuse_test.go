package helm

import (
	"strings"
	"testing"
)

// withWebhook is a configuration with a source that is called.
const withWebhook = `
config:
  inline: |
    [[destination]]
    name = "d"
    secret = "file:///run/secrets/d"
    [[source.webhook]]
    path = "/events/ours"
    secret_env = "HOOK"
`

// TestWhatWouldNotWorkIsRefused: each of these would install, and then not work.
func TestWhatWouldNotWorkIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ values, says string }{
		"two replicas":                           {minimal + "replicaCount: 2", "replicaCount: only 0 or 1."},
		"a PostgreSQL store":                     {minimal + "postgresql: {url: postgres://db/rotatord}", "postgresql.url: rotatord has no PostgreSQL store yet."},
		"a disruption budget":                    {minimal + "podDisruptionBudget: {enabled: true}", "podDisruptionBudget.enabled: with one replica it would stop every drain"},
		"no configuration":                       {"replicaCount: 1", "config: there is no configuration. Set config.inline"},
		"two configurations":                     {minimal + "  existingSecret: {name: x}", "config: config.inline and config.existingSecret.name are set"},
		"two keys of Planet":                     {minimal + "apiKey: {value: PLAK0, existingSecret: {name: x}}", "apiKey: value and existingSecret.name are both set"},
		"a key with a line break":                {minimal + `apiKey: {value: "PLAK0\n"}`, "apiKey.value: a space, a line break"},
		"a configuration that is no TOML":        {"config: {inline: \"a = 1\\nb = \\n\"}", "config.inline is no TOML (line 2)."},
		"[[admin]]":                              {"config: {inline: \"[[admin]]\"}", "config.inline: admin is no table: write [admin]."},
		"[destination]":                          {"config: {inline: \"[destination]\"}", "config.inline: destination is no list of tables: write [[destination]]."},
		"admin on the loopback":                  {"config: {inline: \"[admin]\\nlisten = '127.0.0.1:9464'\"}", "config.inline: [admin] listen must be \":9464\""},
		"admin without an address":               {"config: {inline: \"[admin]\"}", "config.inline: [admin] listen must be"},
		"a token that nobody reads":              {"config: {inline: \"[admin]\\nlisten = ':9464'\"}\nadmin: {token: {existingSecret: {name: x}}}", "admin.token.existingSecret: [admin] of config.inline does not read it. Leave [admin] out, or add token_file = \"/run/secrets/admin-token/token\" to it."},
		"a token as a value":                     {minimal + "admin: {token: {value: x}}", "at '/admin/token': additional properties 'value' not allowed"},
		"a secret in place of the token":         {minimal + "secretMounts: [{name: admin-token, secretName: x}]", "secretMounts: the name admin-token is the chart's own."},
		"a registry's secret as text":            {minimal + "global: {imagePullSecrets: [a]}", "at '/global/imagePullSecrets/0': got string, want object"},
		"admin nowhere":                          {"config: {inline: \"[admin]\\nlisten = ''\"}", "config.inline: [admin] listen must be"},
		"admin at another port":                  {"admin: {port: 9000}\nconfig: {inline: \"[admin]\\nlisten = ':9464'\"}", "config.inline: [admin] listen must be \":9000\""},
		"a store elsewhere":                      {"config: {inline: \"[store]\\ndir = '/data'\"}", "config.inline: leave [store] dir out"},
		"a source that nobody can call":          {withWebhook, "config.inline: [[source.webhook]] waits to be called, and webhooks.enabled is false."},
		"webhooks without a source":              {minimal + "webhooks: {enabled: true}", "webhooks.enabled: config.inline has no source that is called"},
		"webhooks at another port":               {withWebhook + "    [webhooks]\n    listen = ':8443'\nwebhooks: {enabled: true}", "config.inline: [webhooks] listen must be \":8080\""},
		"webhooks at the port of admin":          {withWebhook + "webhooks: {enabled: true, port: 9464}", "webhooks.port: must not be that of admin.port"},
		"an Ingress before nothing":              {minimal + "webhooks: {ingress: {enabled: true, hosts: [a.example.com]}}", "webhooks.ingress.enabled: there is nothing behind it"},
		"an HTTPRoute before nothing":            {minimal + "webhooks: {httpRoute: {enabled: true}}", "webhooks.httpRoute.enabled: there is nothing behind it"},
		"an Ingress without a host":              {withWebhook + "webhooks: {enabled: true, ingress: {enabled: true}}", "webhooks.ingress.hosts: name at least one host."},
		"an HTTPRoute without a Gateway":         {withWebhook + "webhooks: {enabled: true, httpRoute: {enabled: true}}", "webhooks.httpRoute.parentRefs: name at least one Gateway."},
		"Vault's login without a token":          {"config: {inline: \"[vault]\\nauth = 'kubernetes'\\nrole = 'r'\"}", "[vault] auth = \"kubernetes\" needs a token of the service account."},
		"a key in a file that nobody reads":      {minimal + "apiKey: {as: file, existingSecret: {name: planet}}", "apiKey.as is \"file\", and no account of config.inline reads it."},
		"a stop shorter than a PATCH":            {minimal + "terminationGracePeriodSeconds: 169", "terminationGracePeriodSeconds: 169 is too short: rotatord waits up to 160 seconds for a PATCH under way. Set at least 170."},
		"a stop shorter than a longer PATCH":     {"config: {inline: \"[[account]]\\nname='a'\\n[[account]]\\npatch_timeout='5m'\"}", "waits up to 310 seconds"},
		"a stop shorter than drain_timeout":      {"config: {inline: \"[engine]\\ndrain_timeout = '1h1m1500ms'\"}", "waits up to 3662 seconds"},
		"what is scraped twice":                  {minimal + "serviceMonitor: {enabled: true}\npodMonitor: {enabled: true}", "podMonitor.enabled: everything would be scraped twice"},
		"two tokens in one folder":               {minimal + "serviceAccount: {automountToken: true, token: {enabled: true}}", "serviceAccount.automountToken: the token of serviceAccount.token lies in the same folder."},
		"an identity on the default account":     {minimal + "serviceAccount: {create: false}\nworkloadIdentity: {aws: {roleArn: 'arn:aws:iam::123456789012:role/r'}}", "workloadIdentity: it is written on the ServiceAccount."},
		"a secret under a name of the chart":     {minimal + "secretMounts: [{name: webhooks-tls, secretName: x}]", "secretMounts: the name webhooks-tls is the chart's own."},
		"two secrets under one name":             {minimal + "secretMounts: [{name: a, secretName: x}, {name: a, secretName: z}]", "secretMounts: the name a stands there twice."},
		"a value that nobody knows":              {minimal + "replicas: 1", "additional properties 'replicas' not allowed"},
		"a value that nobody knows, deeper":      {minimal + "image: {name: x}", "at '/image': additional properties 'name' not allowed"},
		"a number as text":                       {minimal + "replicaCount: '1'", "at '/replicaCount': got string, want integer"},
		"a tag inside the repository":            {minimal + "image: {repository: 'example.com/rotatord:1'}", "at '/image/repository'"},
		"a digest of another kind":               {minimal + "image: {digest: 'md5:0'}", "at '/image/digest'"},
		"a role that is none":                    {minimal + "workloadIdentity: {aws: {roleArn: my-role}}", "at '/workloadIdentity/aws/roleArn'"},
		"a client that is none":                  {minimal + "workloadIdentity: {azure: {clientId: my-app}}", "at '/workloadIdentity/azure/clientId'"},
		"a volume that several nodes write":      {minimal + "persistence: {accessModes: [ReadWriteMany]}", "at '/persistence/accessModes/0'"},
		"a file of conf.d that is not read":      {minimal + "  files: {team-a.conf: ''}", "at '/config/files': additional properties 'team-a.conf' not allowed"},
		"a secret from two places":               {minimal + "secretMounts: [{name: a, secretName: x, csi: {secretProviderClass: y}}]", "at '/secretMounts/0'"},
		"a level that the log does not have":     {minimal + "log: {level: trace}", "at '/log/level'"},
		"a privileged port":                      {minimal + "admin: {port: 80}", "at '/admin/port'"},
		"an update that StatefulSets don't have": {minimal + "updateStrategy: {type: Recreate}", "at '/updateStrategy/type'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, says, err := helm(t, template, c.values)
			if err == nil {
				t.Fatalf("it is not refused:\n%s", out)
			}
			if !strings.Contains(says, c.says) {
				t.Errorf("it says\n%s\nwant\n%s", says, c.says)
			}
		})
	}
}

// TestNoRefusalShowsASecret: what helm prints ends in the logs of pipelines.
func TestNoRefusalShowsASecret(t *testing.T) {
	t.Parallel()
	const secret = "PLAKc0ffee"
	for name, values := range map[string]string{
		"a key with a space":      minimal + "apiKey: {value: ' " + secret + "'}",
		"a key that is a list":    minimal + "apiKey: {value: [" + secret + "]}",
		"two keys":                minimal + "apiKey: {value: " + secret + ", existingSecret: {name: x}}",
		"a key in broken TOML":    "config: {inline: \"[[account]]\\napi_key = " + secret + "\\n\"}",
		"a key as a key of TOML":  "config: {inline: \"" + secret + "\\n\"}",
		"a key in a table":        "config: {inline: \"admin = '" + secret + "'\"}",
		"a key in a wrong listen": "config: {inline: \"[admin]\\nlisten = '" + secret + "'\"}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, says, err := helm(t, template, values)
			if err == nil {
				t.Fatal("it is not refused")
			}
			if strings.Contains(out+says, secret) {
				t.Errorf("it shows the secret:\n%s%s", out, says)
			}
		})
	}
}
