// Package file notices when a secret in the file system changes, by inotify
// and its likes, and with a slow poll behind it.
//
// A watch on a file is lost with the first rename onto it, so directories are
// watched: for each symbolic link on the way to a secret the directory that
// holds the link, and the one that holds the file. For a directory of keys
// as Kubernetes mounts it that finds the swap of "..data", and so it does for a
// link from elsewhere into such a directory. If a part of the path is missing,
// the last directory there is is watched until the next part comes.
//
// # When to speak
//
// What is renamed into place is complete, and reported at once. What is
// written in place, or key by key into a plain directory, may be half done,
// and is reported when nothing has changed for a while (Options.Settle), but
// after some seconds in any case, since a file may be written for ever. A file
// that is created empty counts as being written. After the watches are set up
// each secret is reported once, for whatever happened before they were.
//
// # When not to trust
//
// Watches see nothing that another machine does on a network mount, events
// overflow, and there are limits to watches (fs.inotify.max_user_watches).
// Therefore each secret's identity (device, inode, size, times; no content) is
// compared every Options.Poll, and watches that were lost are set up again.
package file

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

// What Options default to.
const (
	DefaultPoll   = time.Minute
	DefaultSettle = 250 * time.Millisecond
)

const (
	// longestSettle is when a file that is written on and on is reported.
	longestSettle = 5 * time.Second
	// firstRetry and lastRetry bound the pauses after an event that could not
	// be handed over; they double in between.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
	// sameComplaint is how long a problem is not logged again.
	sameComplaint = time.Minute
)

// Options say what a Watcher watches.
type Options struct {
	// Secrets are names like file:///run/secrets/planet. They need not exist.
	Secrets []credential.Secret
	// Poll is the time between comparisons. 0 means DefaultPoll.
	Poll time.Duration
	// Settle is how long a file written in place has to be left alone. 0 means
	// DefaultSettle.
	Settle time.Duration
	// Logger hears of missing secrets and lost watches. Nil means
	// slog.Default().
	Logger *slog.Logger
}

// Watcher watches files. It implements watcher.Watcher.
type Watcher struct {
	secrets []credential.Secret
	paths   []string // of secrets, in the same order
	poll    time.Duration
	timing  timing
	log     *slog.Logger
	notify  func() (*fsnotify.Watcher, error)
}

var _ watcher.Watcher = (*Watcher)(nil)

// New makes a Watcher; the error names every name that is wrong. A secret
// that is listed twice is watched once.
func New(o Options) (*Watcher, error) {
	w := &Watcher{poll: o.Poll, timing: timing{settle: o.Settle, longest: longestSettle}, log: o.Logger, notify: fsnotify.NewWatcher}
	var problems []error
	if o.Poll < 0 || o.Settle < 0 {
		problems = append(problems, errors.New("make file watcher: Options.Poll or Options.Settle is negative"))
	}
	seen := map[credential.Secret]bool{}
	for _, s := range o.Secrets {
		path, err := credential.FilePath(s)
		if err != nil {
			problems = append(problems, fmt.Errorf("make file watcher: secret %q: %w", s, err))
		}
		if !seen[s] {
			seen[s] = true
			w.secrets, w.paths = append(w.secrets, s), append(w.paths, path)
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	if w.poll == 0 {
		w.poll = DefaultPoll
	}
	if w.timing.settle == 0 {
		w.timing.settle = DefaultSettle
	}
	w.timing.longest = max(w.timing.longest, w.timing.settle)
	if w.log == nil {
		w.log = slog.Default()
	}
	return w, nil
}

// Name implements watcher.Watcher.
func (w *Watcher) Name() string { return "file" }

// Run implements watcher.Watcher.
func (w *Watcher) Run(ctx context.Context, emit watcher.Emit) error {
	r := &run{w: w, emit: emit, failing: map[string]bool{}}
	for i, s := range w.secrets {
		r.targets = append(r.targets, &target{secret: s, path: w.paths[i]})
	}
	defer r.disconnect()
	r.connect(ctx)
	now := time.Now()
	for _, t := range r.targets {
		r.arm(ctx, t)
		t.force = true
		t.at(now)
	}
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		r.speak(ctx, time.Now())
		timer.Reset(r.nap(time.Now()))
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-poll.C:
			r.compare(ctx, time.Now())
		case e, ok := <-r.events():
			if !ok {
				r.disconnect() // the next poll connects again
				continue
			}
			r.hear(ctx, e, time.Now())
		case err, ok := <-r.errors():
			if ok {
				r.complain(ctx, "watching files has lost events", err)
			}
			r.compare(ctx, time.Now())
		}
	}
}
