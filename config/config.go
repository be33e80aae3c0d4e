// Package config turns a TOML file, and those of the folder conf.d beside it,
// into a typed configuration that can be trusted: every default is applied,
// every rule is checked, and whatever is wrong is said at once, with file,
// line and column and with what to write instead.
//
// Three thoughts shape it.
//
// A person fixes a configuration once, not once a mistake. A decoder that
// stops at the first wrong type makes somebody start the daemon ten times, so
// the file is first read into a tree that remembers where everything stands,
// then decoded key by key, and each problem is only noted. [Problems] is the
// error, one line each.
//
// A configuration may hold a key. It should not, but api_key = "…" is allowed,
// and people paste keys into the wrong line. So no message quotes a value,
// ever, and none quotes a source line: a message is made of the position, the
// name of the key and what was expected there. Names of keys are quoted only
// when they look like names.
//
// Reading it has no side effects. Apart from the environment, which comes in
// as a function, nothing outside these files is looked at: whether a key file
// exists or a secret can be read is for "rotatord check" to say. That is what
// makes a reload safe: a new configuration is built whole or not at all.
//
// docs/configuration.md lists every key. A test holds it, and the commented
// config.example.toml, against the types of this package.
package config

import (
	"github.com/rotatord/rotatord/credential"
)

// Config is a whole configuration with every default applied. It holds no
// secret but an inline api_key, which redacts itself.
type Config struct {
	// File is where the configuration was read from; relative paths in it, and
	// in the files of conf.d, were resolved against its folder. It is empty
	// after [WithoutFile].
	File string `toml:"-"`
	// FilesRead are all files that were read: File, then those of conf.d in
	// their order.
	FilesRead []string `toml:"-"`
	// Warnings are what works and should not be left so. They never stop a
	// start.
	Warnings Problems `toml:"-"`

	// Reload is when the configuration is read anew.
	Reload Reload `toml:"reload"`

	Store  Store  `toml:"store"`
	Log    Log    `toml:"log"`
	Admin  Admin  `toml:"admin"`
	Engine Engine `toml:"engine"`
	Files  Files  `toml:"files"`
	AWS    AWS    `toml:"aws"`
	Google Google `toml:"google"`
	Azure  Azure  `toml:"azure"`
	Vault  Vault  `toml:"vault"`

	// Gate is when old credentials may be revoked.
	Gate Gate `toml:"gate"`
	// Announce is who is told of what happens.
	Announce Announce `toml:"announce"`
	// Tracing is where traces of rotations go.
	Tracing Tracing `toml:"tracing"`
	// Source is where events come from, Events and Webhooks what holds for all
	// of them.
	Source   Sources  `toml:"source"`
	Events   Events   `toml:"events"`
	Webhooks Webhooks `toml:"webhooks"`

	// Defaults are the settings of every destination that does not set its own.
	Defaults Settings `toml:"defaults"`
	// Accounts is never empty: without an [[account]] in the file there is one
	// named "default" whose key comes from PL_API_KEY.
	Accounts []Account `toml:"account"`
	// Destinations carry their effective settings, in the order of the files.
	Destinations []Destination `toml:"destination"`
}

// Account finds an account by its name.
func (c *Config) Account(name string) (Account, bool) {
	for _, a := range c.Accounts {
		if a.Name == name {
			return a, true
		}
	}
	return Account{}, false
}

// Destination finds a destination by the name that it has in the file.
func (c *Config) Destination(name string) (Destination, bool) {
	for _, d := range c.Destinations {
		if d.Name == name {
			return d, true
		}
	}
	return Destination{}, false
}

// Store says where the durable records live.
type Store struct {
	// Dir holds the database, its lock and the fingerprint key.
	Dir string `toml:"dir"`
	// History is how long finished rotations are kept.
	History Duration `toml:"history" min:"1h" max:"3650d"`
}

// Reload says when a running daemon reads its configuration anew. SIGHUP always
// has it do so.
type Reload struct {
	// Watch is how often its files are looked at for changes; 0 for never.
	Watch Duration `toml:"watch" min:"0s" max:"1h"`
}

// Log says what is logged, and how.
type Log struct {
	// Level is "debug", "info", "warn" or "error".
	Level string `toml:"level" oneof:"debug info warn error"`
	// Format is "auto" (text on a terminal, JSON elsewhere), "text" or "json".
	Format string `toml:"format" oneof:"auto text json"`
}

// Admin is the HTTP listener for metrics, health, the page and the API.
type Admin struct {
	// Listen is host:port; empty switches the listener off.
	Listen string `toml:"listen"`
	// Guarded says that it is meant that others reach Listen, and that something
	// before it, such as a NetworkPolicy, says who: that is not warned about.
	Guarded bool `toml:"guarded"`
	// TokenEnv names an environment variable that holds the token of those who
	// may act through the listener. Without one and without TokenFile nobody may.
	TokenEnv string `toml:"token_env"`
	// TokenFile names a file that holds it. It is read anew for each use.
	TokenFile string `toml:"token_file"`
}

// MinToken is how many characters the token of [Admin] has at least.
const MinToken = 16

// Engine bounds the work done at once.
type Engine struct {
	// Workers is how many destinations are worked on at the same time.
	Workers int `toml:"workers" min:"1" max:"1024"`
	// DrainTimeout is how long a stop waits for rotations under way. It follows
	// the longest patch_timeout when it is not set.
	DrainTimeout Duration `toml:"drain_timeout" min:"1s" max:"1h"`
}

// Files tunes the watcher of secrets that are files.
type Files struct {
	// Poll is the backstop for file systems that report no changes.
	Poll Duration `toml:"poll" min:"1s" max:"1d"`
	// Settle is how long a file must be quiet before it is read.
	Settle Duration `toml:"settle" min:"0s" max:"1m"`
}

// Account is one Planet user or service key, with its rate limit. At most one
// of the six ways to give the key is set.
type Account struct {
	Name string `toml:"name"`
	// APIKeyEnv names an environment variable that holds the API key.
	APIKeyEnv string `toml:"api_key_env"`
	// APIKeyFile names a file that holds the API key.
	APIKeyFile string `toml:"api_key_file"`
	// APIKeySecret names a secret that holds the API key, as a destination's
	// Secret does.
	APIKeySecret credential.Secret `toml:"api_key_secret"`
	// APIKeyPointer is the JSON Pointer to the key inside APIKeySecret. Empty,
	// the secret is the key itself or has it under a well-known name.
	APIKeyPointer string `toml:"api_key_pointer"`
	// APIKey is the key itself. It is discouraged: the file must then be kept
	// secret, and the TOML decoder makes copies that nobody can clear.
	APIKey credential.Value `toml:"api_key"`
	// BearerTokenEnv and BearerTokenFile are for an OAuth token in place of an
	// API key.
	BearerTokenEnv  string `toml:"bearer_token_env"`
	BearerTokenFile string `toml:"bearer_token_file"`
	// BaseURL is where the Destinations API lives, without a trailing slash.
	BaseURL string `toml:"base_url"`
	// RequestsPerSecond is Planet's limit for one user over all endpoints.
	RequestsPerSecond int `toml:"requests_per_second" min:"1" max:"100"`
	// JitterAllowance is how much a request may be delayed on its way without
	// breaking the limit as the server counts it.
	JitterAllowance Duration `toml:"jitter_allowance" min:"0s" max:"10s"`
	// CAFile holds PEM certificates to trust beside the system's.
	CAFile string `toml:"ca_file"`
	// PatchTimeout bounds one PATCH, during which Planet verifies the
	// credential on the bucket; that may take 120 seconds.
	PatchTimeout Duration `toml:"patch_timeout" min:"130s" max:"1h"`
	// ListInterval is how often Planet's list of destinations is asked for to
	// find what others have changed; 0 for only when one is looked at.
	ListInterval Duration `toml:"list_interval" min:"0s" max:"1d"`
	// DependentsInterval is how often orders and subscriptions are asked for; 0
	// for never.
	DependentsInterval Duration `toml:"dependents_interval" min:"0s" max:"1d"`
	// AllUsers asks for those of the whole organization, which only its admins
	// may.
	AllUsers bool `toml:"all_users"`
	// Pos is where the account stands in the file; zero for the implicit one.
	Pos Position `toml:"-"`
}

// Destination is one Planet destination and the secret behind it.
type Destination struct {
	// Name is how the file names it: an id, a pl:ref, a short ref or a suffix.
	Name string `toml:"name"`
	// Secret is the name of the secret as its owner writes it.
	Secret credential.Secret `toml:"secret"`
	// Account is the name of an account, filled in when there is only one.
	Account string `toml:"account"`
	// Map gives for a credential field of Planet the JSON Pointer to its value
	// inside the secret; empty where the field names are well known.
	Map map[string]string `toml:"map"`
	Settings
	// Pos is where the destination stands in the file.
	Pos Position `toml:"-"`
}

// Settings are what [defaults] sets for all destinations and a [[destination]]
// for itself.
type Settings struct {
	// Schedule is when the destination is looked at without an event: five cron
	// fields, "@every 1h", with CRON_TZ= if wanted, or "off".
	Schedule string `toml:"schedule"`
	// ScheduleJitter spreads scheduled looks over this long.
	ScheduleJitter Duration `toml:"schedule_jitter" min:"0s" max:"1d"`
	// FirstSight is what happens to a destination without a record.
	FirstSight FirstSight `toml:"first_sight" oneof:"push adopt"`
	// Preflight is whether a credential must work on the bucket before Planet
	// sees it.
	Preflight Preflight `toml:"preflight" oneof:"required advisory off"`
	// PropagationWindow is how long a refusal of a new credential is taken for
	// slowness of its provider.
	PropagationWindow Duration `toml:"propagation_window" min:"0s" max:"1d"`
	// VerificationMax is how long a PATCH without an answer may still take
	// effect.
	VerificationMax Duration `toml:"verification_max" min:"1s" max:"1h"`
	// RestorePrevious pushes the last accepted version back after Planet
	// refused a newer one.
	RestorePrevious bool `toml:"restore_previous"`
	// RestoreOptional allows one PATCH that sets an optional parameter back
	// which Planet changed during ours.
	RestoreOptional bool `toml:"restore_optional"`
	// ProbeSchedule is when leftovers and the credential are looked at, in the
	// form of Schedule.
	ProbeSchedule string `toml:"probe_schedule"`
	// LeftoverConfirm is the age from which a verify object is a leftover and
	// not a verification under way.
	LeftoverConfirm Duration `toml:"leftover_confirm" min:"0s" max:"1d"`
	// VerifyObject is the name of the object that Planet's check writes.
	VerifyObject string `toml:"verify_object"`
	// PreflightPrefix goes before the name of the preflight's own object, for
	// credentials that are confined to a prefix.
	PreflightPrefix string `toml:"preflight_prefix"`
	// PreflightObject is the name of the preflight's own object, with {id} where
	// the destination's id goes.
	PreflightObject string `toml:"preflight_object"`
	// Check is how the accepted credential is tried between rotations.
	Check Check `toml:"check" oneof:"read write off"`
	// CheckSchedule is when, in the form of Schedule.
	CheckSchedule string `toml:"check_schedule"`
	// ProbeSecret holds a credential of the destination's kind that leftovers are
	// looked for with in place of its own; named as a destination's Secret is.
	ProbeSecret credential.Secret `toml:"probe_secret"`
	// CleanupSecret holds one that leftovers are removed with. Empty, none is.
	CleanupSecret credential.Secret `toml:"cleanup_secret"`
	// OnDrift is what follows when somebody else has changed the destination.
	OnDrift OnDrift `toml:"on_drift" oneof:"report push"`
	// Rollout is how a version gets to several destinations of one secret.
	Rollout Rollout `toml:"rollout" oneof:"canary all"`
	// BucketEndpoint overrides where the bucket is reached from here.
	BucketEndpoint string `toml:"bucket_endpoint"`
	// BucketCAFile holds PEM certificates to trust for the bucket beside the
	// system's.
	BucketCAFile string `toml:"bucket_ca_file"`
}

// FirstSight says what to do with a destination that the store does not know.
type FirstSight string

const (
	// FirstSightPush proves the current version and sends it.
	FirstSightPush FirstSight = "push"
	// FirstSightAdopt records the current version as accepted without sending.
	FirstSightAdopt FirstSight = "adopt"
)

// Preflight says how much the trial on the bucket decides.
type Preflight string

const (
	// PreflightRequired holds what was refused and what could not be tried.
	PreflightRequired Preflight = "required"
	// PreflightAdvisory sends what could not be tried, and marks it unproven.
	PreflightAdvisory Preflight = "advisory"
	// PreflightOff tries nothing.
	PreflightOff Preflight = "off"
)

// Check says how a credential that Planet holds is tried between rotations.
type Check string

const (
	// CheckRead reads one object.
	CheckRead Check = "read"
	// CheckWrite puts, gets and deletes one, as preflight does.
	CheckWrite Check = "write"
	// CheckOff tries nothing.
	CheckOff Check = "off"
)

// OnDrift says what follows a change at Planet that was not rotatord's.
type OnDrift string

const (
	// OnDriftReport reports it.
	OnDriftReport OnDrift = "report"
	// OnDriftPush sends the credential again, once for each such change.
	OnDriftPush OnDrift = "push"
)

// Rollout says how a version gets to several destinations of one secret.
type Rollout string

const (
	// RolloutCanary gives it to one first.
	RolloutCanary Rollout = "canary"
	// RolloutAll gives it to all at once.
	RolloutAll Rollout = "all"
)

// Off is the schedule that never comes.
const Off = "off"

// Position is a place in a file of the configuration; lines and columns count
// from 1, columns in bytes. The zero Position is nowhere.
type Position struct {
	File         string
	Line, Column int
}
