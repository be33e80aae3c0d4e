package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of testdata/bad anew")

// testEnv is the environment of the tests: nothing of the machine's.
func testEnv(name string) string {
	return map[string]string{
		"HOME": "/home/op", "PL_API_KEY": "k", "PROD_KEY": "k", "TEST_KEY": "k",
	}[name]
}

// Each file of testdata/bad breaks one rule; beside it stands exactly what a
// person is told.
func TestBadConfigurationsSayWhatIsWrongAndWhatToWrite(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.toml")
	if err != nil || len(files) < 40 {
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
			got := err.Error() + "\n"
			golden := strings.TrimSuffix(file, ".toml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGoldenFilesWithoutABadConfigurationAreGone(t *testing.T) {
	files, _ := filepath.Glob("testdata/bad/*.txt")
	for _, file := range files {
		if _, err := os.Stat(strings.TrimSuffix(file, ".txt") + ".toml"); err != nil {
			t.Errorf("%s is left over", file)
		}
	}
}
