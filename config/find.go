package config

import (
	"errors"
	"io/fs"
	"os"
	"strings"
)

const (
	// FileEnv names the environment variable that says where the configuration is.
	FileEnv = "ROTATORD_CONFIG"
	// LocalFile is where it is looked for otherwise, in the current folder.
	LocalFile = "rotatord.toml"
	// SystemFile is where it is looked for last.
	SystemFile = "/etc/rotatord/rotatord.toml"
)

// NotFoundError says where a configuration was looked for in vain.
type NotFoundError struct {
	// Looked are the places, in order.
	Looked []string
}

func (e *NotFoundError) Error() string {
	return "find configuration: there is none at " + strings.Join(e.Looked, ", ") +
		" (name one with --config or $" + FileEnv + "; config.example.toml begins with the smallest one)"
}

// Find says which configuration file to load: the explicit one (a flag), else
// $ROTATORD_CONFIG, else ./rotatord.toml, else /etc/rotatord/rotatord.toml.
// A file that somebody named counts alone; it is not replaced by another one
// when it is missing. The error is a [*NotFoundError].
func Find(explicit string, env func(string) string) (string, error) {
	return find(explicit, env, LocalFile, SystemFile)
}

func find(explicit string, env func(string) string, usual ...string) (string, error) {
	candidates := usual
	var label string
	if explicit != "" {
		candidates, label = []string{explicit}, " (--config)"
	} else if named := env(FileEnv); named != "" {
		candidates, label = []string{named}, " ($"+FileEnv+")"
	}
	var looked []string
	for _, path := range candidates {
		// A file that is there and can't be read is found: Load says why.
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		looked = append(looked, path+label)
	}
	return "", &NotFoundError{Looked: looked}
}
