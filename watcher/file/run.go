package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/rotatord/rotatord/credential"
	"github.com/rotatord/rotatord/watcher"
)

// run is the state of one Run; one goroutine has it.
type run struct {
	w       *Watcher
	emit    watcher.Emit
	targets []*target

	notify  *fsnotify.Watcher // nil while there are no watches to be had
	watched map[string]fs.FileInfo
	index   map[point][]*target
	failing map[string]bool // what was complained of and has not been well since

	refused    int       // events refused since one was last taken
	complained time.Time // when that was last logged
}

func (r *run) events() <-chan fsnotify.Event {
	if r.notify == nil {
		return nil
	}
	return r.notify.Events
}

func (r *run) errors() <-chan error {
	if r.notify == nil {
		return nil
	}
	return r.notify.Errors
}

func (r *run) connect(ctx context.Context) {
	const what = "files can't be watched, only polled"
	n, err := r.w.notify()
	r.watched = map[string]fs.FileInfo{}
	if err != nil {
		r.complain(ctx, what, err)
		return
	}
	r.failing[what] = false
	r.notify = n
}

func (r *run) disconnect() {
	if r.notify != nil {
		_ = r.notify.Close() // nothing is lost: the poll compares
	}
	r.notify = nil
}

// complain logs a problem once until it was well again.
func (r *run) complain(ctx context.Context, what string, err error, attrs ...any) {
	key := what
	for _, a := range attrs {
		if s, ok := a.(string); ok {
			key += "\x00" + s
		}
	}
	if !r.failing[key] {
		r.failing[key] = true
		r.w.log.WarnContext(ctx, what, append(attrs, "error", err)...)
	}
}

// arm finds out what a target depends on and watches that. It looks again
// after it has, since more may have come in between.
func (r *run) arm(ctx context.Context, t *target) {
	for range 10 {
		points := trail(t.path)
		same := slices.Equal(points, t.points)
		t.points = points
		r.watch(ctx)
		if same || r.notify == nil {
			return
		}
	}
}

// watch makes the watches what the targets' points ask for.
func (r *run) watch(ctx context.Context) {
	r.index = map[point][]*target{}
	wanted := map[string]bool{}
	for _, t := range r.targets {
		for _, p := range t.points {
			wanted[p.dir] = true
			if !slices.Contains(r.index[p], t) {
				r.index[p] = append(r.index[p], t)
			}
		}
	}
	if r.notify == nil {
		return
	}
	for dir := range r.watched {
		if !wanted[dir] {
			_ = r.notify.Remove(dir) // it may be gone, and its watch with it
			delete(r.watched, dir)
		}
	}
	for dir := range wanted {
		r.watchDir(ctx, dir)
	}
}

// watchDir watches a directory, and watches anew one that took the place of
// one that was watched.
func (r *run) watchDir(ctx context.Context, dir string) {
	const what = "directory can't be watched, only polled"
	info, err := os.Stat(dir)
	if before, ok := r.watched[dir]; ok {
		if err == nil && os.SameFile(info, before) {
			return
		}
		_ = r.notify.Remove(dir)
		delete(r.watched, dir)
	}
	if err == nil {
		err = r.notify.Add(dir)
	}
	switch {
	case err == nil:
		r.watched[dir] = info
		delete(r.failing, what+"\x00directory\x00"+dir)
	case !errors.Is(err, fs.ErrNotExist): // gone again: its parent tells
		r.complain(ctx, what, err, "directory", dir)
	}
}

// hear works out whom an event concerns and how soon.
func (r *run) hear(ctx context.Context, e fsnotify.Event, now time.Time) {
	path := filepath.Clean(e.Name)
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if info, ok := r.watched[path]; ok && e.Has(fsnotify.Remove|fsnotify.Rename) {
		// The watch is gone with the directory. Whoever needs the path finds
		// out whether there is another directory there.
		_ = info
		_ = r.notify.Remove(path)
		delete(r.watched, path)
		for p, targets := range r.index {
			if p.dir == path {
				for _, t := range slices.Clone(targets) {
					r.changed(ctx, t, now, false, false)
				}
			}
		}
	}
	exact := slices.Clone(r.index[point{dir, name}])
	for _, t := range exact {
		whole := e.Has(fsnotify.Create) && !emptyFile(path)
		r.changed(ctx, t, now, whole, e.Has(fsnotify.Create|fsnotify.Write))
	}
	if hidden(name) {
		return // ..data has a point of its own as soon as it exists
	}
	for _, t := range slices.Clone(r.index[point{dir: dir}]) {
		if !slices.Contains(exact, t) {
			r.changed(ctx, t, now, false, e.Has(fsnotify.Write))
		}
	}
}

// changed marks a target: whole if what came is complete, force if it is
// certain that something changed.
func (r *run) changed(ctx context.Context, t *target, now time.Time, whole, force bool) {
	if whole || !force { // a mere write leads nowhere new
		r.arm(ctx, t)
	}
	t.force = t.force || force
	if whole {
		t.at(now)
	} else {
		t.settling(now, r.w.timing)
	}
}

// emptyFile tells whether a file has just been created for someone to write.
func emptyFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// compare is the poll: it sets up what was lost and finds what was missed.
func (r *run) compare(ctx context.Context, now time.Time) {
	if r.notify == nil {
		r.connect(ctx)
	}
	for _, t := range r.targets {
		r.arm(ctx, t)
		if t.due.IsZero() && !look(t.path).equal(t.seen) {
			t.settling(now, r.w.timing)
		}
	}
}

// nap is how long nothing is due.
func (r *run) nap(now time.Time) time.Duration {
	nap := r.w.poll
	for _, t := range r.targets {
		if !t.due.IsZero() {
			nap = min(nap, t.due.Sub(now))
		}
	}
	return max(nap, 0)
}

// speak reports what is due.
func (r *run) speak(ctx context.Context, now time.Time) {
	for _, t := range r.targets {
		if t.due.IsZero() || t.due.After(now) || ctx.Err() != nil {
			continue
		}
		// Before the event, so that whatever changes from here on differs.
		id := look(t.path)
		r.noteAbsence(ctx, t, id)
		if !t.force && id.equal(t.seen) {
			t.done()
			continue
		}
		err := r.emit(ctx, credential.Event{Secret: t.secret, Source: r.w.Name()})
		r.noteRefusal(ctx, t, err, now)
		if err != nil {
			t.refused(now)
			continue
		}
		t.seen = id
		t.done()
	}
}

func (r *run) noteAbsence(ctx context.Context, t *target, id identity) {
	absent := id.problem != ""
	switch {
	case absent && !t.absent:
		r.w.log.WarnContext(ctx, "watched secret can't be seen, waiting for it", "secret", string(t.secret), "reason", id.problem)
	case !absent && t.absent:
		r.w.log.InfoContext(ctx, "watched secret is there again", "secret", string(t.secret))
	}
	t.absent = absent
}

// noteRefusal logs the first refusal, then one a minute, then the recovery.
func (r *run) noteRefusal(ctx context.Context, t *target, err error, now time.Time) {
	switch {
	case ctx.Err() != nil:
	case err == nil && r.refused > 0:
		r.w.log.InfoContext(ctx, "file events are taken again", "refused", r.refused)
		r.refused, r.complained = 0, time.Time{}
	case err != nil:
		r.refused++
		if now.Sub(r.complained) >= sameComplaint {
			r.w.log.WarnContext(ctx, "file event not taken, will try again", "secret", string(t.secret), "refused", r.refused, "error", err)
			r.complained = now
		}
	}
}
