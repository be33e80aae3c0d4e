package config

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/announce"
	"github.com/rotatord/rotatord/credential"
)

func TestTheKindsOfAnnouncementsAreThoseThatAreMade(t *testing.T) {
	data, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for _, k := range announce.Kinds() {
		made = append(made, string(k))
		if !strings.Contains(string(data), "\n| "+string(k)+" | ") {
			t.Errorf("the reference does not explain %s", k)
		}
	}
	if diff := cmp.Diff(made, announceKinds); diff != "" {
		t.Errorf("package announce (-) and this one (+) disagree:\n%s", diff)
	}
}

func TestEveryReceiverIsReadWithItsDefaults(t *testing.T) {
	env := func(name string) string {
		if name == "CHAT" {
			return "https://chat.example.com/x"
		}
		return testEnv(name)
	}
	cfg, err := Parse("/etc/rotatord/rotatord.toml", []byte(`[[announce.slack]]
url_env = "CHAT"
[[announce.webhook]]
url = "http://127.0.0.1:8080/a/"
secret_file = "whsec"
ca_file = "ca.pem"
kinds = ["held", "safe_to_revoke"]
[[announce.slack]]
name = "second_channel"
url_file = "slack"
`+oneDestination), env)
	if err != nil {
		t.Fatal(err)
	}
	want := Announce{Source: "rotatord", ExpiringWithin: Duration(7 * day),
		Webhooks: []AnnounceWebhook{{Name: "webhook", URL: "http://127.0.0.1:8080/a/", SecretFile: "/etc/rotatord/whsec", CAFile: "/etc/rotatord/ca.pem",
			Kinds: []string{"held", "safe_to_revoke"}}},
		Slack: []AnnounceSlack{{Name: "slack", URLEnv: "CHAT"}, {Name: "second_channel", URLFile: "/etc/rotatord/slack"}},
	}
	if diff := cmp.Diff(want, cfg.Announce, withoutPositions); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	if at := cfg.Announce.Slack[1].Pos; at != (Position{"/etc/rotatord/rotatord.toml", 8, 12}) {
		t.Errorf("the second channel stands at %v", at)
	}
}

func TestReceiversOfTheFolderJoinThoseOfTheMainFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "rotatord.toml", "[announce]\nsource = \"eu\"\n[[announce.slack]]\nname = \"main\"\nurl_file = \"a\"\n"+oneDestination)
	write(t, "conf.d/a.toml", "[announce]\n[[announce.slack]]\nname = \"a\"\nurl_file = \"b\"\n")
	write(t, "conf.d/b.toml", "[[announce.webhook]]\nurl_file = \"c\"\nsecret_file = \"d\"\n")
	cfg, err := Load("rotatord.toml", testEnv)
	if err != nil {
		t.Fatal(err)
	}
	want := Announce{Source: "eu", ExpiringWithin: Default().Announce.ExpiringWithin,
		Webhooks: []AnnounceWebhook{{Name: "webhook", URLFile: "c", SecretFile: "d", Pos: Position{"conf.d/b.toml", 1, 12}}},
		Slack: []AnnounceSlack{{Name: "main", URLFile: "a", Pos: Position{"rotatord.toml", 3, 12}},
			{Name: "a", URLFile: "b", Pos: Position{"conf.d/a.toml", 2, 12}}},
	}
	if diff := cmp.Diff(want, cfg.Announce); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Whatever is accepted here must be accepted there: else a configuration that
// was checked would not start.
func TestWhatIsAcceptedOfAReceiverCanBeMade(t *testing.T) {
	keys := func() ([]credential.Value, error) { return nil, nil }
	makes := func(o announce.Options) bool { _, err := announce.New(o); return err == nil }
	for address, good := range map[string]bool{
		"https://alerts.example.com/rotatord": true, "https://alerts.example.com": true, "https://a.example:8443/x/?sig=1": true,
		"http://localhost:8080/x": true, "http://127.1.2.3/x": true, "http://[::1]:8080/x": true,
		"": false, "alerts.example.com": false, "ftp://a.example": false, "https://": false, "https:///x": false, "https://a b/": false,
		"https://u@a.example/": false, "http://a.example/": false, "http://x.localhost/": false, "http://[::1%25lo]/": false, "https://a.example/é": false,
	} {
		_, err := Parse("rotatord.toml", []byte("[[announce.webhook]]\nurl = '"+address+"'\nsecret_file = \"/a\"\n"+oneDestination), testEnv)
		if (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
		if good && !makes(announce.Options{Targets: []announce.Target{announce.Webhook{Name: "a", URL: address, Keys: keys}}}) {
			t.Errorf("%q is accepted and can't be used", address)
		}
	}
	for source, good := range map[string]bool{
		"rotatord": true, "rotatord/eu": true, "https://rotatord.example.com/eu": true, "//x": true, "urn:x:y": true,
		"": false, "a b": false, "%zz": false, "é": false, strings.Repeat("x", 201): false,
	} {
		_, err := Parse("rotatord.toml", []byte("[announce]\nsource = '"+source+"'\n"+oneDestination), testEnv)
		if (err == nil) != good {
			t.Errorf("source %q: %v", source, err)
		}
		if good && !makes(announce.Options{Source: source}) {
			t.Errorf("source %q is accepted and can't be used", source)
		}
	}
}
