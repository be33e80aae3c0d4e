package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEverySourceIsReadWithItsDefaults(t *testing.T) {
	cfg, err := Parse("/etc/rotatord/rotatord.toml", []byte(`[webhooks]
listen = "127.0.0.1:9465"
[[source.webhook]]
secret_file = "whsec"
[[source.sns]]
topics = ["arn:aws:sns:eu-central-1:123456789012:a", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:b"]
[[source.pubsub_push]]
audience = "https://x/events"
service_account = "push@p.iam.gserviceaccount.com"
[[source.event_grid]]
key_file = "/run/key"
[[source.service_bus]]
connection_string_file = "bus"
topic = "t"
subscription = "s"
[[source.storage_queue]]
queue = "http://127.0.0.1:10001/devstoreaccount1/rotatord/"
[[source.pubsub]]
subscription = "projects/example.com:p-1/subscriptions/rotatord"
[[source.sqs]]
queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/rotatord"
announces = ["*", "file:///a", "arn:aws:*"]
[[source.sqs]]
name = "second"
queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/second.fifo"
ca_file = "sqs.pem"
`+oneDestination), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := Sources{
		SQS: []SQSSource{
			{Source: Source{Name: "sqs", Announces: []string{"*", "file:///a", "arn:aws:*"}}, Queue: "https://sqs.eu-central-1.amazonaws.com/123456789012/rotatord"},
			{Source: Source{Name: "second"}, Queue: "https://sqs.eu-central-1.amazonaws.com/123456789012/second.fifo", CAFile: "/etc/rotatord/sqs.pem"},
		},
		PubSub: []PubSubSource{{Source: Source{Name: "pubsub"}, Subscription: "projects/example.com:p-1/subscriptions/rotatord"}},
		StorageQueue: []StorageQueueSource{{Source: Source{Name: "storage_queue"}, Queue: "http://127.0.0.1:10001/devstoreaccount1/rotatord",
			Poll: Duration(2 * time.Second)}},
		ServiceBus: []ServiceBusSource{{Source: Source{Name: "service_bus"}, Topic: "t", Subscription: "s", ConnectionStringFile: "/etc/rotatord/bus"}},
		EventGrid:  []EventGridSource{{Source: Source{Name: "event_grid"}, Path: "/events/event-grid", KeyFile: "/run/key", Authority: "login.microsoftonline.com"}},
		PubSubPush: []PubSubPushSource{{Source: Source{Name: "pubsub_push"}, Path: "/events/pubsub-push", Audience: "https://x/events",
			ServiceAccount: "push@p.iam.gserviceaccount.com"}},
		SNS: []SNSSource{{Source: Source{Name: "sns"}, Path: "/events/sns",
			Topics: []string{"arn:aws:sns:eu-central-1:123456789012:a", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:b"}}},
		Webhook: []WebhookSource{{Source: Source{Name: "webhook"}, Path: "/events/webhook", SecretFile: "/etc/rotatord/whsec", Tolerance: Duration(5 * time.Minute)}},
	}
	if diff := cmp.Diff(want, cfg.Source, withoutPositions); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	if at := cfg.Source.SQS[1].Pos; at != (Position{"/etc/rotatord/rotatord.toml", 23, 10}) {
		t.Errorf("the second queue stands at %v", at)
	}
	names := []string{"sqs", "second", "pubsub", "storage_queue", "service_bus", "event_grid", "pubsub_push", "sns", "webhook"}
	if diff := cmp.Diff(names, cfg.SourceNames()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestSourcesKnowWhetherThereAreAnyAndWhetherSomebodyCalls(t *testing.T) {
	for name, tt := range map[string]struct {
		sources       Sources
		any, webhooks bool
	}{
		"none":          {},
		"a queue":       {Sources{SQS: make([]SQSSource, 1)}, true, false},
		"a storage one": {Sources{StorageQueue: make([]StorageQueueSource, 1)}, true, false},
		"Event Grid":    {Sources{EventGrid: make([]EventGridSource, 1)}, true, true},
		"Pub/Sub push":  {Sources{PubSubPush: make([]PubSubPushSource, 1)}, true, true},
		"SNS":           {Sources{SNS: make([]SNSSource, 1)}, true, true},
		"a webhook":     {Sources{Webhook: make([]WebhookSource, 1)}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.sources.Any() != tt.any || tt.sources.Webhooks() != tt.webhooks {
				t.Errorf("any %v, webhooks %v", tt.sources.Any(), tt.sources.Webhooks())
			}
		})
	}
}

func TestAVaultTokenIsWhereTheFileSaysAndElseInItsUsualVariable(t *testing.T) {
	usual := Default().Vault
	for name, tt := range map[string]struct {
		text string
		want func(*Vault)
	}{
		"nothing is said":  {"", func(*Vault) {}},
		"a file":           {"token_file = \"token\"", func(v *Vault) { v.TokenFile = "/etc/rotatord/token" }},
		"another variable": {"token_env = \"TEST_KEY\"", func(v *Vault) { v.TokenEnv = "TEST_KEY" }},
		"a login":          {"auth = \"kubernetes\"\nrole = \"r\"", func(v *Vault) { v.Auth, v.Role = VaultKubernetes, "r" }},
		"a login of one's own": {"auth = \"kubernetes\"\nrole = \"r\"\nauth_mount = \"k8s/eu\"\njwt_file = \"jwt\"", func(v *Vault) {
			v.Auth, v.Role, v.AuthMount, v.JWTFile = VaultKubernetes, "r", "k8s/eu", "/etc/rotatord/jwt"
		}},
		"a place": {"address = \"https://vault.example.com:8200/\"\nnamespace = \"a/b/\"\nca_file = \"v.pem\"", func(v *Vault) {
			v.Address, v.Namespace, v.CAFile = "https://vault.example.com:8200", "a/b/", "/etc/rotatord/v.pem"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := Parse("/etc/rotatord/rotatord.toml", []byte("[vault]\n"+tt.text+"\n"+oneDestination), testEnv)
			if err != nil {
				t.Fatal(err)
			}
			want := usual
			tt.want(&want)
			if diff := cmp.Diff(want, cfg.Vault); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(cfg.Warnings) > 0 {
				t.Errorf("warnings: %v", cfg.Warnings)
			}
		})
	}
}

func TestNamesOfTheCloudsAreKnownByTheirShape(t *testing.T) {
	const project, guidText = "projects/my-project/", "11111111-2222-3333-4444-555555555555"
	for name, tt := range map[string]struct {
		match     func(string) bool
		good, bad []string
	}{
		"subscriptions": {subscriptionName.MatchString,
			[]string{project + "subscriptions/abc", "projects/123456789012/subscriptions/a-b_c.d~e%f"},
			[]string{project + "topics/abc", "subscriptions/abc", project + "subscriptions/ab", project + "subscriptions/1bc", project + "subscriptions/abc/d", project + "subscriptions/abc\n", "/" + project + "subscriptions/abc"}},
		"topics":         {topicName.MatchString, []string{project + "topics/abc"}, []string{project + "subscriptions/abc", "topics/abc"}},
		"storage queues": {storageQueueName.MatchString, []string{"abc", "a-b-c", "123"}, []string{"ab", "a--b", "-abc", "abc-", "aBc", "a_b"}},
		"bus entities":   {busEntity.MatchString, []string{"q", "a/b.c_d-e", strings.Repeat("a", 260)}, []string{"", "/a", "a/", "a b", strings.Repeat("a", 261)}},
		"subscriptions of a topic": {busSubscription.MatchString, []string{"s", strings.Repeat("a", 50)},
			[]string{"", "a/b", strings.Repeat("a", 51)}},
		"paths": {webhookPath.MatchString, []string{"/a", "/a/b.c/_d~e", "/events/pub-sub"},
			[]string{"", "/", "a", "//a", "/a/", "/a//b", "/a/../b", "/.", "/a{b}", "/a?b", "/a b", "/a%20", "/a\n"}},
		"ids": {guid.MatchString, []string{guidText, strings.ToUpper("abcdef12" + guidText[8:])}, []string{"", guidText + "0", "{" + guidText + "}", strings.ReplaceAll(guidText, "-", "")}},
		"topics of SNS": {snsTopic.MatchString, []string{"arn:aws:sns:eu-central-1:123456789012:a_B-1", "arn:aws-cn:sns:cn-north-1:123456789012:a"},
			[]string{"", "arn:aws:sns:eu-central-1:123456789012:a.fifo", "arn:aws:sns:eu-central-1:123456789012:a:" + guidText, "arn:aws:sqs:eu-central-1:123456789012:a", "arn:aws:sns::123456789012:a", "arn:aws:sns:eu-central-1:1:a"}},
		"addresses of people": {email.MatchString, []string{"a@b.c", "service-1@gcp-sa-pubsub.iam.gserviceaccount.com"}, []string{"", "a", "a@b", "@b.c", "a@b.c\n", "a b@c.d"}},
		"namespaces of Vault": {vaultNamespace.MatchString, []string{"a", "a/b/"}, []string{"/a", "a b"}},
		"mounts of Vault":     {vaultMount.MatchString, []string{"a", "kubernetes", "k8s/eu"}, []string{"", "/a", "a/", "a b"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, s := range tt.good {
				if !tt.match(s) {
					t.Errorf("%q is refused", s)
				}
			}
			for _, s := range tt.bad {
				if tt.match(s) {
					t.Errorf("%q is accepted", s)
				}
			}
		})
	}
}

func TestASourceInAFileOfTheFolderHasNoPlaceThere(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "rotatord.toml", oneDestination)
	write(t, "conf.d/a.toml", "[[source.sqs]]\nqueue = \"https://sqs.eu-central-1.amazonaws.com/123456789012/a\"\n")
	const want = "conf.d/a.toml:1:3: source: has no place in a file of conf.d (write it into rotatord.toml; here may stand [[destination]], [[account]], [[announce.webhook]] and [[announce.slack]])"
	if err := loadHere(); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestWhatTheFileLeavesOpenOfVaultComesFromTheEnvironment(t *testing.T) {
	env := func(name string) string { return "$" + name }
	want := Vault{Address: "$VAULT_ADDR", Namespace: "$VAULT_NAMESPACE", CAFile: "$VAULT_CACERT"}
	if diff := cmp.Diff(want, Vault{}.OrEnvironment(env)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	full := Vault{Address: "https://a", Namespace: "b", CAFile: "/c", TokenEnv: "D"}
	if diff := cmp.Diff(full, full.OrEnvironment(env)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
