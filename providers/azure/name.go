package azure

import (
	"errors"
	"fmt"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/internal/shape"
	"github.com/rotatord/rotatord/providers"
)

// example is a name of the right shape.
const example = "https://my-vault.vault.azure.net/secrets/planet-azure"

// howToFind says where a name is to be had.
const howToFind = "copy the secret's identifier from the portal and leave out the version: " + example

// domains are those of vaults, each with the cloud it belongs to.
var domains = []struct {
	name  string
	cloud cloud.Configuration
}{
	{"vault.azure.net", cloud.AzurePublic},
	{"vault.azure.cn", cloud.AzureChina},
	{"vault.usgovcloudapi.net", cloud.AzureGovernment},
}

// linkDomain is where private endpoints have a second name, which no
// certificate is for.
const linkDomain = "vaultcore.azure.net"

// name is a secret's name taken apart.
type name struct {
	host    string // in small letters, without a port
	domain  string // of the host: "vault.azure.net"
	secret  string // as written
	version string // as written; empty for none
}

// place is a name as a key of maps: two spellings of one secret have the same.
type place struct{ host, secret string }

func (n name) place() place { return place{n.host, strings.ToLower(n.secret)} }

func (n name) vault() string { return "https://" + n.host }

// is tells whether an answer's name is that of the secret that was asked for.
func (n name) is(other name) bool { return n.place() == other.place() }

var (
	vaults     = shape.Of(`^[a-z][a-z0-9-]+[a-z0-9]$`, 24)
	secrets    = shape.Of(`^[0-9a-zA-Z-]+$`, 127)
	versionIDs = shape.Of(`^[0-9a-fA-F]{32}$`, 32)
)

// hostOf gives the host and the rest of what is meant as a URL.
func hostOf(s string) (scheme, host, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "https" && scheme != "http" {
		return "", "", "", false
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return scheme, strings.TrimSuffix(strings.ToLower(rest[:end]), ":443"), rest[end:], true
}

// isVault tells whether a name is meant for Key Vault, right or not. One with a
// password in it is nobody's: names are shown, and quoted by errors.
func isVault(s credential.Secret) bool {
	_, host, _, ok := hostOf(string(s))
	if !ok || strings.Contains(host, "@") {
		return false
	}
	for _, d := range domains {
		if strings.HasSuffix(host, "."+d.name) {
			return true
		}
	}
	return strings.HasSuffix(host, "."+linkDomain)
}

// parse takes a name apart, one with a version too.
func parse(s credential.Secret) (name, error) {
	scheme, host, rest, ok := hostOf(string(s))
	if !ok || !isVault(s) {
		return name{}, errors.New("this is not the URL of a secret in Key Vault")
	}
	if strings.HasSuffix(host, "."+linkDomain) {
		return name{}, errors.New("a private endpoint does not change a vault's name: write my-vault.vault.azure.net")
	}
	n := name{host: host}
	for _, d := range domains {
		if vault, ok := strings.CutSuffix(host, "."+d.name); ok && vaults.MatchString(vault) {
			n.domain = d.name
		}
	}
	path := strings.Split(strings.TrimSuffix(strings.TrimPrefix(rest, "/"), "/"), "/")
	switch {
	case scheme != "https":
		return name{}, errors.New("Key Vault is reached by https only")
	case n.domain == "":
		return name{}, errors.New("the vault's name in it is not 3 to 24 letters, digits and hyphens that begin with a letter")
	case strings.ContainsAny(rest, "?#"):
		return name{}, errors.New("nothing may stand behind the secret's name, no question mark or number sign either")
	case strings.EqualFold(path[0], "keys"), strings.EqualFold(path[0], "certificates"):
		return name{}, errors.New("this names a key or a certificate; the secret of a certificate is under /secrets/")
	case !strings.EqualFold(path[0], "secrets"), len(path) < 2, len(path) > 3:
		return name{}, errors.New("its path is not /secrets/NAME")
	case !secrets.MatchString(path[1]):
		return name{}, errors.New("the secret's name in it is not 1 to 127 letters, digits and hyphens")
	case len(path) == 3 && !versionIDs.MatchString(path[2]):
		return name{}, errors.New("what stands behind the secret's name is no version, and none is wanted there")
	case len(path) == 3:
		n.version = path[2]
	}
	n.secret = path[1]
	return n, nil
}

// unpinned takes apart a name that may be asked about.
func unpinned(s credential.Secret) (name, error) {
	n, err := parse(s)
	if err != nil {
		return name{}, &problem{reason: providers.ReasonInvalid, err: err, hint: howToFind}
	}
	if n.version != "" {
		return name{}, &problem{reason: providers.ReasonInvalid, err: errors.New("it names one version, which never rotates"),
			hint: fmt.Sprintf("leave the version out: %s/secrets/%s", n.vault(), n.secret)}
	}
	return n, nil
}
