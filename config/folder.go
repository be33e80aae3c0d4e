package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// Folder is the name of the folder, beside the main file, whose files that end
// in .toml belong to the configuration. It is always that folder: an include
// in the main file would have to say what a pattern matches, where it counts
// from, whether it may lead to a file that includes again, and somebody would
// ask one day why a new file has no effect.
const Folder = "conf.d"

// At most so many files of at most maxSize, and so many bytes in all of them:
// a file for each of a thousand destinations. What has more is not ours.
const (
	maxFiles  = 1000
	maxFolder = 8 * maxSize
)

// readFolder reads the files of conf.d in the order of their names; no folder
// is no file. Names that begin with a dot are left alone: editors, package
// managers and Kubernetes (..data) put what is not meant to be read there.
// Links are followed, since all files of a mounted ConfigMap are links.
func readFolder(dir string) ([]source, Problems) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, Problems{*unreadable(dir, err)}
	}
	var sources []source
	left := maxFolder
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), ".toml") {
			continue
		}
		if len(sources) == maxFiles {
			return sources, Problems{{File: dir, Message: "holds too many files", Hint: "at most " + strconv.Itoa(maxFiles) + " that end in .toml"}}
		}
		path := filepath.Join(dir, e.Name())
		s := source{name: path}
		// Looked at before it is opened: opening a pipe waits for its writer.
		if info, err := os.Stat(path); err != nil {
			s.problem = unreadable(path, err)
		} else if mode := info.Mode(); !mode.IsRegular() && !mode.IsDir() {
			s.problem = &Problem{File: path, Message: "is a device or a pipe and not a file", Hint: "remove it from " + Folder}
		} else {
			s = read(path)
		}
		sources = append(sources, s)
		if left -= len(s.data); left < 0 {
			return sources, Problems{{File: dir, Message: "holds more than a configuration can be", Hint: "at most 8 MiB in all its files"}}
		}
	}
	return sources, nil
}

// fragment is what a file of conf.d may hold. Everything else is there once,
// and one file says so: whoever asks why the daemon logs JSON need not look
// into forty.
type fragment struct {
	Announce     fragmentAnnounce `toml:"announce"`
	Accounts     []Account        `toml:"account"`
	Destinations []Destination    `toml:"destination"`
}

// fragmentAnnounce is [Announce] without what is there once: a team may bring
// its own channel along with its destinations.
type fragmentAnnounce struct {
	Webhooks []AnnounceWebhook `toml:"webhook"`
	Slack    []AnnounceSlack   `toml:"slack"`
}

// fragment adds what a file of conf.d holds to what was read before.
func (d *decoder) fragment(root *node) {
	d.misplaced(root, reflect.TypeFor[Config](), reflect.TypeFor[fragment](), "")
	a := &d.cfg.Announce
	add := fragment{fragmentAnnounce{a.Webhooks, a.Slack}, d.cfg.Accounts, d.cfg.Destinations}
	d.table(root, reflect.ValueOf(&add).Elem(), "")
	a.Webhooks, a.Slack = add.Announce.Webhooks, add.Announce.Slack
	d.cfg.Accounts, d.cfg.Destinations = add.Accounts, add.Destinations
}

// misplaced notes and removes what has a place in the main file only: the keys
// of whole that part does not have.
func (d *decoder) misplaced(n *node, whole, part reflect.Type, path string) {
	allowed := map[string]reflect.Type{}
	for _, f := range fieldsOf(part) {
		allowed[f.key] = f.typ
	}
	for _, f := range fieldsOf(whole) {
		child, typ := n.fields[f.key], allowed[f.key]
		switch {
		case child == nil:
		case typ == nil:
			d.add(child.keyAt, join(path, f.key), "has no place in a file of "+Folder, "write it into "+d.file+
				"; here may stand [[destination]], [[account]], [[announce.webhook]] and [[announce.slack]]")
			delete(n.fields, f.key)
		case typ != f.typ && child.kind == kindTable:
			d.misplaced(child, f.typ, typ, join(path, f.key))
		}
	}
}
