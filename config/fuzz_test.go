package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
)

// canary stands for a key that somebody pasted. Like real keys it has digits.
const canary = "PLAKc4n4ry0f7he4p1key"

// Whatever a file holds: no panic, a configuration or problems and never both,
// and no value of the file in any of them. The canary is put in place of each
// § of the input, so that the fuzzer can move it around.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/bad/*.toml")
	for _, file := range append(files, exampleFile) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, key := range []string{"name", "secret", "schedule", "probe_schedule", "first_sight", "preflight", "propagation_window",
		"verify_object", "preflight_prefix", "preflight_object", "check", "check_schedule", "probe_secret", "cleanup_secret", "on_drift", "rollout", "bucket_endpoint", "account", "map", "unknown", "§", "'§'"} {
		f.Add([]byte(oneDestination + "[[destination]]\n" + key + " = \"§\"\n"))
		f.Add([]byte(oneDestination + key + " = §\n" + key + " = '§"))
		f.Add([]byte("[§]\n[[§]]\n[[destination]]\n" + key + " = [\"§\", { § = \"§\" }]\n"))
	}
	for _, key := range []string{"name", "api_key", "api_key_env", "api_key_file", "api_key_secret", "api_key_pointer", "base_url", "ca_file", "patch_timeout", "list_interval"} {
		f.Add([]byte("[[account]]\n" + key + " = \"§\"\n" + oneDestination))
		f.Add([]byte("[[account]]\n" + key + " = \"\\§\"\n" + oneDestination))
	}
	for _, key := range []string{"name", "url", "url_env", "url_file", "secret_env", "secret_file", "ca_file", "kinds", "secret", "§"} {
		f.Add([]byte("[gate]\nmark = \"§\"\n[announce]\nsource = \"§ §\"\n[[announce.webhook]]\n" + key + " = \"§\"\n[[announce.slack]]\n" + key + " = [\"§\"]\n" + oneDestination))
	}
	f.Add([]byte("[[announce.webhook]]\nurl = \"https://a?§\"\nsecret_file = \"§\"\n" + oneDestination))
	f.Fuzz(func(t *testing.T, data []byte) {
		text := strings.ReplaceAll(string(data), "§", canary)
		cfg, err := Parse("rotatord.toml", []byte(text), testEnv)
		checkMessages(t, cfg, err, map[string]string{"rotatord.toml": text})
	})
}

// The same for a file of conf.d, beside a main file of any kind.
func FuzzFolder(f *testing.F) {
	f.Add([]byte(oneDestination), []byte(oneDestination))
	f.Add([]byte("# nothing\n"), []byte("[[account]]\nname = \"§\"\napi_key = \"§\"\n[[destination]]\nname = \"§\"\naccount = \"§\"\n"))
	f.Add([]byte("[§"), []byte("[log]\n[§]\n§ = \"§\"\n"))
	f.Add([]byte("[[account]]\nname = \"a\"\n"), []byte("[[account]]\nname = \"a\"\napi_key_secret = \"§\"\napi_key_pointer = \"§\"\n"))
	f.Add([]byte("[[aws.role]]\naccount = \"§\"\nrole_arn = \"§\"\nexternal_id = \"§\"\n[aws]\nendpoint = \"§\"\n"), []byte("aws.role = [§]\naccount = [{}, 1]\n"))
	f.Add([]byte("[announce]\nsource = \"§\"\n[[announce.slack]]\nname = \"a\"\n"), []byte("[announce]\nsource = \"§\"\n§ = 1\n[[announce.slack]]\nname = \"a\"\nurl = \"§\"\n"))
	f.Add([]byte("announce = \"§\"\n"), []byte("announce = [\"§\"]\n"))
	f.Fuzz(func(t *testing.T, main, more []byte) {
		texts := map[string]string{"rotatord.toml": strings.ReplaceAll(string(main), "§", canary), "conf.d/a.toml": strings.ReplaceAll(string(more), "§", canary)}
		cfg, err := parse([]source{
			{name: "rotatord.toml", data: []byte(texts["rotatord.toml"])}, {name: "conf.d/a.toml", data: []byte(texts["conf.d/a.toml"])},
		}, nil, testEnv, nil)
		checkMessages(t, cfg, err, texts)
	})
}

func checkMessages(t *testing.T, cfg *Config, err error, texts map[string]string) {
	t.Helper()
	if (cfg == nil) == (err == nil) {
		t.Fatalf("configuration %v together with error %v", cfg, err)
	}
	messages := Problems(nil)
	if cfg != nil {
		messages = cfg.Warnings
	} else if problems, ok := err.(Problems); !ok || len(problems) == 0 { //nolint:errorlint // the type is the promise
		t.Fatalf("the error is %T", err)
	} else {
		messages = problems
	}
	for _, p := range messages {
		// A valid account name is shown on purpose, and the fuzzer may not
		// write the canary itself: it has capitals, which no such name has.
		if strings.Contains(p.String(), canary) || strings.Contains(p.String(), canary[4:]) {
			t.Errorf("a message shows a value of the file: %s", p)
		}
		text, ok := texts[p.File]
		if !ok || p.Line < 0 || p.Line > strings.Count(text, "\n")+1 || (p.Line > 0) != (p.Column > 0) {
			t.Errorf("a position outside the files: %+v", p)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"90d", "1d12h", "-1s", "1h0m", "106751d23h", "1.5h", "1µs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if d < 0 {
			t.Fatalf("%q is negative: %v", s, d)
		}
		again, err := ParseDuration(d.String())
		if err != nil || again != d {
			t.Fatalf("%q is %v, written %q, read again %v, %v", s, d.Std(), d.String(), again, err)
		}
	})
}

func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"*/15 * * * *", "@every 1h", "TZ=UTC", "CRON_TZ= 0 6 * * *", "@daily", "0 0 30 2 *", "1-5/2,7 * * * mon"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkSchedule(s) != nil || s == Off {
			return
		}
		// What was accepted is what a scheduler can live on.
		schedule, err := cron.ParseStandard(s)
		if err != nil {
			t.Fatal(err)
		}
		from := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
		if next := schedule.Next(from); !next.After(from) {
			t.Fatalf("%q comes at %v after %v", s, next, from)
		}
	})
}
