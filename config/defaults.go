package config

import (
	"path/filepath"
	"strings"
	"time"
)

const (
	// DefaultAccount is the name of the account that needs no [[account]].
	DefaultAccount = "default"
	// DefaultKeyEnv is where its key comes from.
	DefaultKeyEnv = "PL_API_KEY"
	// DefaultBaseURL is Planet's Destinations API.
	DefaultBaseURL = "https://api.planet.com/destinations/v1"

	// drainMargin is what a stop waits beyond the longest PATCH, for its answer
	// to be recorded.
	drainMargin = Duration(10 * time.Second)
)

// Default is the configuration of an empty file, as an operator would have
// chosen it. It has no account, no destination and no Store.Dir: that one
// depends on the environment, see [StateDir].
func Default() Config {
	return Config{
		Reload: Reload{Watch: Duration(5 * time.Second)},
		Store:  Store{History: Duration(90 * 24 * time.Hour)},
		Log:    Log{Level: "info", Format: "auto"},
		Admin:  Admin{Listen: "127.0.0.1:9464"},
		Engine: Engine{Workers: 32, DrainTimeout: Duration(160 * time.Second)},
		Files:  Files{Poll: Duration(time.Minute), Settle: Duration(250 * time.Millisecond)},
		Vault: Vault{Auth: VaultToken, TokenEnv: "VAULT_TOKEN", AuthMount: "kubernetes",
			JWTFile: "/var/run/secrets/kubernetes.io/serviceaccount/token"},
		Gate:     Gate{Grace: Duration(time.Hour), Mark: "rotatord-accepted"},
		Announce: Announce{Source: "rotatord", ExpiringWithin: Duration(7 * 24 * time.Hour)},
		Tracing:  Tracing{SamplePercent: 100},
		Events:   Events{MissedAfter: Duration(5 * time.Minute)},
		Webhooks: Webhooks{RequestsPerSecond: 20},
		Defaults: Settings{
			Schedule:          "*/15 * * * *",
			ScheduleJitter:    Duration(30 * time.Second),
			FirstSight:        FirstSightPush,
			Preflight:         PreflightRequired,
			PropagationWindow: Duration(10 * time.Minute),
			VerificationMax:   Duration(150 * time.Second),
			RestorePrevious:   true,
			ProbeSchedule:     "@every 6h",
			LeftoverConfirm:   Duration(time.Minute),
			VerifyObject:      "planetverify.txt",
			PreflightObject:   "rotatord-preflight-{id}.txt",
			Check:             CheckRead,
			CheckSchedule:     "@every 10m",
			OnDrift:           OnDriftReport,
			Rollout:           RolloutCanary,
		},
	}
}

// DefaultAccountSettings is an account with every default and without name or
// key.
func DefaultAccountSettings() Account {
	return Account{
		BaseURL:            DefaultBaseURL,
		RequestsPerSecond:  3,
		JitterAllowance:    Duration(200 * time.Millisecond),
		PatchTimeout:       Duration(150 * time.Second),
		ListInterval:       Duration(time.Minute),
		DependentsInterval: Duration(10 * time.Minute),
	}
}

// StateDir is where the store lives when the file does not say: the folder
// that systemd made ($STATE_DIRECTORY), else $XDG_STATE_HOME/rotatord, else
// /var/lib/rotatord for root (uid 0), else ~/.local/state/rotatord. It is
// empty when not even $HOME is known.
func StateDir(env func(string) string, uid int) string {
	// systemd separates several folders with colons; the first is ours.
	if dir, _, _ := strings.Cut(env("STATE_DIRECTORY"), ":"); filepath.IsAbs(dir) {
		return filepath.Clean(dir)
	}
	if dir := env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rotatord")
	}
	if uid == 0 {
		return "/var/lib/rotatord"
	}
	if home := env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "rotatord")
	}
	return ""
}

// DefaultEventGrid is a webhook of Event Grid with every default.
func DefaultEventGrid() EventGridSource {
	return EventGridSource{Authority: "login.microsoftonline.com"}
}

// DefaultStorageQueue is a storage queue with every default.
func DefaultStorageQueue() StorageQueueSource {
	return StorageQueueSource{Poll: Duration(2 * time.Second)}
}

// DefaultWebhook is a webhook with every default.
func DefaultWebhook() WebhookSource {
	return WebhookSource{Tolerance: Duration(5 * time.Minute)}
}
