package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/rotatord/rotatord/credential"
)

// maxSize bounds a configuration file. Fifty destinations need some twenty
// kilobytes; what is a megabyte large is something else, a device perhaps.
const maxSize = 1 << 20

// smallest is the smallest configuration, as a hint for whoever has none.
const smallest = `the smallest configuration, with the API key in PL_API_KEY:
[[destination]]
name = "my-s3-destination-CKxV9io"
secret = "file:///run/secrets/planet-s3"`

// Shape is what the names of secrets of one provider look like. Configuration
// does not know the providers; whoever builds them hands their shapes over.
type Shape struct {
	// Example is a name of that shape, for messages.
	Example string
	// Match tells whether a name has it.
	Match func(credential.Secret) bool
}

// fileShape is what counts when no shapes are given.
var fileShape = Shape{Example: "file:///run/secrets/planet-s3", Match: func(s credential.Secret) bool {
	return strings.HasPrefix(string(s), "file:///") && len(s) > len("file:///")
}}

// Load reads the configuration at path. The error is [Problems]. env looks up
// environment variables, usually os.Getenv; without shapes only file:/// names
// are secrets.
func Load(path string, env func(string) string, shapes ...Shape) (*Config, error) {
	data, mode, err := read(path)
	if err != nil {
		return nil, Problems{{File: path, Message: err.Error(), Hint: "check the path and who may read it"}}
	}
	// It may hold a key.
	defer clear(data)
	cfg, err := Parse(path, data, env, shapes...)
	if err != nil {
		return nil, err
	}
	for _, a := range cfg.Accounts {
		if !a.APIKey.Empty() && mode.Perm()&0o004 != 0 {
			cfg.Warnings = append(cfg.Warnings, Problem{File: path, Line: a.Pos.Line, Column: a.Pos.Column, Key: "account.api_key",
				Message: "everybody on this machine can read this file and the key in it", Hint: "chmod o-r, and then replace the key"})
		}
	}
	cfg.Warnings.sort()
	return cfg, nil
}

func read(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err // the path stands in the problem already
		}
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return nil, 0, errors.New("is a folder and not a file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	return data, info.Mode(), err
}

// Parse reads a configuration from memory. name is the file's name for
// messages, and relative paths are resolved against its folder. The error is
// [Problems]. Nothing but env is looked at.
func Parse(name string, data []byte, env func(string) string, shapes ...Shape) (*Config, error) {
	if env == nil {
		env = func(string) string { return "" }
	}
	if len(shapes) == 0 {
		shapes = []Shape{fileShape}
	}
	if len(data) > maxSize {
		return nil, Problems{{File: name, Message: "is larger than a configuration can be", Hint: "at most 1 MiB"}}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // some editors start a file so
	root, problems := parseTree(name, data)
	if root == nil {
		return nil, problems
	}
	if len(root.fields) == 0 && len(problems) == 0 {
		return nil, Problems{{File: name, Message: "is empty", Hint: smallest}}
	}
	cfg := Default()
	cfg.File = name
	d := &decoder{file: name, cfg: &cfg, problems: problems, set: map[string]Position{}, failed: map[string]bool{}}
	d.table(root, reflect.ValueOf(&cfg).Elem(), "")
	c := &checker{decoder: d, env: env, shapes: shapes}
	c.all()
	if len(d.problems) > 0 {
		d.problems.sort()
		for _, a := range cfg.Accounts {
			a.APIKey.Clear()
		}
		return nil, d.problems
	}
	d.warnings.sort()
	cfg.Warnings = d.warnings
	return &cfg, nil
}

// resolve makes a path of the file independent of where the daemon is started.
func resolve(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
