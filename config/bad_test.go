package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files below testdata anew")

// testEnv is the environment of the tests: nothing of the machine's.
func testEnv(name string) string {
	return map[string]string{
		"HOME": "/home/op", "PL_API_KEY": "k", "PROD_KEY": "k", "TEST_KEY": "k", "VAULT_TOKEN": "k", "LONG_TOKEN": "0123456789abcdef",
	}[name]
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}

// Each file of testdata/bad breaks one rule; beside it stands exactly what a
// person is told.
func TestBadConfigurationsSayWhatIsWrongAndWhatToWrite(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 60 {
		t.Fatalf("only %d bad files found: %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Parse("rotatord.toml", data, testEnv)
			if err == nil {
				t.Fatalf("accepted: %v", cfg)
			}
			if cfg != nil {
				t.Error("gave a configuration together with an error")
			}
			checkGolden(t, strings.TrimSuffix(file, ".toml")+".txt", err.Error()+"\n")
		})
	}
}

// Each file of testdata/warned works and should not be left so.
func TestConfigurationsThatAreWarnedAboutWork(t *testing.T) {
	files, err := filepath.Glob("testdata/warned/*.toml")
	if err != nil || len(files) < 5 {
		t.Fatalf("only %d files found: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".toml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := Parse("rotatord.toml", data, testEnv)
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, strings.TrimSuffix(file, ".toml")+".txt", cfg.Warnings.Error()+"\n")
		})
	}
}

// Each folder of testdata/folder holds a main file, a conf.d and what a person
// is told about the two, be it problems or warnings.
func TestFilesOfTheFolderAreJudgedTogetherWithTheMainFile(t *testing.T) {
	folders, err := filepath.Glob("testdata/folder/*/rotatord.toml")
	if err != nil || len(folders) < 8 {
		t.Fatalf("only %d folders found: %v", len(folders), err)
	}
	for _, file := range folders {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			t.Chdir(filepath.Dir(file))
			cfg, err := Load("rotatord.toml", testEnv)
			if err == nil {
				if len(cfg.Warnings) == 0 {
					t.Fatalf("accepted, and nothing to say")
				}
				err = cfg.Warnings
			}
			checkGolden(t, "told.txt", err.Error()+"\n")
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// made are cases that no repository can hold: modes, pipes, what is too large,
// an environment without anything. Each has a golden file in testdata/made.
var made = map[string]func(t *testing.T) error{
	"a_pipe_in_the_folder": func(t *testing.T) error {
		write(t, "rotatord.toml", oneDestination)
		write(t, "conf.d/b.toml", "")
		if err := syscall.Mkfifo("conf.d/a.toml", 0o600); err != nil {
			t.Fatal(err)
		}
		return loadHere()
	},
	"folders_where_files_belong": func(t *testing.T) error {
		write(t, "rotatord.toml", oneDestination)
		write(t, "conf.d/a.toml/x", "")
		return loadHere()
	},
	"a_folder_in_place_of_the_main_file": func(t *testing.T) error {
		write(t, "rotatord.toml/x", "")
		write(t, "conf.d/a.toml", "this is never read")
		return loadHere()
	},
	"a_file_where_the_folder_belongs": func(t *testing.T) error {
		write(t, "rotatord.toml", oneDestination)
		write(t, "conf.d", "")
		return loadHere()
	},
	"a_link_that_leads_nowhere": func(t *testing.T) error {
		// The only destination may be what can't be read: nothing is said of it.
		write(t, "rotatord.toml", "[log]\nlevel = \"loud\"\n")
		write(t, "conf.d/b.toml", "[[destination]]\nname = \"x y\"\nsecret = \"file:///x\"\naccount = \"perhaps\"\n")
		if err := os.Symlink("gone", "conf.d/a.toml"); err != nil {
			t.Fatal(err)
		}
		return loadHere()
	},
	"a_file_that_is_too_large": func(t *testing.T) error {
		write(t, "rotatord.toml", oneDestination)
		write(t, "conf.d/a.toml", "#"+strings.Repeat("x", maxSize))
		return loadHere()
	},
	"a_main_file_that_is_too_large": func(*testing.T) error {
		_, err := Parse("rotatord.toml", bytes.Repeat([]byte("#"), maxSize+1), testEnv)
		return err
	},
	"a_folder_that_is_too_large": func(t *testing.T) error {
		write(t, "rotatord.toml", oneDestination)
		for i := range 9 {
			write(t, "conf.d/"+strconv.Itoa(i)+".toml", strings.Repeat("#", maxSize))
		}
		return loadHere()
	},
	"a_folder_of_too_many_files": func(t *testing.T) error {
		write(t, "rotatord.toml", oneDestination)
		write(t, "conf.d/0.toml", "")
		for i := range maxFiles {
			if err := os.Symlink("0.toml", "conf.d/link-"+strconv.Itoa(i)+".toml"); err != nil {
				t.Fatal(err)
			}
		}
		return loadHere()
	},
	"keys_that_everybody_can_read": func(t *testing.T) error {
		const account = "[[account]]\nname = \"NAME\"\napi_key = \"PLAK0123456789abcdef\"\n"
		write(t, "rotatord.toml", strings.Replace(account, "NAME", "main", 1))
		write(t, "conf.d/open.toml", strings.Replace(account, "NAME", "open", 1)+oneDestination+"account = \"open\"\n")
		write(t, "conf.d/closed.toml", strings.Replace(account, "NAME", "closed", 1))
		for _, name := range []string{"rotatord.toml", "conf.d/open.toml"} {
			if err := os.Chmod(name, 0o604); err != nil { //nolint:gosec // that is the case
				t.Fatal(err)
			}
		}
		cfg, err := Load("rotatord.toml", testEnv)
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Warnings
	},
	"an_environment_without_a_key": func(*testing.T) error {
		_, err := Parse("rotatord.toml", []byte(oneDestination), onlyHome)
		return err
	},
	"an_environment_without_a_home": func(*testing.T) error {
		cfg := Default()
		cfg.File = "rotatord.toml"
		c := newChecker(&cfg, nil, nil)
		c.uid = 1000 // whoever runs the tests: root needs no home
		c.store()
		return c.fail()
	},
	"no_file_no_key_and_no_address": func(*testing.T) error {
		_, err := WithoutFile("ftp://planet", onlyHome)
		return err
	},
}

func onlyHome(name string) string { return map[string]string{"HOME": "/home/op"}[name] }

func loadHere() error {
	_, err := Load("rotatord.toml", testEnv)
	return err
}

func TestWhatNoRepositoryCanHoldIsToldJustAsWell(t *testing.T) {
	golden, err := filepath.Abs("testdata/made")
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range made {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			err := do(t)
			if err == nil {
				t.Fatal("accepted")
			}
			checkGolden(t, filepath.Join(golden, name+".txt"), err.Error()+"\n")
		})
	}
}

func TestEveryGoldenFileHasItsCase(t *testing.T) {
	for _, folder := range []string{"bad", "warned"} {
		files, _ := filepath.Glob("testdata/" + folder + "/*.txt")
		for _, file := range files {
			if _, err := os.Stat(strings.TrimSuffix(file, ".txt") + ".toml"); err != nil {
				t.Errorf("%s is left over", file)
			}
		}
	}
	files, _ := filepath.Glob("testdata/made/*.txt")
	for _, file := range files {
		if made[strings.TrimSuffix(filepath.Base(file), ".txt")] == nil {
			t.Errorf("%s is left over", file)
		}
	}
	others, _ := filepath.Glob("testdata/*")
	if !slices.Equal(others, []string{"testdata/bad", "testdata/folder", "testdata/made", "testdata/warned"}) {
		t.Errorf("testdata holds something that nobody checks: %v", others)
	}
}
