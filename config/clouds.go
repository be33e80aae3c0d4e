package config

// Google is how secrets in Google Secret Manager are reached. Credentials come
// from Google's usual chain.
type Google struct {
	// Endpoint is host:port, used in place of Secret Manager's own, also for
	// regional secrets.
	Endpoint string `toml:"endpoint"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
}

// Azure is how secrets in Azure Key Vault are reached. The vault's address is
// the name of the secret; credentials come from Azure's usual chain.
type Azure struct {
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
}

func (c *checker) google() {
	g := &c.cfg.Google
	c.hostPort("google", "endpoint", g.Endpoint, `"secretmanager.example.internal:443"`)
	g.CAFile = resolve(c.file, g.CAFile)
}

// hostPort checks an address for gRPC, which has no scheme.
func (c *checker) hostPort(table, key, value, example string) {
	if !c.isSet(table, key) || value == "" {
		return
	}
	if _, ok := listenAddress(value); !ok || value[0] == ':' {
		c.bad(table, key, "not a host and a port", "write it without https:// and with its port: "+example)
	}
}
