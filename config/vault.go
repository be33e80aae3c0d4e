package config

import (
	"strconv"
	"strings"

	"github.com/rotatord/rotatord/internal/shape"
)

// Ways for rotatord to show Vault who it is.
const (
	// VaultToken is a token that somebody else keeps alive.
	VaultToken = "token"
	// VaultKubernetes is a login with the pod's service account.
	VaultKubernetes = "kubernetes"
)

// Vault is how secrets in HashiCorp Vault or OpenBao are reached.
type Vault struct {
	// Address is the server's, without a trailing slash.
	Address string `toml:"address"`
	// Namespace is sent with each request; empty, none is.
	Namespace string `toml:"namespace"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// Auth is VaultToken or VaultKubernetes.
	Auth string `toml:"auth" oneof:"token kubernetes"`
	// TokenFile is the file that holds the token, the sink of an agent say. It
	// is read again when it changes. Empty, TokenEnv counts.
	TokenFile string `toml:"token_file"`
	// TokenEnv names the environment variable that holds the token.
	TokenEnv string `toml:"token_env"`
	// Role is what to log in as; for VaultKubernetes only, as are the next two.
	Role string `toml:"role"`
	// AuthMount is where Kubernetes' auth method is mounted, without "auth/".
	AuthMount string `toml:"auth_mount"`
	// JWTFile is the token of the service account.
	JWTFile string `toml:"jwt_file"`
}

// OrEnvironment fills in what the file leaves open from VAULT_ADDR,
// VAULT_NAMESPACE and VAULT_CACERT, so that whoever can use the vault command
// can use rotatord. It is for whoever builds from a configuration; nothing of
// it is checked here. No other variable of Vault's counts, but that of TokenEnv.
func (v Vault) OrEnvironment(env func(string) string) Vault {
	for _, f := range []struct {
		value *string
		name  string
	}{{&v.Address, "VAULT_ADDR"}, {&v.Namespace, "VAULT_NAMESPACE"}, {&v.CAFile, "VAULT_CACERT"}} {
		if *f.value == "" {
			*f.value = env(f.name)
		}
	}
	return v
}

var (
	vaultNamespace = shape.Of(`^[^/\s][^\s]*$`, 0)
	vaultMount     = shape.Of(`^[^/\s]([^\s]*[^/\s])?$`, 0)
)

func (c *checker) vault() {
	v := &c.cfg.Vault
	if c.isSet("vault", "address") && v.Address != "" {
		c.url("vault", "address", &v.Address, `"https://vault.example.com:8200"`)
	}
	if c.isSet("vault", "namespace") && v.Namespace != "" && !vaultNamespace.MatchString(v.Namespace) {
		c.bad("vault", "namespace", "not the path of a namespace", `write it without a leading slash: "platform/team-a"`)
	}
	v.CAFile = resolve(c.file, v.CAFile)
	v.JWTFile = resolve(c.file, v.JWTFile)
	if c.typeProblem("vault", "auth") {
		v.TokenFile = resolve(c.file, v.TokenFile)
		return
	}
	usual := Default().Vault
	if v.Auth == VaultToken {
		c.indirect("vault", "token", usual.TokenEnv, &v.TokenEnv, &v.TokenFile)
		c.idle("role", v.Role, "", VaultKubernetes)
		c.idle("auth_mount", v.AuthMount, usual.AuthMount, VaultKubernetes)
		c.idle("jwt_file", v.JWTFile, usual.JWTFile, VaultKubernetes)
		return
	}
	v.TokenFile = resolve(c.file, v.TokenFile)
	c.idle("token_env", v.TokenEnv, usual.TokenEnv, VaultToken)
	c.idle("token_file", v.TokenFile, "", VaultToken)
	if c.given("vault", "role", `write the role of the auth method to log in as: "rotatord"`) && strings.TrimSpace(v.Role) == "" {
		c.bad("vault", "role", "is empty", `write the role of the auth method to log in as: "rotatord"`)
	}
	if c.isSet("vault", "auth_mount") && (!vaultMount.MatchString(v.AuthMount) || strings.HasPrefix(v.AuthMount, "auth/")) {
		c.bad("vault", "auth_mount", "not the path of an auth method", `write it without auth/ and without slashes around it: "kubernetes"`)
	}
	if c.isSet("vault", "jwt_file") && v.JWTFile == "" {
		c.bad("vault", "jwt_file", "is empty", "write the path of the service account's token, or leave this out")
	}
}

// idle warns about a key of [vault] that the other way to authenticate would
// use. Its usual value, written out, does no harm.
func (c *checker) idle(key, value, usual, auth string) {
	if c.isSet("vault", key) && value != usual {
		c.warn(c.at("vault", key), join("vault", key), "has no effect, since auth is another one", "write auth = "+strconv.Quote(auth)+", or leave this out")
	}
}
