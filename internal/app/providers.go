package app

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/providers"
	"github.com/rotatord/rotatord/providers/aws"
	"github.com/rotatord/rotatord/providers/azure"
	"github.com/rotatord/rotatord/providers/file"
	"github.com/rotatord/rotatord/providers/google"
	"github.com/rotatord/rotatord/providers/vault"
	"github.com/rotatord/rotatord/store"
)

// newProviders is the list of secret managers. One is one folder below
// providers/ and one entry here, and one in SecretShapes.
// The function that comes with them ends connections that nobody uses.
func newProviders(cfg *config.Config, st *store.Store, log *slog.Logger) (set providers.Set, hangUp func(), err error) {
	files, err := file.New(file.Options{Fingerprint: st.Fingerprint})
	if err != nil {
		return nil, nil, err
	}
	amazon, err := newAmazon(cfg.AWS, cfg.Gate.Mark, log)
	if err != nil {
		return nil, nil, err
	}
	goog, err := google.New(google.Options{Endpoint: cfg.Google.Endpoint, CAFile: cfg.Google.CAFile, Mark: cfg.Gate.Mark, Logger: log})
	if err != nil {
		return nil, nil, err
	}
	roots, err := certificates(cfg.Azure.CAFile)
	if err != nil {
		return nil, nil, fmt.Errorf("[azure] ca_file: %w", err)
	}
	microsoft, err := azure.New(azure.Options{RootCAs: roots, Mark: cfg.Gate.Mark, Logger: log})
	if err != nil {
		return nil, nil, err
	}
	kv, err := newVault(cfg.Vault, cfg.Gate.Mark, log)
	if err != nil {
		return nil, nil, err
	}
	return providers.Set{files.Kind(), amazon.Kind(), goog.Kind(), microsoft.Kind(), kv.Kind()}, func() {
		amazon.Close()
		goog.Close()
		microsoft.Close()
		kv.Close()
	}, nil
}

func newAmazon(c config.AWS, mark string, log *slog.Logger) (*aws.Provider, error) {
	roles := map[string]aws.Role{}
	for _, r := range c.Roles {
		roles[r.Account] = aws.Role{ARN: r.RoleARN, ExternalID: r.ExternalID}
	}
	var t http.RoundTripper // nil for the provider's own
	var err error
	if c.CAFile != "" {
		if t, err = awsTransport(c.CAFile); err != nil {
			return nil, fmt.Errorf("[aws] ca_file: %w", err)
		}
	}
	return aws.New(aws.Options{Endpoint: c.Endpoint, Roles: roles, Transport: t, Mark: mark, Logger: log})
}

func newVault(c config.Vault, mark string, log *slog.Logger) (*vault.Provider, error) {
	c = c.OrEnvironment(os.Getenv)
	roots, err := certificates(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("[vault] ca_file: %w", err)
	}
	o := vault.Options{Address: c.Address, Namespace: c.Namespace, RootCAs: roots, Mark: mark, Logger: log}
	switch {
	case c.Auth == config.VaultKubernetes:
		o.Kubernetes = &vault.Kubernetes{Role: c.Role, Mount: c.AuthMount, JWTFile: c.JWTFile}
	case c.TokenFile != "":
		o.TokenFile = c.TokenFile
	default:
		o.Token = credential.NewValue([]byte(strings.TrimSpace(os.Getenv(c.TokenEnv))))
	}
	return vault.New(o)
}

// awsTransport trusts the certificates of a file beside the system's. No
// connection is kept, so that no buffer of one keeps a value.
func awsTransport(caFile string) (http.RoundTripper, error) {
	pool, err := certificates(caFile)
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
	}, nil
}

// SecretShapes are the names of secrets that this build can read, for the
// configuration to check against.
func SecretShapes() []config.Shape {
	kinds := providers.Set{(*file.Provider)(nil).Kind(), (*aws.Provider)(nil).Kind(), (*google.Provider)(nil).Kind(),
		(*azure.Provider)(nil).Kind(), (*vault.Provider)(nil).Kind()}
	shapes := make([]config.Shape, 0, len(kinds))
	for _, k := range kinds {
		shapes = append(shapes, config.Shape{Example: k.Example, Match: k.Matches})
	}
	return shapes
}

// keySecret is where an account's API key can be watched and read anew: a
// secret of a secret manager, or its file; "" where it can't.
func keySecret(a config.Account) credential.Secret {
	switch {
	case a.APIKeySecret != "":
		return a.APIKeySecret
	case a.APIKeyFile != "" && strings.HasPrefix(a.APIKeyFile, "/"):
		return credential.Secret(credential.FileScheme + a.APIKeyFile)
	}
	return ""
}

// watchedFiles are the secrets in files that the file watcher has to watch,
// those of the accounts' keys too.
func watchedFiles(cfg *config.Config) []credential.Secret {
	var secrets []credential.Secret
	add := func(s credential.Secret) {
		if strings.HasPrefix(string(s), credential.FileScheme) && !slices.Contains(secrets, s) {
			secrets = append(secrets, s)
		}
	}
	for _, d := range cfg.Destinations {
		add(d.Secret) // its probe's and clean-up's are read when they are used
	}
	for _, a := range cfg.Accounts {
		s := keySecret(a)
		// A path with characters that a name of a secret can't have is not watched;
		// the key is read anew at each request all the same.
		if _, err := credential.FilePath(s); err == nil {
			add(s)
		}
	}
	return secrets
}
