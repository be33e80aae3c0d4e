package config

import (
	"strings"
	"testing"

	"github.com/rotatord/rotatord/credential"
)

func TestSchedulesThatPeopleWriteAreAccepted(t *testing.T) {
	for _, spec := range []string{"*/15 * * * *", "0 6 * * mon-fri", "@hourly", "@every 1s", "@every 1h30m", "CRON_TZ=UTC 0 6 * * *", "TZ=UTC @daily", "0 0 29 2 *", "off"} {
		if err := checkSchedule(spec); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
	for spec, want := range map[string]error{
		"": errSchedule, "Off": errSchedule, "* * * *": errSchedule, "0 */15 * * * *": errSchedule, "@reboot": errSchedule, "@every": errSchedule,
		"TZ=": errSchedule, "CRON_TZ=UTC ": errSchedule, "TZ=Nowhere/Land * * * * *": errZone, "CRON_TZ=../../etc/passwd * * * * *": errZone,
		"0 0 31 4 *": errNever, "@every 999ms": errTooOften, "@every -1h": errTooOften,
	} {
		if err := checkSchedule(spec); err != want { //nolint:errorlint // the very error
			t.Errorf("%q: %v, want %v", spec, err, want)
		}
	}
}

func TestListenAddressesAreKnownByTheirReach(t *testing.T) {
	for address, wantLoopback := range map[string]bool{
		"127.0.0.1:9464": true, "127.9.9.9:0": true, "[::1]:9464": true, "localhost:9464": true,
		":9464": false, "0.0.0.0:9464": false, "[::]:9464": false, "10.0.0.1:1": false, "metrics.internal:65535": false,
	} {
		loopback, ok := listenAddress(address)
		if !ok || loopback != wantLoopback {
			t.Errorf("%q: loopback %v, valid %v", address, loopback, ok)
		}
	}
	for _, address := range []string{"9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "::1:9464", "[::1:9464", "127.0.0:1", "a b:1", "http://x:1", "[]:1"} {
		if _, ok := listenAddress(address); ok {
			t.Errorf("%q is accepted", address)
		}
	}
}

func TestAddressesLoseTheirSlashAndNothingElse(t *testing.T) {
	for in, want := range map[string]string{
		"https://s3.example.com":                 "https://s3.example.com",
		"https://s3.example.com/":                "https://s3.example.com",
		"http://127.0.0.1:8080/destinations/v1/": "http://127.0.0.1:8080/destinations/v1",
		"https://[::1]:9000":                     "https://[::1]:9000",
	} {
		if got, problem := cleanURL(in); got != want || problem != "" {
			t.Errorf("%s: %q, %q", in, got, problem)
		}
	}
	for _, in := range []string{"", "/", "s3.example.com", "ftp://x", "https://", "https:///x", "https://u@x", "https://x?", "https://x?a", "https://x#", "https://x#a", "https://x:0x1", "https://x y", "https://%zz", "https://1.2.3"} {
		if got, problem := cleanURL(in); problem == "" {
			t.Errorf("%q is accepted as %q", in, got)
		}
	}
}

func TestJSONPointersFollowTheirRFC(t *testing.T) {
	for pointer, want := range map[string]bool{"": true, "/": true, "/a/b": true, "/a~0b~1c": true, "a": false, "/~": false, "/~2": false, "#/a": false, "/\xff": false} {
		if jsonPointer(pointer) != want {
			t.Errorf("%q: want %v", pointer, want)
		}
	}
}

func TestSuggestionsAreNearOrNone(t *testing.T) {
	names := []string{"schedule", "secret", "name", "map"}
	for key, want := range map[string]string{"shedule": "schedule", "secrets": "secret", "naem": "name", "scheduel": "schedule", "colour": "", "x": "", "mp": "map"} {
		if got := nearest(key, names); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func hasPrefix(prefix string) func(credential.Secret) bool {
	return func(s credential.Secret) bool { return strings.HasPrefix(string(s), prefix) }
}
