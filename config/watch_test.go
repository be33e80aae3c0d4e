package config

import (
	"strings"
	"testing"
)

func TestPreflightObjectsHoldTheIDOnceAndNothingStrange(t *testing.T) {
	for name, want := range map[string]bool{
		"rotatord-preflight-{id}.txt": true, "{id}": true, "a/b/{id}/c.txt": true, ".{id}": true, strings.Repeat("x", 196) + "{id}": true,
		"": false, "x": false, "{id}{id}": false, "{id": false, "{ID}": false, "{name}-{id}": false, "/{id}": false, "{id}/": false, "a//{id}": false,
		"a/./{id}": false, "../{id}": false, "a b{id}": false, "é{id}": false, "{id}\n": false, "%7Bid}{id}": false, strings.Repeat("x", 197) + "{id}": false,
	} {
		if preflightObject(name) != want {
			t.Errorf("%q: want %v", name, want)
		}
	}
}

func TestAPreflightObjectThatMayBecomePlanetsIsKnown(t *testing.T) {
	for _, tt := range []struct {
		preflight, verify string
		want              bool
	}{
		{"rotatord-preflight-{id}.txt", "planetverify.txt", false},
		{"{id}", "planetverify.txt", true},
		{"{id}.txt", "planetverify.txt", true},
		{"planet{id}.txt", "planetverify.txt", true},
		{"planetverify{id}.txt", "planetverify.txt", false}, // an id is never empty
		{"planetverify.txt{id}", "planetverify.txt", false},
		{"deliveries/{id}.txt", "planetverify.txt", true},
		{"{id}.txt", "deliveries/planetverify.txt", true},
		{"{id}/planetverify.txt", "planetverify.txt", true},
		{"{id}/rotatord.txt", "planetverify.txt", false},
		{"aba{id}bab", "abab", false}, // the ends may not overlap
	} {
		if got := mayBecome(tt.preflight, tt.verify); got != tt.want {
			t.Errorf("%s and %s: %v, want %v", tt.preflight, tt.verify, got, tt.want)
		}
	}
}

func TestMarksFitEverySecretManager(t *testing.T) {
	for mark, want := range map[string]bool{
		"rotatord-accepted": true, "ab": true, "a1": true, "a" + strings.Repeat("-", 61) + "b": true,
		"": false, "a": false, "1a": false, "-ab": false, "ab-": false, "a_b": false, "a.b": false, "aB": false, "a b": false, "ab\n": false,
		"a" + strings.Repeat("b", 63): false, "awscurrent": false, "AWSPENDING": false, "AwsPrevious": false, "awscurrently": true,
	} {
		_, err := Parse("rotatord.toml", []byte("[gate]\nmark = \""+strings.ReplaceAll(mark, "\n", `\n`)+"\"\n"+oneDestination), testEnv)
		if (err == nil) != want {
			t.Errorf("%q: %v", mark, err)
		}
	}
}

func TestWhatWatchesBetweenRotationsMayBeSwitchedOff(t *testing.T) {
	cfg := parseString(t, `[defaults]
probe_secret = "file:///probe"
cleanup_secret = "file:///cleanup"
check = "write"
[[account]]
list_interval = "0s"
dependents_interval = "0s"
[[destination]]
name = "a"
secret = "file:///a"
probe_secret = ""
cleanup_secret = ""
check = "off"
check_schedule = "off"
[[destination]]
name = "b"
secret = "file:///b"
`)
	if a := cfg.Accounts[0]; a.ListInterval != 0 || a.DependentsInterval != 0 {
		t.Errorf("intervals %v, %v", a.ListInterval, a.DependentsInterval)
	}
	a, b := cfg.Destinations[0], cfg.Destinations[1]
	if a.ProbeSecret != "" || a.CleanupSecret != "" || a.Check != CheckOff || a.CheckSchedule != Off {
		t.Errorf("the destination's own: %+v", a.Settings)
	}
	if b.ProbeSecret != "file:///probe" || b.CleanupSecret != "file:///cleanup" || b.Check != CheckWrite || b.CheckSchedule != "@every 10m" {
		t.Errorf("the defaults: %+v", b.Settings)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
}

func TestIntervalsMayBeAsShortAsTheReferenceSays(t *testing.T) {
	cfg := parseString(t, "[[account]]\nlist_interval = \"10s\"\ndependents_interval = \"1m\"\n"+oneDestination)
	if a := cfg.Accounts[0]; a.ListInterval != leastListInterval || a.DependentsInterval != leastDependentsInterval {
		t.Errorf("intervals %v, %v", a.ListInterval, a.DependentsInterval)
	}
}

func TestASecretMayFollowALabelThatIsNotWritten(t *testing.T) {
	const destination = "[[destination]]\nname = \"a\"\nsecret = \"file:///a?stage=rotatord-accepted\"\n"
	parseString(t, destination)
	parseString(t, "[gate]\nwrite_back = true\nmark = \"another\"\n"+destination)
}
