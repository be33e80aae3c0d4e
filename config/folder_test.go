package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesOfTheFolderBelongToTheConfigurationInTheOrderOfTheirNames(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "rotatord.toml")
	// Accounts may stand behind those who name them, in whatever file.
	destination := func(name, account string) string {
		return "[[destination]]\nname = \"" + name + "\"\nsecret = \"file:///" + name + "\"\naccount = \"" + account + "\"\n"
	}
	write(t, main, "[defaults]\npreflight = \"advisory\"\n"+destination("m", "test"))
	write(t, filepath.Join(dir, "conf.d/b.toml"), destination("b", "prod")+destination("b2", "test"))
	write(t, filepath.Join(dir, "conf.d/10.toml"), "\ufeff"+destination("ten", "prod")+"bucket_ca_file = \"ca.pem\"\npreflight = \"off\"\n")
	write(t, filepath.Join(dir, "conf.d/9.toml"), destination("nine", "prod"))
	write(t, filepath.Join(dir, "conf.d/accounts.toml"),
		"[[account]]\nname = \"prod\"\napi_key_file = \"key\"\n[[account]]\nname = \"test\"\napi_key_env = \"TEST_KEY\"\n")
	write(t, filepath.Join(dir, "conf.d/empty.toml"), "# soon\n")
	// None of these is read.
	for _, name := range []string{".hidden.toml", "b.toml~", "b.toml.bak", "README.md", "toml", "sub/c.toml"} {
		write(t, filepath.Join(dir, "conf.d", name), "not read")
	}
	cfg, err := Load(main, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, "conf.d", name) }
	if diff := cmp.Diff([]string{main, in("10.toml"), in("9.toml"), in("accounts.toml"), in("b.toml"), in("empty.toml")}, cfg.FilesRead); diff != "" {
		t.Errorf("sources: %s", diff)
	}
	type seen struct {
		Name      string
		Preflight Preflight
		Pos       Position
	}
	var got []seen
	for _, d := range cfg.Destinations {
		got = append(got, seen{d.Name, d.Preflight, d.Pos})
	}
	want := []seen{
		{"m", "advisory", Position{main, 3, 3}}, {"ten", "off", Position{in("10.toml"), 1, 3}}, {"nine", "advisory", Position{in("9.toml"), 1, 3}},
		{"b", "advisory", Position{in("b.toml"), 1, 3}}, {"b2", "advisory", Position{in("b.toml"), 5, 3}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("destinations: %s", diff)
	}
	// One file may move to another without its paths changing their meaning.
	if got, want := cfg.Destinations[1].BucketCAFile, filepath.Join(dir, "ca.pem"); got != want {
		t.Errorf("a relative path counts from elsewhere: %s, want %s", got, want)
	}
	if got, want := cfg.Accounts[0].APIKeyFile, filepath.Join(dir, "key"); got != want {
		t.Errorf("a relative path counts from elsewhere: %s, want %s", got, want)
	}
}

// A ConfigMap is mounted as links into a hidden folder, which is itself a link
// that is replaced when the ConfigMap changes.
func TestAMountedConfigMapIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "..2026_01_01/rotatord.toml"), "[log]\nlevel = \"debug\"\n")
	write(t, filepath.Join(dir, "conf.d/..2026_01_02/team.toml"), oneDestination)
	for _, link := range [][2]string{
		{"..2026_01_01", "..data"}, {"..data/rotatord.toml", "rotatord.toml"},
		{"..2026_01_02", "conf.d/..data"}, {"..data/team.toml", "conf.d/team.toml"},
		{"..2026_01_02", "conf.d/..old.toml"},
	} {
		if err := os.Symlink(link[0], filepath.Join(dir, link[1])); err != nil {
			t.Fatal(err)
		}
	}
	main := filepath.Join(dir, "rotatord.toml")
	cfg, err := Load(main, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{main, filepath.Join(dir, "conf.d/team.toml")}, cfg.FilesRead); diff != "" {
		t.Error(diff)
	}
	if len(cfg.Destinations) != 1 || cfg.Log.Level != "debug" {
		t.Errorf("destinations %v, log %v", cfg.Destinations, cfg.Log)
	}
}

func TestTheMainFileMayHoldCommentsOnly(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "rotatord.toml"), "# everything is in conf.d\n")
	write(t, filepath.Join(dir, "conf.d/a.toml"), oneDestination)
	cfg, err := Load(filepath.Join(dir, "rotatord.toml"), testEnv)
	if err != nil || len(cfg.Destinations) != 1 || cfg.Accounts[0].Name != DefaultAccount {
		t.Errorf("%v, %v", cfg, err)
	}
}

func TestParseReadsNoOtherFile(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "conf.d/a.toml", "[[destination]]\nname = \"b\"\nsecret = \"file:///b\"\n")
	if cfg := parseString(t, oneDestination); len(cfg.Destinations) != 1 || len(cfg.FilesRead) != 1 {
		t.Errorf("destinations %v of %v", cfg.Destinations, cfg.FilesRead)
	}
}

func TestTheKeysOfAllFilesSurviveTheirBuffers(t *testing.T) {
	dir := t.TempDir()
	account := func(name string) string {
		return "[[account]]\nname = \"" + name + "\"\napi_key = \"PLAK0123" + name + "\"\n"
	}
	write(t, filepath.Join(dir, "rotatord.toml"), oneDestination+"account = \"a\"\n"+account("a"))
	write(t, filepath.Join(dir, "conf.d/b.toml"), account("b"))
	cfg, err := Load(filepath.Join(dir, "rotatord.toml"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range cfg.Accounts {
		if string(a.APIKey.Bytes()) != "PLAK0123"+a.Name {
			t.Errorf("the key of %s is not the one of its file", a.Name)
		}
	}
}
