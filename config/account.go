package config

import "strconv"

func (c *checker) accounts() {
	if len(c.cfg.Accounts) == 0 {
		if c.failed["account"] || c.isSet("", "account") || c.incomplete {
			c.badAccounts = true
			return
		}
		a := DefaultAccountSettings()
		a.Name, a.APIKeyEnv = DefaultAccount, DefaultKeyEnv
		c.cfg.Accounts = []Account{a}
		if c.env(DefaultKeyEnv) == "" {
			c.add(Position{}, "", "there is no API key: "+DefaultKeyEnv+" is not set in the environment",
				"export "+DefaultKeyEnv+"=…, or write [[account]] and api_key_file = \"/run/secrets/planet-api-key\"")
		}
		return
	}
	first := map[string]Position{}
	before := len(c.problems)
	for i := range c.cfg.Accounts {
		a := &c.cfg.Accounts[i]
		table := "account[" + strconv.Itoa(i) + "]"
		c.accountName(table, a)
		if at, ok := first[a.Name]; ok && a.Name != "" {
			c.bad(table, "name", "an account of this name stands at "+place(at, a.Pos)+" already", "give each its own name")
		} else {
			first[a.Name] = c.at(table, "name")
		}
	}
	c.badAccounts = len(c.problems) > before || c.incomplete
	for i := range c.cfg.Accounts {
		a := &c.cfg.Accounts[i]
		table := "account[" + strconv.Itoa(i) + "]"
		c.key(table, a)
		c.keySecret(table, a)
		c.intervals(table, a)
		c.url(table, "base_url", &a.BaseURL, strconv.Quote(DefaultBaseURL))
		a.APIKeyFile = resolve(c.file, a.APIKeyFile)
		a.BearerTokenFile = resolve(c.file, a.BearerTokenFile)
		a.CAFile = resolve(c.file, a.CAFile)
	}
}

func (c *checker) accountNames() []string {
	names := make([]string, len(c.cfg.Accounts))
	for i, a := range c.cfg.Accounts {
		names[i] = a.Name
	}
	return names
}

func (c *checker) accountName(table string, a *Account) {
	const hint = `write lower-case letters, digits, dots and dashes: "prod"`
	switch {
	case c.typeProblem(table, "name"):
	case !c.isSet(table, "name") && len(c.cfg.Accounts) == 1:
		a.Name = DefaultAccount
	case !c.isSet(table, "name"):
		c.bad(table, "name", "is missing, and there are several accounts", hint)
	case !accountName(a.Name):
		c.bad(table, "name", "cannot be the name of an account", hint)
	}
}

// accountName bounds what becomes the label of a metric and may be shown
// anywhere.
func accountName(s string) bool {
	if s == "" || len(s) > 63 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_' {
			return false
		}
	}
	return true
}

// key checks that an account has exactly one source for its key.
func (c *checker) key(table string, a *Account) {
	const hint = `write api_key_env = "PL_API_KEY" or api_key_file = "/run/secrets/planet-api-key"`
	sources := []struct {
		key   string
		empty bool
	}{
		{"api_key_env", a.APIKeyEnv == ""}, {"api_key_file", a.APIKeyFile == ""},
		{"api_key_secret", a.APIKeySecret == ""}, {"api_key", a.APIKey.Empty()},
		{"bearer_token_env", a.BearerTokenEnv == ""}, {"bearer_token_file", a.BearerTokenFile == ""},
	}
	first := ""
	for _, s := range sources {
		switch {
		case c.typeProblem(table, s.key):
			first = s.key
		case !c.isSet(table, s.key):
		case s.empty:
			c.bad(table, s.key, "is empty", hint)
			first = s.key
		case first != "":
			c.bad(table, s.key, "the key of this account comes from "+first+" already", "keep one of the two")
		default:
			first = s.key
		}
	}
	switch {
	case first == "" && len(c.cfg.Accounts) == 1:
		a.APIKeyEnv = DefaultKeyEnv
	case first == "":
		c.bad(table, "api_key_env", "is missing: where does this account's key come from?", hint)
	}
	c.variable(table, "api_key_env", a.APIKeyEnv, DefaultKeyEnv, "key")
	c.variable(table, "bearer_token_env", a.BearerTokenEnv, "PLANET_TOKEN", "token")
	if c.isSet(table, "api_key") && !a.APIKey.Empty() {
		c.warn(c.at(table, "api_key"), table+".api_key", "the key stands in the configuration file", "better is api_key_file, or api_key_env")
		if !headerSafe(a.APIKey.Bytes()) {
			c.bad(table, "api_key", "holds a character that no key has", "copy it again, without spaces or line breaks")
		}
	}
}

// keySecret checks what belongs to a key that is a secret of some provider's.
func (c *checker) keySecret(table string, a *Account) {
	if a.APIKeySecret != "" {
		c.shape(table, "api_key_secret", a.APIKeySecret)
	}
	switch {
	case a.APIKeyPointer == "":
	case !jsonPointer(a.APIKeyPointer):
		c.bad(table, "api_key_pointer", notAPointer, `write where the key is inside the secret: "/key"`)
	case !c.isSet(table, "api_key_secret") && !c.typeProblem(table, "api_key_secret"):
		c.bad(table, "api_key_pointer", "there is no api_key_secret that it could lead into", "write api_key_secret, or leave the pointer out")
	}
}

func headerSafe(b []byte) bool {
	for _, ch := range b {
		if ch <= ' ' || ch > '~' {
			return false
		}
	}
	return true
}

// variable checks that an environment variable is there. Its name is shown
// only when it is written as names of variables are: a key that was put where
// its variable's name belongs has lower-case letters. example and what are for
// the message: the name of such a variable, and what it holds.
func (c *checker) variable(table, key, name, example, what string) {
	if name == "" {
		return
	}
	for i, r := range name {
		if (r < 'A' || r > 'Z') && r != '_' && (i == 0 || r < '0' || r > '9') {
			c.bad(table, key, "not the name of an environment variable", "write the name in capitals, "+strconv.Quote(example)+", and not the "+what+" itself")
			return
		}
	}
	if c.env(name) == "" {
		c.bad(table, key, "$"+name+" is not set in the environment", "export "+name+"=… where rotatord starts")
	}
}
