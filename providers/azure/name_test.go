package azure

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
)

const oneVersion = "4387e9f3d6e14c459867679a90fd0f79"

func TestNames(t *testing.T) {
	for _, c := range []struct {
		name    credential.Secret
		matches bool
		words   string // of the refusal; "" if it is taken
	}{
		{example, true, ""},
		{example + "/", true, ""},
		{"HTTPS://My-Vault.VAULT.azure.net:443/SECRETS/Planet", true, ""},
		{"https://my-vault.vault.azure.cn/secrets/a", true, ""},
		{"https://my-vault.vault.usgovcloudapi.net/secrets/a", true, ""},
		{"https://v12.vault.azure.net/secrets/" + credential.Secret(strings.Repeat("a", 127)), true, ""},

		{example + "/" + oneVersion, true, "leave the version out: " + example},
		{example + "/versions", true, "is no version"},
		{example + "//", true, "is no version"},
		{example + "/" + oneVersion + "/x", true, "not /secrets/NAME"},
		{example + "?api-version=7.4", true, "nothing may stand behind"},
		{example + "#x", true, "nothing may stand behind"},
		{"http://my-vault.vault.azure.net/secrets/a", true, "https only"},
		{"https://my-vault.vault.azure.net", true, "not /secrets/NAME"},
		{"https://my-vault.vault.azure.net/", true, "not /secrets/NAME"},
		{"https://my-vault.vault.azure.net/secrets", true, "not /secrets/NAME"},
		{"https://my-vault.vault.azure.net//secrets/a", true, "not /secrets/NAME"},
		{"https://my-vault.vault.azure.net/keys/a", true, "key or a certificate"},
		{"https://my-vault.vault.azure.net/certificates/a/" + oneVersion, true, "under /secrets/"},
		{"https://my-vault.vault.azure.net/secrets/a_b", true, "letters, digits and hyphens"},
		{"https://my-vault.vault.azure.net/secrets/..", true, "letters, digits and hyphens"},
		{"https://my-vault.vault.azure.net/secrets/" + credential.Secret(strings.Repeat("a", 128)), true, "1 to 127"},
		{"https://ab.vault.azure.net/secrets/a", true, "the vault's name"},
		{"https://1ab.vault.azure.net/secrets/a", true, "the vault's name"},
		{"https://a.b.c.vault.azure.net/secrets/a", true, "the vault's name"},
		{"https://user:word@my-vault.vault.azure.net/secrets/a", false, "not the URL"},
		{"https://my-vault.privatelink.vaultcore.azure.net/secrets/a", true, "private endpoint"},

		{"", false, "not the URL"},
		{"https://vault.azure.net/secrets/a", false, "not the URL"},
		{"https://my-vault.vault.azure.net.example.com/secrets/a", false, "not the URL"},
		{"https://my-vault.vault.azure.net:8443/secrets/a", false, "not the URL"},
		{"https://example.com/?x.vault.azure.net/secrets/a", false, "not the URL"},
		{"https://example.com/my-vault.vault.azure.net", false, "not the URL"},
		{"https://hsm.managedhsm.azure.net/keys/a", false, "not the URL"},
		{"my-vault.vault.azure.net/secrets/a", false, "not the URL"},
		{"vault://secret/a", false, "not the URL"},
		{"arn:aws:secretsmanager:us-west-2:123456789012:secret:a", false, "not the URL"},
	} {
		var none *Provider
		if got := none.Kind().Matches(c.name); got != c.matches {
			t.Errorf("%s: matches %v, want %v", c.name, got, c.matches)
		}
		_, err := unpinned(c.name)
		switch {
		case err == nil && c.words != "":
			t.Errorf("%s is taken", c.name)
		case err != nil && c.words == "":
			t.Errorf("%s: %v", c.name, err)
		case err != nil:
			err = asError(opCurrent, c.name, err)
			if providers.ReasonOf(err) != providers.ReasonInvalid || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%s: no %q in: %v", c.name, c.words, err)
			}
		}
	}
}

func TestWhichNamesAreOneSecrets(t *testing.T) {
	p, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		named credential.Secret
		want  bool
	}{
		{example, true}, {example + "/", true}, {example + "/" + oneVersion, true}, {example + "/" + oneVersion + "/", true},
		{"https://MY-VAULT.vault.azure.net:443/secrets/PLANET-azure/" + credential.Secret(strings.ToUpper(oneVersion)), true},
		{"https://other.vault.azure.net/secrets/planet-azure", false}, {"https://my-vault.vault.azure.cn/secrets/planet-azure", false},
		{example + "2", false}, {example + "/versions", false}, {"https://my-vault.vault.azure.net/keys/planet-azure", false},
		{"http://my-vault.vault.azure.net/secrets/planet-azure", false}, {"", false}, {"planet-azure", false},
	} {
		if got := p.Same(example, c.named); got != c.want {
			t.Errorf("%s: %v, want %v", c.named, got, c.want)
		}
	}
	if p.Same(example+"/"+oneVersion, example) {
		t.Error("a configured name with a version is refused, and no event concerns it")
	}
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{example, example + "/" + oneVersion, "https://MY-vault.vault.azure.cn:443/Secrets/a/", "https://x.vault.azure.net/secrets/%41", "http://", "://", "https://a.vaultcore.azure.net"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := parse(credential.Secret(s))
		if err != nil {
			if n != (name{}) {
				t.Errorf("%q gives a name beside its error", s)
			}
			return
		}
		if !isVault(credential.Secret(s)) {
			t.Errorf("%q is taken, and not matched", s)
		}
		plainly := n.vault() + "/secrets/" + n.secret
		again, err := parse(credential.Secret(plainly))
		if err != nil || !n.is(again) || again.host != n.host {
			t.Errorf("%q is not %q: %v", s, plainly, err)
		}
		if strings.ContainsAny(n.host+n.secret+n.version, " /?#@:%\\\r\n\x00") {
			t.Errorf("%q leads to another address", s)
		}
	})
}
