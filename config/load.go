package config

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
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

// Load reads the configuration at path, and the files of the folder conf.d
// beside it. The error is [Problems]. env looks up environment variables,
// usually os.Getenv; without shapes only file:/// names are secrets.
func Load(path string, env func(string) string, shapes ...Shape) (*Config, error) {
	main := read(path)
	if main.problem != nil {
		return nil, Problems{*main.problem}
	}
	more, problems := readFolder(filepath.Join(filepath.Dir(path), Folder))
	sources := append([]source{main}, more...)
	// They may hold keys.
	defer func() {
		for _, s := range sources {
			clear(s.data)
		}
	}()
	cfg, err := parse(sources, problems, env, shapes)
	if err != nil {
		return nil, err
	}
	for _, a := range cfg.Accounts {
		i := slices.IndexFunc(sources, func(s source) bool { return s.name == a.Pos.File })
		if !a.APIKey.Empty() && sources[i].mode.Perm()&0o004 != 0 {
			cfg.Warnings = append(cfg.Warnings, Problem{File: a.Pos.File, Line: a.Pos.Line, Column: a.Pos.Column, Key: "account.api_key",
				Message: "everybody on this machine can read this file and the key in it", Hint: "chmod o-r, and then replace the key"})
		}
	}
	cfg.Warnings.sort(cfg.FilesRead)
	return cfg, nil
}

// source is one file of a configuration: its content, or why there is none.
type source struct {
	name    string
	data    []byte
	mode    fs.FileMode
	problem *Problem
}

func read(path string) source {
	data, mode, err := readFile(path)
	if err != nil {
		return source{name: path, problem: unreadable(path, err)}
	}
	return source{name: path, data: data, mode: mode}
}

func unreadable(path string, err error) *Problem {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // the path stands in the problem already
	}
	return &Problem{File: path, Message: err.Error(), Hint: "check the path and who may read it"}
}

func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
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
// [Problems]. Nothing but env is looked at, and no other file.
func Parse(name string, data []byte, env func(string) string, shapes ...Shape) (*Config, error) {
	return parse([]source{{name: name, data: data}}, nil, env, shapes)
}

// parse makes one configuration out of the main file, which comes first, and
// those of conf.d. problems are what was found before.
func parse(sources []source, problems Problems, env func(string) string, shapes []Shape) (*Config, error) {
	cfg := Default()
	cfg.File = sources[0].name
	c := newChecker(&cfg, env, shapes)
	c.problems, c.incomplete = problems, len(problems) > 0
	trees, empty := make([]*node, len(sources)), true
	for i, s := range sources {
		cfg.FilesRead = append(cfg.FilesRead, s.name)
		trees[i] = c.tree(s)
		empty = empty && trees[i] != nil && len(trees[i].fields) == 0
	}
	switch {
	case trees[0] == nil:
		// Without the main file there are no defaults, and nothing can be judged.
		return nil, c.fail()
	case empty && len(c.problems) == 0:
		return nil, Problems{{File: cfg.File, Message: "is empty", Hint: smallest}}
	}
	c.table(trees[0], reflect.ValueOf(&cfg).Elem(), "")
	for _, tree := range trees[1:] {
		if tree != nil {
			c.fragment(tree)
		}
	}
	c.all()
	if len(c.problems) > 0 {
		return nil, c.fail()
	}
	c.warnings.sort(cfg.FilesRead)
	cfg.Warnings = c.warnings
	return &cfg, nil
}

func newChecker(cfg *Config, env func(string) string, shapes []Shape) *checker {
	if env == nil {
		env = func(string) string { return "" }
	}
	if len(shapes) == 0 {
		shapes = []Shape{fileShape}
	}
	d := &decoder{file: cfg.File, cfg: cfg, set: map[string]Position{}, failed: map[string]bool{}}
	return &checker{decoder: d, env: env, uid: os.Geteuid(), shapes: shapes}
}

// tree reads one file as TOML and notes why that can't be done.
func (d *decoder) tree(s source) *node {
	var problems Problems
	var root *node
	switch {
	case s.problem != nil:
		problems = Problems{*s.problem}
	case len(s.data) > maxSize:
		problems = Problems{{File: s.name, Message: "is larger than a configuration can be", Hint: "at most 1 MiB"}}
	default:
		root, problems = parseTree(s.name, bytes.TrimPrefix(s.data, []byte("\ufeff"))) // some editors start a file so
	}
	d.problems = append(d.problems, problems...)
	d.incomplete = d.incomplete || root == nil
	return root
}

// fail gives the problems and wipes the keys that nobody will use.
func (d *decoder) fail() error {
	for _, a := range d.cfg.Accounts {
		a.APIKey.Clear()
	}
	d.problems.sort(d.cfg.FilesRead)
	return d.problems
}

// resolve makes a path of the file independent of where the daemon is started.
func resolve(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}
