package main

import (
	"io"
	"os"
	"strings"
	"testing"
)

// TestAFileThatTheShellHasJustMadeIsNoConfigurationYet is the example of
// "rotatord destinations create … >> rotatord.toml", in an empty folder.
func TestAFileThatTheShellHasJustMadeIsNoConfigurationYet(t *testing.T) {
	t.Chdir(t.TempDir())
	env := func(name string) string {
		if name == "PL_API_KEY" {
			return planetKey
		}
		return ""
	}
	for text, alone := range map[string]bool{"": true, "\n": false} {
		if err := os.WriteFile("rotatord.toml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, got, err := newCLI(env, strings.NewReader(""), io.Discard, io.Discard).loadAny("")
		if got != alone || (err == nil) != alone {
			t.Errorf("a file that holds %q is taken for none: %t, %v", text, got, err)
		}
		if alone && len(cfg.Accounts) != 1 {
			t.Errorf("there are %d accounts without a file", len(cfg.Accounts))
		}
	}
}
