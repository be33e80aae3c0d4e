package rotation

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/rotatord/rotatord/planet"
	"github.com/rotatord/rotatord/store"
)

// viewAge is how old the account's list may be for a look to go by it. The list
// is one request for all destinations of the account; a push needs it to know
// what the destination looked like before.
const viewAge = time.Minute

// account is the engine's side of one Planet account: the list that all its
// destinations share, and whether Planet refuses the key itself.
type account struct {
	Account
	names []string // configured destinations, sorted

	mu      sync.Mutex
	view    *view
	loading *loading
	known   store.Account // what is durable; BlockedSince is zero while the key is good
	refused time.Time     // when Planet last refused the key
}

// view is one list of an account's destinations, resolved to the configured names.
type view struct {
	asked  time.Time // before the request was sent
	found  map[string]finding
	active int // destinations that count towards the quota
}

// finding is where one configured name leads.
type finding struct {
	planet.Destination
	err error // nil, a *planet.NotFoundError or *planet.AmbiguousError
	// twin is another configured name that leads to the same destination.
	twin string
}

// loading is a list under way, shared by everyone who wants one.
type loading struct {
	started time.Time
	done    chan struct{}
	view    *view
	err     error
}

// list gives a view that was asked for after notBefore, fetching one if need
// be. Concurrent callers share a single request. The pins of known records
// help to follow a renamed destination.
func (a *account) list(ctx context.Context, notBefore time.Time, pins func() map[string]store.Pin) (*view, error) {
	for {
		a.mu.Lock()
		if a.view != nil && !a.view.asked.Before(notBefore) {
			v := a.view
			a.mu.Unlock()
			return v, nil
		}
		l := a.loading
		mine := l == nil
		if mine {
			l = &loading{started: time.Now(), done: make(chan struct{})}
			a.loading = l
		}
		a.mu.Unlock()

		if mine {
			a.load(ctx, l, pins)
			return l.view, l.err
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		// Another caller's failure is ours too, unless it was only that caller
		// who went away; a list that was asked for too early is asked again.
		if l.err != nil && ctx.Err() == nil && !isCanceled(l.err) {
			return nil, l.err
		}
	}
}

func (a *account) load(ctx context.Context, l *loading, pins func() map[string]store.Pin) {
	ds, err := a.API.List(ctx, planet.ListOptions{})
	if err == nil {
		l.view = &view{asked: l.started, found: resolve(a.names, ds, pins()), active: countActive(ds)}
	}
	l.err = err
	a.mu.Lock()
	if l.view != nil {
		a.view = l.view
	}
	a.loading = nil
	a.mu.Unlock()
	close(l.done)
}

// forget makes the next look ask for a new list.
func (a *account) forget() {
	a.mu.Lock()
	a.view = nil
	a.mu.Unlock()
}

// hope lets a blocked account be tried again at once.
func (a *account) hope() {
	a.mu.Lock()
	a.known.NextLook = time.Time{}
	a.mu.Unlock()
}

// note puts what Planet's answer showed of a destination into the shared view.
func (a *account) note(name string, d planet.Destination) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.view == nil {
		return
	}
	found := make(map[string]finding, len(a.view.found))
	for k, f := range a.view.found {
		found[k] = f
	}
	f := found[name]
	f.Destination, f.err = d, nil
	found[name] = f
	a.view = &view{asked: a.view.asked, found: found, active: a.view.active}
}

// resolve finds each configured name in a list, by the pinned id first, so
// that a rename which changes the id is followed by its suffix and a name that
// was given to another destination is not.
func resolve(names []string, ds []planet.Destination, pins map[string]store.Pin) map[string]finding {
	found := make(map[string]finding, len(names))
	owner := make(map[string]string, len(names)) // id → the first name that leads there
	for _, name := range names {
		f := find(name, ds, pins)
		if f.err == nil {
			if first, taken := owner[f.ID]; taken {
				f.twin = first
				other := found[first]
				other.twin = name
				found[first] = other
			} else {
				owner[f.ID] = name
			}
		}
		found[name] = f
	}
	return found
}

func find(name string, ds []planet.Destination, pins map[string]store.Pin) finding {
	tries := []string{name}
	if pin, ok := pins[name]; ok {
		tries = []string{pin.ID, name}
	}
	var first error
	for _, try := range tries {
		ref, err := planet.ParseRef(try)
		if err != nil {
			return finding{err: fmt.Errorf("destination %q: %w", name, err)}
		}
		d, err := planet.Find(ds, ref)
		if err == nil {
			return finding{Destination: d}
		}
		if first == nil {
			first = err
		}
	}
	return finding{err: first}
}
