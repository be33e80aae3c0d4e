package config

// Announce says who is told of what happens to credentials, beside Prometheus.
type Announce struct {
	// Source names this rotatord where several post to the same receiver: the
	// source of CloudEvents, a URI reference.
	Source string `toml:"source"`
	// ExpiringWithin is how long before its end a credential is said to expire.
	ExpiringWithin Duration `toml:"expiring_within" min:"0s" max:"365d"`
	// Webhooks get CloudEvents, signed after Standard Webhooks.
	Webhooks []AnnounceWebhook `toml:"webhook"`
	// Slack are channels of Slack, or of what takes Slack's messages.
	Slack []AnnounceSlack `toml:"slack"`
}

// AnnounceWebhook is a receiver of signed CloudEvents. The URL may hold a token
// of its own and can be kept out of the file, as the signing secret must be.
type AnnounceWebhook struct {
	Name string `toml:"name"`
	// URL, URLEnv or URLFile is where to post; exactly one is set.
	URL     string `toml:"url"`
	URLEnv  string `toml:"url_env"`
	URLFile string `toml:"url_file"`
	// SecretEnv or SecretFile hold the signing secrets, "whsec_…", one a line.
	SecretEnv  string `toml:"secret_env"`
	SecretFile string `toml:"secret_file"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// Kinds are the kinds of announcements that it gets; empty means all.
	Kinds []string `toml:"kinds"`
	Pos   Position `toml:"-"`
}

// AnnounceSlack is a channel. Its URL is all that is needed to write there, so
// that it is never in the file itself.
type AnnounceSlack struct {
	Name string `toml:"name"`
	// URLEnv or URLFile hold the URL of the incoming webhook; exactly one is set.
	URLEnv  string `toml:"url_env"`
	URLFile string `toml:"url_file"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// Kinds are the kinds of announcements that it gets; empty means all.
	Kinds []string `toml:"kinds"`
	Pos   Position `toml:"-"`
}
