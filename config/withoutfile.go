package config

// WithoutFile is the configuration for what works before there is a file, such
// as listing an account's destinations to write one: every default, one
// account named "default" whose key comes from PL_API_KEY, and no destination.
// baseURL is where Planet's API is, [DefaultBaseURL] if empty. The error is
// [Problems].
func WithoutFile(baseURL string, env func(string) string) (*Config, error) {
	cfg := Default()
	c := newChecker(&cfg, env, nil)
	c.store()
	c.accounts()
	if baseURL != "" {
		a := &cfg.Accounts[0]
		a.BaseURL = baseURL
		c.url("", "base_url", &a.BaseURL, `"`+DefaultBaseURL+`"`)
	}
	c.drain()
	if len(c.problems) > 0 {
		return nil, c.fail()
	}
	cfg.Warnings = c.warnings
	return &cfg, nil
}
