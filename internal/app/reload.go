package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rotatord/rotatord/config"
	"github.com/rotatord/rotatord/metrics"
)

// reloads is what is known of the configuration that is in force.
type reloads struct {
	mu     sync.Mutex
	failed bool
	loaded time.Time // when the one in force was loaded
	count  map[bool]int
	why    string
}

// state is what metrics show.
func (r *reloads) state() metrics.ReloadState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return metrics.ReloadState{OK: !r.failed, Loaded: r.loaded, Succeeded: r.count[true], Failed: r.count[false]}
}

func (r *reloads) ended(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count[err == nil]++
	r.failed, r.why = err != nil, ""
	if err != nil {
		r.why = err.Error()
		return
	}
	r.loaded = time.Now()
}

// reloader waits for reasons to read the configuration anew. A nil one never
// has any.
type reloader struct {
	load    func() (*config.Config, error)
	hangups <-chan os.Signal
	print   string // of the files as they were last read
	seen    string // as they were at the last look, to let them settle
	files   []string
}

// newReloader remembers how the files of a configuration are now.
func newReloader(o Options) *reloader {
	if o.Load == nil {
		return nil
	}
	r := &reloader{load: o.Load, hangups: o.Hangups}
	r.follow(o.Config)
	return r
}

// follow takes the files of a configuration for what was last read.
func (r *reloader) follow(cfg *config.Config) {
	r.files = cfg.FilesRead
	if cfg.File != "" {
		r.print = footprint(cfg.File)
		r.seen = r.print
	}
}

// wait returns when the configuration should be read anew, with why; "" when
// ctx has ended.
func (r *reloader) wait(ctx context.Context, cfg *config.Config) string {
	if r == nil {
		<-ctx.Done()
		return ""
	}
	var look <-chan time.Time
	if every := cfg.Reload.Watch.Std(); every > 0 && cfg.File != "" {
		tick := time.NewTicker(every)
		defer tick.Stop()
		look = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return ""
		case s := <-r.hangups:
			r.print = footprint(cfg.File)
			r.seen = r.print
			return s.String()
		case <-look:
			// What changes just now may be half written: it has to be the same twice.
			now := footprint(cfg.File)
			settled := now == r.seen
			r.seen = now
			if settled && now != r.print {
				r.print = now
				return "its files have changed"
			}
		}
	}
}

// footprint is a hash of the files of a configuration and of their names. A file
// that can't be read counts as its error, so that it is news when it goes and
// when it comes back.
func footprint(file string) string {
	if file == "" {
		return ""
	}
	names := []string{file}
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(file), config.Folder))
	if err == nil {
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".toml") {
				names = append(names, filepath.Join(filepath.Dir(file), config.Folder, e.Name()))
			}
		}
	}
	slices.Sort(names)
	h := sha256.New()
	for _, name := range names {
		data, err := readSmall(name)
		_, _ = fmt.Fprintf(h, "%q %d %v\n", name, len(data), err != nil)
		h.Write(data)
		clear(data) // it may hold a key
	}
	return string(h.Sum(nil))
}

// readSmall reads a file that may well be a configuration; one that is too large
// is none, and its size stands for it.
func readSmall(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return fmt.Appendf(nil, "%d", info.Size()), fs.ErrInvalid
	}
	return os.ReadFile(name)
}

// next reads the configuration and builds what it wants, beside what runs. An
// error changes nothing.
func (a *App) next(ctx context.Context, old *generation) (g *generation, changes []string, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("the configuration was not taken over, the one before stays in force: %w", err)
		}
	}()
	cfg, err := a.reloader.load()
	if err != nil {
		return nil, nil, err
	}
	changes = config.Diff(old.cfg, cfg)
	if cfg.Store.Dir != old.cfg.Store.Dir {
		return nil, nil, errors.New("[store] dir is another one: that takes a restart")
	}
	if len(changes) == 0 {
		return nil, nil, nil
	}
	g, err = a.newGeneration(cfg, old)
	return g, changes, err
}
