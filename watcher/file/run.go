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
		r.w.log.WarnContext(ctx, "watching files does not work as it should", append(attrs, "problem", what, "error", err)...)
	}
}

// arm finds out what a target depends on and watches that. It looks again
// after it has watched anything new, since between the look and the watch more
// may have come, or what was to be watched may have gone.
func (r *run) arm(ctx context.Context, t *target) {
	for range 10 {
		points := trail(t.path)
		same := slices.Equal(points, t.points)
		t.points = points
		if news := r.watch(ctx); same && !news || r.notify == nil {
			return
		}
	}
}

// watch makes the watches what the targets' points ask for, and tells whether
// any was new or too late.
func (r *run) watch(ctx context.Context) (news bool) {
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
		return false
	}
	for dir := range r.watched {
		if !wanted[dir] {
			_ = r.notify.Remove(dir) // it may be gone, and its watch with it
			delete(r.watched, dir)
		}
	}
	for dir := range wanted {
		if r.watchDir(ctx, dir) {
			news = true
		}
	}
	return news
}

// watchDir watches a directory, and watches anew one that took the place of
// one that was watched. It tells whether there is reason to look again.
func (r *run) watchDir(ctx context.Context, dir string) (news bool) {
	const what = "directory can't be watched, only polled"
	info, err := os.Stat(dir)
	if before, ok := r.watched[dir]; ok {
		if err == nil && os.SameFile(info, before) {
			return false
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
		return true
	case errors.Is(err, fs.ErrNotExist): // gone again; the path now ends earlier
		return true
	}
	r.complain(ctx, what, err, "directory", dir)
	return false
}

// hear works out whom an event concerns and how soon.
func (r *run) hear(ctx context.Context, e fsnotify.Event, now time.Time) {
	path := filepath.Clean(e.Name)
	dir, name := filepath.Split(path)
	dir = filepath.Clean(dir)
	if _, ok := r.watched[path]; ok && e.Op&(fsnotify.Remove|fsnotify.Rename) != 0 {
		r.lost(ctx, path, now)
	}
	exact := slices.Clone(r.index[point{dir, name}])
	for _, t := range exact {
		whole := e.Has(fsnotify.Create) && !emptyFile(path)
		r.changed(ctx, t, now, whole, whole || e.Has(fsnotify.Write))
	}
	if hidden(name) {
		return // ..data has a point of its own
	}
	for _, t := range slices.Clone(r.index[point{dir: dir}]) {
		if !slices.Contains(exact, t) {
			r.changed(ctx, t, now, false, e.Has(fsnotify.Write))
		}
	}
}

// lost deals with a watched directory that was removed or renamed, and its
// watch with it. Whoever needs the path finds out what is there now.
func (r *run) lost(ctx context.Context, dir string, now time.Time) {
	_ = r.notify.Remove(dir) // a rename may have left it
	delete(r.watched, dir)
	for _, t := range r.targets {
		if slices.ContainsFunc(t.points, func(p point) bool { return p.dir == dir }) {
			r.changed(ctx, t, now, false, false)
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
		same := id.equal(t.seen)
		if same && (!t.force || id.problem != "" && t.pause == 0) {
			t.done() // or as absent as before
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
