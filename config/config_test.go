package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rotatord/rotatord/credential"
)

const oneDestination = "[[destination]]\nname = \"my-s3-CKxV9io\"\nsecret = \"file:///run/secrets/s3\"\n"

func TestTheSmallestConfigurationHasEveryDefault(t *testing.T) {
	cfg := parseString(t, oneDestination)
	want := Default()
	want.File, want.FilesRead = "rotatord.toml", []string{"rotatord.toml"}
	want.Store.Dir = StateDir(testEnv, os.Geteuid())
	account := DefaultAccountSettings()
	account.Name, account.APIKeyEnv = "default", "PL_API_KEY"
	want.Accounts = []Account{account}
	want.Destinations = []Destination{{Name: "my-s3-CKxV9io", Secret: "file:///run/secrets/s3", Account: "default",
		Settings: want.Defaults, Pos: Position{"rotatord.toml", 1, 3}}}
	if diff := cmp.Diff(&want, cfg, cmp.Comparer(func(a, b credential.Value) bool { return bytes.Equal(a.Bytes(), b.Bytes()) })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestADestinationsOwnSettingsWinOverDefaultsWhereverTheyStand(t *testing.T) {
	cfg := parseString(t, oneDestination+`
schedule = "off"
restore_previous = true
[destination.map]
aws_access_key_id = "/id"
[[destination]]
name = "b"
secret = "file:///b"
[defaults]
schedule = "@every 1h"
preflight = "advisory"
restore_previous = false
`)
	a, b := cfg.Destinations[0], cfg.Destinations[1]
	if a.Schedule != "off" || b.Schedule != "@every 1h" {
		t.Errorf("schedules %q, %q", a.Schedule, b.Schedule)
	}
	if a.Preflight != PreflightAdvisory || b.Preflight != PreflightAdvisory {
		t.Errorf("preflights %q, %q", a.Preflight, b.Preflight)
	}
	if !a.RestorePrevious || b.RestorePrevious {
		t.Errorf("restore_previous %v, %v", a.RestorePrevious, b.RestorePrevious)
	}
	if a.Map["aws_access_key_id"] != "/id" || b.Map != nil {
		t.Errorf("maps %v, %v", a.Map, b.Map)
	}
	if b.VerifyObject != "planetverify.txt" {
		t.Errorf("verify object %q", b.VerifyObject)
	}
}

func TestEveryFormOfTOMLMeansTheSame(t *testing.T) {
	want := parseString(t, "[engine]\nworkers = 8\n[[destination]]\nname = \"a\"\nsecret = \"file:///a\"\nmap = { sas_token = \"/t\" }\n")
	for name, text := range map[string]string{
		"dotted keys":       "engine.workers = 8\n[[destination]]\nname = 'a'\nsecret = 'file:///a'\nmap.sas_token = '/t'\n",
		"inline tables":     "engine = { workers = 8 }\ndestination = [ { name = \"a\", secret = \"file:///a\", map = { sas_token = \"/t\" } } ]\n",
		"quoted keys":       "[\"engine\"]\n\"workers\" = 0x8\n[[\"destination\"]]\nname = \"\\u0061\"\nsecret = \"file:///a\"\n[destination.\"map\"]\nsas_token = \"/t\"\n",
		"Windows lines":     "[engine]\r\nworkers = 8\r\n[[destination]]\r\nname = \"a\"\r\nsecret = \"file:///a\"\r\nmap = { sas_token = \"/t\" }\r\n",
		"a byte order mark": "\ufeff[engine]\nworkers = 8\n[[destination]]\nname = \"a\"\nsecret = \"file:///a\"\nmap.sas_token = \"/t\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, parseString(t, text), withoutPositions); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRelativePathsCountFromTheFolderOfTheFile(t *testing.T) {
	cfg, err := Parse("/etc/rotatord/rotatord.toml", []byte("[store]\ndir = \"state\"\n[[account]]\napi_key_file = \"key\"\nca_file = \"/ca.pem\"\n"+
		oneDestination+"bucket_ca_file = \"../ca.pem\"\n"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{cfg.Store.Dir, cfg.Accounts[0].APIKeyFile, cfg.Accounts[0].CAFile, cfg.Destinations[0].BucketCAFile}
	want := []string{"/etc/rotatord/state", "/etc/rotatord/key", "/ca.pem", "/etc/ca.pem"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDrainTimeoutFollowsTheLongestPatch(t *testing.T) {
	cfg := parseString(t, "[[account]]\npatch_timeout = \"5m\"\n"+oneDestination)
	if got := cfg.Engine.DrainTimeout.Std(); got != 5*time.Minute+10*time.Second {
		t.Errorf("drain timeout %v", got)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings %v", cfg.Warnings)
	}
}

func TestWarningsSayWhatWorksAndShouldNotBeLeftSo(t *testing.T) {
	cfg := parseString(t, `[admin]
listen = ":9464"
[engine]
drain_timeout = "10s"
[[account]]
name = "a"
api_key = "PLAK0123456789abcdef"
base_url = "http://planet.example.com/destinations/v1/"
[[account]]
name = "b"
api_key_env = "PROD_KEY"
base_url = "http://127.0.0.1:8080"
[[destination]]
name = "x"
secret = "file:///x"
account = "a"
`)
	want := `rotatord.toml:2:10: admin.listen: other machines can reach this listener, which asks for no password (keep it behind a firewall or network policy and say guarded = true, or listen on 127.0.0.1)
rotatord.toml:4:17: engine.drain_timeout: is shorter than one PATCH may take; a stop can leave one without its answer (write at least "2m40s")
rotatord.toml:7:11: account.api_key: the key stands in the configuration file (better is api_key_file, or api_key_env)
rotatord.toml:8:12: account.base_url: goes over the network without encryption, and keys with it (write https://)
rotatord.toml:9:3: account: no destination uses this account (remove it, or name it at a destination)`
	if diff := cmp.Diff(want, cfg.Warnings.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := cfg.Accounts[0].BaseURL; got != "http://planet.example.com/destinations/v1" {
		t.Errorf("base URL %q keeps its slash", got)
	}
}

func TestAKeyThatEverybodyCanReadIsWarnedAbout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rotatord.toml")
	text := "[[account]]\napi_key = \"PLAK0123456789abcdef\"\n" + oneDestination
	for mode, want := range map[os.FileMode]bool{0o644: true, 0o640: false, 0o600: false} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path, testEnv)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(cfg.Warnings.Error(), "everybody on this machine"); got != want {
			t.Errorf("mode %v: warned %v, want %v", mode, got, want)
		}
		// Load wipes what it read; the key must be a copy.
		if string(cfg.Accounts[0].APIKey.Bytes()) != "PLAK0123456789abcdef" {
			t.Error("the key is not the one of the file")
		}
	}
}

func TestWithoutAKeyTheMessageNamesItsVariable(t *testing.T) {
	_, err := Parse("rotatord.toml", []byte(oneDestination), func(string) string { return "" })
	var problems Problems
	if !errors.As(err, &problems) || !strings.Contains(err.Error(), "PL_API_KEY is not set") {
		t.Errorf("got %v", err)
	}
}

func TestShapesDecideWhatIsASecret(t *testing.T) {
	shape := Shape{Example: "vault://mount/path", Match: func(s credential.Secret) bool { return strings.HasPrefix(string(s), "vault://") }}
	vault := "[[destination]]\nname = \"a\"\nsecret = \"vault://kv/s3\"\n"
	if _, err := Parse("rotatord.toml", []byte(vault), testEnv, shape); err != nil {
		t.Error(err)
	}
	_, err := Parse("rotatord.toml", []byte(oneDestination), testEnv, shape)
	if err == nil || !strings.Contains(err.Error(), `"vault://mount/path"`) {
		t.Errorf("got %v", err)
	}
}

func TestLoadSaysWhyAFileCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir + "/none.toml": dir + "/none.toml: no such file or directory (check the path and who may read it)",
		dir:                dir + ": is a folder and not a file (check the path and who may read it)",
	} {
		_, err := Load(path, testEnv)
		var problems Problems
		if !errors.As(err, &problems) || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := Load("/dev/zero", testEnv); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless file: %v", err)
	}
}

func TestFindTakesTheNamedFileAloneAndElseTheUsualOnes(t *testing.T) {
	dir := t.TempDir()
	local, system, named := dir+"/local.toml", dir+"/system.toml", dir+"/named.toml"
	for _, f := range []string{system, named} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := func(v string) func(string) string {
		return func(name string) string {
			if name == FileEnv {
				return v
			}
			return ""
		}
	}
	for _, tt := range []struct{ name, explicit, env, want, wantErr string }{
		{"a flag counts before the variable", named, dir + "/none", named, ""},
		{"a flag that names nothing is not replaced", dir + "/none", named, "", "there is none at " + dir + "/none (--config) ("},
		{"the variable counts before the usual places", "", named, named, ""},
		{"a variable that names nothing is not replaced", "", dir + "/none", "", "there is none at " + dir + "/none ($ROTATORD_CONFIG) ("},
		{"else the first usual place that is there", "", "", system, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := find(tt.explicit, env(tt.env), local, system)
			if got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
		})
	}
	_, err := find("", env(""), local, dir+"/other.toml")
	var missing *NotFoundError
	if !errors.As(err, &missing) || !cmp.Equal(missing.Looked, []string{local, dir + "/other.toml"}) {
		t.Errorf("got %v", err)
	}
}

func TestStateDirFollowsTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		uid  int
		want string
	}{
		{"systemd's folder first", map[string]string{"STATE_DIRECTORY": "/var/lib/r:/var/lib/s", "XDG_STATE_HOME": "/x"}, 0, "/var/lib/r"},
		{"then the XDG folder", map[string]string{"XDG_STATE_HOME": "/x", "HOME": "/home/op"}, 0, "/x/rotatord"},
		{"root without either", map[string]string{"HOME": "/root"}, 0, "/var/lib/rotatord"},
		{"a person without either", map[string]string{"HOME": "/home/op"}, 1000, "/home/op/.local/state/rotatord"},
		{"relative folders don't count", map[string]string{"STATE_DIRECTORY": "a", "XDG_STATE_HOME": "b", "HOME": "c"}, 1000, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := StateDir(func(n string) string { return tt.env[n] }, tt.uid); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestNoRenderingOfAConfigurationShowsItsKey(t *testing.T) {
	const canary = "PLAKcanary0123456789"
	cfg := parseString(t, "[[account]]\napi_key = \""+canary+"\"\n"+oneDestination)
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).InfoContext(t.Context(), "x", "config", cfg, "account", cfg.Accounts[0])
	slog.New(slog.NewTextHandler(&logged, nil)).InfoContext(t.Context(), "x", "config", *cfg)
	renderings := []string{string(asJSON), logged.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		renderings = append(renderings, fmt.Sprintf(verb, cfg), fmt.Sprintf(verb, *cfg), fmt.Sprintf(verb, cfg.Accounts))
	}
	for _, s := range renderings {
		if strings.Contains(s, canary) || strings.Contains(s, fmt.Sprintf("%x", canary)) {
			t.Error("a rendering shows the key")
		}
	}
}

func TestHashChangesWithWhatMayMendADestinationOnly(t *testing.T) {
	base := func() Destination {
		return Destination{Name: "a", Secret: "file:///a", Account: "p", Map: map[string]string{"sas_token": "/t"}, Settings: Default().Defaults}
	}
	same := map[string]func(*Destination){
		"name":     func(d *Destination) { d.Name = "pl:destinations/a" },
		"schedule": func(d *Destination) { d.Schedule = "off" },
		"position": func(d *Destination) { d.Pos = Position{"f", 9, 9} },
		"restore":  func(d *Destination) { d.RestorePrevious = false },
		// What is done between rotations mends no credential.
		"check":    func(d *Destination) { d.Check, d.CheckSchedule = CheckOff, Off },
		"secrets":  func(d *Destination) { d.ProbeSecret, d.CleanupSecret = "file:///p", "file:///c" },
		"drift":    func(d *Destination) { d.OnDrift = OnDriftPush },
		"roll-out": func(d *Destination) { d.Rollout = RolloutAll },
	}
	other := map[string]func(*Destination){
		"secret":    func(d *Destination) { d.Secret = "file:///b" },
		"account":   func(d *Destination) { d.Account = "q" },
		"pointer":   func(d *Destination) { d.Map["sas_token"] = "/u" },
		"field":     func(d *Destination) { d.Map["credentials"] = "/t" },
		"preflight": func(d *Destination) { d.Preflight = PreflightOff },
		"window":    func(d *Destination) { d.PropagationWindow = 0 },
		"object":    func(d *Destination) { d.VerifyObject = "v" },
		"prefix":    func(d *Destination) { d.PreflightPrefix = "p/" },
		"own":       func(d *Destination) { d.PreflightObject = "{id}/o" },
		"endpoint":  func(d *Destination) { d.BucketEndpoint = "https://s3" },
		"ca":        func(d *Destination) { d.BucketCAFile = "/ca" },
		"endpoint and ca swapped": func(d *Destination) {
			d.BucketEndpoint, d.BucketCAFile = "x", ""
		},
		"the same letters elsewhere": func(d *Destination) {
			d.BucketEndpoint, d.BucketCAFile = "", "x"
		},
	}
	seen := map[string]string{base().Hash(): "base"}
	for name, change := range other {
		d := base()
		change(&d)
		if before, ok := seen[d.Hash()]; ok {
			t.Errorf("%s has the hash of %s", name, before)
		}
		seen[d.Hash()] = name
	}
	for name, change := range same {
		d := base()
		change(&d)
		if d.Hash() != base().Hash() {
			t.Errorf("%s changes the hash", name)
		}
	}
}

func TestDurationsReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "1d12h": 36 * time.Hour, "250ms": 250 * time.Millisecond, "1h30m": 90 * time.Minute, "0s": 0, "0d": 0, "0": 0,
		"106751d": 106751 * day,
	} {
		got, err := ParseDuration(text)
		if err != nil || got.Std() != want {
			t.Errorf("%s: %v, %v", text, got.Std(), err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "+1d", "1d-2h", "1d+2h", "-1s", "-0s", "+1s", "1", "1.5d", "1h1d", "106752d", "106751d24h", "99999999999999999999d", "1d ", "x"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		90 * day: "90d", 36 * time.Hour: "1d12h", time.Hour: "1h", 90 * time.Minute: "1h30m", 160 * time.Second: "2m40s", 0: "0s", 20 * time.Minute: "20m", time.Hour + 10*time.Second: "1h0m10s",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}
